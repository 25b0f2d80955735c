//! What breaks the protocol ends the connection that broke it, with the right code, and no other.

use crate::play::{Play, Trace};
use crate::world::{World, in_every_mode};
use sockeye::{Context, Limits};
use sockeye_testkit::{Frame, Opcode};

/// What is sent, the code it is answered with, and what the application hears.
fn violations() -> Vec<(Vec<u8>, u16, &'static str)> {
    let text = |bytes: &[u8]| Frame::new(Opcode::Text, bytes);
    let close = |payload: &[u8]| Frame::new(Opcode::Close, payload).masked();
    let reserved = |bits| Frame { reserved: bits, ..Frame::text("x") }.masked();
    let many_fragments: Vec<u8> = (0..11)
        .flat_map(|i| {
            let opcode = if i == 0 { Opcode::Binary } else { Opcode::Continuation };
            Frame::new(opcode, "").not_final().masked()
        })
        .collect();
    let too_long_together =
        [Frame::binary([1; 600]).not_final().masked(), Frame::binary([1; 600]).masked()].concat();
    let too_long_together = {
        let mut bytes = too_long_together;
        let second = Frame::binary([1; 600]).not_final().masked().len();
        bytes[second] = 0x80; // the second is a continuation
        bytes
    };
    vec![
        (Frame::text("x").plain(), 1002, "frame from a client is not masked"),
        (Frame::ping("x").plain(), 1002, "frame from a client is not masked"),
        (reserved(0x40), 1002, "reserved bits"),
        (reserved(0x20), 1002, "reserved bits"),
        (reserved(0x10), 1002, "reserved bits"),
        (b"\x83\x80\0\0\0\0".to_vec(), 1002, "opcode 3 is reserved"),
        (b"\x8b\x80\0\0\0\0".to_vec(), 1002, "opcode 11 is reserved"),
        (b"\x82\xfe\0\x05\0\0\0\0hello".to_vec(), 1002, "length 5 is not in its shortest form"),
        (b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xfc\0\0\0\0".to_vec(), 1002, "over 2^63-1"),
        (b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x".to_vec(), 1009, "over 1000 bytes"),
        (Frame::ping("x").not_final().masked(), 1002, "Ping frame is fragmented"),
        (Frame::close(1000, "").not_final().masked(), 1002, "Close frame is fragmented"),
        (Frame::ping([b'x'; 126]).masked(), 1002, "control frame of 126 bytes"),
        (Frame::new(Opcode::Continuation, "x").masked(), 1002, "without a message"),
        (
            [text(b"a").not_final().masked(), text(b"b").masked()].concat(),
            1002,
            "new message before the last one ended",
        ),
        (Frame::binary([1; 1001]).masked(), 1009, "message over 1000 bytes"),
        (too_long_together, 1009, "message over 1000 bytes"),
        (many_fragments, 1009, "message of over 10 fragments"),
        (text(b"\xff").masked(), 1007, "text is not UTF-8"),
        (text(b"\xed\xa0\x80").masked(), 1007, "text is not UTF-8"), // a surrogate
        (text(b"\xc0\xaf").masked(), 1007, "text is not UTF-8"),     // an overlong form
        (text(b"ok \xf4\x90").not_final().masked(), 1007, "text is not UTF-8"), // at once
        (text(b"\xe6\x97").masked(), 1007, "text is not UTF-8"),     // cut off at the end
        (close(b"\x03"), 1002, "close frame of one byte"),
        (close(b"\x03\xe7"), 1002, "close code 999"),
        (close(b"\x03\xec"), 1002, "close code 1004"),
        (close(b"\x03\xed"), 1002, "close code 1005"),
        (close(b"\x03\xee"), 1002, "close code 1006"),
        (close(b"\x03\xf7"), 1002, "close code 1015"),
        (close(b"\x07\xd0"), 1002, "close code 2000"),
        (close(b"\x0b\xb7"), 1002, "close code 2999"),
        (close(b"\x13\x88"), 1002, "close code 5000"),
        (close(b"\x03\xe8\xff"), 1007, "close reason is not UTF-8"),
    ]
}

#[test]
fn violations_end_their_connection_with_the_right_code_and_no_other() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let limits = Limits { message_bytes: 1000, fragments: 10, ..Limits::default() };
        let builder = Context::builder().protocol(Play::new(&trace)).limits(limits);
        let world = World::new(mode, builder);
        let mut honest = world.client();
        for (number, (bytes, code, what)) in (1..).zip(violations()) {
            let mut peer = world.client();
            trace.take();
            peer.send([bytes, Frame::text("and then").masked()].concat());
            assert!(peer.expect_close(code).contains(what), "{what}");
            honest.send_frame(&Frame::text("honest"));
            honest.expect_text("honest");
            peer.expect_eof();
            let lines = trace.take();
            assert_eq!(lines.len(), 2, "{lines:#?}");
            let closed = lines[0].as_str();
            assert!(closed.starts_with(&format!("closed#{number} closed by us: protocol vio")));
            assert!(closed.contains(what) && closed.contains(&code.to_string()), "{closed}");
            assert_eq!(lines[1], "receive#0 honest");
        }
        world.until_connections(1);
    });
}

#[test]
fn violations_are_seen_however_slowly_they_come() {
    in_every_mode(|mode| {
        let limits = Limits { message_bytes: 1000, fragments: 10, ..Limits::default() };
        let trace = Trace::default();
        let builder = Context::builder().protocol(Play::new(&trace)).limits(limits);
        let world = World::new(mode, builder);
        for (bytes, code, what) in violations() {
            let mut peer = world.client();
            for byte in &bytes {
                if peer.try_send([*byte]).is_err() {
                    break;
                }
                world.turn();
            }
            assert!(peer.expect_close(code).contains(what), "{what}");
            peer.expect_end();
        }
        assert_eq!(trace.count("closed"), violations().len());
    });
}

#[test]
fn a_length_that_is_announced_is_not_allocated() {
    in_every_mode(|mode| {
        let limits = Limits { message_bytes: u64::MAX, ..Limits::default() };
        let builder = Context::builder().protocol(Play::new(&Trace::default())).limits(limits);
        let world = World::new(mode, builder);
        let mut peer = world.client();
        peer.send(b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0x");
        peer.expect_silence();
        let mut other = world.client();
        other.send_frame(&Frame::text("still there"));
        other.expect_text("still there");
    });
}

#[test]
fn nothing_is_called_after_the_end() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        let mut peer = world.client();
        let after = [Frame::text("late"), Frame::ping("late"), Frame::close(1000, "late")];
        let after = after.iter().flat_map(Frame::masked);
        peer.send(Frame::close(1000, "bye").masked().into_iter().chain(after).collect::<Vec<_>>());
        assert_eq!(peer.expect_close(1000), "bye");
        peer.expect_eof();
        let _ = peer.try_send(Frame::text("later").masked());
        world.pump();
        assert_eq!(trace.take().len(), 2, "open and closed");
    });
}
