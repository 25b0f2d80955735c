// Chromium, at the page of `serve --tls-self-signed` and its WebSockets.

import { equal, run, startBrowser, startServer, within } from '../harness.mjs';

// Runs in the page.
async function count({ url, protocol, messages }) {
  const ws = new WebSocket(url, protocol);
  const numbers = [];
  await new Promise((resolve, reject) => {
    ws.onmessage = ({ data }) => {
      numbers.push(Number(data));
      if (numbers.length === messages) resolve();
    };
    ws.onclose = (e) => reject(new Error(`closed with ${e.code} ${e.reason}`));
  });
  const closed = new Promise((resolve) => { ws.onclose = resolve; });
  ws.close(1000);
  const { code, wasClean } = await closed;
  return { numbers, code, wasClean, secure: window.isSecureContext };
}

await run(async () => {
  const server = await startServer('serve', '--tls-self-signed');
  const browser = await startBrowser();
  const url = `https://127.0.0.1:${server.port}/`;
  return {
    'a certificate that nobody knows is warned about': async () => {
      const page = await (await browser.newContext()).newPage();
      const error = await page.goto(url).then(() => 'none', (failed) => failed.message);
      equal(error.includes('ERR_CERT_AUTHORITY_INVALID'), true, `the warning (${error})`);
    },

    'who accepts it gets the page, and WebSockets from it': async () => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      const response = await page.goto(url);
      equal(response.status(), 200, 'status');
      equal((await response.securityDetails()).protocol, 'TLS 1.3', 'version');
      const socket = url.replace('https', 'wss');
      const what = { url: socket, protocol: 'dumb-increment-protocol', messages: 5 };
      const counted = await within(page.evaluate(count, what), 'count');
      const { numbers, code, wasClean, secure } = counted;
      equal(JSON.stringify([code, wasClean, secure]), '[1000,true,true]', 'how it went');
      equal(numbers.every((n, i) => i === 0 || n === numbers[i - 1] + 1), true, 'the count');
    },

    'the plain address leads there': async () => {
      const context = await browser.newContext({ ignoreHTTPSErrors: true });
      const page = await context.newPage();
      await page.goto(url.replace('https', 'http'));
      equal(page.url(), url, 'where it led');
    },
  };
});
