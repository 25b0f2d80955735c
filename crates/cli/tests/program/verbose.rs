//! `sockeye connect --verbose`: each step in a line, in order, with its time.

use crate::run::{Patient, Server, close_of, read_head, run};
use crate::screen::Screen;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

/// What is told: marks and texts, without the times, which only grow.
fn told(stderr: &str) -> Vec<String> {
    let mut last = 0.0;
    let line = |line: &str| {
        let (mark, rest) = line.split_at(2);
        let (ms, text) = rest.split_once(" ms  ").unwrap_or_else(|| panic!("no time: {line:?}"));
        let ms: f64 = ms.trim().parse().expect(line);
        assert!(ms >= last, "{stderr}");
        last = ms;
        format!("{mark}{text}")
    };
    stderr.lines().map(line).collect()
}

/// Whether these come in this order, others between them or not.
fn expect_in_order(told: &[String], expected: &[&str]) {
    let mut rest = told.iter();
    for wanted in expected {
        assert!(rest.any(|line| line == wanted), "no {wanted:?} in its place in {told:#?}");
    }
}

#[test]
fn look_up_connects_and_headers_are_told() {
    let server = Server::echo();
    let port = server.address.port();
    let url = format!("ws://localhost:{port}/path");
    let secret = ["-H", "Authorization: Basic s3cret"];
    let args = ["connect", &url, "--verbose", "--linger", "0"];
    let (status, _, stderr) = run(&[&args[..], &secret].concat());
    assert_eq!(status, Some(0), "{stderr}");
    let told = told(&stderr);
    expect_in_order(
        &told,
        &[
            "* looks up localhost",
            &format!("* tries 127.0.0.1:{port}"),
            &format!("* connected to 127.0.0.1:{port}"),
            &format!("* asks localhost:{port} for /path"),
            "> GET /path HTTP/1.1",
            &format!("> Host: localhost:{port}"),
            "> Authorization: (12 bytes)",
            "< 101 Switching Protocols",
            "< Upgrade: websocket",
        ],
    );
    assert!(told.iter().any(|line| line.starts_with("* found ")), "{told:#?}");
    assert!(!stderr.contains("s3cret"), "{stderr}");
}

#[test]
fn an_address_that_fails_is_told_when_it_fails() {
    let server = Server::echo();
    let port = server.address.port();
    // Nobody listens at the second address of the loopback.
    let known = format!("two.example:{port}:127.0.0.2,127.0.0.1");
    let url = format!("ws://two.example:{port}/");
    let (status, _, stderr) = run(&["connect", &url, "--resolve", &known, "-v", "--linger", "0"]);
    assert_eq!(status, Some(0), "{stderr}");
    expect_in_order(
        &told(&stderr),
        &[
            &format!("* tries 127.0.0.2:{port}"),
            &format!("* 127.0.0.2:{port} failed: Connection refused (os error 111)"),
            &format!("* tries 127.0.0.1:{port}"),
            &format!("* connected to 127.0.0.1:{port}"),
        ],
    );
}

#[test]
fn tls_is_told_before_the_request_that_goes_inside() {
    let server = Server::start(&["echo", "--tls-self-signed"], "wss");
    let url = format!("wss://{}/", server.address);
    let (status, _, stderr) = run(&["connect", &url, "--insecure", "-v", "--linger", "0"]);
    assert_eq!(status, Some(0), "{stderr}");
    let told = told(&stderr);
    let tls = told.iter().find(|line| line.starts_with("* agreed to TLSv1.3 with TLS_"));
    let tls = tls.unwrap_or_else(|| panic!("no TLS: {told:#?}"));
    expect_in_order(
        &told,
        &[
            &format!("* connected to {}", server.address),
            tls,
            "> GET / HTTP/1.1",
            "< 101 Switching Protocols",
        ],
    );
    assert!(told.iter().any(|line| line.starts_with("* certificate of ")), "{told:#?}");
}

#[test]
fn the_proxy_and_a_refusal_are_told() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", proxy.local_addr().unwrap());
    let serves = thread::spawn(move || {
        let mut stream = Patient::new(proxy.accept().unwrap().0);
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 403 No\r\nX: y\r\nContent-Length: 0\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (status, _, stderr) = run(&["connect", "ws://a.example/", "--proxy", &at, "-v"]);
    assert_eq!(status, Some(1), "{stderr}");
    let (steps, last) = stderr.trim_end().rsplit_once('\n').unwrap();
    expect_in_order(
        &told(steps),
        &[
            &format!("* asks proxy {at} for a tunnel"),
            "* the proxy gives a tunnel",
            "* asks a.example for /",
            "> Host: a.example",
            "< 403 No",
            "< X: y",
        ],
    );
    assert!(last.starts_with("sockeye: ws://a.example/: the server refused"), "{last}");
    serves.join().unwrap();
}

#[test]
fn on_a_terminal_it_stands_above_the_line() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let url = format!("ws://{address}/");
    let Some(screen) = Screen::start((80, 24), &["connect", &url, "-v"]) else { return };
    let stream = Patient::new(listener.accept().unwrap().0);
    screen.until("the request", |lines| lines.iter().any(|line| line.ends_with(" GET / HTTP/1.1")));
    screen.text("typed early");
    screen.until_end(&["> typed early"]);
    let mut peer = tungstenite::accept(stream).unwrap();
    let lines = screen.until("the answer", |lines| {
        lines.iter().any(|line| line.ends_with(" ms  101 Switching Protocols"))
            && lines.last().is_some_and(|last| last == "> typed early")
    });
    assert!(lines.iter().any(|line| line.ends_with(&format!(" ms  connected to {address}"))));
    screen.keys(&["C-u", "C-d"]);
    assert_eq!(close_of(&mut peer).0, 1000);
    let _ = peer.flush(); // the answer
    screen.until_ended(0);
}
