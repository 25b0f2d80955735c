"""A WebSocket under TLS, for tests that do one thing after the other.

Over `asyncio`, in the calling thread: the synchronous client of `websockets` reads in one thread and
writes in another, which Python's `ssl` bears only from 3.13 on.
"""

import asyncio

from websockets.asyncio.client import connect

from harness import WAIT


class Client:
    def __init__(self, port, tls):
        self._loop = asyncio.new_event_loop()
        options = dict(ssl=tls, proxy=None, open_timeout=WAIT, max_size=None)
        dialling = connect(f"wss://localhost:{port}/", **options)
        self._ws = self._run(dialling.__aenter__())
        # Version and protocol agreed on.
        self.socket = self._ws.transport.get_extra_info("ssl_object")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, message):
        self._run(self._ws.send(message))

    def recv(self, wait):
        return self._run(asyncio.wait_for(self._ws.recv(), wait))

    def close(self):
        self._run(self._ws.close())

    def _run(self, awaited):
        return self._loop.run_until_complete(awaited)
