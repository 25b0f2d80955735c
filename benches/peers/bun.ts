// Bun as an echo server: `bun bun.ts PORT`.
const server = Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2] ?? 0),
  fetch: (request, server) =>
    server.upgrade(request) ? undefined : new Response("a WebSocket, please", { status: 400 }),
  websocket: {
    maxPayloadLength: 64 << 20,
    backpressureLimit: 64 << 20,
    perMessageDeflate: false,
    message: (ws, message) => void ws.send(message),
  },
});
console.log(`listening on ws://127.0.0.1:${server.port}`);
