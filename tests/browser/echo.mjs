// Chromium's own WebSocket as the client of `sockeye echo`, from a page of another origin.

import { equal, run, startBrowser, startInterop, startServer, within } from '../harness.mjs';

const MIB = 1024 * 1024;
const SIZES = [0, 1, 125, 126, 65535, 65536, 16 * MIB];

/** The page of `serve` itself, free to connect elsewhere. */
async function servedPage(browser, server) {
  const context = await browser.newContext({ bypassCSP: true });
  const page = await context.newPage();
  await page.goto(server.http);
  return page;
}

// The functions below run in the page.

async function echoMatrix({ url, sizes, closing = {} }) {
  const pattern = 'a\u00e9\u20ac\u{1f41f}z';
  const length = new TextEncoder().encode(pattern).length;
  const textOf = (n) => pattern.repeat(Math.floor(n / length)) + 'x'.repeat(n % length);
  const bytesOf = (n) => new Uint8Array(n).map((_, i) => i);
  const same = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);
  const ws = new WebSocket(url);
  ws.binaryType = 'arraybuffer';
  const next = (kind) => new Promise((resolve, reject) => {
    ws[`on${kind}`] = resolve;
    ws.onclose = (e) => reject(new Error(`closed with ${e.code} ${e.reason}`));
  });
  await next('open');
  for (const size of sizes) {
    const text = textOf(size);
    ws.send(text);
    if ((await next('message')).data !== text) throw new Error(`text of ${size} bytes differs`);
    const bytes = bytesOf(size);
    ws.send(bytes);
    const { data } = await next('message');
    if (!(data instanceof ArrayBuffer) || !same(new Uint8Array(data), bytes)) {
      throw new Error(`binary of ${size} bytes differs`);
    }
  }
  ws.close(closing.code, closing.reason);
  return sizes.length;
}

async function openAndClose({ url, subprotocols = [], code, reason }) {
  const ws = new WebSocket(url, subprotocols);
  await new Promise((resolve, reject) => {
    ws.onopen = resolve;
    ws.onclose = (e) => reject(new Error(`closed with ${e.code} ${e.reason}`));
  });
  const closed = new Promise((resolve) => { ws.onclose = resolve; });
  ws.close(code, reason);
  const e = await closed;
  const { protocol, extensions } = ws;
  return { protocol, extensions, code: e.code, reason: e.reason, clean: e.wasClean };
}

async function canOpen({ url, protocol }) {
  const ws = new WebSocket(url, protocol ?? []);
  const opened = await new Promise((resolve) => {
    ws.onopen = () => resolve(true);
    ws.onclose = () => resolve(false);
  });
  ws.close();
  return opened;
}

await run(async () => {
  const browser = await startBrowser();
  const serve = await startServer('serve');
  const echo = await startServer('echo');
  const openEcho = await startServer('echo', '--origin', 'any');
  const page = await servedPage(browser, serve);
  return {
    'messages of every size come back': async () => {
      const done = await page.evaluate(echoMatrix, { url: openEcho.ws, sizes: SIZES });
      equal(done, SIZES.length, 'sizes');
    },

    'code and reason of a close come back': async () => {
      const closing = { url: openEcho.ws, subprotocols: [], code: 4000, reason: 'done \u00e9' };
      const { protocol, code, reason, clean } = await page.evaluate(openAndClose, closing);
      equal(protocol, '', 'subprotocol');
      equal(code, 4000, 'close code');
      equal(reason, 'done \u00e9', 'close reason');
      equal(clean, true, 'clean');
    },

    'compression is negotiated, unless the server turns it off': async () => {
      const closing = { url: openEcho.ws, code: 1000, reason: '' };
      const compressed = await page.evaluate(openAndClose, closing);
      equal(compressed.extensions.startsWith('permessage-deflate'), true, 'agreed');
      const plain = await startServer('echo', '--origin', 'any', '--no-deflate');
      closing.url = plain.ws;
      equal((await page.evaluate(openAndClose, closing)).extensions, '', 'extensions');
    },

    'messages in parts, pings and the close are seen alike at both ends': async () => {
      const server = await startInterop('127.0.0.1:0');
      const sizes = [0, 1000, 16 * MIB];
      const closing = { code: 4000, reason: 'done \u00e9' };
      await page.evaluate(echoMatrix, { url: await server.listening, sizes, closing });
      const said = 'closed by peer: closing handshake, code 4000 of the application, ';
      const line = await within(server.line(), 'line about the end');
      equal(line, `${said}reason "done \u00e9"; 9 of 9 pings answered, 0 seen`, 'at the server');
    },

    'the first subprotocol offered is selected': async () => {
      const closing = { url: openEcho.ws, subprotocols: ['a', 'b'], code: 1000, reason: '' };
      const { protocol, code } = await page.evaluate(openAndClose, closing);
      equal(protocol, 'a', 'subprotocol');
      equal(code, 1000, 'close code');
    },

    'a page of the same origin is let in': async () => {
      equal(await page.evaluate(canOpen, { url: serve.ws, protocol: 'lws-status' }), true, 'opened');
    },

    'a page of another origin is refused unless any is allowed': async () => {
      equal(await page.evaluate(canOpen, { url: echo.ws }), false, 'opened by default');
      equal(await page.evaluate(canOpen, { url: openEcho.ws }), true, 'opened with --origin any');
    },
  };
});
