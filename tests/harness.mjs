// What the Node tests share: the program under test, named cases, a limit on the whole run.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';

// Only so that nothing hangs for ever; no test asks how long something took.
export const WAIT = 30_000;
const OVERALL = 300_000;

const children = [];
const closers = [];

function environment(name) {
  const value = process.env[name];
  if (!value) {
    console.log(`${name} must be set: run these tests by \`cargo xtask test\``);
    process.exit(1);
  }
  return value;
}

/** A package from the directory of pinned tools. */
export function tool(name) {
  return createRequire(join(environment('SOCKEYE_NODE_TOOLS'), 'package.json'))(name);
}

/** `sockeye COMMAND --port 0 …`, once it listens. */
export async function startServer(...args) {
  const child = spawn(environment('SOCKEYE'), [...args, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout });
  const failed = once(child, 'error').then(([error]) => Promise.reject(error));
  const ended = once(child, 'exit').then(([code]) => [`(it exited with ${code})`]);
  const [line] = await Promise.race([once(lines, 'line'), ended, failed]);
  const found = /^listening on (?:ws|http)s?:\/\/127\.0\.0\.1:(\d+)\/?$/.exec(line);
  if (!found) throw new Error(`expected \`listening on …\`, got ${line}`);
  const port = Number(found[1]);
  return { port, ws: `ws://127.0.0.1:${port}/`, http: `http://127.0.0.1:${port}/`, child };
}

/** The example `interop`, as a server at an address or as the client of a URL. */
export async function startInterop(place) {
  const child = spawn(environment('SOCKEYE_INTEROP'), [place], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  const ended = once(child, 'exit').then(([code]) => code);
  const listening = place.startsWith('ws:')
    ? undefined
    : line().then((first) => first.replace('listening on ', ''));
  return { line, listening, ended };
}

/** Headless Chromium, closed when the run ends. */
export async function startBrowser() {
  const browser = await tool('playwright-core').chromium.launch({
    executablePath: environment('SOCKEYE_CHROMIUM'),
    headless: true,
    ignoreDefaultArgs: ['--headless', '--headless=old'],
    args: [
      '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync',
    ],
  });
  closers.push(() => browser.close());
  return browser;
}

export function equal(got, expected, what) {
  if (got !== expected) {
    throw new Error(`${what}: expected ${brief(expected)}, got ${brief(got)}`);
  }
}

function brief(value) {
  const text = String(JSON.stringify(value));
  return text.length <= 200 ? text : `${text.slice(0, 100)}… (${text.length} long)`;
}

/** Waits for an event that may fail; `what` names it if it does not come. */
export async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what}`)), WAIT);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs the cases, `{ 'what holds': async () => {…} }`, and ends the process with 0 if all do. */
export async function run(prepare) {
  const watchdog = setTimeout(() => end(`not done after ${OVERALL / 1000} s`, 1), OVERALL);
  let failed = 0;
  let cases = {};
  try {
    cases = await prepare();
  } catch (error) {
    await end(`cannot begin: ${error.stack}`, 1);
  }
  for (const [name, body] of Object.entries(cases)) {
    try {
      await body();
      console.log(`ok      ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED  ${name}\n${error.stack}`);
    }
  }
  clearTimeout(watchdog);
  const count = Object.keys(cases).length;
  await end(`${count - failed} of ${count} cases hold`, failed ? 1 : 0);
}

async function end(line, status) {
  for (const child of children) child.kill('SIGKILL');
  const patience = new Promise((resolve) => setTimeout(resolve, 5000));
  await Promise.race([Promise.allSettled(closers.map((close) => close())), patience]);
  console.log(`${basename(process.argv[1])}: ${line}`);
  process.exit(status);
}
