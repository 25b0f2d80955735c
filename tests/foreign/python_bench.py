"""`sockeye bench` against an echo server of Python's `websockets` that counts."""

import csv
import json
import math
import os
import tempfile
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from harness import WAIT, case, equal, main, start


class EchoServer:
    """Echoes, and counts messages and payload bytes of all connections."""

    def __init__(self, **options):
        self.messages = 0
        self.bytes = 0
        self.extensions = []
        self._lock = threading.Lock()
        self._server = serve(self._echo, "127.0.0.1", 0, **options)
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _echo(self, ws):
        names = [type(extension).__name__ for extension in ws.protocol.extensions]
        messages = size = 0
        try:
            while True:
                message = ws.recv()
                ws.send(message)
                messages += 1
                size += len(message.encode() if isinstance(message, str) else message)
        except ConnectionClosed:
            pass
        with self._lock:
            self.messages += messages
            self.bytes += size
            self.extensions += names

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Waits for every connection to end, so that all is counted."""
        self._server.shutdown()


def bench(url, *options):
    """Exit status, stdout and stderr."""
    process = start("bench", url, "--timeout", f"{WAIT}s", *options)
    process.stdin.close()
    process.stdin = None
    out, err = process.communicate(timeout=WAIT * 4)
    return process.returncode, out.decode(), err.decode()


def result(url, *options):
    status, out, err = bench(url, "--json", *options)
    equal((status, err), (0, ""), "status and stderr")
    return json.loads(out)


@case
def counts_agree_with_the_servers():
    for size, kind in [(0, "--text"), (100, "--text"), (1000, "--utf8"), (70_000, "--no-deflate")]:
        with EchoServer(compression=None) as server:
            options = ["--connections", "5", "--depth", "8", "--count", "2000"]
            told = result(server.url, *options, "--size", str(size), kind)
        equal(server.messages, 2000, f"messages of {size} bytes the server counted")
        equal(server.bytes, 2000 * size, "bytes the server counted")
        for name in ["sent", "echoed"]:
            equal(told["messages"][name], 2000, name)
        equal(told["window"]["echoes"], 2000, "echoes measured")


@case
def counts_agree_with_a_warm_up_and_a_time():
    with EchoServer() as server:
        options = ["--connections", "3", "--depth", "4"]
        told = result(server.url, *options, "--duration", "500ms", "--warm-up", "200ms")
    equal(told["messages"]["echoed"], server.messages, "all echoes")
    if not 0 < told["window"]["echoes"] < server.messages:
        raise AssertionError(f"{told['window']} of {server.messages}")


@case
def counts_agree_at_a_rate():
    with EchoServer() as server:
        told = result(server.url, "--connections", "4", "--rate", "500", "--count", "600")
    equal((told["messages"]["echoed"], server.messages), (600, 600), "messages")
    equal(told["latency"]["corrected"], True, "corrected")


@case
def percentiles_agree_with_the_raw_samples():
    with tempfile.TemporaryDirectory() as directory, EchoServer() as server:
        raw = os.path.join(directory, "raw.csv")
        told = result(server.url, "--depth", "4", "--duration", "700ms", "--raw", raw)
        with open(raw, newline="") as file:
            samples = sorted(int(row["latency_ns"]) for row in csv.DictReader(file))
    equal(told["latency"]["samples"], len(samples), "samples")
    for name, share in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999)]:
        exact = samples[math.ceil(share * len(samples)) - 1]
        value = told["latency"][f"{name}_ns"]
        if abs(value - exact) > exact / 1000:
            raise AssertionError(f"{name}: {value}, {exact} of the samples")
    equal(told["latency"]["min_ns"], samples[0], "min")
    equal(told["latency"]["max_ns"], samples[-1], "max")


@case
def compression_is_agreed_on_with_the_server():
    with EchoServer(compression="deflate") as server:
        told = result(server.url, "--deflate", "--text", "--size", "4k", "--count", "50")
    equal(server.extensions, ["PerMessageDeflate"], "extensions")
    equal((told["options"]["compressed"], server.messages), (True, 50), "compressed, messages")


@case
def a_limit_of_the_servers_is_named():
    with EchoServer(max_size=1000, compression=None) as server:
        status, out, err = bench(server.url, "--size", "1001", "--count", "5")
    equal((status, out, err.count("\n")), (3, "", 1), "status, stdout, lines on stderr")
    for words in ["1009", "--size", "1001 bytes"]:
        if words not in err:
            raise AssertionError(f"no {words!r} in {err!r}")


main()
