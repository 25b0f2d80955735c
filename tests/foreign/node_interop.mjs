// Node's `ws` and the example `interop`, each as client and as server of the other.

import { once } from 'node:events';

import { equal, run, startInterop, tool, within } from '../harness.mjs';

const WebSocket = tool('ws');

const MIB = 1024 * 1024;
const GOODBYE = { code: 4000, reason: 'done \u00e9' };

async function roundTrip(ws, message) {
  const answer = once(ws, 'message');
  ws.send(message);
  const [data, binary] = await within(answer, 'echo');
  equal(binary, typeof message !== 'string', 'kind of the echo');
  if (Buffer.compare(data, Buffer.from(message)) !== 0) throw new Error('the echo differs');
}

await run(async () => ({
  'as the client': async () => {
    const server = await startInterop('127.0.0.1:0');
    const ws = new WebSocket(await server.listening);
    await within(once(ws, 'open'), 'upgrade');
    equal(ws.extensions.includes('permessage-deflate'), true, 'compression');
    for (const size of [0, 1000, 16 * MIB]) {
      await roundTrip(ws, 'z\u00f6lf'.repeat(size / 5));
      await roundTrip(ws, Buffer.alloc(size, 7));
    }
    const answer = once(ws, 'message');
    ws.send('one ', { fin: false });
    ws.send('\u{1f41f}', { fin: true });
    equal((await within(answer, 'echo'))[0].toString(), 'one \u{1f41f}', 'echo of two frames');
    const pong = once(ws, 'pong');
    ws.ping('payload');
    equal((await within(pong, 'pong'))[0].toString(), 'payload', 'payload of the pong');
    const closed = once(ws, 'close');
    ws.close(GOODBYE.code, GOODBYE.reason);
    const [code, reason] = await within(closed, 'end of the closing handshake');
    equal(`${code} ${reason}`, `${GOODBYE.code} ${GOODBYE.reason}`, 'close code and reason');
    const line = await within(server.line(), 'line about the end');
    const said = 'closed by peer: closing handshake, code 4000 of the application, ';
    equal(line, `${said}reason "done \u00e9"; 12 of 12 pings answered, 1 seen`, 'what the server saw');
  },

  'as the server': async () => {
    const seen = { messages: 0, pings: 0, pongs: 0 };
    const options = { host: '127.0.0.1', port: 0, perMessageDeflate: true, maxPayload: 64 * MIB };
    const server = new WebSocket.WebSocketServer(options);
    await within(once(server, 'listening'), 'socket');
    const connected = once(server, 'connection');
    const client = await startInterop(`ws://127.0.0.1:${server.address().port}/`);
    const [ws] = await within(connected, 'connection');
    equal(ws.extensions.includes('permessage-deflate'), true, 'compression');
    ws.on('ping', () => { seen.pings += 1; });
    ws.on('pong', () => { seen.pongs += 1; });
    ws.on('message', (data, binary) => {
      seen.messages += 1;
      const half = data.length >> 1;
      ws.send(data.subarray(0, half), { binary, fin: false });
      ws.ping('between');
      ws.send(data.subarray(half), { binary, fin: true });
    });
    const [code, reason] = await within(once(ws, 'close'), 'close');
    equal(`${code} ${reason}`, `${GOODBYE.code} ${GOODBYE.reason}`, 'close code and reason');
    equal(await within(client.ended, 'end of the client'), 0, 'exit status');
    equal(JSON.stringify(seen), '{"messages":8,"pings":9,"pongs":8}', 'what the server saw');
    server.close();
  },
}));
