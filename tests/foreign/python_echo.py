"""Python's `websockets` as the client of `sockeye echo`, and hostile peers beside an honest one."""

from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.sync.client import connect

from harness import WAIT, Server, case, equal, main
from raw import Raw, frame

MIB = 1024 * 1024
SIZES = [0, 1, 125, 126, 65535, 65536, 16 * MIB]
# Characters of one to four bytes; 11 bytes in all, so sizes cut it anywhere.
PATTERN = "a\u00e9\u20ac\U0001f41fz"


def client(server, **options):
    options = {"compression": None, "max_size": 64 * MIB, **options}
    # The proxy of the environment is not asked: the server is on this machine.
    return connect(server.url, proxy=None, open_timeout=WAIT, close_timeout=WAIT, **options)


def text_of(size):
    """Text of exactly `size` bytes, with characters of every length where there is room."""
    length = len(PATTERN.encode())
    return PATTERN * (size // length) + "x" * (size % length)


def bytes_of(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def round_trip(ws, message):
    ws.send(message)
    equal(ws.recv(WAIT), message, f"echo of {type(message).__name__}")


@case
def messages_of_every_size_come_back(server):
    with client(server) as ws:
        for size in SIZES:
            round_trip(ws, text_of(size))
            round_trip(ws, bytes_of(size))


@case
def a_client_that_offers_compression_is_served_as_well(server):
    with client(server, compression="deflate") as ws:
        for size in SIZES:
            round_trip(ws, text_of(size))
            round_trip(ws, bytes_of(size))


@case
def many_messages_come_back_in_order(server):
    with client(server) as ws:
        for i in range(100):
            ws.send(f"message {i}")
        for i in range(100):
            equal(ws.recv(WAIT), f"message {i}", "echo")


@case
def fragmented_messages_come_back_whole(server):
    with client(server) as ws:
        ws.send(["one ", "", "zw\u00f6lf ", "\U0001f41f"])
        equal(ws.recv(WAIT), "one zw\u00f6lf \U0001f41f", "echo of text in four frames")
        ws.send(bytes_of(size) for size in (1, 126, 65536))
        whole = b"".join(bytes_of(size) for size in (1, 126, 65536))
        equal(ws.recv(WAIT), whole, "echo of binary in three frames")


@case
def a_character_may_be_cut_by_a_fragment(server):
    fish = "\U0001f41f".encode()
    with Raw(server.port) as peer:
        peer.upgrade()
        peer.send(frame(0x01, fish[:1]) + frame(0x00, fish[1:3]) + frame(0x80, fish[3:]))
        payload = b""
        while payload != fish:
            first, part = peer.read_frame()
            equal(first & 0x70, 0, "reserved bits")
            payload += part
            if len(payload) > len(fish):
                raise AssertionError(f"got {payload!r}")


@case
def a_control_frame_may_come_between_fragments(server):
    with Raw(server.port) as peer:
        peer.upgrade()
        peer.send(frame(0x01, b"a") + frame(0x89, b"in between"))
        equal(peer.read_frame(), (0x8A, b"in between"), "pong")
        peer.send(frame(0x80, b"b"))
        equal(peer.read_frame()[1][:1], b"a", "echo")


@case
def a_ping_is_answered_with_its_payload(server):
    with client(server) as ws:
        for payload in (b"", b"payload", bytes_of(125)):
            if not ws.ping(payload).wait(WAIT):
                raise AssertionError(f"no pong with {payload!r}")


@case
def the_first_subprotocol_offered_is_selected(server):
    with client(server, subprotocols=["a", "b"]) as ws:
        equal(ws.subprotocol, "a", "subprotocol of two offered")
        round_trip(ws, "with a")
    with client(server) as ws:
        equal(ws.subprotocol, None, "subprotocol when none is offered")
        round_trip(ws, "without")


@case
def code_and_reason_of_a_close_come_back(server):
    with client(server) as ws:
        round_trip(ws, "before")
        ws.close(4000, "done \u00e9")
        equal(ws.protocol.close_rcvd, Close(4000, "done \u00e9"), "close frame received")
        equal(ws.protocol.close_rcvd_then_sent, False, "who closed first: the server")


@case
def a_message_of_64_mib_is_still_echoed(server):
    with client(server) as ws:
        round_trip(ws, bytes_of(64 * MIB))


def beside_an_honest_client(server, attack, table):
    """Tries every attack of a table; the honest connection goes on throughout."""
    wrong = []
    with client(server) as honest:
        for name, bad, expected in table:
            try:
                attack(server, honest, name, bad, expected)
            except (AssertionError, OSError) as error:
                wrong.append(f"{name}: {error}")
            round_trip(honest, f"after {name}")
    if wrong:
        raise AssertionError("\n  ".join(["not as expected after", *wrong]))


# What a hostile peer sends after a proper upgrade, and the code it must be closed with.
BAD_FRAMES = [
    ("a frame without a mask", frame(0x81, b"hi", masked=False), 1002),
    ("a reserved data opcode", frame(0x83, b"hi"), 1002),
    ("a reserved control opcode", frame(0x8B), 1002),
    ("a reserved bit", frame(0xC1, b"hi"), 1002),
    ("a ping of 126 bytes", frame(0x89, bytes(126)), 1002),
    ("a fragmented ping", frame(0x09, b"hi"), 1002),
    ("a continuation of nothing", frame(0x80, b"hi"), 1002),
    ("a message within a message", frame(0x01, b"a") + frame(0x81, b"b"), 1002),
    ("a close frame with half a code", frame(0x88, b"\x03"), 1002),
    ("a close frame with code 1005", frame(0x88, b"\x03\xed"), 1002),
    ("a length of 64 bits below 65536", b"\x82\xff" + bytes(6) + b"\x00\x05" + bytes(9), 1002),
    ("a length with the top bit set", b"\x82\xff\x80" + bytes(7) + bytes(4), 1002),
    ("text that is not UTF-8", frame(0x81, b"ok \xff"), 1007),
    ("text that ends in half a character", frame(0x81, "\u20ac".encode()[:2]), 1007),
    ("a surrogate", frame(0x81, b"\xed\xa0\x80"), 1007),
    ("bad text in a second fragment", frame(0x01, b"ok") + frame(0x80, b"\xc0\xaf"), 1007),
    ("a close reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
    ("more than 64 MiB announced", frame(0x82, announced=64 * MIB + 1), 1009),
]


def attack_with_frames(server, honest, name, bad, code):
    with Raw(server.port) as attacker:
        attacker.upgrade()
        attacker.send(bad)
        equal(attacker.close_code(), code, "close code")
        round_trip(honest, f"beside {name}")
        attacker.send(frame(0x88, code.to_bytes(2, "big")))
        if not attacker.ended():
            raise AssertionError("the server went on")


@case
def malformed_frames_are_closed_with_their_code(server):
    beside_an_honest_client(server, attack_with_frames, BAD_FRAMES)


HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + b"A" * 22 + b"==\r\n"
VERSION = b"Sec-WebSocket-Version: 13\r\n"

# What a hostile peer sends instead of an upgrade, and the status it must be refused with.
BAD_HEADS = [
    ("garbage", b"\x16\x03\x01 what?\r\n\r\n", 400),
    ("a request line of one word", b"GET\r\nHost: localhost\r\n\r\n", 400),
    ("bare line feeds", (HEAD + UPGRADE + b"\r\n").replace(b"\r\n", b"\n"), 400),
    ("an oversize header", HEAD + b"X: " + b"x" * 17000 + b"\r\n\r\n", 431),
    ("a head that never ends", HEAD + (b"X-Filler: " + b"x" * 300 + b"\r\n") * 60, 431),
    ("a foreign origin", HEAD + UPGRADE + VERSION + b"Origin: http://elsewhere.test\r\n\r\n", 403),
    ("version 12", HEAD + UPGRADE + b"Sec-WebSocket-Version: 12\r\n\r\n", 426),
]


def attack_with_a_head(server, honest, name, bad, expected):
    with Raw(server.port) as attacker:
        attacker.send(bad)
        status, headers = attacker.response()
        equal(status, expected, "status")
        if expected == 426:
            equal(headers.get("sec-websocket-version"), "13", "Sec-WebSocket-Version")
        round_trip(honest, f"beside {name}")


@case
def malformed_heads_are_refused_with_their_status(server):
    beside_an_honest_client(server, attack_with_a_head, BAD_HEADS)


@case
def peers_that_vanish_disturb_no_one(server):
    with client(server) as honest:
        for said in (b"", HEAD, HEAD + b"\r\n"):
            with Raw(server.port) as peer:
                peer.send(said)
            round_trip(honest, "after a head")
        for said in (b"", b"\x81", frame(0x01, b"half"), frame(0x82, announced=MIB)):
            with Raw(server.port) as peer:
                peer.upgrade()
                peer.send(said)
            round_trip(honest, "after a frame")


@case
def a_server_told_to_end_says_1001_to_all_and_exits_with_0(_):
    server = Server("echo")
    with client(server) as one, client(server) as two:
        round_trip(one, "before")
        round_trip(two, "before")
        status = server.terminate()
        for ws in (one, two):
            try:
                got = ws.recv(WAIT)
                raise AssertionError(f"expected a close, got {got!r}")
            except ConnectionClosed as closed:
                equal(closed.rcvd and closed.rcvd.code, 1001, "close code")
    equal(status, 0, "exit status")


main(lambda: [Server("echo")])
