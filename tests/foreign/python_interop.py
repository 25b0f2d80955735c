"""Python's `websockets` and the example `interop`, each as client and as server of the other."""

import os
import re
import subprocess
import sys
import threading

from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import connect
from websockets.sync.server import serve

from harness import WAIT, case, equal, main

MIB = 1024 * 1024
GOODBYE = Close(4000, "done \u00e9")
OPTIONS = {"compression": "deflate", "max_size": 64 * MIB, "close_timeout": WAIT}


def interop(place):
    program = os.environ.get("SOCKEYE_INTEROP")
    if not program:
        sys.exit("SOCKEYE_INTEROP must name the example to test")
    return subprocess.Popen([program, place], stdout=subprocess.PIPE, text=True)


def text_of(size):
    pattern = "a\u00e9\u20ac\U0001f41fz"
    length = len(pattern.encode())
    return pattern * (size // length) + "x" * (size % length)


def extensions(ws):
    return [type(extension).__name__ for extension in ws.protocol.extensions]


@case
def as_the_client():
    process = interop("127.0.0.1:0")
    try:
        url = process.stdout.readline().removeprefix("listening on ").strip()
        with connect(url, proxy=None, open_timeout=WAIT, **OPTIONS) as ws:
            equal(extensions(ws), ["PerMessageDeflate"], "extensions")
            for size in (0, 1000, 16 * MIB):
                ws.send(text_of(size))
                parts = list(ws.recv_streaming(decode=True))
                equal(len(parts), 3, "frames of the echo")
                equal("".join(parts), text_of(size), "echo of text")
                ws.send(bytes(size))
                equal(ws.recv(WAIT), bytes(size), "echo of binary")
            ws.send(["one ", "", "zw\u00f6lf ", "\U0001f41f"])
            equal(ws.recv(WAIT), "one zw\u00f6lf \U0001f41f", "echo of text in four frames")
            if not ws.ping(b"payload").wait(WAIT):
                raise AssertionError("no pong")
            ws.close(GOODBYE.code, GOODBYE.reason)
            equal(ws.protocol.close_rcvd, GOODBYE, "close frame received")
        seen = process.stdout.readline().strip()
        wanted = r"closed by peer: .*code 4000 .*\"done \u00e9\"; 12 of 12 pings answered, 1 seen"
        if not re.fullmatch(wanted, seen):
            raise AssertionError(f"the server saw: {seen}")
    finally:
        process.kill()


@case
def as_the_server():
    seen, done = {}, threading.Event()

    def echo(ws):
        seen["extensions"] = extensions(ws)
        seen["frames"] = []
        for message in messages(ws):
            seen["frames"].append(len(message))
            whole = message[0][:0].join(message)
            if isinstance(whole, str):
                half = len(whole) // 2
                if not ws.ping(b"before").wait(WAIT):
                    raise AssertionError("no pong")
                ws.send([whole[:half], whole[half:]])
            else:
                ws.send(whole)
        seen["close"] = ws.protocol.close_rcvd
        done.set()

    def messages(ws):
        while True:
            try:
                yield list(ws.recv_streaming())
            except ConnectionClosed:
                return

    server = serve(echo, "127.0.0.1", 0, **OPTIONS)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    process = interop(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/")
    said = process.communicate(timeout=WAIT * 2)[0].strip()
    equal(process.returncode, 0, f"exit status (it said {said!r})")
    done.wait(WAIT)
    equal(seen["extensions"], ["PerMessageDeflate"], "extensions")
    equal(seen["frames"], [1, 1, 1, 3, 3, 1, 1, 3], "frames of each message")
    equal(seen.get("close"), GOODBYE, "close frame received")
    if not said.endswith("9 of 9 pings answered, 5 seen"):
        raise AssertionError(f"the client said {said!r}")


main()
