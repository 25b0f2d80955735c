"""A peer that says exactly what it is told to, on a plain socket."""

import base64
import hashlib
import os
import socket
import struct

from harness import WAIT, equal

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def frame(first, payload=b"", *, masked=True, announced=None):
    """A frame whose first byte is `first`; it may announce another length than it has."""
    length = len(payload) if announced is None else announced
    mask_bit = 0x80 if masked else 0
    if length < 126:
        head = bytes([first, mask_bit | length])
    elif length < 65536:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    if not masked:
        return head + payload
    key = os.urandom(4)
    return head + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


class Raw:
    """A connection to the server."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the server has heard enough; what it answered is still to be read

    def upgrade(self):
        """The opening handshake, with nothing wrong in it."""
        key = base64.b64encode(os.urandom(16))
        self.send(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: " + key + b"\r\n\r\n"
        )
        status, headers = self.response()
        equal(status, 101, "status of the upgrade")
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
        equal(headers.get("sec-websocket-accept"), accept, "Sec-WebSocket-Accept")

    def response(self):
        """The status and the headers of an HTTP response, names in lower case."""
        line = self.file.readline().decode("latin-1")
        version, _, rest = line.partition(" ")
        if not version.startswith("HTTP/1."):
            raise AssertionError(f"expected an HTTP response, got {line!r}")
        headers = {}
        while (line := self.file.readline().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(rest[:3]), headers

    def read_frame(self):
        """First byte and payload of the next frame; `None` at the end of the stream."""
        head = self.file.read(2)
        if len(head) < 2:
            return None
        if head[1] & 0x80:
            raise AssertionError("a server's frame is masked")
        length = head[1]
        if length == 126:
            (length,) = struct.unpack("!H", self.file.read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", self.file.read(8))
        return head[0], self.file.read(length)

    def close_code(self):
        """The code of the close frame that ends the connection."""
        found = self.read_frame()
        if found is None:
            raise AssertionError("the server hung up without a close frame")
        first, payload = found
        equal(first, 0x88, "first byte of a close frame")
        (code,) = struct.unpack("!H", payload[:2])
        return code

    def ended(self):
        """Whether the server hung up, and said nothing more before."""
        try:
            return self.file.read() == b""
        except ConnectionResetError:
            return True  # it did not wait for what was still on its way
