//! An echo server in C.

use crate::build::program;
use crate::run::Server;
use sockeye_testkit::Frame;

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
