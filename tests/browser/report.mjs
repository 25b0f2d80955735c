// The page that `sockeye bench --report` writes, in Chromium: its plots and its table show the
// figures that `--json` told of the same run.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { equal, run, startBrowser, startServer } from '../harness.mjs';

const screenshot = process.argv[2] === '--screenshot' ? process.argv[3] : undefined;

async function bench(url, report, ...options) {
  const args = ['bench', url, '--json', '--timeout', '30s', '--report', report, ...options];
  const { stdout } = await promisify(execFile)(process.env.SOCKEYE, args);
  return JSON.parse(stdout);
}

function near(got, expected, what, tolerance = 0.05) {
  if (Math.abs(got - expected) > tolerance) {
    throw new Error(`${what}: expected ${expected}, got ${got}`);
  }
}

// The functions below run in the page. They measure what is drawn, in units of the picture.

function drawnBars(id) {
  const svg = document.getElementById(id);
  const frame = svg.querySelector('.frame').getBBox();
  const bars = [...svg.querySelectorAll('.bar')].map((bar) => {
    const { x, y, width, height } = bar.getBBox();
    const { visibility, fill } = getComputedStyle(bar);
    const title = bar.querySelector('title').textContent;
    return { x, y, width, height, visibility, fill, title, data: { ...bar.dataset } };
  });
  const { x, y, width, height } = frame;
  return { frame: { x, y, width, height }, bars, scale: { ...svg.dataset } };
}

function drawnCurve() {
  const svg = document.getElementById('percentiles');
  const { x, y, width, height } = svg.querySelector('.frame').getBBox();
  const points = [...svg.querySelectorAll('.point')].map((point) => ({
    x: point.cx.baseVal.value, y: point.cy.baseVal.value, data: { ...point.dataset },
  }));
  const line = [...svg.querySelector('.curve').points].map(({ x, y }) => ({ x, y }));
  return { frame: { x, y, width, height }, points, line, scale: { ...svg.dataset } };
}

function figures() {
  const rows = [...document.querySelectorAll('#figures tr')];
  return Object.fromEntries(rows.map((row) => [row.cells[0].textContent, row.cells[1].textContent]));
}

await run(async () => {
  const browser = await startBrowser();
  const server = await startServer('echo');
  const directory = mkdtempSync(join(tmpdir(), 'sockeye-report-'));
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
  const report = join(directory, 'report.html');
  const options = ['--connections', '5', '--depth', '4', '--duration', '700ms'];
  const told = await bench(server.ws, report, ...options, '--server-pid', String(server.child.pid));

  const context = await browser.newContext({ colorScheme: 'light' });
  const page = await context.newPage();
  const complaints = [];
  const requests = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(report).href);
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });

  return {
    'it opens without a complaint and asks for nothing elsewhere': async () => {
      equal(complaints.join('\n'), '', 'complaints');
      equal(requests.length, 1, 'requests');
      equal(await page.title(), `sockeye bench ${told.url}`, 'title');
      equal(await page.evaluate(() => document.scripts[0].type), 'application/json', 'script');
    },

    'it carries the result as it was told': async () => {
      const inside = await page.evaluate(() => document.getElementById('result').textContent);
      equal(JSON.stringify(JSON.parse(inside)), JSON.stringify(told), 'result');
    },

    'the bars of the histogram are as high as the counts': async () => {
      const { frame, bars, scale } = await page.evaluate(drawnBars, 'histogram');
      equal(bars.length, told.histogram.length, 'bars');
      bars.forEach((bar, i) => {
        const { from_ns, to_ns, count } = told.histogram[i];
        equal(bar.data.fromNs, String(from_ns), 'from');
        equal(bar.data.toNs, String(to_ns), 'to');
        equal(bar.data.count, String(count), 'count');
        near(bar.height, (count / scale.end) * frame.height, `height of bar ${i}`);
        near(bar.y + bar.height, frame.y + frame.height, `foot of bar ${i}`);
        equal(bar.title.endsWith(`: ${count.toLocaleString('en')}`), true, bar.title);
      });
      const sum = bars.reduce((sum, bar) => sum + Number(bar.data.count), 0);
      equal(sum, told.latency.samples, 'samples');
    },

    'the curve goes through the percentiles': async () => {
      const { frame, points, line, scale } = await page.evaluate(drawnCurve);
      equal(points.length, told.percentiles.length, 'points');
      equal(line.length, points.length, 'corners of the line');
      const decades = Math.log10(scale.highNs / scale.lowNs);
      points.forEach((point, i) => {
        const { percentile, ns } = told.percentiles[i];
        equal(point.data.percentile, String(percentile), 'percentile');
        equal(point.data.ns, String(ns), 'latency');
        const share = Math.log10(ns / scale.lowNs) / decades;
        near(point.y, frame.y + frame.height * (1 - share), `height of point ${i}`);
        near(line[i].x, point.x, 'line');
        near(line[i].y, point.y, 'line');
        if (i > 0) equal(point.x > points[i - 1].x, true, 'to the right');
      });
      const at = (percentile) => told.percentiles.find((p) => p.percentile === percentile).ns;
      equal(at(50), told.latency.p50_ns, 'p50');
      equal(at(99), told.latency.p99_ns, 'p99');
      near(points[0].x, frame.x, 'the curve begins at the left');
      near(points.at(-1).x, frame.x + frame.width, 'and ends at the right');
    },

    'throughput over time adds up to all echoes': async () => {
      const { frame, bars, scale } = await page.evaluate(drawnBars, 'throughput');
      equal(bars.length, told.throughput.length, 'bars');
      bars.forEach((bar, i) => {
        const { from_seconds, to_seconds, echoes } = told.throughput[i];
        equal(bar.data.echoes, String(echoes), 'echoes');
        const seconds = to_seconds - from_seconds;
        near(bar.height, (echoes / seconds / scale.end) * frame.height, `height of bar ${i}`);
        near(bar.x, frame.x + (from_seconds / scale.seconds) * frame.width, `place of bar ${i}`);
        near(bar.width, (seconds / scale.seconds) * frame.width, `width of bar ${i}`);
      });
      const sum = bars.reduce((sum, bar) => sum + Number(bar.data.echoes), 0);
      equal(sum, told.window.echoes, 'echoes');
      equal(Number(scale.seconds), told.window.seconds, 'seconds');
    },

    'the table has the same figures': async () => {
      const shown = await page.evaluate(figures);
      const grouped = (number) => Math.round(number).toLocaleString('en');
      equal(shown['messages per second'], grouped(told.window.echoes_per_second), 'speed');
      equal(shown['sent in all'], grouped(told.messages.sent), 'sent');
      equal(shown['echoed in all'], grouped(told.messages.echoed), 'echoed');
      const measured = `${grouped(told.window.echoes)} echoes in 0.700 s`;
      equal(shown.measured, measured, 'measured');
      const units = { ns: 1, 'µs': 1e3, ms: 1e6, s: 1e9 };
      for (const [name, key] of [
        ['shortest latency', 'min_ns'], ['p50', 'p50_ns'], ['p90', 'p90_ns'], ['p99', 'p99_ns'],
        ['p99.9', 'p99_9_ns'], ['longest latency', 'max_ns'],
      ]) {
        const [number, unit] = shown[name].split(' ');
        const ns = Number(number) * units[unit];
        near(ns / told.latency[key], 1, name, 0.006);
      }
    },

    'it is legible by day and by night': async () => {
      const colours = () => page.evaluate(() => {
        const { color, backgroundColor } = getComputedStyle(document.body);
        const bar = getComputedStyle(document.querySelector('.bar')).fill;
        return [color, backgroundColor, bar].map((colour) => {
          const [r, g, b] = colour.match(/\d+/g).map(Number);
          return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
        });
      });
      const [ink, ground, bar] = await colours();
      equal(ground - ink > 0.6 && ground - bar > 0.3, true, `by day ${[ink, ground, bar]}`);
      await page.emulateMedia({ colorScheme: 'dark' });
      const [darkInk, darkGround, darkBar] = await colours();
      const legible = darkInk - darkGround > 0.6 && darkBar - darkGround > 0.3;
      equal(legible, true, `by night ${[darkInk, darkGround, darkBar]}`);
      await page.emulateMedia({ colorScheme: 'light' });
    },

    'it fits a narrow window': async () => {
      await page.setViewportSize({ width: 360, height: 700 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      equal(wide <= 360, true, `${wide} pixels`);
    },

    'what the URL says cannot become markup': async () => {
      const odd = join(directory, 'odd.html');
      const url = `${server.ws}?a=1&amp;b='c'`;
      await bench(url, odd, '--count', '10');
      await page.goto(pathToFileURL(odd).href);
      equal(await page.textContent('h1'), url, 'heading');
    },
  };
});
