//! `sockeye bench`, when something is wrong: with the server, with what is asked for, with files.

use crate::bench::{Host, count};
use crate::run::{PROGRAM, Patient, Peer, Program, Server, command, read_head, run};
use rustix::process::Signal;
use serde_json::Value;
use sockeye_testkit::{Port, finish};
use std::fs;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use tungstenite::Message;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;

/// What it says of a server that does something with the third message instead of echoing it; no
/// result is told.
fn said_of(options: &[&str], instead: fn(&mut Peer, Message)) -> (Option<i32>, String) {
    let server = Host::new(1, move |mut peer: Peer| {
        for _ in 0..2 {
            let message = peer.read().unwrap();
            peer.send(message).unwrap();
        }
        let third = peer.read().unwrap();
        instead(&mut peer, third);
        while peer.read().is_ok() {}
    });
    let url = server.url.clone();
    let more = ["--size", "60", "--depth", "4", "--count", "100"];
    let (status, stdout, stderr) = run(&[&["bench", &url], &more[..], options].concat());
    assert_eq!(stdout, "");
    let line = stderr.strip_prefix(&format!("sockeye: {url}: ")).expect(&stderr);
    assert_eq!(line.lines().count(), 1, "{stderr}");
    (status, line.trim_end().to_owned())
}

/// A message with another payload.
fn with(message: &Message, change: impl Fn(&mut Vec<u8>)) -> Message {
    let mut bytes = message.clone().into_data().to_vec();
    change(&mut bytes);
    Message::binary(bytes)
}

#[test]
fn an_echo_that_is_wrong_is_named() {
    type Instead = fn(&mut Peer, Message);
    let wrongs: [(Instead, &str); 9] = [
        (
            |peer, third| peer.send(with(&third, |bytes| bytes[30] ^= 1)).unwrap(),
            "message 3 of connection 1 came back changed, from byte 31 on",
        ),
        (
            |peer, third| peer.send(with(&third, |bytes| bytes[0] ^= 1)).unwrap(),
            "message 3 of connection 1 came back changed, from byte 1 on",
        ),
        (
            |peer, third| peer.send(with(&third, |bytes| bytes.truncate(59))).unwrap(),
            "message 3 of connection 1 came back shorter than its 60 bytes",
        ),
        (
            |peer, third| peer.send(with(&third, |bytes| bytes.push(0))).unwrap(),
            "message 3 of connection 1 came back longer than its 60 bytes",
        ),
        (
            |peer, _| peer.send(Message::text("x".repeat(60))).unwrap(),
            "message 3 of connection 1 came back as text; it was sent as binary",
        ),
        (
            |peer, _| {
                let fourth = peer.read().unwrap();
                peer.send(fourth).unwrap();
            },
            "message 4 came where message 3 of connection 1 was due: message 3 is lost or late",
        ),
        (
            |peer, third| {
                peer.send(third.clone()).unwrap();
                peer.send(third).unwrap();
            },
            "message 3 came where message 4 of connection 1 was due: message 3 is echoed twice",
        ),
        (
            |peer, _| peer.send(Message::binary(b"hello".to_vec())).unwrap(),
            "message 3 of connection 1 came back changed, from byte 1 on",
        ),
        (
            |peer, _| peer.get_mut().write_all(&[0x83, 0]).unwrap(),
            "connection 1: it was closed: protocol violation: ",
        ),
    ];
    for (instead, expected) in wrongs {
        let (status, line) = said_of(&[], instead);
        assert!(line.starts_with(expected), "{line}");
        let broke = expected.contains("violation");
        assert_eq!(status, Some(if broke { 4 } else { 1 }), "{line}");
    }
}

#[test]
fn echoes_that_go_to_the_wrong_connection_are_named() {
    let (give, take) = mpsc::channel();
    let take = Arc::new(Mutex::new(take));
    // The first two messages of two connections change places.
    let server = Host::new(2, move |mut peer: Peer| {
        let message = peer.read().unwrap();
        let mine = peer.get_ref().0.peer_addr().unwrap();
        give.send((mine, message)).unwrap();
        let theirs = {
            let take = take.lock().unwrap();
            let (whose, message) = take.recv().unwrap();
            if whose == mine {
                let other = take.recv().unwrap();
                give.send((whose, message)).unwrap();
                other.1
            } else {
                message
            }
        };
        let _ = peer.send(theirs); // the other may have failed it all
        while peer.read().is_ok() {}
    });
    let url = server.url.clone();
    let (status, _, stderr) = run(&["bench", &url, "--connections", "2", "--count", "100"]);
    assert_eq!(status, Some(1), "{stderr}");
    let either = [
        "message 1 of connection 2 came where message 1 of connection 1 was due\n",
        "message 1 of connection 1 came where message 1 of connection 2 was due\n",
    ];
    assert!(either.iter().any(|line| stderr.ends_with(line)), "{stderr}");
}

#[test]
fn an_echo_that_does_not_come_is_not_waited_for_for_ever() {
    let (status, line) = said_of(&["--timeout", "2s"], |_, _| {});
    assert_eq!(status, Some(1));
    assert_eq!(line, "message 3 of connection 1 was not echoed within 2s");
}

#[test]
fn a_server_that_speaks_unasked_is_no_echo_server() {
    let server = Host::new(1, |mut peer: Peer| {
        peer.send(Message::text("welcome")).unwrap();
        while peer.read().is_ok() {}
    });
    let (status, _, stderr) = run(&["bench", &server.url, "--duration", "2h", "--warm-up", "0s"]);
    assert_eq!(status, Some(1), "{stderr}");
    let (unasked, text) = ("a message came unasked", "came back as text");
    assert!(stderr.contains(unasked) || stderr.contains(text), "{stderr}");
}

#[test]
fn a_connection_that_ends_is_named_with_its_reason() {
    fn close(peer: &mut Peer, code: u16, reason: &str) {
        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
        peer.close(Some(frame)).unwrap();
    }
    let (status, line) = said_of(&[], |peer, _| close(peer, 1009, "too long"));
    assert_eq!(status, Some(3), "{line}");
    assert!(line.starts_with("connection 1: the server closed it with 1009 message too"), "{line}");
    assert!(line.contains("\"too long\"") && line.contains("60 bytes"), "{line}");
    assert!(line.contains("--size"), "{line}");
    let (status, line) = said_of(&[], |peer, _| close(peer, 4000, ""));
    assert_eq!(status, Some(3), "{line}");
    assert_eq!(line, "connection 1: the server closed it with 4000 of the application");
    let (status, line) = said_of(&[], |peer, _| {
        peer.get_ref().0.shutdown(Shutdown::Both).unwrap();
    });
    assert_eq!(status, Some(4), "{line}");
    assert!(line.starts_with("connection 1: it was lost: "), "{line}");
}

#[test]
fn a_server_that_refuses_is_one_clear_line() {
    let port = Port::reserve();
    let (listener, url) = (port.listen(), format!("ws://{}/", port.address));
    let mut program = Program::start(&["bench", &url, "--connections", "7"]);
    let mut stream = Patient::new(listener.accept().unwrap().0);
    read_head(&mut stream);
    stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").unwrap();
    let (status, stderr) = program.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("connection 1 of 7: ") && stderr.contains("404"), "{stderr}");
    drop(listener);
    let (status, _, stderr) = run(&["bench", &url]);
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("could not connect"), "{stderr}");
}

#[test]
fn a_handshake_that_is_not_answered_has_a_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (status, _, stderr) = run(&["bench", &url, "--timeout", "100ms"]);
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("within 100ms"), "{stderr}");
}

#[test]
fn more_connections_than_descriptors_is_one_line_that_names_the_limit() {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -n 64; exec '{PROGRAM}' bench ws://127.0.0.1:9/ \"$@\"")]);
    shell.args(["sh", "--connections", "500"]);
    let (status, stderr) = Program::spawn(shell).verdict();
    assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
    assert!(stderr.contains("RLIMIT_NOFILE") && stderr.contains("500"), "{stderr}");
    assert!(stderr.contains("--connections"), "{stderr}");
}

#[test]
fn a_signal_ends_it_early_and_the_result_is_told() {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let (tell, told) = mpsc::channel();
        let server = Host::new(1, move |mut peer: Peer| {
            let mut count = 0;
            while let Ok(message) = peer.read() {
                if message.is_binary() {
                    peer.send(message).unwrap();
                    count += 1;
                    if count == 100 {
                        tell.send(()).unwrap();
                    }
                }
            }
            count
        });
        let options = ["--duration", "2h", "--warm-up", "0s", "--depth", "4", "--json"];
        let mut program = Program::start(&[&["bench", &server.url], &options[..]].concat());
        let stdout = program.stdout();
        told.recv().unwrap();
        program.signal(signal);
        let (code, stderr) = program.verdict();
        assert_eq!((code, stderr.lines().count()), (Some(status), 1), "{stderr}");
        let result: Value = serde_json::from_reader(stdout).unwrap();
        assert_eq!(result["complete"], false);
        let counts = server.results();
        for pointer in ["/messages/sent", "/messages/echoed", "/latency/samples"] {
            assert_eq!(count(&result, pointer), counts[0], "{pointer}");
        }
    }
}

#[test]
fn a_signal_ends_a_handshake_that_is_not_answered() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let mut program = Program::start(&["bench", &url]);
    let _stream: TcpStream = listener.accept().unwrap().0;
    program.signal(Signal::INT);
    let (status, stderr) = program.verdict();
    assert_eq!((status, stderr.lines().count()), (Some(130), 1), "{stderr}");
}

#[test]
fn wrong_usage_is_one_line_with_status_2() {
    let url = "ws://127.0.0.1:9/";
    for (options, named) in [
        (&["--server-pid", "4194304"][..], "4194304"),
        (&["--connections", "100000", "--depth", "1000"], "--depth"),
        (&["--count", "1", "--duration", "1s"], "--count"),
        (&["--size", "65M"], "--size"),
        (&["--rate", "0"], "--rate"),
        (&["--text", "--utf8"], "--utf8"),
        (&["--header", "Sec-WebSocket-Key: x"], "Sec-WebSocket-Key"),
    ] {
        let (status, stdout, stderr) = run(&[&["bench", url], options].concat());
        assert_eq!((status, &*stdout, stderr.lines().count()), (Some(2), "", 1), "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
    }
}

#[test]
fn files_that_cannot_be_written_are_told_before_anything_is_sent() {
    for option in ["--raw", "--report"] {
        let options = ["bench", "ws://127.0.0.1:9/", option, "/nowhere/file"];
        let (status, _, stderr) = run(&options);
        assert_eq!((status, stderr.lines().count()), (Some(1), 1), "{stderr}");
        assert!(stderr.contains("/nowhere/file"), "{stderr}");
    }
    let server = Server::echo();
    let url = format!("ws://{}", server.address);
    for option in ["--raw", "--report"] {
        let (status, stdout, stderr) = run(&["bench", &url, "--count", "9", option, "/dev/full"]);
        assert_eq!((status, &*stdout, stderr.lines().count()), (Some(1), "", 1), "{stderr}");
        assert!(stderr.contains("/dev/full"), "{stderr}");
    }
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = finish(command(&["bench", &url, "--count", "9"]).stdout(full).spawn().unwrap());
    assert_eq!(output.status.code(), Some(1));
}
