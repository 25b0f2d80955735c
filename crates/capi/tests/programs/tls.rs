//! C programs under TLS, in both roles, against peers whose TLS is not ours.

use crate::apps::client_draws;
use crate::build::{compiled, has, profile, program, sockeye};
use crate::certs::{Authority, Issued, Twist, self_signed};
use crate::recorder::{ACCEPT, BEGIN, END, RECORD, callbacks, expect, in_both_loops};
use crate::relay;
use crate::run::{Running, Server, free_port};
use crate::site;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};
use sockeye_testkit::{Frame, Peer, accept_upgrade, idle, upgrade_request};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A CA, a certificate for this machine, and a directory with both.
pub(crate) struct Files {
    ca: Authority,
    issued: Issued,
    pub(crate) dir: PathBuf,
}

impl Files {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("c-programs/tls-{}-{number}", std::process::id());
        let dir = profile().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let ca = Authority::new("Test CA");
        let issued = ca.issue(&["localhost", "127.0.0.1"], "server");
        let files = Self { ca, issued, dir };
        files.write("ca", &files.ca.pem());
        files.write("cert", &files.issued.pem);
        files.write("key", &files.issued.key);
        files
    }

    /// Writes a file; the word that names it to the recorder.
    fn write(&self, what: &str, text: &str) -> String {
        let path = self.dir.join(what);
        std::fs::write(&path, text).unwrap();
        format!("{what}={}", path.display())
    }

    fn word(&self, what: &str) -> String {
        format!("{what}={}", self.dir.join(what).display())
    }

    fn server(&self, mode: &str, more: &[&str]) -> Server {
        let (cert, key) = (self.word("cert"), self.word("key"));
        let words = [&["server", "PORT", mode, &cert, &key], more].concat();
        Server::start(&program("programs/recorder.c"), &words)
    }

    /// What believes our CA, and shows a certificate if it has one.
    fn believer(&self, shows: Option<&Issued>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.pem().as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder().with_root_certificates(roots);
        match shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let chain = vec![CertificateDer::from(shown.der.clone())];
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }

    /// A scripted peer whose bytes reach the server under TLS.
    fn peer(&self, server: &Server, shows: Option<&Issued>) -> Peer {
        let at = SocketAddr::from(([127, 0, 0, 1], server.port));
        let relay = relay::to_tls(at, "localhost", Arc::new(self.believer(shows)));
        Peer::connect(relay, idle())
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir); // what is left there does no harm
    }
}

/// The end of a stream under TLS, told from one that was cut off.
fn rest_of(config: ClientConfig, port: u16, say: &[&[u8]]) -> std::io::Result<Vec<u8>> {
    let tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut tls = StreamOwned::new(tls, TcpStream::connect(("127.0.0.1", port))?);
    for bytes in say {
        tls.write_all(bytes)?;
    }
    let mut rest = Vec::new();
    tls.read_to_end(&mut rest).map(|_| rest)
}

#[test]
fn a_websocket_under_tls_from_accept_to_a_close_frame() {
    in_both_loops(|mode| {
        let files = Files::new();
        let server = files.server(mode, &[]);
        let mut peer = files.peer(&server, None);
        peer.upgrade("/a?b", &RECORD);
        peer.send_frame(&Frame::text("hi"));
        peer.expect_text("hi");
        peer.send_frame(&Frame::text("write"));
        peer.expect_text("writable");
        peer.send_frame(&Frame::close(1000, "bye"));
        assert_eq!(peer.expect_close(1000), "bye");
        peer.expect_eof();
        expect(
            &server.stop(),
            &[
                &BEGIN,
                &ACCEPT,
                &[
                    "p1 FILTER_PROTOCOL_CONNECTION user \"record\" uri /a?b",
                    "p1 ESTABLISHED wsi set user zeroed len 0",
                    "p1 RECEIVE wsi set user used len 2",
                    "  \"hi\" remaining 0 final 1 binary 0",
                    "  sent: 2",
                    "p1 RECEIVE wsi set user used len 5",
                    "  \"write\" remaining 0 final 1 binary 0",
                    "p0 SET_MODE_POLL_FD connection 4",
                    "  asked: 1",
                    "p0 CLEAR_MODE_POLL_FD connection 4",
                    "p1 SERVER_WRITEABLE wsi set user used len 0",
                    "p0 DEL_POLL_FD connection 0",
                    "p1 CLOSED wsi set user used len 0",
                ],
                &END,
            ],
        );
    });
}

/// What lies decrypted when a program stops receiving makes no descriptor ready.
#[test]
fn input_that_is_decrypted_already_is_not_forgotten() {
    in_both_loops(|mode| {
        let files = Files::new();
        let mut server = files.server(mode, &[]);
        let mut peer = files.peer(&server, None);
        peer.upgrade("/", &RECORD);
        let mut all = vec![Frame::text("stop")];
        all.extend((0..50).map(|n| Frame::text(&format!("piece {n} of one record"))));
        let bytes: Vec<u8> = all.iter().flat_map(Frame::masked).collect();
        assert!(bytes.len() < 16 << 10, "one record holds it");
        peer.send(bytes);
        server.program.expect("CLEAR_MODE_POLL_FD connection 1");
        let mut other = files.peer(&server, None);
        other.upgrade("/", &RECORD);
        other.send_frame(&Frame::text("go"));
        for n in 0..50 {
            let text = format!("piece {n} of one record");
            let (first, rest) = text.split_at(20);
            peer.expect_text(first);
            peer.expect_text(rest);
        }
        server.stop();
    });
}

#[test]
fn http_under_tls_and_every_end_says_goodbye() {
    in_both_loops(|mode| {
        let files = Files::new();
        let server = files.server(mode, &[]);
        let rest = |say: &[&[u8]]| rest_of(files.believer(None), server.port, say);
        let answer = rest(&[b"GET /file HTTP/1.1\r\nHost: a\r\n\r\n"]).unwrap();
        let file = std::fs::read(program("programs/recorder.c")).unwrap();
        let head = format!("Content-Length: {}\r\n\r\n", file.len());
        assert!(answer.starts_with(b"HTTP/1.0 200 OK\r\nServer: libwebsockets\r\n"));
        assert!(answer.ends_with(&file), "{} bytes", answer.len());
        assert!(answer[..answer.len() - file.len()].ends_with(head.as_bytes()));
        let upgrade = upgrade_request("/", &RECORD);
        let close = Frame::text("close").masked();
        assert!(rest(&[upgrade.as_bytes(), &close]).unwrap().starts_with(b"HTTP/1.1 101"));
        let said = server.stop();
        let found = callbacks(&said);
        assert_eq!(found.last(), Some(&"polls left: 0"));
        assert!(found.contains(&"p0 HTTP_FILE_COMPLETION wsi set user null len 0"), "{said}");
        assert!(!said.contains("WRONG"), "{said}");
    });
}

#[test]
fn the_program_is_asked_about_verified_clients_and_only_those() {
    in_both_loops(|mode| {
        let files = Files::new();
        let alice = files.ca.issue(&["alice.example"], "alice");
        let stranger = Authority::new("Other CA").issue(&["alice.example"], "alice");
        let ca = files.word("ca");
        let server = files.server(mode, &["clients", &ca]);
        let mut peer = files.peer(&server, Some(&alice));
        peer.upgrade("/", &RECORD);
        peer.send_frame(&Frame::text("hi"));
        peer.expect_text("hi");
        drop(peer);
        for shows in [None, Some(&stranger)] {
            let config = files.believer(shows);
            let get: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
            rest_of(config, server.port, &[get]).expect_err("they must not come in");
        }
        let said = server.stop();
        let asked: Vec<&str> =
            said.lines().filter(|line| line.contains("CLIENT_CERT_VERIFICATION")).collect();
        assert_eq!(
            asked,
            ["p0 OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION wsi set user null len 1 \
                 \"CN=alice\" of \"CN=Test CA\", name alice, good DER"]
        );
        let found = callbacks(&said);
        let begin = "p0 OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS wsi null user null len 0";
        assert_eq!(found[..2], [begin, BEGIN[0]], "{said}");
        assert!(!said.contains("WRONG"), "{said}");
    });
}

#[test]
fn a_client_whose_certificate_the_program_refuses_gets_no_answer() {
    let files = Files::new();
    let alice = files.ca.issue(&["alice.example"], "alice");
    // The CA is named by the callback, not by the info.
    let more = format!("more={}", files.dir.join("ca").display());
    let server = files.server("built-in", &["clients", "refuse", &more]);
    for say in ["GET / HTTP/1.1\r\n\r\n".to_owned(), upgrade_request("/", &RECORD)] {
        let config = files.believer(Some(&alice));
        assert_eq!(rest_of(config, server.port, &[say.as_bytes()]).unwrap(), b"", "{say}");
    }
    let said = server.stop();
    assert_eq!(said.matches("User code denied the certificate of CN=alice").count(), 2, "{said}");
    assert!(!said.contains("p0 HTTP ") && !said.contains("p1 FILTER"), "{said}");
}

/// A client program, and the plain other end of its TLS connection.
fn client(mode: &str, shown: &Issued, words: &[&str]) -> (Running, TcpListener) {
    let chain = vec![CertificateDer::from(shown.der.clone())];
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = relay::from_tls(listener.local_addr().unwrap(), Arc::new(config.unwrap()));
    let mut command = Command::new(program("programs/recorder.c"));
    command.args(["client", &at.port().to_string(), mode]).args(words);
    (Running::of(&mut command), listener)
}

#[test]
fn a_client_under_tls_from_connect_to_a_close_frame() {
    in_both_loops(|mode| {
        let files = Files::new();
        let (mut client, listener) = client(mode, &files.issued, &["ssl=1", &files.word("ca")]);
        client.expect("connect has returned"); // before the answer
        let mut peer = Peer::accept(&listener, idle());
        let request = peer.expect_head();
        assert!(request.text.starts_with("GET /path HTTP/1.1\r\n"), "{}", request.text);
        assert_eq!(request.header("Host"), Some("host:1"));
        let answer = request.switching_protocols().replacen(
            "\r\n\r\n",
            "\r\nSec-WebSocket-Protocol: client-record\r\n\r\n",
            1,
        );
        peer.send(answer);
        peer.expect_text("hello");
        peer.send_frame(&Frame::pong("p"));
        peer.send_frame(&Frame::close(1001, ""));
        peer.expect_close(1001);
        peer.expect_eof();
        let said = client.expect_status(0);
        expect(
            &said,
            &[
                &[
                    "p0 OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS wsi null user null len 0",
                    BEGIN[1],
                    BEGIN[2],
                    "p0 ADD_POLL_FD connection 1",
                    "p0 CLIENT_APPEND_HANDSHAKE_HEADER wsi set user null len 3809",
                    "connect has returned",
                    "p1 CLIENT_FILTER_PRE_ESTABLISH wsi set user zeroed len 0",
                    "p1 CLIENT_ESTABLISHED wsi set user zeroed len 0",
                    "p1 CLIENT_RECEIVE_PONG wsi set user used len 1",
                    "p0 DEL_POLL_FD connection 0",
                    "p1 CLOSED wsi set user used len 0",
                ],
                &END[1..],
            ],
        );
    });
}

#[test]
fn a_client_believes_whom_ssl_connection_says_and_no_one_else() {
    let files = Files::new();
    let alone = self_signed(&["localhost", "127.0.0.1"], "alone", Twist::None);
    let elsewhere = files.ca.issue(&["elsewhere.example"], "server");
    let ca = files.word("ca");
    let more = format!("more={}", files.dir.join("ca").display());
    for (shown, words) in [
        (&files.issued, &["ssl=1", &*ca][..]),
        (&files.issued, &["ssl=1", &more]),
        (&files.issued, &["ssl=1", &ca, "address=localhost"]),
        (&files.issued, &["ssl=2", &ca]),
        (&alone, &["ssl=2"]),
        (&alone, &["ssl=2", &ca]),
    ] {
        let (mut client, listener) = client("built-in", shown, words);
        let mut peer = Peer::accept(&listener, idle());
        accept_upgrade(&mut peer);
        peer.expect_text("hello");
        peer.close(1000, "");
        client.expect_status(0);
    }
    for (shown, words, why) in [
        (&files.issued, &["ssl=1"][..], "is signed by an unknown issuer (CN=Test CA)"),
        (&files.issued, &["ssl=2"], "is signed by an unknown issuer (CN=Test CA)"),
        (&alone, &["ssl=1", &ca], "is signed by itself"),
        (&alone, &["ssl=3", &ca], "is signed by itself"),
        (&elsewhere, &["ssl=1", &ca], "is for elsewhere.example, not for 127.0.0.1"),
        (&elsewhere, &["ssl=2", &ca], "is for elsewhere.example, not for 127.0.0.1"),
    ] {
        let (mut client, _listener) = client("built-in", shown, words);
        let said = client.expect_status(0);
        assert!(said.contains("p0 CLIENT_CONNECTION_ERROR wsi set user null len 0"), "{said}");
        assert!(said.contains(why) && said.contains("ERR"), "{words:?}: {why}?\n{said}");
        assert!(!said.contains("ESTABLISHED"), "{said}");
    }
}

#[test]
fn what_is_wrong_with_the_files_is_said_in_a_sentence() {
    let files = Files::new();
    let other = Authority::new("Other CA").issue(&["localhost"], "other");
    let (cert, key, ca) = (files.word("cert"), files.word("key"), files.word("ca"));
    let wrong = files.write("key-of-other", &other.key);
    let wrong_key = wrong.replace("key-of-other=", "key=");
    let broken = files.write("broken", "no PEM at all\n");
    let broken_cert = broken.replace("broken=", "cert=");
    let broken_ca = broken.replace("broken=", "ca=");
    let port = free_port().to_string();
    let run = |words: &[&str]| {
        let mut command = Command::new(program("programs/recorder.c"));
        Running::of(command.args([words[0], &port, "built-in"]).args(&words[1..])).expect_status(1)
    };
    for (words, sentence) in [
        (&["server", "cert=/no/such/file", &*key][..], "/no/such/file: No such file"),
        (&["server", &cert, "key=/no/such/key"], "/no/such/key: No such file"),
        (&["server", &cert, &wrong_key], "key"),
        (&["server", &broken_cert, &key], "broken"),
        (&["server", &cert, &key, "ciphers=NO-SUCH"], "ssl_cipher_list: "),
        (&["server", &cert, &key, "clients"], "set ssl_ca_filepath"),
        (&["server", &cert, &key, "clients", &broken_ca], "broken"),
        (&["server", &cert, &key, "clients", "ca=/no/ca"], "cannot read the CA /no/ca"),
        (&["client", "ssl=1", "ciphers=NO-SUCH"], "\"NO-SUCH\" is no cipher suite"),
        (&["client", "ssl=1", &cert, &wrong_key], "key"),
    ] {
        let said = run(words);
        let errors: Vec<&str> = said.lines().filter(|line| line.contains("ERR: ")).collect();
        assert_eq!(errors.len(), 1, "{words:?}\n{said}");
        assert!(errors[0].contains("libwebsocket_create_context: "), "{words:?}: {}", errors[0]);
        assert!(errors[0].contains(sentence), "{words:?}: {}", errors[0]);
    }
    // A client's CA is different: that is said, and the context is there all the same.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().port().to_string();
    let mut command = Command::new(program("programs/recorder.c"));
    let words = ["client", &at, "built-in", "ssl=1", "ca=/no/ca"];
    let said = Running::of(command.args(words)).expect_status(2);
    assert!(said.contains("there will be no connections under TLS"), "{said}");
    assert!(said.contains("libwebsocket_client_connect: cannot read the CA /no/ca"), "{said}");
    // Half of it is no TLS, and a warning.
    let server = Server::start(&program("programs/recorder.c"), &["server", "PORT", "x", &cert]);
    let mut peer = server.peer();
    peer.upgrade("/", &RECORD);
    assert!(server.stop().contains("WARN: TLS needs both a certificate and its key"));
    drop(ca);
}

/// One of the manual's programs, with the files of the test server.
fn with_files(source: &str) -> PathBuf {
    let datadir = format!("-DINSTALL_DATADIR=\"{}\"", site::data().display());
    compiled(source, "gcc", &["-std=gnu99", &datadir])
}

#[test]
fn the_test_server_under_tls_and_the_programs_that_speak_with_it() {
    in_both_loops(|mode| {
        let arguments = ["-p", "PORT", "-i", "127.0.0.1", "--ssl"];
        let server = Server::start(&site::program(mode, "gcc", "-std=gnu99"), &arguments);
        let port = server.port.to_string();
        client_draws(&program("programs/test-client.c"), &port, &["--ssl"]);
        let mut ping = Command::new(program("programs/test-ping.c"));
        let mut ping = Running::of(ping.args(["127.0.0.1", "-p", &port, "--ssl", "-i", "0.1"]));
        ping.expect("64 bytes from");
        ping.signal("INT");
        ping.expect_status(0);
        let (url, pem) = (format!("wss://127.0.0.1:{port}/"), "libwebsockets-test-server.pem");
        let pem = site::data().join("libwebsockets-test-server").join(pem);
        let mut connect = Command::new(sockeye());
        connect.args(["connect", &url, "--subprotocol", "dumb-increment-protocol", "--ca"]);
        let mut connect = Running::of(connect.arg(pem));
        for number in ["0", "1", "2"] {
            connect.expect(number);
        }
        if has("curl") {
            let leaf = format!("https://127.0.0.1:{port}/leaf.jpg");
            let curl =
                Command::new("curl").args(["--silent", "--insecure", &leaf]).output().unwrap();
            assert!(curl.status.success(), "{curl:?}"); // also not truncated, by OpenSSL's word
            assert!(curl.stdout == site::leaf(), "{} bytes", curl.stdout.len());
        }
        server.stop();
    });
}

#[test]
fn echo_and_fraggle_under_tls() {
    let echo = with_files("programs/test-echo.c");
    let server = Server::start(&echo, &["-p", "PORT", "-i", "127.0.0.1", "--ssl"]);
    let port = server.port.to_string();
    let words = ["-c", "127.0.0.1", "-p", &port, "--ssl", "-r", "1"];
    let mut client = Running::of(Command::new(&echo).args(words));
    client.expect("Client RX: hello from libwebsockets-test-echo client pid");
    client.signal("INT");
    client.expect_status(0);
    server.stop();
    let fraggle = with_files("programs/test-fraggle.c");
    let server = Server::start(&fraggle, &["-p", "PORT", "-i", "127.0.0.1", "--ssl"]);
    let port = server.port.to_string();
    let words = ["-p", &port, "-c", "127.0.0.1", "--ssl"];
    let mut client = Running::of(Command::new(&fraggle).args(words));
    (0..3).for_each(|_| drop(client.expect("EOM received")));
    assert!(!client.said.iter().any(|line| line.contains("ERROR")), "{:?}", client.said);
}
