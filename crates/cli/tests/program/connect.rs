//! `sockeye connect`, against the server of tungstenite.

use crate::run::{
    Patient, Peer, Program, Server, close_of, command, finish, read_head, say, text, unread,
};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Signal;
use sockeye_testkit::limit;
use std::io::{BufRead, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::thread;
use tungstenite::handshake::server::{Request, Response};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, accept, accept_hdr};

/// `sockeye connect` and the other end of its connection.
struct Talk {
    program: Program,
    peer: Peer,
    /// The request, as tungstenite saw it.
    request: Request,
}

impl Talk {
    fn with(options: &[&str]) -> Self {
        let (program, stream) = dial(options);
        let mut request = None;
        #[allow(clippy::result_large_err)] // tungstenite's, and never made
        let keep = |hello: &Request, mut answer: Response| {
            request = Some(hello.clone());
            if let Some(offer) = hello.headers().get("Sec-WebSocket-Protocol") {
                let first = offer.to_str().unwrap().split(',').next().unwrap();
                answer.headers_mut().insert("Sec-WebSocket-Protocol", first.parse().unwrap());
            }
            Ok(answer)
        };
        let peer = accept_hdr(stream, keep).expect("a handshake");
        Self { program, peer, request: request.expect("the callback was called") }
    }

    /// Only when it sends has it read our half of the handshake.
    fn wait_until_open(&mut self) {
        self.program.say(b"ready\n");
        assert_eq!(text(&mut self.peer), "ready");
    }

    /// Ends it: exit status and stderr.
    fn verdict(mut self) -> (Option<i32>, String) {
        finish(self.peer);
        self.program.verdict()
    }
}

/// Starts `sockeye connect`; the TCP connection it makes.
fn dial(options: &[&str]) -> (Program, Patient) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/path", listener.local_addr().unwrap());
    let program = Program::start(&[&["connect", &url], options].concat());
    (program, Patient::new(listener.accept().unwrap().0))
}

const DONE: (Option<i32>, String) = (Some(0), String::new());

#[test]
fn lines_go_out_as_messages_and_messages_come_in_as_lines() {
    let mut talk = Talk::with(&[]);
    let mut stdout = talk.program.stdout();
    talk.program.say("hello\n\n  z\u{f6} \u{1f41f}  \nno newline".as_bytes());
    assert_eq!(text(&mut talk.peer), "hello");
    assert_eq!(text(&mut talk.peer), "");
    assert_eq!(text(&mut talk.peer), "  z\u{f6} \u{1f41f}  ");
    for message in [Message::text("one"), Message::binary(&b"\x00\xff"[..]), Message::text("")] {
        talk.peer.send(message).unwrap();
    }
    for expected in [&b"one\n"[..], b"\x00\xff\n", b"\n"] {
        let mut line = Vec::new();
        stdout.read_until(b'\n', &mut line).unwrap();
        assert_eq!(line, expected);
    }
    talk.program.say_no_more();
    assert_eq!(text(&mut talk.peer), "no newline");
    assert_eq!(close_of(&mut talk.peer), (1000, String::new()));
    assert_eq!(talk.verdict(), DONE);
}

#[test]
fn binary_lines_are_sent_as_they_are() {
    let mut talk = Talk::with(&["--binary"]);
    talk.program.say(b"\x00\xff\r\n");
    assert_eq!(talk.peer.read().unwrap(), Message::binary(&b"\x00\xff\r"[..]));
    talk.program.say_no_more();
    assert_eq!(talk.verdict(), DONE);
}

#[test]
fn no_line_is_lost_however_many_and_however_long() {
    let mut talk = Talk::with(&[]);
    let long = "x".repeat(16 << 20);
    let (mut program, all) = (talk.program, 100_000);
    let writer = thread::spawn(move || {
        for number in 0..all {
            program.say(format!("{number}\n").as_bytes());
        }
        program.say(format!("{long}\n{long}\nlast").as_bytes());
        program.say_no_more();
        program
    });
    for number in 0..all {
        assert_eq!(text(&mut talk.peer), number.to_string());
    }
    assert_eq!([(); 2].map(|()| text(&mut talk.peer).len()), [16 << 20; 2]);
    assert_eq!(text(&mut talk.peer), "last");
    assert_eq!(close_of(&mut talk.peer).0, 1000);
    talk.program = writer.join().unwrap();
    assert_eq!(talk.verdict(), DONE);
}

#[test]
fn long_lines_and_their_echoes_do_not_wait_for_each_other() {
    // More than the buffers of the system hold, in both directions at a time.
    const LONG: usize = 8 << 20;
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    let mut program = Program::start(&["connect", &url, "--no-deflate", "--count", "4"]);
    let mut stdout = program.stdout();
    let writer = thread::spawn(move || {
        for _ in 0..4 {
            program.say(&[&[b'x'; LONG][..], b"\n"].concat());
        }
        program
    });
    let mut echoes = Vec::new();
    stdout.read_to_end(&mut echoes).unwrap();
    assert_eq!(echoes.len(), 4 * (LONG + 1));
    assert_eq!(writer.join().unwrap().verdict(), DONE);
}

#[test]
fn a_count_ends_it_and_the_end_of_stdin_does_not() {
    let mut talk = Talk::with(&["--count", "2"]);
    let mut stdout = talk.program.stdout();
    talk.program.say(b"only\n");
    talk.program.say_no_more();
    assert_eq!(text(&mut talk.peer), "only");
    for message in ["one", "two", "three"] {
        say(&mut talk.peer, message);
    }
    assert_eq!(close_of(&mut talk.peer), (1000, String::new()));
    assert_eq!(talk.verdict(), DONE);
    let mut printed = String::new();
    stdout.read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "one\ntwo\n");
}

#[test]
fn every_answer_to_piped_lines_is_printed() {
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    for (linger, lines) in [("0", 20_000), ("1s", 3)] {
        let mut program = Program::start(&["connect", &url, "--linger", linger]);
        let mut stdout = program.stdout();
        let all: String = (0..lines).map(|number| format!("line {number}\n")).collect();
        let input = all.clone();
        let writer = thread::spawn(move || {
            program.say(input.as_bytes());
            program.say_no_more();
            program
        });
        let mut echoes = String::new();
        stdout.read_to_string(&mut echoes).unwrap();
        assert_eq!(echoes, all);
        assert_eq!(writer.join().unwrap().verdict(), DONE);
    }
}

#[test]
fn an_answer_that_comes_after_the_pong_is_waited_for() {
    let mut talk = Talk::with(&["--linger", "60s"]);
    let mut stdout = talk.program.stdout();
    talk.program.say(b"question");
    talk.program.say_no_more();
    assert_eq!(text(&mut talk.peer), "question");
    assert!(talk.peer.read().unwrap().is_ping());
    talk.peer.flush().unwrap(); // its answer
    say(&mut talk.peer, "answer");
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "answer\n");
    talk.peer.close(None).unwrap();
    assert_eq!(talk.verdict(), DONE);
}

#[test]
fn a_server_that_answers_no_ping_is_left_in_good_order() {
    let mut talk = Talk::with(&["--linger", "0"]);
    talk.program.say_no_more();
    let stream = talk.peer.get_mut();
    let mut ping = [0; 6 + 12];
    stream.read_exact(&mut ping).unwrap();
    assert_eq!(ping[..2], [0x89, 0x80 | 12]);
    let mut close = [0; 2];
    stream.read_exact(&mut close).unwrap();
    assert_eq!(close, [0x88, 0x80 | 2]);
    stream.read_exact(&mut [0; 6]).unwrap();
    stream.write_all(&[0x88, 2, 3, 0xe8]).unwrap();
    assert_eq!(talk.verdict(), DONE);
}

#[test]
fn a_count_ends_it_while_stdin_is_open() {
    let mut talk = Talk::with(&["--count", "1"]);
    say(&mut talk.peer, "one");
    assert_eq!(close_of(&mut talk.peer).0, 1000);
    assert_eq!(talk.verdict(), DONE);
}

#[test]
fn the_request_says_what_the_options_say() {
    let talk = Talk::with(&[
        "--subprotocol",
        "chat",
        "--subprotocol",
        "talk",
        "--origin",
        "http://example.com",
        "--header",
        "Cookie: a=b",
        "--header",
        "X-Colon: c:d",
    ]);
    let header = |name| talk.request.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(header("Sec-WebSocket-Protocol").replace(' ', ""), "chat,talk");
    assert_eq!(header("Origin"), "http://example.com");
    assert_eq!((header("Cookie"), header("X-Colon")), ("a=b", "c:d"));
    assert_eq!(talk.request.uri().path(), "/path");
}

#[test]
fn a_goodbye_of_the_server_is_a_success() {
    for frame in [None, Some(CloseFrame { code: CloseCode::Normal, reason: "bye".into() })] {
        let mut talk = Talk::with(&[]);
        talk.peer.close(frame).unwrap();
        assert_eq!(talk.verdict(), DONE);
    }
}

#[test]
fn another_code_of_the_server_is_told_with_its_reason() {
    for (code, reason) in [(1001, ""), (1011, "broken"), (4000, "why \u{1f41f}")] {
        let mut talk = Talk::with(&[]);
        talk.peer.close(Some(CloseFrame { code: code.into(), reason: reason.into() })).unwrap();
        let (status, stderr) = talk.verdict();
        assert_eq!(status, Some(3));
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.contains(&code.to_string()) && stderr.contains(reason), "{stderr}");
    }
}

#[test]
fn a_connection_that_ends_without_a_close_frame_is_lost() {
    let talk = Talk::with(&[]);
    drop(talk.peer);
    let mut program = talk.program;
    let (status, stderr) = program.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(4), 1), "{stderr}");
    assert!(stderr.contains("lost"), "{stderr}");
}

#[test]
fn a_server_that_breaks_the_protocol_is_left() {
    let mut talk = Talk::with(&[]);
    talk.peer.get_mut().write_all(&[0x83, 0]).unwrap();
    assert_eq!(close_of(&mut talk.peer).0, 1002);
    let (status, stderr) = talk.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(4), 1), "{stderr}");
    assert!(stderr.contains("violation"), "{stderr}");
}

#[test]
fn nobody_listening_is_one_clear_line() {
    // Bound, so that no one else gets the port, but not listening.
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = SocketAddr::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
    let url = format!("ws://{address}/");
    let (status, stderr) = Program::start(&["connect", &url]).verdict();
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains(&url), "{stderr}");
}

#[test]
fn a_refused_handshake_is_one_clear_line() {
    let (mut program, mut stream) = dial(&[]);
    read_head(&mut stream);
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    let (status, stderr) = program.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("404"), "{stderr}");
}

#[test]
fn a_line_that_is_no_text_is_refused_after_those_before_it() {
    let mut talk = Talk::with(&[]);
    talk.program.say(b"fine\n\xff\nnever sent\n");
    assert_eq!(text(&mut talk.peer), "fine");
    assert_eq!(close_of(&mut talk.peer).0, 1000);
    let (status, stderr) = talk.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(2), 1), "{stderr}");
    assert!(stderr.contains("line 2") && stderr.contains("--binary"), "{stderr}");
}

#[test]
fn a_signal_closes_in_good_order() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut talk = Talk::with(&[]);
        talk.wait_until_open();
        talk.program.signal(signal);
        assert_eq!(close_of(&mut talk.peer), (1000, String::new()));
        assert_eq!(talk.verdict().0, Some(status));
    }
}

#[test]
fn a_signal_ends_a_handshake_that_is_not_answered() {
    let (mut program, mut stream) = dial(&[]);
    read_head(&mut stream);
    program.signal(Signal::INT);
    assert_eq!(program.verdict().0, Some(130));
}

#[test]
fn a_second_signal_does_not_wait_for_the_server() {
    let mut talk = Talk::with(&[]);
    talk.wait_until_open();
    talk.program.signal(Signal::INT);
    let mut byte = [0];
    talk.peer.get_mut().read_exact(&mut byte).unwrap();
    assert_eq!(byte, [0x88]); // the first one has arrived, and its answer is withheld
    talk.program.signal(Signal::TERM);
    assert_eq!(talk.program.wait().code(), Some(143));
}

#[test]
fn a_stdout_that_nobody_reads_ends_it_quietly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut child = command(&["connect", &url])
        .stdin(Stdio::piped())
        .stdout(unread())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    limit(&child);
    let mut peer = accept(Patient::new(listener.accept().unwrap().0)).unwrap();
    say(&mut peer, "hello");
    assert_eq!(close_of(&mut peer), (1000, String::new()));
    finish(peer);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    child.stderr.unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

#[test]
fn json_and_binary_messages_are_shown_as_asked_for() {
    let mut talk = Talk::with(&["--json", "--hex"]);
    let mut stdout = talk.program.stdout();
    say(&mut talk.peer, r#"{"b":1.50, "a":["\u001b"]}"#);
    say(&mut talk.peer, "{plain\x1b}");
    talk.peer.send(Message::binary(&b"\x00hello"[..])).unwrap();
    talk.peer.close(None).unwrap();
    assert_eq!(talk.verdict(), DONE);
    let mut printed = String::new();
    stdout.read_to_string(&mut printed).unwrap();
    let expected = "{\n  \"b\": 1.50,\n  \"a\": [\n    \"\\u001b\"\n  ]\n}\n{plain\x1b}\n\
        00000000  00 68 65 6c 6c 6f                                 |.hello|\n00000006\n";
    assert_eq!(printed, expected);
}
