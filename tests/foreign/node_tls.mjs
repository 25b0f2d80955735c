// Node's `https` and `ws` as the clients of `sockeye` under TLS, in both versions of it.

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { equal, run, startServer, tool, within } from '../harness.mjs';

const WebSocket = tool('ws');

const directory = mkdtempSync(join(tmpdir(), 'sockeye-tls-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(directory, name));
execFileSync('openssl', [
  'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
  '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
  '-keyout', key, '-out', cert,
], { stdio: 'ignore' });
const ca = readFileSync(cert);
const files = ['--tls-cert', cert, '--tls-key', key];

async function everySize(url, options) {
  const ws = new WebSocket(url, [], { ca, ...options });
  await within(once(ws, 'open'), 'upgrade');
  for (const size of [0, 1, 126, 16_384, 16_385, 65_536, 4 << 20]) {
    const message = Buffer.alloc(size, 'sockeye');
    const answer = once(ws, 'message');
    ws.send(message);
    const [data] = await within(answer, 'echo');
    if (Buffer.compare(data, message) !== 0) throw new Error(`${size} bytes differ`);
  }
  const closed = once(ws, 'close');
  ws.close(1000);
  equal((await within(closed, 'end'))[0], 1000, 'close code');
}

await run(async () => {
  const echo = await startServer('echo', ...files);
  const pages = await startServer('serve', ...files);
  const url = `wss://localhost:${echo.port}/`;
  return {
    'messages of every size come back in TLS 1.3': () =>
      everySize(url, { minVersion: 'TLSv1.3' }),

    'messages of every size come back in TLS 1.2': () =>
      everySize(url, { maxVersion: 'TLSv1.2' }),

    'a certificate that is not trusted is not': async () => {
      const ws = new WebSocket(url);
      const [error] = await within(once(ws, 'error'), 'error');
      equal(error.code, 'DEPTH_ZERO_SELF_SIGNED_CERT', 'what Node says');
    },

    'the page comes, and more over the same connection': async () => {
      const agent = new https.Agent({ ca, keepAlive: true, maxSockets: 1 });
      for (const reused of [false, true]) {
        const request = https.get(`https://localhost:${pages.port}/`, { agent });
        const [response] = await within(once(request, 'response'), 'response');
        let page = '';
        for await (const part of response) page += part;
        equal(page.includes('</html>'), true, 'the page is whole');
        equal(request.reusedSocket, reused, 'the connection is reused');
      }
      agent.destroy();
    },
  };
});
