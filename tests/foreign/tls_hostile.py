"""Handshakes and records that are wrong, made with `tlslite-ng`: each ends its own connection alone,
with the alert that is due, while an honest one beside it goes on."""

import contextlib
import socket
import ssl

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.constants import AlertDescription as Alert
from tlslite.constants import ContentType, ExtensionType, GroupName
from tlslite.errors import TLSAbruptCloseError, TLSClosedConnectionError, TLSRemoteAlert
from tlslite.extensions import TLSExtension
from tlslite.messages import ClientHello, Finished, Message

from certificates import Certificates
from harness import WAIT, Server, case, equal, main
from secure import Client

TLS12, TLS13 = (3, 3), (3, 4)


class Wire:
    """A socket that can change the last byte of what goes out."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), WAIT)
        self.corrupt = False

    def send(self, data):
        if self.corrupt:
            data = bytes(data[:-1]) + bytes([data[-1] ^ 1])
        return self.socket.send(data)

    def sendall(self, data):
        while data:
            data = data[self.send(data) :]

    def __getattr__(self, name):
        return getattr(self.socket, name)


def settings(version=None, **options):
    made = HandshakeSettings()
    # It compresses certificates even for servers that have not said that they can read it.
    made.certificate_compression_send = made.certificate_compression_receive = []
    if version:
        made.minVersion = made.maxVersion = version
    for name, value in options.items():
        setattr(made, name, value)
    return made


def connection(server):
    wire = Wire(server.port)
    return TLSConnection(wire), wire


def shake_hands(server, wanted, pair=(None, None), **options):
    tls, wire = connection(server)
    tls.handshakeClientCert(*pair, settings=wanted, serverName="localhost", **options)
    return tls, wire


def alert(deed):
    """The description of the alert that a deed is answered with."""
    try:
        deed()
    except TLSRemoteAlert as error:
        return error.description
    except (TLSAbruptCloseError, TLSClosedConnectionError, ConnectionError) as error:
        raise AssertionError(f"no alert, but {error!r}")
    raise AssertionError("no alert")


def name_of(description):
    return Alert.toStr(description)


def expect(deed, *descriptions):
    found = alert(deed)
    if found not in descriptions:
        wanted = " or ".join(name_of(one) for one in descriptions)
        raise AssertionError(f"expected {wanted}, got {name_of(found)}")


def raw(server, *pieces):
    """Says bytes as they are; the alert record that comes back, as its level and description."""
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as wire:
        for piece in pieces:
            wire.sendall(piece)
        answer = b""
        while part := wire.recv(4096):
            answer += part
        if len(answer) != 7 or answer[0] != ContentType.alert:
            raise AssertionError(f"no alert alone: {answer!r}")
        equal(answer[5], 2, "level of the alert")
        return answer[6]


def record(kind, payload, length=None):
    length = len(payload) if length is None else length
    return bytes([kind, 3, 3, length >> 8, length & 255]) + payload


def handshake(kind, body):
    return record(ContentType.handshake, bytes([kind]) + len(body).to_bytes(3, "big") + body)


@contextlib.contextmanager
def changed(owner, name, change):
    original = getattr(owner, name)
    setattr(owner, name, change(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def read_until_alert(tls):
    while True:
        if not tls.read(max=1, min=1):
            raise AssertionError("the stream ended without an alert")


@case
def bytes_that_are_no_handshake(server, _):
    cases = [
        ("data before the handshake", [record(23, b"hello")], Alert.unexpected_message),
        ("a ServerHello", [handshake(2, bytes(40))], Alert.unexpected_message),
        ("an empty handshake record", [record(22, b"")], Alert.unexpected_message),
        ("a ClientHello that is cut off", [handshake(1, bytes(10))], Alert.decode_error),
        ("a record that is too long", [record(22, b"", 0x4801)], Alert.record_overflow),
        ("no type of record", [record(200, b"hello")], Alert.unexpected_message),
    ]
    wrong = []
    for name, pieces, expected in cases:
        try:
            got = raw(server, *pieces)
            # Both say that what came does not belong there.
            if got != expected and got not in (Alert.decode_error, Alert.illegal_parameter):
                wrong.append(f"{name}: {name_of(got)} instead of {name_of(expected)}")
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    if wrong:
        raise AssertionError("; ".join(wrong))


@case
def nothing_in_common(server, _):
    for version in (TLS12, TLS13):
        wanted = settings(version, eccCurves=["secp521r1"], keyShares=["secp521r1"], dhGroups=[])
        expect(lambda: shake_hands(server, wanted), Alert.handshake_failure)
        expect(
            lambda: shake_hands(server, settings(version), alpn=[b"h2"]),
            Alert.no_application_protocol,
        )
    wanted = settings(TLS12, keyExchangeNames=["rsa"])
    expect(lambda: shake_hands(server, wanted), Alert.handshake_failure)
    wanted = settings((3, 2), cipherNames=["aes128"])
    expect(lambda: shake_hands(server, wanted), Alert.protocol_version, Alert.handshake_failure)


@case
def a_finished_that_does_not_fit(server, _):
    def wrong(write):
        def changed_write(self):
            data = write(self)
            data[-1] ^= 1
            return data

        return changed_write

    for version in (TLS12, TLS13):
        with changed(Finished, "write", wrong):

            def deed():
                tls, _ = shake_hands(server, settings(version))
                read_until_alert(tls)

            expect(deed, Alert.decrypt_error)


@case
def a_hello_without_what_is_needed_or_with_it_twice(server, _):
    def without(kind):
        def change(create):
            def changed_create(self, *args, **options):
                made = create(self, *args, **options)
                made.extensions = [one for one in made.extensions if one.extType != kind]
                return made

            return changed_create

        return change

    for kind in (ExtensionType.signature_algorithms, ExtensionType.supported_groups):
        with changed(ClientHello, "create", without(kind)):
            expect(
                lambda: shake_hands(server, settings(TLS13)),
                Alert.missing_extension,
                Alert.handshake_failure,
                Alert.illegal_parameter,
            )

    def twice(create):
        def changed_create(self, *args, **options):
            made = create(self, *args, **options)
            # In front: the last place may be one extension's own.
            unknown = TLSExtension(extType=0x1234).create(bytearray(b"a"))
            made.extensions = [unknown, unknown, *made.extensions]
            return made

        return changed_create

    with changed(ClientHello, "create", twice):
        expect(
            lambda: shake_hands(server, settings(TLS13)),
            Alert.decode_error,
            Alert.illegal_parameter,
        )


@case
def a_record_that_was_changed(server, _):
    for version in (TLS12, TLS13):
        tls, wire = shake_hands(server, settings(version))
        wire.corrupt = True

        def deed():
            tls.write(b"GET / HTTP/1.1\r\n")
            read_until_alert(tls)

        expect(deed, Alert.bad_record_mac)


@case
def a_client_without_the_certificate_that_is_asked_for(_, certs):
    cert, key = certs.pair("server")
    server = Server("echo", "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", certs.ca)

    def deed(version, pair=(None, None)):
        def shake_and_read():
            tls, _ = shake_hands(server, settings(version), pair)
            read_until_alert(tls)

        return shake_and_read

    expect(deed(TLS13), Alert.certificate_required)
    expect(deed(TLS12), Alert.certificate_required, Alert.handshake_failure)
    chain = X509CertChain()
    with open(certs.path("stranger.pem")) as file:
        chain.parsePemList(file.read())
    with open(certs.path("stranger.key")) as file:
        pair = chain, parsePEMKey(file.read(), private=True)
    for version in (TLS12, TLS13):
        expect(deed(version, pair), Alert.unknown_ca, Alert.bad_certificate)
    equal(server.terminate(), 0, "status")


UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Protocol: dumb-increment-protocol\r\n\r\n"
)


def part_of_a_handshake_message(tls, part):
    for _ in tls._recordLayer.sendRecord(Message(ContentType.handshake, bytearray(part))):
        pass


@case
def a_message_in_two_records_with_the_servers_words_between(_, certs):
    """The server writes while half of a KeyUpdate is there."""
    cert, key = certs.pair("server")
    server = Server("serve", "--tls-cert", cert, "--tls-key", key)
    tls, _ = shake_hands(server, settings(TLS13))
    tls.write(UPGRADE)
    key_update = b"\x18\x00\x00\x01\x00"
    part_of_a_handshake_message(tls, key_update[:3])
    heard = tls.read(max=4096, min=400)  # the head, and then the counter, which counts on
    equal(len(heard) >= 400, True, "what the server goes on saying")
    part_of_a_handshake_message(tls, key_update[3:])
    heard = tls.read(max=4096, min=40)
    equal(len(heard) >= 40, True, "what it says afterwards")
    equal(server.terminate(), 0, "status")


@case
def a_key_update_that_says_nonsense(server, _):
    tls, _ = shake_hands(server, settings(TLS13))

    def deed():
        part_of_a_handshake_message(tls, b"\x18\x00\x00\x01\x07")
        read_until_alert(tls)

    expect(deed, Alert.illegal_parameter, Alert.decode_error)


@case
def a_handshake_message_where_none_belongs(server, _):
    for version in (TLS12, TLS13):
        tls, _ = shake_hands(server, settings(version))

        def deed():
            part_of_a_handshake_message(tls, b"\x14\x00\x00\x00")  # a Finished, once more
            read_until_alert(tls)

        expect(deed, Alert.unexpected_message, Alert.decode_error)


@case
def the_honest_connection_has_gone_on(server, _):
    server.honest.send("still here")
    equal(server.honest.recv(WAIT), "still here", "echo")
    server.honest.close()
    equal(server.terminate(), 0, "status")


def prepare():
    certs = Certificates()
    cert, key = certs.pair("server")
    server = Server("echo", "--tls-cert", cert, "--tls-key", key)
    server.honest = Client(server.port, ssl.create_default_context(cafile=certs.ca))
    return server, certs


main(prepare)
