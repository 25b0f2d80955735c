"""TLS of the program with others at the other end: OpenSSL, curl, Python's `ssl`, nginx."""

import asyncio
import base64
import hashlib
import os
import select
import shutil
import socket
import ssl
import subprocess
import threading
import time
from xml.etree import ElementTree

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.server import serve

from certificates import Certificates
from harness import WAIT, Server, case, equal, main, own, start
from raw import GUID
from secure import Client

SIZES = [0, 1, 125, 126, 16383, 16384, 16385, 65536, 4 * 1024 * 1024]


def bytes_of(size):
    return (bytes(range(256)) * (size // 256 + 1))[:size]


def context(certs, client=None, version=None):
    """What a Python client believes and shows."""
    made = ssl.create_default_context(cafile=certs.ca)
    if client:
        made.load_cert_chain(*certs.pair(client))
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def client(server, tls):
    return Client(server.port, tls)


def s_client(server, certs, *args, said=b"", name="localhost"):
    """What `openssl s_client` prints; it says `said` and then waits for the end of the stream."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}"]
    command += ["-servername", name, "-CAfile", certs.ca, "-verify_return_error", *args]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    own(process)
    output, _ = process.communicate(said, WAIT)
    return process.returncode, output.decode(errors="replace")


REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@case
def python_speaks_both_versions_to_it(certs, echo, _):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with client(echo, context(certs, version=version)) as ws:
            equal(ws.socket.version(), version.name.replace("_", ".", 1).replace("_", "."), "version")
            for size in SIZES:
                ws.send(bytes_of(size))
                equal(ws.recv(WAIT), bytes_of(size), f"echo of {size} bytes")


@case
def python_agrees_on_http_by_alpn(certs, echo, _):
    tls = context(certs)
    tls.set_alpn_protocols(["h2", "http/1.1"])
    with client(echo, tls) as ws:
        equal(ws.socket.selected_alpn_protocol(), "http/1.1", "ALPN")


@case
def python_hears_of_an_issuer_it_does_not_know(certs, echo, _):
    try:
        client(echo, ssl.create_default_context()).close()
    except ssl.SSLCertVerificationError:
        return
    raise AssertionError("it was believed")


@case
def python_with_a_certificate_is_let_in_and_without_is_not(certs, _, __):
    cert, key = certs.pair("server")
    server = Server("echo", "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", certs.ca)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with client(server, context(certs, client="client", version=version)) as ws:
            ws.send("let in")
            equal(ws.recv(WAIT), "let in", "echo")
        for who in (None, "stranger"):
            try:
                client(server, context(certs, client=who, version=version)).close()
            except (ssl.SSLError, InvalidHandshake, ConnectionClosed, ConnectionError, EOFError):
                continue
            raise AssertionError(f"{who} was let in")
    equal(server.terminate(), 0, "status")


@case
def openssl_gets_the_page_in_both_versions(certs, _, pages):
    for version in ("-tls1_2", "-tls1_3"):
        status, output = s_client(pages, certs, version, "-quiet", said=REQUEST)
        equal(status, 0, f"status of s_client {version}: {output[-300:]}")
        for expected in ("verify return:1", "HTTP/1.1 200 OK", "</html>"):
            if expected not in output:
                raise AssertionError(f"no {expected!r} in {output[:500]!r}")


@case
def openssl_is_not_served_in_versions_of_former_times(certs, _, pages):
    for version in ("-tls1", "-tls1_1"):
        status, output = s_client(pages, certs, version, "-cipher", "ALL:@SECLEVEL=0")
        equal(status, 1, f"status of s_client {version}")
        if "alert protocol version" not in output and "alert handshake failure" not in output:
            raise AssertionError(output)


@case
def openssl_finds_no_cipher_suite_of_former_times(certs, _, pages):
    for suites in ("AES128-SHA", "DHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-SHA256"):
        status, output = s_client(pages, certs, "-tls1_2", "-cipher", suites)
        equal(status, 1, f"status of s_client with {suites}")
        if "alert handshake failure" not in output:
            raise AssertionError(output)


@case
def openssl_resumes_its_session(certs, _, pages):
    for version in ("-tls1_2", "-tls1_3"):
        session = certs.path(f"session{version}")
        s_client(pages, certs, version, "-quiet", "-sess_out", session, said=REQUEST)
        _, output = s_client(pages, certs, version, "-ign_eof", "-sess_in", session, said=REQUEST)
        if "Reused, TLSv1" not in output:
            raise AssertionError(f"{version}: {output[:800]}")


@case
def an_attempt_at_renegotiation_ends_that_connection_alone(certs, echo, _):
    with client(echo, context(certs)) as honest:
        # `R` on a line of its own has s_client try it.
        _, output = s_client(echo, certs, "-tls1_2", said=b"R\n")
        if "RENEGOTIATING" not in output or "no renegotiation" not in output:
            raise AssertionError(output[-800:])
        honest.send("still here")
        equal(honest.recv(WAIT), "still here", "echo")


@case
def openssl_says_goodbye_to_a_server_that_does_too(certs, _, pages):
    # Without close_notify OpenSSL 3 calls it an unexpected end, which is an error.
    status, output = s_client(pages, certs, "-ign_eof", said=REQUEST)
    equal(status, 0, "status of s_client")
    if "unexpected eof" in output:
        raise AssertionError(output[-500:])


def scan(*args):
    """What sslscan finds; without the groups, for which it waits many seconds."""
    command = ["sslscan", "--no-groups", "--xml=-", *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    return ElementTree.fromstring(done.stdout).find("ssltest")


def complaints(found, ec_strength=128, rsa_bits=2048):
    """All that sslscan finds which is more than information; it must have found TLS at all."""
    said = []
    for it in found.iter("protocol"):
        modern = it.get("type") == "tls" and it.get("version") in ("1.2", "1.3")
        if modern != (it.get("enabled") == "1"):
            said.append(f"{it.get('type')} {it.get('version')} is {it.get('enabled')}")
    said += ["heartbleed" for it in found.iter("heartbleed") if it.get("vulnerable") != "0"]
    said += ["compression" for it in found.iter("compression") if it.get("supported") != "0"]
    for it in found.iter("renegotiation"):
        if it.get("supported") != "0" and it.get("secure") != "1":
            said.append("insecure renegotiation")
    ciphers = list(found.iter("cipher"))
    for it in ciphers:
        name, strength, bits = it.get("cipher"), it.get("strength"), int(it.get("bits"))
        if strength not in ("strong", "acceptable") or bits < 128:
            said.append(f"suite {name} is {strength}, {bits} bits")
        if not it.get("curve"):
            said.append(f"suite {name} agrees on keys by no elliptic curve")
        if not any(kind in name for kind in ("GCM", "POLY1305")):
            said.append(f"suite {name} is of former times")
    versions = {it.get("sslversion") for it in ciphers}
    if versions != {"TLSv1.2", "TLSv1.3"}:
        said.append(f"it found suites of {versions}")
    certificate = found.find("certificates/certificate")
    key, signed = certificate.find("pk"), certificate.find("signature-algorithm").text
    if int(key.get("bits")) < (ec_strength if key.get("type") == "EC" else rsa_bits):
        said.append(f"the certificate's key has {key.get('bits')} bits")
    if "md5" in signed.lower() or "sha1" in signed.lower():
        said.append(f"the certificate is signed with {signed}")
    if certificate.find("expired").text != "false":
        said.append("the certificate has expired")
    return said


@case
def sslscan_finds_nothing_but_information(_, __, pages):
    equal(complaints(scan(f"localhost:{pages.port}")), [], "what sslscan finds")
    # As people start it who have no certificate.
    server = Server("serve", "--tls-self-signed", log=subprocess.DEVNULL)
    equal(complaints(scan(f"localhost:{server.port}")), [], "what sslscan finds, self-signed")


@case
def sslscan_would_have_found_something(certs, _, __):
    port = free_port()
    cert, key = certs.pair("server")
    command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-quiet", "-tls1_2"]
    command += ["-cert", cert, "-key", key, "-cipher", "ALL:@SECLEVEL=0"]
    own(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    until_it_listens(port)
    said = complaints(scan(f"localhost:{port}"))
    for expected in ("tls 1.3 is 0", "ADH-AES128-SHA is anonymous", "is of former times"):
        if not any(expected in line for line in said):
            raise AssertionError(said)


def curl(*args):
    done = subprocess.run(["curl", "-sS", "-m", str(WAIT), *args], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


@case
def curl_gets_the_page_and_is_redirected_from_plain(certs, _, pages):
    url = f"https://localhost:{pages.port}/"
    for options in ([], ["--tls-max", "1.2"]):
        status, page, complaint = curl("--cacert", certs.ca, *options, url)
        equal((status, complaint), (0, ""), "curl")
        if "</html>" not in page:
            raise AssertionError(page)
    plain = url.replace("https", "http")
    status, page, complaint = curl("--cacert", certs.ca, "-L", plain)
    equal((status, complaint), (0, ""), "curl that follows")
    if "</html>" not in page:
        raise AssertionError(page)
    status, _, complaint = curl(url)
    equal(status, 60, "curl that does not know the CA")


@case
def a_connection_kept_alive_serves_more_requests(certs, _, pages):
    url = f"https://localhost:{pages.port}/"
    format = ["-w", "%{num_connects} ", "-o", os.devnull]
    status, made, _ = curl("--cacert", certs.ca, *format, url, *format, url)
    equal((status, made), (0, "1 0 "), "connections made for two requests")


def talk(url, *options):
    """`sockeye connect` says a word and waits for its echo: status, answer, complaint."""
    process = start("connect", url, "--count", "1", *options)
    said, complaint = process.communicate(b"hello\n", WAIT)
    return process.returncode, said.decode(), complaint.decode()


def python_server(certs, clients=False):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certs.pair("server"))
    if clients:
        tls.load_verify_locations(certs.ca)
        tls.verify_mode = ssl.CERT_REQUIRED

    def handle(ws):
        try:
            for message in ws:
                ws.send(message)
        except ConnectionClosed:
            pass

    server = serve(handle, "127.0.0.1", 0, ssl=tls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.socket.getsockname()[1]


@case
def the_client_talks_to_python(certs, _, __):
    port = python_server(certs)
    equal(talk(f"wss://localhost:{port}/", "--ca", certs.ca), (0, "hello\n", ""), "connect")
    status, _, complaint = talk(f"wss://localhost:{port}/")
    equal(status, 1, "status without the CA")
    if "unknown issuer (CN=Test CA)" not in complaint:
        raise AssertionError(complaint)


@case
def the_client_shows_python_its_certificate(certs, _, __):
    url = f"wss://localhost:{python_server(certs, clients=True)}/"
    cert, key = certs.pair("client")
    shown = talk(url, "--ca", certs.ca, "--cert", cert, "--key", key)
    equal(shown, (0, "hello\n", ""), "connect with a certificate")
    status, _, complaint = talk(url, "--ca", certs.ca)
    equal(status, 1, "status without a certificate")
    if "it requires a certificate of us" not in complaint:
        raise AssertionError(complaint)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def until_it_listens(port):
    deadline = time.monotonic() + WAIT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), WAIT).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise


def answer_of(request):
    """What accepts a handshake, and a text frame after it."""
    key = next(line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key.split(b": ")[1] + GUID).digest())
    head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    return head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n\x81\x05hello"


@case
def the_client_talks_to_openssl(certs, _, __):
    for version in ("-tls1_2", "-tls1_3"):
        port = free_port()
        cert, key = certs.pair("server")
        verify = ["-Verify", "1", "-verify_return_error", "-CAfile", certs.ca]
        command = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-naccept", "2", "-quiet"]
        command += ["-cert", cert, "-key", key, version, *verify]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)
        own(server)
        until_it_listens(port)
        cert, key = certs.pair("client")
        shows = ["--ca", certs.ca, "--cert", cert, "--key", key, "--no-deflate"]
        process = start("connect", f"wss://localhost:{port}/", "--count", "1", *shows)
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            byte = server.stdout.read(1)
            if not byte:
                raise AssertionError(server.stderr.read())
            request += byte
        server.stdin.write(answer_of(request))
        server.stdin.flush()
        equal(process.stdout.readline(), b"hello\n", f"message of s_server {version}")
        server.kill()


def proxy_under_tls(certs):
    """The port of a proxy that is spoken to under TLS and gives tunnels by CONNECT."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certs.pair("server"))
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(near, far):  # on one thread: OpenSSL reads and writes by turns
        while True:
            ready = [near] if near.pending() else select.select([near, far], [], [])[0]
            for one, other in ((near, far), (far, near)):
                if one in ready:
                    piece = one.recv(65536)
                    if not piece:
                        return
                    other.sendall(piece)

    def tunnel(plain):
        try:
            near = made.wrap_socket(plain, server_side=True)
        except ssl.SSLError:
            return  # the client does not believe us
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += near.recv(1)
        method, where, _ = head.decode().split(" ", 2)
        equal(method, "CONNECT", "method")
        far = socket.create_connection(where.rsplit(":", 1), WAIT)
        near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with near, far:
            carry(near, far)

    def serve_all():
        while True:
            threading.Thread(target=tunnel, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=serve_all, daemon=True).start()
    return listener.getsockname()[1]


@case
def the_client_goes_through_a_proxy_under_tls(certs, echo, _):
    plain, port = Server("echo"), proxy_under_tls(certs)
    way = ["--proxy", f"https://localhost:{port}", "--proxy-ca", certs.ca]
    spoken = talk(f"ws://localhost:{plain.port}/", *way)
    equal(spoken, (0, "hello\n", ""), "plain in the tunnel")
    spoken = talk(f"wss://localhost:{echo.port}/", "--ca", certs.ca, *way)
    equal(spoken, (0, "hello\n", ""), "TLS in the tunnel, inside that with the proxy")
    status, _, complaint = talk(f"wss://localhost:{echo.port}/", "--ca", certs.ca, *way[:2])
    equal(status, 1, "status where nobody vouches for the proxy")
    if f"proxy https://localhost:{port}: " not in complaint:
        raise AssertionError(complaint)


NGINX = """
daemon off; master_process off; pid {dir}/nginx.pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/f;
    uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert}; ssl_certificate_key {key};
        ssl_client_certificate {ca}; ssl_verify_client on;
        location / {{
            proxy_pass http://127.0.0.1:{echo}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
        }}
    }}
}}
"""


@case
def the_client_talks_through_nginx(certs, _, __):
    echo, port = Server("echo"), free_port()
    cert, key = certs.pair("server")
    settings = certs.path("nginx.conf")
    with open(settings, "w") as file:
        file.write(NGINX.format(dir=certs.directory, port=port, cert=cert, key=key, ca=certs.ca,
                                echo=echo.port))
    own(subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", settings, "-e", "stderr"], stderr=subprocess.DEVNULL))
    until_it_listens(port)
    cert, key = certs.pair("client")
    shows = ["--cert", cert, "--key", key]
    spoken = talk(f"wss://localhost:{port}/", "--ca", certs.ca, *shows)
    equal(spoken, (0, "hello\n", ""), "connect through nginx")
    status, _, complaint = talk(f"wss://localhost:{port}/", "--ca", certs.ca)
    equal(status, 1, "status without a certificate")
    if "400" not in complaint:  # as nginx says it: by HTTP
        raise AssertionError(complaint)


# How many connections keep talking, and how often the certificate is replaced under them.
CONNECTIONS = 1000
RENEWALS = 100
# Between two words of a connection, in seconds: the new ones must get a turn too.
PAUSE = 0.5


@case
def certificates_are_replaced_under_load_without_dropping_anyone(certs, _, __):
    """All connections talk all the time; each renewal is seen by a new one."""
    names = [certs.pair("server"), certs.pair("client")]
    live = certs.path("live.pem")

    def install(i):
        both = b"".join(open(path, "rb").read() for path in names[i % 2])
        with open(live + ".new", "wb") as file:
            file.write(both)
        os.rename(live + ".new", live)

    install(0)
    server = Server("echo", "--tls-cert", live, log=subprocess.PIPE)
    url = f"wss://localhost:{server.port}/"
    done = asyncio.run(talk_while_renewing(server, url, certs, install))
    equal(done, CONNECTIONS, "connections that were served from first to last")
    equal(server.terminate(), 0, "status")


async def talk_while_renewing(server, url, certs, install):
    from websockets.asyncio.client import connect as dial

    tls = context(certs)
    options = dict(ssl=tls, proxy=None, compression=None, open_timeout=WAIT, ping_interval=None)
    gate = asyncio.Semaphore(50)  # handshakes at a time

    async def open_one():
        async with gate:
            return await dial(url, **options)

    sockets = await asyncio.gather(*(open_one() for _ in range(CONNECTIONS)))
    stop = asyncio.Event()

    async def chat(ws, number):
        rounds = 0
        while not stop.is_set() or rounds == 0:
            word = f"{number}:{rounds}"
            await ws.send(word)
            equal(await ws.recv(), word, "echo")
            rounds += 1
            await asyncio.sleep(PAUSE)
        await ws.close()
        return 1

    chats = [asyncio.create_task(chat(ws, number)) for number, ws in enumerate(sockets)]
    for i in range(1, RENEWALS + 1):
        if i % 10 == 0:  # a broken file changes nothing
            with open(certs.path("live.pem"), "w") as file:
                file.write("-----BEGIN CERTIFICATE-----\nbroken\n")
            server.hang_up()
            await server.logged("the old certificate stays")
            await served_by(dial, url, options, ("client", "server")[i % 2])
        install(i)
        server.hang_up()
        name = ("server", "client")[i % 2]
        await server.logged(f"certificate renewed, SHA-256 {certs.fingerprint(name)}")
        await served_by(dial, url, options, name)
    stop.set()
    return sum(await asyncio.gather(*chats))


async def served_by(dial, url, options, name):
    async with dial(url, **options) as ws:
        tls = ws.transport.get_extra_info("ssl_object")
        subject = dict(pair[0] for pair in tls.getpeercert()["subject"])
        equal(subject["commonName"], name, "certificate of a new connection")


def prepare():
    certs = Certificates()
    cert, key = certs.pair("server")
    files = ["--tls-cert", cert, "--tls-key", key]
    return certs, Server("echo", *files), Server("serve", *files)


main(prepare)
