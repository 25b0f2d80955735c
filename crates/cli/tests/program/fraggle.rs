//! `sockeye fraggle`, with both ends ours and with one that makes mistakes.

use crate::run::{Patient, Program, Server, finish, run};
use rustix::process::Signal;
use std::net::TcpListener;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::{Message, accept_hdr};

/// Runs the client to its end: exit status, lines of stdout, stderr.
fn check(server: &Server, options: &[&str]) -> (Option<i32>, usize, String) {
    let url = format!("ws://{}", server.address);
    let (status, stdout, stderr) = run(&[&["fraggle", &url], options].concat());
    let lines = stdout.lines().filter(|line| line.starts_with("message "));
    (status, lines.count(), stderr)
}

#[test]
fn every_sum_is_right_between_our_own_ends_with_compression_agreed_or_not() {
    for server_options in [&["fraggle"][..], &["fraggle", "--no-deflate"]] {
        let mut server = Server::start(server_options, "ws");
        assert_eq!(check(&server, &["--count", "3"]), (Some(0), 3, String::new()));
        assert_eq!(check(&server, &["--no-deflate"]), (Some(0), 1, String::new()));
        server.program.signal(Signal::TERM);
        assert_eq!(server.program.wait().code(), Some(0));
    }
}

#[test]
fn every_sum_is_right_under_tls() {
    let mut server = Server::start(&["fraggle", "--tls-self-signed"], "wss");
    let url = format!("wss://{}", server.address);
    let check = |options: &[&str]| run(&[&["fraggle", &url], options].concat());
    let (status, said, complaint) = check(&["--insecure", "--count", "2"]);
    assert_eq!((status, complaint.as_str()), (Some(0), ""));
    assert_eq!(said.lines().filter(|line| line.starts_with("message ")).count(), 2);
    let (status, _, complaint) = check(&[]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("signed by itself"), "{complaint}");
    server.program.signal(Signal::TERM);
    assert_eq!(server.program.wait().code(), Some(0));
    let (status, _, complaint) = run(&["fraggle", "--insecure"]);
    assert_eq!(status, Some(2));
    assert!(complaint.contains("--insecure is of the client"), "{complaint}");
}

/// What becomes of a client that is sent these messages and then a Close frame.
fn verdict_on(messages: Vec<Message>, options: &[&str]) -> (Option<i32>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut client = Program::start(&[&["fraggle", &url], options].concat());
    let stream = Patient::new(listener.accept().unwrap().0);
    #[allow(clippy::result_large_err)] // tungstenite's, and never made
    let agree = |hello: &Request, mut answer: Response| {
        let offer = &hello.headers()["Sec-WebSocket-Protocol"];
        answer.headers_mut().insert("Sec-WebSocket-Protocol", offer.clone());
        Ok(answer)
    };
    let mut server = accept_hdr(stream, agree).expect("a handshake");
    for message in messages {
        server.send(message).expect("it reads");
    }
    let _ = server.close(None); // if it has not begun to close
    finish(server);
    client.verdict()
}

fn binary(bytes: &[u8]) -> Message {
    Message::binary(bytes.to_vec())
}

#[test]
fn a_peer_that_corrupts_is_found_out() {
    let right = [binary(&[1, 2, 0xff]), binary(&[0, 0, 1, 2])];
    let [message, sum] = right.clone();
    assert_eq!(verdict_on(right.to_vec(), &[]), (Some(0), String::new()));
    let cases = [
        (vec![binary(&[1, 3, 0xff]), sum.clone()], "message 1: its bytes add up to 0x00000103"),
        (vec![message.clone(), binary(&[2, 1, 0, 0])], "the server says 0x02010000"),
        (vec![message.clone(), sum.clone(), binary(&[1]), sum], "message 2: its bytes add up"),
        (vec![message.clone(), binary(&[0, 1, 2])], "should have 4 bytes, and has 3"),
        (vec![message.clone(), binary(&[0, 0, 1, 2, 3])], "should have 4 bytes, and has more"),
        (vec![Message::text("abc")], "message 1: it is text"),
        (vec![message], "ended after 0 right messages"),
    ];
    for (messages, named) in cases {
        let (status, said) = verdict_on(messages, &["--count", "2"]);
        assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
        assert!(said.contains(named), "{named:?} in {said}");
    }
}

#[test]
fn a_server_of_another_kind_is_a_failure() {
    let echo = Server::start(&["serve"], "http");
    let (status, _, said) = check(&echo, &[]);
    assert_eq!((status, said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.contains("400"), "{said}");
}

#[test]
fn the_client_can_be_interrupted() {
    let server = Server::start(&["fraggle"], "ws");
    let url = format!("ws://{}", server.address);
    let mut client = Program::start(&["fraggle", &url, "--count", "1000000"]);
    let mut line = String::new();
    std::io::BufRead::read_line(&mut client.stdout(), &mut line).expect("stdout is text");
    client.signal(Signal::INT);
    assert_eq!(client.wait().code(), Some(130));
}
