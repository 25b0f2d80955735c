"""Python's `websockets` as the server of `sockeye connect`, which is driven through pipes."""

import queue
import socket
import threading
import time

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import serve

from harness import WAIT, case, equal, main, start

MIB = 1024 * 1024
# How long a server may take to see what a program that has ended sent it.
AFTERMATH = 2


class Recorder:
    """An echo server that remembers what it saw; some messages are orders to it."""

    def __init__(self):
        self.seen = queue.Queue()
        options = {"subprotocols": ["chat"], "select_subprotocol": self.select}
        limits = {"max_size": 64 * MIB, "compression": None}
        self.server = serve(self.handle, "127.0.0.1", 0, **options, **limits)
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def select(self, _, offered):
        self.seen.put(("offered", list(offered)))
        return "chat" if "chat" in offered else None

    def handle(self, ws):
        self.seen.put(("open", ws.subprotocol))
        try:
            for message in ws:
                self.seen.put(("message", message))
                self.answer(ws, message)
        except ConnectionClosed:
            pass
        received = ws.protocol.close_rcvd
        self.seen.put(("closed", received and received.code))

    def answer(self, ws, message):
        if message == "close me":
            ws.close(4000, "why")
        elif message == "ping me":
            for payload in (b"", b"payload", bytes(125)):
                ponged = ws.ping(payload).wait(WAIT)
                self.seen.put(("pong", payload if ponged else None))
            ws.send("pinged")
        elif message == "in pieces":
            ws.send(["one ", "", "zw\u00f6lf ", "\U0001f41f"])
        else:
            ws.send(message)

    def expect(self, process, kind, what):
        """The next thing seen; what `process` sent before it ended may still be on its way."""
        deadline = time.monotonic() + WAIT
        ended = False
        while True:
            try:
                seen = self.seen.get(timeout=0.1)
                return equal(seen, (kind, what), f"what the server saw: {kind}")
            except queue.Empty:
                if not ended and process.poll() is not None:
                    ended = True
                    deadline = min(deadline, time.monotonic() + AFTERMATH)
                if time.monotonic() >= deadline:
                    status = f"ended with {process.returncode}" if ended else "is running"
                    raise AssertionError(f"the server saw no {kind}; the program {status}")


class Session:
    """`sockeye connect` to a recorder of its own."""

    def __init__(self, *options, subprotocol=None, offered=()):
        self.server = Recorder()
        self.process = start("connect", self.server.url, *options)
        self.sees("offered", list(offered))
        self.sees("open", subprotocol)

    def sees(self, kind, what):
        self.server.expect(self.process, kind, what)

    def say(self, line):
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def hear(self, line):
        equal(self.process.stdout.readline(), line + b"\n", "line on stdout")

    def goodbye(self):
        """Ends stdin: the server must see 1000, and the program end with 0."""
        self.process.stdin.close()
        self.sees("closed", 1000)
        self.end(0)

    def end(self, status=None):
        """Waits for the end; gives the exit status and what is left on stdout and stderr."""
        # Read here and not by communicate(), which would flush a stdin that may be closed.
        rest, errors = self.process.stdout.read(), self.process.stderr.read().decode()
        got = self.process.wait(WAIT)
        if status is not None:
            equal(got, status, f"exit status (stderr: {errors!r})")
        return got, rest, errors


@case
def lines_go_out_as_text_and_messages_come_back_as_lines():
    session = Session()
    for line in ("hello", "", "zw\u00f6lf \U0001f41f", "  spaces  "):
        session.say(line.encode())
        session.sees("message", line)
        session.hear(line.encode())
    session.goodbye()


@case
def lines_sent_at_once_stay_apart_and_in_order():
    session = Session()
    lines = [f"line {i}" for i in range(500)]
    session.say("\n".join(lines).encode())
    for line in lines:
        session.hear(line.encode())
        session.sees("message", line)
    session.goodbye()


@case
def binary_sends_binary():
    session = Session("--binary")
    session.say(b"\x00\xff bytes")
    session.sees("message", b"\x00\xff bytes")
    session.hear(b"\x00\xff bytes")
    session.goodbye()


@case
def the_subprotocol_is_offered():
    session = Session("--subprotocol", "chat", subprotocol="chat", offered=["chat"])
    session.say(b"hello")
    session.sees("message", "hello")
    session.hear(b"hello")
    session.goodbye()


@case
def count_ends_it_while_stdin_is_still_open():
    session = Session("--count", "2")
    session.say(b"one")
    session.hear(b"one")
    session.say(b"two")
    session.hear(b"two")
    _, rest, _ = session.end(0)
    equal(rest, b"", "stdout after the last message")
    session.sees("message", "one")
    session.sees("message", "two")
    session.sees("closed", 1000)


@case
def the_end_of_stdin_closes_with_1000_and_exits_with_0():
    session = Session()
    session.goodbye()


@case
def a_close_by_the_server_is_told_with_code_and_reason():
    session = Session()
    session.say(b"close me")
    status, _, errors = session.end()
    if status == 0:
        raise AssertionError("exit status 0 after a close with 4000")
    if "4000" not in errors or "why" not in errors:
        raise AssertionError(f"no code and reason on stderr: {errors!r}")


@case
def big_messages_pass_both_ways():
    session = Session()
    big = "\u00e9" * (8 * MIB)
    writer = threading.Thread(target=session.say, args=(big.encode(),), daemon=True)
    writer.start()
    session.sees("message", big)
    session.hear(big.encode())
    writer.join(WAIT)
    session.goodbye()


@case
def pings_of_the_server_are_answered_with_their_payload():
    session = Session()
    session.say(b"ping me")
    session.sees("message", "ping me")
    for payload in (b"", b"payload", bytes(125)):
        session.sees("pong", payload)
    session.hear(b"pinged")
    session.goodbye()


@case
def fragments_of_the_server_are_one_line():
    session = Session()
    session.say(b"in pieces")
    session.hear("one zw\u00f6lf \U0001f41f".encode())
    session.sees("message", "in pieces")
    session.goodbye()


@case
def a_refused_connection_is_one_clear_line():
    with socket.socket() as unused:
        # Bound but not listening: the port is refused, and no one else can take it.
        unused.bind(("127.0.0.1", 0))
        process = start("connect", f"ws://127.0.0.1:{unused.getsockname()[1]}/")
        output, errors = process.communicate(timeout=WAIT)
    errors = errors.decode()
    if process.returncode == 0:
        raise AssertionError("exit status 0 without a connection")
    equal(output, b"", "stdout")
    if len(errors.splitlines()) != 1 or "panicked" in errors:
        raise AssertionError(f"not one clear line: {errors!r}")


@case
def a_server_that_is_no_websocket_server_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = start("connect", f"ws://127.0.0.1:{listener.getsockname()[1]}/")
        listener.settimeout(WAIT)
        peer, _ = listener.accept()
        with peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
            output, errors = process.communicate(timeout=WAIT)
    errors = errors.decode()
    if process.returncode == 0:
        raise AssertionError("exit status 0 without an upgrade")
    equal(output, b"", "stdout")
    if len(errors.splitlines()) != 1 or "200" not in errors:
        raise AssertionError(f"not one clear line with the status: {errors!r}")


main()
