// Node's `ws` as the client of `sockeye echo`.

import { once } from 'node:events';

import { equal, run, startServer, tool, within } from '../harness.mjs';

const WebSocket = tool('ws');

const MIB = 1024 * 1024;
const SIZES = [0, 1, 125, 126, 65535, 65536, 16 * MIB];
// Characters of one to four bytes; 11 bytes in all, so sizes cut it anywhere.
const PATTERN = 'a\u00e9\u20ac\u{1f41f}z';

function textOf(size) {
  const length = Buffer.byteLength(PATTERN);
  return PATTERN.repeat(Math.floor(size / length)) + 'x'.repeat(size % length);
}

function bytesOf(size) {
  return Buffer.alloc(size, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
}

async function open(server, { subprotocols = [], ...options } = {}) {
  const ws = new WebSocket(server.ws, subprotocols, options);
  await within(once(ws, 'open'), 'upgrade');
  return ws;
}

async function close(ws, ...codeAndReason) {
  const closed = once(ws, 'close');
  ws.close(...codeAndReason);
  const [code, reason] = await within(closed, 'end of the closing handshake');
  return { code, reason: reason.toString() };
}

async function roundTrip(ws, message) {
  const answer = once(ws, 'message');
  ws.send(message);
  const [data, binary] = await within(answer, 'echo');
  equal(binary, typeof message !== 'string', 'kind of the echo');
  equal(data.length, Buffer.byteLength(message), 'length of the echo');
  if (Buffer.compare(data, Buffer.from(message)) !== 0) throw new Error('the echo differs');
}

async function everySize(ws) {
  for (const size of SIZES) {
    await roundTrip(ws, textOf(size));
    await roundTrip(ws, bytesOf(size));
  }
  equal((await close(ws, 1000)).code, 1000, 'close code');
}

await run(async () => {
  const server = await startServer('echo');
  return {
    'messages of every size come back': async () =>
      everySize(await open(server, { perMessageDeflate: false })),

    'a client that offers compression is served as well': async () => everySize(await open(server)),

    'a client that insists on compressing small messages is served as well': async () =>
      everySize(await open(server, { perMessageDeflate: { threshold: 0 } })),

    'fragmented messages come back whole': async () => {
      const ws = await open(server);
      const answer = once(ws, 'message');
      for (const [part, fin] of [['one ', false], ['', false], ['zw\u00f6lf \u{1f41f}', true]]) {
        ws.send(part, { fin });
      }
      const [data, binary] = await within(answer, 'echo');
      equal(data.toString(), 'one zw\u00f6lf \u{1f41f}', 'echo');
      equal(binary, false, 'binary');
      await close(ws);
    },

    'pings are answered with their payload': async () => {
      const ws = await open(server);
      for (const payload of [bytesOf(0), Buffer.from('payload'), bytesOf(125)]) {
        const pong = once(ws, 'pong');
        ws.ping(payload);
        const [data] = await within(pong, 'pong');
        equal(data.toString('hex'), payload.toString('hex'), 'payload of the pong');
      }
      await close(ws);
    },

    'the first subprotocol offered is selected': async () => {
      const chosen = await open(server, { subprotocols: ['a', 'b'] });
      equal(chosen.protocol, 'a', 'subprotocol of two offered');
      await close(chosen);
      const plain = await open(server);
      equal(plain.protocol, '', 'subprotocol when none is offered');
      await close(plain);
    },

    'code and reason of a close come back': async () => {
      const { code, reason } = await close(await open(server), 4000, 'done \u00e9');
      equal(code, 4000, 'close code');
      equal(reason, 'done \u00e9', 'close reason');
    },

    'a close without a code comes back without one': async () => {
      equal((await close(await open(server))).code, 1005, 'close code');
    },
  };
});
