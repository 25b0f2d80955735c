// The page of `sockeye serve` as visitors use it. `--screenshot PATH` keeps a picture of it.

import { equal, run, startBrowser, startServer, WAIT } from '../harness.mjs';

const at = (name) => `[data-testid=${name}]`;

const flag = process.argv.indexOf('--screenshot');
const screenshot = flag === -1 ? null : process.argv[flag + 1];

/** What pages said that they should not have. */
const complaints = [];

async function visit(browser, server, viewport) {
  const context = await browser.newContext({ viewport });
  const page = await context.newPage();
  page.setDefaultTimeout(WAIT);
  page.on('console', (m) => {
    if (m.type() === 'error') complaints.push(`console: ${m.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`);
  });
  await page.exposeFunction('complain', (line) => complaints.push(line));
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (e) => {
      globalThis.complain(`CSP: ${e.violatedDirective} ${e.blockedURI}`);
    });
  });
  await page.goto(server.http);
  await state(page, 'mirror', 'open');
  return page;
}

/** Waits until `test(argument)` holds in the page; `what` names it if it never does. */
async function until(page, test, argument, what) {
  try {
    await page.waitForFunction(test, argument, { polling: 20 });
  } catch (error) {
    throw new Error(`never saw ${what}: ${error.message.split('\n')[0]}`);
  }
}

const state = (page, name, wanted) =>
  until(page, ([card, states]) => states.includes(document.querySelector(card)?.dataset.state),
    [at(`card-${name}`), [wanted].flat()], `${name} ${wanted}`);

const strokes = async (page) => Number(await page.getAttribute(at('board'), 'data-strokes'));

const strokesBecome = (page, wanted) =>
  until(page, ([board, n]) => document.querySelector(board).dataset.strokes === String(n),
    [at('board'), wanted], `${wanted} strokes`);

const counter = async (page) =>
  Number((await page.textContent(at('counter'))).replace(/\D/g, '') || NaN);

const counterExceeds = (page, floor) =>
  until(page, ([cell, n]) => Number(document.querySelector(cell).textContent.replace(/\D/g, '')) > n,
    [at('counter'), floor], `a counter above ${floor}`);

/** Draws a line over the given part of the board, from 0 to 1 in both directions. */
async function draw(page, from, to) {
  await page.locator(at('board')).scrollIntoViewIfNeeded();
  const box = await page.locator(at('board')).boundingBox();
  const spot = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...spot(from));
  await page.mouse.down();
  await page.mouse.move(...spot(to), { steps: 8 });
  await page.mouse.up();
}

/** Cuts the mirror connection of a page and waits until it has come back. */
async function cutAndReturn(page) {
  await page.evaluate((card) => {
    const node = document.querySelector(card);
    globalThis.statesSeen = [];
    new MutationObserver(() => globalThis.statesSeen.push(node.dataset.state))
      .observe(node, { attributeFilter: ['data-state'] });
  }, at('card-mirror'));
  await page.click(at('cut-mirror'));
  await until(page, () => globalThis.statesSeen.includes('open'), null, 'mirror open again');
  const seen = await page.evaluate(() => globalThis.statesSeen);
  if (!seen.includes('waiting') && !seen.includes('connecting')) {
    throw new Error(`the card went ${seen.join(', ')}`);
  }
}

async function noOverflow(page) {
  const [wide, room] = await page.evaluate(() =>
    [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
  if (wide > room) throw new Error(`the page is ${wide} px wide in ${room} px`);
}

await run(async () => {
  const browser = await startBrowser();
  const server = await startServer('serve');
  const desk = { width: 1280, height: 800 };
  const one = await visit(browser, server, desk);
  let two;
  return {
    'all three connections open': async () => {
      for (const name of ['counter', 'mirror', 'status']) await state(one, name, 'open');
    },

    'the counter rises, and drops on reset': async () => {
      await counterExceeds(one, 20);
      const before = await counter(one);
      await one.click(at('reset'));
      await until(one,
        ([cell, n]) => Number(document.querySelector(cell).textContent.replace(/\D/g, '')) < n,
        [at('counter'), before], `a counter below ${before}`);
      await counterExceeds(one, 5);
    },

    'what one visitor draws the other sees': async () => {
      two = await visit(browser, server, desk);
      await draw(one, [0.2, 0.3], [0.5, 0.6]);
      await strokesBecome(one, 1);
      await strokesBecome(two, 1);
      await draw(two, [0.5, 0.3], [0.2, 0.6]);
      await draw(one, [0.6, 0.4], [0.8, 0.4]);
      await strokesBecome(one, 3);
      await strokesBecome(two, 3);
    },

    'undo takes a stroke from both': async () => {
      await one.click(at('undo'));
      await strokesBecome(one, 2);
      await strokesBecome(two, 2);
    },

    'a cut connection comes back with the strokes kept': async () => {
      await cutAndReturn(one);
      equal(await strokes(one), 2, 'strokes after the cut');
      await draw(two, [0.3, 0.8], [0.7, 0.8]);
      await strokesBecome(one, 3);
      await strokesBecome(two, 3);
      await draw(one, [0.3, 0.2], [0.7, 0.2]);
      await strokesBecome(two, 4);
    },

    'a newcomer gets the history': async () => {
      const three = await visit(browser, server, desk);
      await strokesBecome(three, 4);
      if (screenshot) {
        await counterExceeds(three, 20);
        await three.screenshot({ path: screenshot });
      }
      await three.close();
    },

    'it fits a narrow screen and works there': async () => {
      const narrow = await visit(browser, server, { width: 360, height: 740 });
      await strokesBecome(narrow, 4);
      await noOverflow(narrow);
      await draw(narrow, [0.4, 0.4], [0.6, 0.5]);
      await strokesBecome(narrow, 5);
      await strokesBecome(one, 5);
      await noOverflow(narrow);
      await narrow.close();
    },

    'an unknown path is not found': async () => {
      const { status } = await fetch(`${server.http}no/such/page`);
      equal(status, 404, 'status');
    },

    'no page complained': async () => {
      equal(complaints.join('\n'), '', 'complaints');
    },
  };
});
