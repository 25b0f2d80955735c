//! The order of callbacks and their values, by a C program that prints them.

use crate::build::program;
use crate::run::{Running, Server};
use sockeye_testkit::{Frame, Peer, Port, idle};
use std::net::TcpListener;
use std::process::Command;

pub(crate) const RECORD: [(&str, &str); 1] = [("Sec-WebSocket-Protocol", "record")];

/// Runs a test in the library's loop and in the program's own.
pub(crate) fn in_both_loops(test: impl Fn(&str)) {
    for mode in ["built-in", "external"] {
        println!("loop: {mode}"); // shown if the test fails
        test(mode);
    }
}

fn server(mode: &str) -> Server {
    Server::start(&program("programs/recorder.c"), &["server", "PORT", mode])
}

/// What was printed, without the log and what is about the context's own descriptor.
pub(crate) fn callbacks(said: &str) -> Vec<&str> {
    let own = |line: &&str| !line.starts_with('[') && !line.contains(" own ");
    said.lines().filter(own).collect()
}

pub(crate) const BEGIN: [&str; 3] = [
    "p0 ADD_POLL_FD listener 1",
    "p0 PROTOCOL_INIT wsi null user null len 0",
    "p1 PROTOCOL_INIT wsi null user null len 0",
];

const BEGIN_CLIENT: [&str; 3] = [
    "p0 OPENSSL_LOAD_EXTRA_CLIENT_VERIFY_CERTS wsi null user null len 0",
    "p0 PROTOCOL_INIT wsi null user null len 0",
    "p1 PROTOCOL_INIT wsi null user null len 0",
];

pub(crate) const END: [&str; 4] = [
    "p0 DEL_POLL_FD listener 0",
    "p0 PROTOCOL_DESTROY wsi null user null len 0",
    "p1 PROTOCOL_DESTROY wsi null user null len 0",
    "polls left: 0",
];

pub(crate) const ACCEPT: [&str; 2] =
    ["p0 FILTER_NETWORK_CONNECTION fd good wsi listener", "p0 ADD_POLL_FD connection 1"];

pub(crate) fn expect(said: &str, parts: &[&[&str]]) {
    let expected: Vec<&str> = parts.iter().flat_map(|part| part.iter().copied()).collect();
    let found = callbacks(said);
    assert!(found == expected, "{}\ninstead of\n{}", found.join("\n"), expected.join("\n"));
}

#[test]
fn a_websocket_from_accept_to_a_close_frame() {
    in_both_loops(|mode| {
        let server = server(mode);
        let mut peer = server.peer();
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

#[test]
fn a_frame_over_the_buffer_comes_in_pieces_and_stops_where_the_program_says() {
    in_both_loops(|mode| {
        let mut server = server(mode);
        let mut peer = server.peer();
        peer.upgrade("/", &RECORD);
        peer.send_frame(&Frame::binary(vec![b'x'; 50]));
        for len in [20, 20, 10] {
            assert_eq!(peer.expect_frame().payload.len(), len);
        }
        peer.send_frames(&[Frame::text("stop"), Frame::text("later")]);
        server.program.expect("CLEAR_MODE_POLL_FD connection 1");
        let mut other = server.peer();
        other.upgrade("/", &RECORD);
        peer.expect_silence();
        other.send_frame(&Frame::text("go"));
        peer.expect_text("later");
        other.send_frame(&Frame::text("close"));
        other.expect_eof(); // no Close frame
        server.program.signal("INT");
        let said = server.program.expect_status(0);
        let pieces: Vec<&str> = said.lines().filter(|line| line.contains("xxxxx")).collect();
        assert_eq!(
            pieces,
            [
                "  \"xxxxxxxxxxxxxxxxxxxx\" remaining 30 final 0 binary 1",
                "  \"xxxxxxxxxxxxxxxxxxxx\" remaining 10 final 0 binary 1",
                "  \"xxxxxxxxxx\" remaining 0 final 1 binary 1",
            ]
        );
        let flow: Vec<&str> = said.lines().filter(|line| line.ends_with("connection 1")).collect();
        assert_eq!(
            flow,
            [
                "p0 ADD_POLL_FD connection 1",
                "p0 CLEAR_MODE_POLL_FD connection 1",
                "p0 ADD_POLL_FD connection 1",
                "p0 SET_MODE_POLL_FD connection 1",
            ]
        );
        assert!(!said.contains("WRONG"), "{said}");
    });
}

#[test]
fn a_request_that_is_denied_and_one_for_a_file() {
    in_both_loops(|mode| {
        let server = server(mode);
        let mut peer = server.peer();
        peer.send(sockeye_testkit::upgrade_request("/deny", &RECORD));
        assert!(peer.expect_rest_and_end().0.is_empty(), "no HTTP answer");
        let mut peer = server.peer();
        peer.send("GET blah HTTP/1.1\r\n\r\nIllegalnonsense");
        let (answer, _) = peer.expect_rest_and_end();
        let file = std::fs::read(program("programs/recorder.c")).unwrap();
        let head = format!(
            "HTTP/1.0 200 OK\r\nServer: libwebsockets\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n",
            file.len()
        );
        assert!(answer.starts_with(head.as_bytes()), "{}", answer[..200].escape_ascii());
        assert!(answer[head.len()..] == file, "{} bytes of {}", answer.len(), file.len());
        let said = server.stop();
        let found = callbacks(&said);
        let http: Vec<&str> = found.iter().copied().filter(|line| line.contains("HTTP")).collect();
        assert_eq!(
            http,
            ["p0 HTTP wsi set user null len 4", "p0 HTTP_FILE_COMPLETION wsi set user null len 0",]
        );
        assert!(!said.contains("CLOSED") && !said.contains("WRONG"), "{said}");
        assert_eq!(found.last(), Some(&"polls left: 0"));
    });
}

#[test]
fn a_context_destroyed_inside_a_callback_ends_when_that_has_returned() {
    in_both_loops(|mode| {
        let mut server = server(mode);
        let mut other = server.peer();
        other.upgrade("/", &RECORD);
        let mut peer = server.peer();
        peer.upgrade("/", &RECORD);
        peer.send_frame(&Frame::text("destroy"));
        peer.expect_eof();
        other.expect_eof();
        let said = server.program.expect_status(0);
        assert_eq!(said.matches("CLOSED").count(), 2, "{said}");
        assert!(said.ends_with("polls left: 0") && !said.contains("WRONG"), "{said}");
    });
}

#[test]
fn a_client_from_connect_to_a_close_frame() {
    in_both_loops(|mode| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut command = Command::new(program("programs/recorder.c"));
        let mut client = Running::of(command.args(["client", &port, mode]));
        let mut peer = Peer::accept(&listener, idle());
        client.expect("connect has returned"); // before the answer
        let request = peer.expect_head();
        let answer = request.switching_protocols().replacen(
            "\r\n\r\n",
            "\r\nSec-WebSocket-Protocol: client-record\r\n\r\n",
            1,
        );
        peer.send(answer);
        assert!(request.text.starts_with("GET /path HTTP/1.1\r\n"), "{}", request.text);
        let header = |name| request.header(name);
        assert_eq!(header("Host"), Some("host:1"));
        assert_eq!(header("Origin"), Some("origin"));
        assert_eq!(header("Sec-WebSocket-Protocol"), Some("client-record"));
        assert_eq!(header("X-Added"), Some("by the program"));
        peer.expect_text("hello");
        peer.send_frame(&Frame::pong("p"));
        peer.send_frame(&Frame::close(1001, ""));
        peer.expect_close(1001);
        peer.expect_eof();
        expect(
            &client.expect_status(0),
            &[
                &BEGIN_CLIENT,
                &[
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

/// A client, and its server at its other end, which has read and answered the request.
fn client_and_server(words: &[&str]) -> (Running, Peer) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut command = Command::new(program("programs/recorder.c"));
    let client = Running::of(command.args(["client", &port]).args(words));
    (client, Peer::accept(&listener, idle()))
}

#[test]
fn a_client_that_asks_for_writeable_before_the_answer_gets_it_when_it_is_open() {
    in_both_loops(|mode| {
        let (mut client, mut peer) = client_and_server(&[mode, "early"]);
        client.expect("asked: 1");
        let request = peer.expect_head();
        peer.expect_silence();
        peer.send(request.switching_protocols());
        peer.expect_text("hello");
        peer.expect_text("writable");
        drop(peer);
        let said = client.expect_status(0);
        let found = callbacks(&said);
        let asked = found.iter().position(|line| line.ends_with("SET_MODE_POLL_FD connection 4"));
        let got = found.iter().position(|line| line.contains("CLIENT_WRITEABLE"));
        assert!(asked.is_some() && asked < got, "{said}");
        let cleared = found[..got.unwrap()].last().unwrap();
        assert_eq!(*cleared, "p0 CLEAR_MODE_POLL_FD connection 4");
    });
}

/// What programs of the time rely on.
#[test]
fn a_client_may_write_after_one_service() {
    for _ in 0..10 {
        let (mut client, mut peer) = client_and_server(&["built-in", "once"]);
        client.expect("connect has returned");
        let request = peer.expect_head();
        peer.expect_silence(); // it waits for the answer in that one call
        peer.send(request.switching_protocols());
        peer.expect_text("hello");
        peer.expect_text("at once");
        drop(peer);
        let said = client.expect_status(0);
        assert!(said.contains("serviced: 0\nwritten: 7"), "{said}");
    }
}

#[test]
fn a_client_learns_that_the_server_hangs_up() {
    in_both_loops(|mode| {
        let (mut client, mut peer) = client_and_server(&[mode]);
        peer.expect_head();
        drop(peer);
        let said = client.expect_status(0);
        assert!(said.contains("p0 CLIENT_CONNECTION_ERROR wsi set user null len 0"), "{said}");
    });
}

#[test]
fn a_client_goes_through_the_proxy_of_the_environment() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = listener.local_addr().unwrap().to_string();
    let mut command = Command::new(program("programs/recorder.c"));
    command.args(["client", "7"]).env("http_proxy", &proxy);
    let mut client = Running::of(&mut command);
    let mut peer = Peer::accept(&listener, idle());
    let head = peer.expect_head().text;
    assert_eq!(head, "CONNECT 127.0.0.1:7 HTTP/1.0\r\nUser-agent: libwebsockets");
    peer.send("HTTP/1.0 200 Connected\r\n\r\n");
    let request = peer.expect_head();
    peer.send(request.switching_protocols());
    peer.expect_text("hello");
    drop(peer);
    client.expect_status(0);
    let mut odd = Command::new(program("programs/recorder.c"));
    let said = Running::of(odd.args(["client", "7"]).env("http_proxy", "odd")).expect_status(1);
    assert!(said.contains("http_proxy needs to be ads:port"), "{said}");
}

#[test]
fn empty_frames_say_something_only_if_they_end_what_has_begun() {
    in_both_loops(|mode| {
        let server = server(mode);
        let mut peer = server.peer();
        peer.upgrade("/", &RECORD);
        peer.send_frames(&[Frame::text(""), Frame::text("a").not_final()]);
        peer.send_frame(&Frame::new(sockeye_testkit::Opcode::Continuation, "").not_final());
        peer.send_frame(&Frame::new(sockeye_testkit::Opcode::Continuation, ""));
        peer.send_frame(&Frame::ping(""));
        peer.expect_text("a");
        assert_eq!(peer.expect_frame().opcode, sockeye_testkit::Opcode::Pong);
        let said = server.stop();
        let pieces: Vec<&str> = said.lines().filter(|line| line.contains("remaining")).collect();
        assert_eq!(
            pieces,
            ["  \"a\" remaining 0 final 0 binary 0", "  \"\" remaining 0 final 1 binary 0"]
        );
    });
}

#[test]
fn a_client_learns_that_nobody_is_there_and_that_it_was_refused() {
    in_both_loops(|mode| {
        let reserved = Port::reserve();
        let (listener, port) = (reserved.listen(), reserved.address.port().to_string());
        let mut command = Command::new(program("programs/recorder.c"));
        let mut client = Running::of(command.args(["client", &port, mode]));
        let mut peer = Peer::accept(&listener, idle());
        peer.expect_head();
        peer.send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        let said = client.expect_status(0);
        assert!(said.contains("p0 CLIENT_CONNECTION_ERROR wsi set user null len 0"), "{said}");
        drop(listener);
        let mut command = Command::new(program("programs/recorder.c"));
        let said = Running::of(command.args(["client", &port, mode])).expect_status(2);
        assert!(!said.contains("POLL_FD connection"), "{said}");
    });
}
