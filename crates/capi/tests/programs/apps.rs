//! The manual's clients, against the test server in C, the Rust programs, and scripted servers.

use crate::build::{compiled, has, program, sockeye};
use crate::run::{Running, Server, free_port};
use crate::site;
use sockeye_testkit::{Frame, Opcode, Peer, idle};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A client at the manual's level, at 1.4, and as C++.
fn variants(source: &str) -> Vec<PathBuf> {
    let later = ["-std=gnu99", "-DSOCKEYE_LWS_LEVEL=140"];
    let mut all = vec![program(source), compiled(source, "gcc", &later)];
    if has("g++") {
        all.push(compiled(source, "g++", &["-std=gnu++98", "-x", "c++"]));
    }
    all
}

/// One of the Rust programs that serve; it says its port itself.
fn rust_server(words: &[&str]) -> (Running, String) {
    let mut command = Command::new(sockeye());
    let mut server = Running::of(command.args(words).args(["--port", "0"]));
    let line = server.expect("127.0.0.1:");
    let port = line.split("127.0.0.1:").nth(1).unwrap();
    let digits = port.chars().take_while(char::is_ascii_digit).collect();
    (server, digits)
}

fn run(client: &Path, words: &[&str]) -> Running {
    Running::of(Command::new(client).args(words))
}

/// The counter is printed, circles are drawn, the session closed and opened again.
pub(crate) fn client_draws(client: &Path, port: &str, words: &[&str]) {
    let mut client = run(client, &[&["127.0.0.1", "-p", port], words].concat());
    client.expect("Websocket connections opened");
    client.expect("rx 1 '0'");
    client.expect("closing mirror session");
    client.expect("mirror: LWS_CALLBACK_CLOSED");
    client.expect("callback_lws_mirror: LWS_CALLBACK_CLIENT_ESTABLISHED");
    client.signal("INT");
    assert!(client.expect_status(0).contains("Exiting"));
}

#[test]
fn the_client_draws_on_the_board_of_a_test_server() {
    for client in variants("programs/test-client.c") {
        let server = site::server("external");
        client_draws(&client, &server.port.to_string(), &[]);
        server.stop();
    }
}

#[test]
fn the_client_draws_on_the_board_of_the_rust_server() {
    let (_server, port) = rust_server(&["serve", "--origin", "any"]);
    client_draws(&program("programs/test-client.c"), &port, &[]);
}

#[test]
fn client_and_ping_speak_tls_with_the_rust_server() {
    let (_server, port) = rust_server(&["serve", "--origin", "any", "--tls-self-signed"]);
    for client in variants("programs/test-client.c") {
        client_draws(&client, &port, &["-s"]);
    }
    for ping in variants("programs/test-ping.c") {
        pings(&ping, &port, &["-t"], "64");
    }
}

#[test]
fn what_the_client_sends_and_when_it_ends() {
    for client in variants("programs/test-client.c") {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let words = ["127.0.0.1", "--port", &port, "-v", "13", "-u", "-n", "-l", "-d", "7"];
        let mut client = run(&client, &words);
        let mut dumb = Peer::accept(&listener, idle());
        let answer = |peer: &mut Peer, protocol: &str| {
            let request = peer.expect_head();
            assert!(request.text.starts_with("GET / HTTP/1.1\r\n"), "{}", request.text);
            assert_eq!(request.header("Host"), Some("127.0.0.1"));
            assert_eq!(request.header("Origin"), Some("127.0.0.1"));
            assert_eq!(request.header("Sec-WebSocket-Protocol"), Some(protocol));
            assert_eq!(request.header("Sec-WebSocket-Extensions"), None, "-u");
            let chosen = format!("\r\nSec-WebSocket-Protocol: {protocol}\r\n\r\n");
            peer.send(request.switching_protocols().replacen("\r\n\r\n", &chosen, 1));
        };
        answer(&mut dumb, "dumb-increment-protocol");
        dumb.send_frame(&Frame::text("four"));
        let mut mirror = Peer::accept(&listener, idle());
        answer(&mut mirror, "lws-mirror-protocol");
        for _ in 0..1100 {
            let circle = mirror.expect_frame(); // -l: more than a session has
            let text = String::from_utf8(circle.payload).unwrap();
            let [color, x, y, r] =
                text.trim_end_matches(';')[2..].split(' ').collect::<Vec<_>>()[..]
            else {
                panic!("{text}")
            };
            assert!(text.starts_with("c #") && text.ends_with(';') && color.len() == 7, "{text}");
            assert!([x, y, r].iter().all(|number| number.parse::<u32>().is_ok()), "{text}");
        }
        drop(dumb);
        let said = client.expect_status(0);
        assert!(said.contains("rx 4 'four'"), "{said}");
        assert!(said.contains("denied permessage-deflate extension"), "{said}");
        assert!(said.contains("Exiting"), "{said}");
    }
}

#[test]
fn the_clients_statuses_are_the_manuals() {
    let port = free_port().to_string();
    for client in variants("programs/test-client.c") {
        run(&client, &[]).expect_status(1);
        run(&client, &["--odd"]).expect_status(1);
        run(&client, &["127.0.0.1", "-p", &port]).expect_status(1); // nobody is there
    }
    for ping in variants("programs/test-ping.c") {
        run(&ping, &[]).expect_status(1);
        run(&ping, &["127.0.0.1", "-p", &port]).expect_status(1);
        for (words, most) in [(&["-s", "126"][..], 125), (&["-m", "-s", "4097"], 4096)] {
            let said = run(&ping, &[words, &["127.0.0.1"]].concat()).expect_status(1);
            assert!(said.contains(&format!("The size must be 8 to {most}")), "{said}");
        }
    }
}

/// Pings until there are answers, then asks for the statistics.
fn pings(ping: &Path, port: &str, words: &[&str], bytes: &str) {
    let port = ["127.0.0.1", "--port", port, "-i", "0.01"];
    let mut ping = run(ping, &[&port[..], words].concat());
    let line = ping.expect("Websocket PING ");
    assert!(line.ends_with(&format!("(127.0.0.1) {bytes} bytes of data.")), "{line}");
    for index in ["req=1 ", "req=3 "] {
        let line = ping.expect(index);
        assert!(line.starts_with(&format!("{bytes} bytes from 127.0.0.1: req=")), "{line}");
        let time = line.split("time=").nth(1).unwrap().strip_suffix("ms").unwrap();
        assert!(time.parse::<f64>().is_ok() && time.contains('.'), "{line}");
    }
    ping.signal("INT");
    let said = ping.expect_status(0);
    let summary = said.lines().find(|line| line.contains("packets transmitted")).unwrap();
    let number = |at| summary.split(' ').nth(at).unwrap().parse::<u32>().unwrap();
    let (sent, received) = (number(0), number(3));
    assert!(sent >= received && summary.contains(" received, "), "{summary}");
    let loss = format!(", {}% packet loss, time ", (sent - received) * 100 / sent);
    assert!(summary.contains(&loss), "{summary}");
    assert!(received >= 3, "{summary}");
    assert!(said.contains("rtt min/avg/max = ") && said.contains(" KiB/s"), "{said}");
}

#[test]
fn pings_are_answered_by_a_test_server_and_the_rust_ones() {
    let all = variants("programs/test-ping.c");
    let server = site::server("built-in");
    let port = server.port.to_string();
    for ping in &all {
        pings(ping, &port, &[], "64");
    }
    pings(&all[0], &port, &["-s", "125", "-k", "-v", "13", "-r", "3"], "125");
    pings(&all[0], &port, &["-m", "-s", "100"], "100");
    pings(&all[0], &port, &["-n", "dumb-increment-protocol", "-d", "7"], "64");
    server.stop();
    let (_server, port) = rust_server(&["serve", "--origin", "any"]);
    pings(&all[0], &port, &[], "64");
    pings(&all[0], &port, &["-m", "-s", "4096"], "4096");
    let (_server, port) = rust_server(&["echo", "--origin", "any"]);
    pings(&all[0], &port, &["-m", "-s", "1000"], "1000");
}

#[test]
fn a_flood_goes_on_as_fast_as_answers_come() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let words = ["127.0.0.1", "--port", &port, "--flood", "--interval", "1000"];
    let mut ping = run(&program("programs/test-ping.c"), &words);
    let mut peer = Peer::accept(&listener, idle());
    let request = peer.expect_head();
    assert_eq!(request.header("Sec-WebSocket-Protocol"), Some("lws-mirror-protocol"));
    let chosen = "\r\nSec-WebSocket-Protocol: lws-mirror-protocol\r\n\r\n";
    peer.send(request.switching_protocols().replacen("\r\n\r\n", chosen, 1));
    for index in 1..=50_u64 {
        let frame = peer.expect_frame();
        assert_eq!(frame.opcode, Opcode::Ping);
        assert_eq!(frame.payload.len(), 64);
        assert_eq!(frame.payload[..8], index.to_be_bytes());
        assert!(frame.payload[8..].iter().all(|&byte| byte == 0));
        peer.send_frame(&Frame::pong(frame.payload));
    }
    assert_eq!(peer.expect_frame().opcode, Opcode::Ping);
    drop(peer);
    let said = ping.expect_status(0);
    assert!(said.contains("51 packets transmitted, 50 received, 1% packet loss"), "{said}");
}

#[test]
fn a_test_server_answers_the_ping_of_rust() {
    let server = site::server("external");
    let url = format!("ws://127.0.0.1:{}", server.port);
    let count = ["--count", "3", "--interval", "10ms"];
    for words in [&["--subprotocol", "lws-mirror-protocol"][..], &["--mirror"]] {
        let mut ping = Command::new(sockeye());
        let said = Running::of(ping.args(["ping", &url]).args(count).args(words)).expect_status(0);
        assert!(said.contains("3 sent, 3 received") || said.contains("3 received"), "{said}");
    }
    server.stop();
}

/// What deflate makes of a run of `a`: one literal and some matches of 258 bytes one byte back, in
/// fixed codes, without the end that permessage-deflate leaves out.
fn deflated_run(matches: usize) -> (usize, Vec<u8>) {
    let mut bits = vec![false, true, false]; // not the last block; fixed codes, low bit first
    let mut code =
        |value: u16, len: u16| bits.extend((0..len).rev().map(|at| value >> at & 1 == 1));
    code(0x30 + u16::from(b'a'), 8);
    for _ in 0..matches {
        code(0xc5, 8);
        code(0, 5);
    }
    code(0, 7); // end of block
    bits.extend([false; 3]); // a stored block, empty: its head
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, &bit| byte << 1 | u8::from(bit));
    (1 + 258 * matches, bits.chunks(8).map(byte).collect())
}

fn gatherer(compiler: &str, standard: &str) -> PathBuf {
    compiled("programs/gather.cpp", compiler, &[standard])
}

#[test]
fn the_gatherer_sees_whole_messages_however_they_come() {
    for (compiler, standard) in [("g++", "-std=c++98"), ("clang++", "-std=c++20")] {
        if !has(compiler) {
            continue;
        }
        let server = Server::start(&gatherer(compiler, standard), &["PORT"]);
        let mut peer = server.peer();
        let offer = ("Sec-WebSocket-Extensions", "permessage-deflate");
        let head = peer.upgrade("/", &[("Sec-WebSocket-Protocol", "fraggle-protocol"), offer]);
        assert!(head.header("Sec-WebSocket-Extensions").is_some(), "{}", head.text);
        let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
        peer.send_frame(&Frame::text("short"));
        peer.expect_text(&format!("text of 5 bytes in one piece, sum {}", sum(b"short")));
        let big: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
        let answer = format!("binary of 100000 bytes in pieces, sum {}", sum(&big));
        peer.send_frame(&Frame::binary(big.clone())); // one frame over the buffer
        peer.expect_text(&answer);
        for len in [37, 63, 64, 65, 1000, 70_000] {
            let count = big.len().div_ceil(len);
            for (n, piece) in big.chunks(len).enumerate() {
                let opcode = if n == 0 { Opcode::Binary } else { Opcode::Continuation };
                let frame = Frame::new(opcode, piece);
                peer.send_frame(&if n + 1 == count { frame } else { frame.not_final() });
                if len == 1000 && n == 50 {
                    peer.send_frame(&Frame::ping("between"));
                    assert_eq!(peer.expect_frame().opcode, Opcode::Pong);
                }
            }
            peer.expect_text(&answer);
        }
        let (len, wire) = deflated_run(400);
        let answer = format!("text of {len} bytes in pieces, sum {}", len * usize::from(b'a'));
        let compressed = |opcode, bytes: &[u8], reserved| {
            let mut frame = Frame::new(opcode, bytes);
            frame.reserved = reserved;
            frame
        };
        peer.send_frame(&compressed(Opcode::Text, &wire, 0x40));
        peer.expect_text(&answer);
        let (a, b) = wire.split_at(wire.len() / 3);
        let (b, c) = b.split_at(b.len() / 2);
        peer.send_frame(&compressed(Opcode::Text, a, 0x40).not_final());
        peer.send_frame(&compressed(Opcode::Continuation, b, 0).not_final());
        peer.send_frame(&compressed(Opcode::Continuation, c, 0));
        peer.expect_text(&answer);
        let mut other = server.peer();
        other.upgrade("/", &[]);
        let over = Frame::binary(vec![0; (16 << 20) + 1]);
        let _ = other.try_send(over.masked()); // it hangs up before all has come
        other.expect_end();
        server.stop();
    }
}

#[test]
fn the_gatherer_checks_what_the_fraggle_servers_send() {
    if !has("g++") {
        return;
    }
    let gatherer = gatherer("g++", "-std=c++98");
    let fraggle = compiled("programs/test-fraggle.c", "gcc", &["-std=gnu99"]);
    let mut server = Server::start(&fraggle, &["-p", "PORT", "-i", "127.0.0.1"]);
    let (_rust, rust_port) = rust_server(&["fraggle", "--origin", "any"]);
    for port in [server.port.to_string(), rust_port] {
        let said = run(&gatherer, &[&port, "127.0.0.1", "3"]).expect_status(0);
        assert_eq!(said.matches("message of ").count(), 3, "{said}");
    }
    server.program.expect_status(0); // its only client has gone
}

#[test]
fn fraggle_and_echo_in_c_and_in_rust_understand_each_other() {
    let fraggle = compiled("programs/test-fraggle.c", "gcc", &["-std=gnu99"]);
    let mut server = Server::start(&fraggle, &["-p", "PORT", "-i", "127.0.0.1"]);
    let url = format!("ws://127.0.0.1:{}", server.port);
    let mut check = Command::new(sockeye());
    Running::of(check.args(["fraggle", &url, "--count", "3"])).expect_status(0);
    server.program.expect_status(0);
    let (_server, port) = rust_server(&["fraggle", "--origin", "any"]);
    let mut client = run(&fraggle, &["-p", &port, "-c", "127.0.0.1"]);
    client.expect("EOM received");
    client.expect("EOM received");
    assert!(!client.said.iter().any(|line| line.contains("ERROR")), "{:?}", client.said);
    let echo = program("programs/test-echo.c");
    let (_server, port) = rust_server(&["echo", "--origin", "any"]);
    let mut client = run(&echo, &["-c", "127.0.0.1", "-p", &port, "-r", "1"]);
    client.expect("Client RX: hello from libwebsockets-test-echo client pid");
    client.signal("INT");
    client.expect_status(0);
    let server = Server::start(&echo, &["-p", "PORT", "-i", "127.0.0.1"]);
    let url = format!("ws://127.0.0.1:{}", server.port);
    let script = "echo 'as text' | \"$0\" connect \"$1\" --count 1";
    let mut connect = Command::new("sh");
    connect.args(["-c", script]).arg(sockeye()).arg(&url);
    assert!(Running::of(&mut connect).expect_status(0).contains("as text"));
    server.stop();
}
