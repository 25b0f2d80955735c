//! An echo server in C.

use crate::build::{compiled, program};
use crate::run::{PATIENCE, Running, Server};
use sockeye::{Action, Conn, Connect, Context, Handshake, Message, Protocol, Reject};
use sockeye_testkit::Frame;
use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

#[test]
fn a_c_program_echoes_and_ends_in_good_order() {
    let server = Server::start(&program("programs/echo-server.c"), &["PORT"]);
    let mut peer = server.peer();
    let head = peer.upgrade("/", &[("Sec-WebSocket-Protocol", "echo")]);
    assert_eq!(head.header("Sec-WebSocket-Protocol"), Some("echo"));
    peer.send_frame(&Frame::text("hello"));
    peer.expect_text("hello");
    let big: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
    peer.send_frame(&Frame::binary(big.clone()));
    let mut back = Vec::new();
    loop {
        let frame = peer.expect_frame();
        back.extend_from_slice(&frame.payload);
        if frame.fin {
            break;
        }
    }
    assert!(back == big, "{} bytes came back", back.len());
    peer.send_frame(&Frame::close(1000, "bye"));
    assert_eq!(peer.expect_close(1000), "bye");
    peer.expect_eof();
    server.stop();
}

#[test]
fn a_frame_that_comes_with_the_handshake_is_not_lost() {
    let server = Server::start(&program("programs/echo-server.c"), &["PORT"]);
    let mut peer = server.peer();
    let mut request = sockeye_testkit::upgrade_request("/", &[]).into_bytes();
    request.extend(Frame::text("at once").masked());
    peer.send(request);
    assert_eq!(peer.expect_head().status(), 101);
    peer.expect_text("at once");
    server.stop();
}

/// Whether compression was agreed on, and what came.
type Back = Rc<RefCell<Option<(bool, Vec<u8>)>>>;

/// A client that sends a long text, compressed, and keeps what comes back.
struct Client {
    text: String,
    back: Back,
}

impl Protocol for Client {
    type Session = bool;
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<bool, Reject> {
        Ok(hello.is_compressed())
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        conn.reply(Message::text(&*self.text))
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        *self.back.borrow_mut() = Some((*conn.session, message.into_bytes()));
        Action::Continue
    }
}

#[test]
fn what_comes_compressed_is_inflated_and_cut_into_pieces() {
    let program = compiled("programs/echo-server.c", "gcc", &["-std=gnu99", "-DOFFER_COMPRESSION"]);
    let server = Server::start(&program, &["PORT"]);
    let text: String = (0..30_000_u32).map(|i| format!("{i} ")).collect();
    let back = Back::default();
    let mut builder = Context::builder();
    let key = builder.register(Client { text: text.clone(), back: Rc::clone(&back) });
    let mut context = builder.build().unwrap();
    let url = format!("ws://127.0.0.1:{}/", server.port);
    let connect = Connect::to(&url).unwrap().subprotocol("echo");
    context.connections().connect(&connect, key.id()).unwrap();
    let began = Instant::now();
    while back.borrow().is_none() {
        context.service(Duration::from_millis(100)).unwrap();
        assert!(began.elapsed() < PATIENCE, "nothing comes back");
    }
    let (compressed, bytes) = back.take().unwrap();
    assert!(compressed, "compression was agreed on");
    assert!(bytes == text.as_bytes(), "{} bytes came back", bytes.len());
    server.stop();
}

#[test]
fn the_manuals_echo_talks_to_itself_and_to_a_scripted_peer() {
    let program = program("programs/test-echo.c");
    let server = Server::start(&program, &["-p", "PORT", "-i", "127.0.0.1"]);
    let mut peer = server.peer();
    peer.upgrade("/", &[]);
    peer.send_frame(&Frame::binary("as text"));
    peer.expect_text("as text");
    peer.send_frame(&Frame::text(&"x".repeat(1401)));
    peer.expect_end(); // over its 1400 bytes
    let port = server.port.to_string();
    let client = ["-c", "127.0.0.1", "-p", &port, "-r", "1"];
    let mut client = Running::of(Command::new(&program).args(client));
    let mut last = -1;
    for _ in 0..3 {
        let line = client.expect("Client RX: hello from libwebsockets-test-echo client pid");
        let index: i32 = line.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(index > last, "{line}"); // of two that come at once it keeps the later
        last = index;
    }
    client.signal("INT");
    assert!(client.expect_status(0).contains("exited cleanly"));
    server.stop();
}
