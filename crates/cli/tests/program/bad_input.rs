//! `sockeye connect` and everything that can be wrong between it and a conversation: one clear
//! sentence, within the deadline, and the documented exit status.

use crate::run::{Patient, command, frame, read_head, run};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use sockeye_testkit::{Port, finish, output};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tungstenite::handshake::derive_accept_key;

/// Short enough for a test, long enough for a machine that is busy.
const SOON: &str = "700ms";

/// A peer that answers one connection as it is told.
fn peer(script: impl FnOnce(&mut Patient) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut stream = Patient::new(listener.accept().unwrap().0);
        script(&mut stream);
        // Until the other end hangs up, so that no reset overtakes what was said.
        let _ = stream.read_to_end(&mut Vec::new());
    });
    address
}

/// A server that answers the handshake so; `{accept}` becomes the right one.
fn server(answer: &'static str) -> SocketAddr {
    peer(move |stream| {
        let head = read_head(stream);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = derive_accept_key(key.as_bytes());
        stream.write_all(answer.replace("{accept}", &accept).as_bytes()).unwrap();
    })
}

/// Runs it against an address, with no input: exit status and the one line on stderr.
fn connect(to: &str, options: &[&str]) -> (i32, String) {
    let (status, out, said) = run(&[&["connect", to], options].concat());
    assert_eq!(out, "");
    let line = said.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {said:?}"));
    assert!(!line.contains('\n'), "more than one line: {said}");
    (status.expect("it ended by itself"), line.to_owned())
}

#[test]
fn a_name_that_does_not_resolve() {
    let (status, said) = connect("ws://no.such.name.invalid/", &[]);
    let start =
        "sockeye: ws://no.such.name.invalid/: name look-up of no.such.name.invalid failed: ";
    assert!(status == 1 && said.starts_with(start), "{status}: {said}");
}

#[test]
fn a_refused_port() {
    let port = Port::reserve();
    let at = port.address;
    let (status, said) = connect(&format!("ws://{at}/"), &[]);
    let expected = format!(
        "sockeye: ws://{at}/: could not connect to {at}: Connection refused (os error 111)"
    );
    assert_eq!((status, said), (1, expected));
}

/// A port that is alive at IPv4, and at IPv6 takes a connection and no more: nobody answers there.
fn half_dead() -> (TcpListener, u16, (OwnedFd, Vec<TcpStream>)) {
    let attempt = || {
        let live = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let at =
            SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), live.local_addr().unwrap().port());
        let dead = socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
        bind(&dead, &at).ok()?;
        listen(&dead, 0).unwrap();
        let connect = || TcpStream::connect_timeout(&at, Duration::from_millis(50));
        let queue = std::iter::from_fn(|| connect().ok()).collect();
        Some((live, at.port(), (dead, queue)))
    };
    (0..20).find_map(|_| attempt()).expect("IPv6 on the loopback, and a port free for both")
}

#[test]
fn a_host_with_a_dead_ipv6_and_a_live_ipv4_address() {
    let (live, port, _dead) = half_dead();
    let url = format!("ws://both.example:{port}/");
    let known = format!("both.example:{port}:::1,127.0.0.1");
    let program = command(&["connect", &url, "--resolve", &known, "--count", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut client = tungstenite::accept(Patient::new(live.accept().unwrap().0)).unwrap();
    client.send(tungstenite::Message::text("here")).unwrap();
    while client.read().is_ok() {}
    let output = finish(program);
    assert_eq!((output.status.code(), output.stdout), (Some(0), b"here\n".to_vec()));
}

#[test]
fn a_host_with_two_dead_addresses() {
    let (live, port, _dead) = half_dead();
    drop(live);
    let url = format!("ws://both.example:{port}/");
    let known = format!("both.example:{port}:::1,127.0.0.1");
    let (status, said) = connect(&url, &["--resolve", &known, "--connect-timeout", SOON]);
    let expected = format!(
        "sockeye: {url}: could not connect to 127.0.0.1:{port}: Connection refused (os error 111), \
         to [::1]:{port}: no answer within {SOON}"
    );
    assert_eq!((status, said), (1, expected));
}

/// Through a proxy at an address: exit status, and what is said about it.
fn through(scheme: &str, proxy: SocketAddr) -> (i32, String) {
    let (url, proxy) = ("ws://nowhere.invalid/", format!("{scheme}://{proxy}"));
    let (status, said) = connect(url, &["--proxy", &proxy, "--proxy-timeout", SOON]);
    let start = format!("sockeye: {url}: proxy {proxy}: ");
    let rest = said.strip_prefix(&start).unwrap_or_else(|| panic!("not {start}: {said}"));
    (status, rest.to_owned())
}

#[test]
fn a_proxy_that_hangs() {
    for scheme in ["http", "socks5h"] {
        let silent = peer(|_| {});
        assert_eq!(through(scheme, silent), (1, format!("no tunnel within {SOON}")));
    }
}

#[test]
fn a_proxy_that_is_not_there() {
    let port = Port::reserve();
    let at = port.address;
    let expected = format!("could not connect to {at}: Connection refused (os error 111)");
    assert_eq!(through("http", at), (1, expected));
}

#[test]
fn a_proxy_that_answers_407() {
    let proxy = peer(|stream| {
        read_head(stream);
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                      Proxy-Authenticate: Basic realm=\"x\"\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
    });
    let expected = "it answered 407 \"Proxy Authentication Required\" and wants name and password: \
                    \"Basic realm=\\\"x\\\"\"";
    assert_eq!(through("http", proxy), (1, expected.to_owned()));
}

#[test]
fn a_proxy_that_sends_garbage() {
    let garbage = || peer(|stream| stream.write_all(b"\0\x01\x02garbage\r\n\r\n").unwrap());
    let (status, said) = through("http", garbage());
    assert!(status == 1 && said.starts_with("its answer is no HTTP: "), "{status}: {said}");
    let expected = "its answer is no SOCKS 5: it has 0x00 first".to_owned();
    assert_eq!(through("socks5h", garbage()), (1, expected));
}

#[test]
fn a_proxy_in_the_environment_that_is_none() {
    let mut program = command(&["connect", "ws://127.0.0.1:1/"]);
    let output = output(program.env("http_proxy", "gopher://x"));
    let expected = "sockeye: ws://127.0.0.1:1/: bad proxy in the environment, http_proxy: \
                    a proxy's URL starts with http://, https:// or socks5h://, \
                    not with \"gopher\"\n";
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
}

/// What is said of a server that answers the handshake so.
fn answered(answer: &'static str) -> (i32, String) {
    let url = format!("ws://{}/", server(answer));
    let (status, said) = connect(&url, &["--handshake-timeout", SOON]);
    let start = format!("sockeye: {url}: ");
    (status, said.strip_prefix(&start).unwrap_or(&said).to_owned())
}

const RIGHT: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n";

#[test]
fn a_server_that_answers_no_101() {
    let prefix = "the server refused the handshake: it answered";
    for (answer, why) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi\n", "200 OK, not 101; it says \"hi\""),
        (
            "HTTP/1.1 301 Moved Permanently\r\nLocation: wss://a/\r\nContent-Length: 0\r\n\r\n",
            "301 Moved Permanently, not 101, and sends on to wss://a/",
        ),
        (
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\nNo\x1b[31m such\n\nh",
            "400 Bad Request, not 101; it says \"No\\u{1b}[31m such\\n\\nh\"",
        ),
        ("HTTP/1.1 500 Oops\r\n\r\nuntil the end", "500 Oops, not 101; it says \"until the end\""),
    ] {
        assert_eq!(answered(answer), (1, format!("{prefix} {why}")));
    }
}

#[test]
fn a_server_that_answers_101_and_something_wrong() {
    for (wrong, why) in [
        (
            RIGHT.replace("{accept}", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
            "Sec-WebSocket-Accept does not answer the key, \
             the server sent \"AAAAAAAAAAAAAAAAAAAAAAAAAAA=\"",
        ),
        (
            format!("{RIGHT}Sec-WebSocket-Protocol: surprise\r\n"),
            "the server chose a subprotocol that was not offered: \"surprise\"",
        ),
        (
            format!("{RIGHT}Sec-WebSocket-Extensions: x-surprise\r\n"),
            "the server chose an extension that was not offered: \"x-surprise\"",
        ),
    ] {
        let answer = Box::leak(format!("{wrong}\r\n").into_boxed_str());
        let expected = format!("the server refused the handshake: {why}");
        assert_eq!(answered(answer), (1, expected));
    }
}

#[test]
fn a_server_that_sends_masked_frames() {
    let answer = Box::leak(format!("{RIGHT}\r\n").into_boxed_str());
    let address = peer(move |stream| {
        let head = read_head(stream);
        let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
        let accept = derive_accept_key(key.as_bytes());
        stream.write_all(answer.replace("{accept}", &accept).as_bytes()).unwrap();
        stream.write_all(&frame(0x81, b"hi")).unwrap();
    });
    let (status, said) = connect(&format!("ws://{address}/"), &["--count", "1"]);
    let expected = "sockeye: the connection was closed: \
                    protocol violation: frame from a server is masked";
    assert_eq!((status, said.as_str()), (4, expected));
}

#[test]
fn a_server_that_says_nothing_at_all() {
    let expected = format!("the server did not answer the handshake within {SOON}");
    let url = format!("ws://{}/", peer(|_| {}));
    let (status, said) = connect(&url, &["--handshake-timeout", SOON]);
    assert_eq!((status, said), (1, format!("sockeye: {url}: {expected}")));
    let hangs_up = peer(|stream| {
        read_head(stream);
        stream.0.shutdown(std::net::Shutdown::Both).unwrap();
    });
    let (status, said) = connect(&format!("ws://{hangs_up}/"), &[]);
    let expected = "connection lost during the handshake: unexpected end of file";
    assert!(status == 1 && said.ends_with(expected), "{status}: {said}");
}

#[test]
fn a_server_that_is_no_http() {
    let (status, said) = answered("SSH-2.0-OpenSSH_9.6\r\n\r\n");
    assert!(status == 1 && said.starts_with("the server's answer is no HTTP: "), "{said}");
}
