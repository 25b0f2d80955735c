//! Messages come back whole, however they are cut on their way.

use crate::play::{Play, Stream, Trace};
use crate::world::{World, in_every_mode};
use sockeye::{Action, Builder, Context};
use sockeye_testkit::{Frame, Opcode, Peer, fragments, upgrade_request};

fn echo() -> (Builder, Trace) {
    let trace = Trace::default();
    (Context::builder().protocol(Play::new(&trace)), trace)
}

/// Bytes that are not the same everywhere.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| b'a' + (i * 7 % 26) as u8).collect()
}

#[test]
fn messages_of_every_length_form_come_back() {
    in_every_mode(|mode| {
        let world = World::new(mode, echo().0);
        let mut peer = world.client();
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 300_000] {
            for opcode in [Opcode::Text, Opcode::Binary] {
                peer.send_frame(&Frame::new(opcode, pattern(length)));
                peer.expect_message(opcode, &pattern(length));
            }
        }
        peer.close(1000, "bye");
    });
}

#[test]
fn a_message_in_fragments_comes_back_in_one_piece_with_the_pings_between_answered() {
    in_every_mode(|mode| {
        let (builder, trace) = echo();
        let world = World::new(mode, builder);
        let mut peer = world.client();
        let text = "grüße, 日本".repeat(50);
        let mut frames = fragments(Opcode::Text, text.as_bytes(), &[0, 3, 1, 126, 0, 200]);
        frames.insert(2, Frame::ping("between"));
        frames.insert(5, Frame::pong("unasked"));
        for frame in &frames {
            peer.send_frame(frame);
            world.pump();
        }
        peer.expect_message(Opcode::Pong, b"between");
        peer.expect_text(&text);
        assert_eq!(trace.take()[1..3], ["ping#0 between", "pong#0 unasked"]);
    });
}

#[test]
fn frames_that_come_byte_by_byte_are_understood() {
    in_every_mode(|mode| {
        let world = World::new(mode, echo().0);
        let mut peer = world.client();
        let long = "é".repeat(100);
        for frame in [Frame::text("hi"), Frame::ping("p"), Frame::text(&long), Frame::text("")] {
            peer.dribble(frame.masked());
        }
        peer.expect_text("hi");
        peer.expect_message(Opcode::Pong, b"p");
        peer.expect_text(&long);
        peer.expect_text("");
        peer.dribble(Frame::close(1000, "").masked());
        assert_eq!(peer.expect_close(1000), "");
        peer.expect_eof();
    });
}

#[test]
fn a_handshake_that_comes_byte_by_byte_is_understood() {
    in_every_mode(|mode| {
        let world = World::new(mode, echo().0);
        let mut peer = world.peer();
        peer.dribble(upgrade_request("/", &[]));
        assert_eq!(peer.expect_head().status(), 101);
        peer.send_frame(&Frame::text("hi"));
        peer.expect_text("hi");
    });
}

#[test]
fn frames_in_the_same_segment_as_the_handshake_are_not_lost() {
    in_every_mode(|mode| {
        let world = World::new(mode, echo().0);
        let mut peer = world.peer();
        let mut bytes = upgrade_request("/", &[]).into_bytes();
        for frame in [Frame::text("one"), Frame::ping("two"), Frame::text("three")] {
            bytes.extend(frame.masked());
        }
        let half_a_frame = Frame::text("four").masked();
        bytes.extend(&half_a_frame[..3]);
        peer.send(&bytes);
        assert_eq!(peer.expect_head().status(), 101);
        peer.expect_text("one");
        peer.expect_message(Opcode::Pong, b"two");
        peer.expect_text("three");
        peer.send(&half_a_frame[3..]);
        peer.expect_text("four");
    });
}

#[test]
fn many_frames_in_one_segment_are_answered_in_one_go() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        let mut peer = world.client();
        let frames: Vec<Frame> = (0..100).map(|i| Frame::text(&format!("message {i}"))).collect();
        sockeye_sys::fault::plan(
            sockeye_sys::fault::Call::Send,
            1, // the second send
            sockeye_sys::fault::Fault::Error(std::io::ErrorKind::ConnectionReset),
        );
        peer.send_frames(&frames);
        world.pump();
        assert_eq!(sockeye_sys::fault::unmet(), 1, "a second send was made");
        sockeye_sys::fault::clear();
        (0..100).for_each(|i| peer.expect_text(&format!("message {i}")));
    });
}

#[test]
fn a_streaming_protocol_gets_pieces_as_they_come_and_no_whole_messages() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let stream = Stream::new(&trace, |_, _| Action::Continue);
        let world = World::new(mode, Context::builder().protocol(stream));
        let mut peer = world.client();
        let bytes = Frame::text("hello").not_final().masked();
        peer.send(&bytes[..bytes.len() - 2]);
        world.pump();
        peer.send(&bytes[bytes.len() - 2..]);
        world.pump();
        peer.send_frame(&Frame::new(Opcode::Continuation, "!"));
        peer.send_frame(&Frame::binary(""));
        peer.close(1000, "");
        assert_eq!(
            trace.take(),
            [
                "chunk hel, 2 remain",
                "chunk lo, 0 remain",
                "chunk !, 0 remain, final",
                "chunk , 0 remain, final",
                "closed closed by peer: closing handshake, code 1000 normal closure",
            ]
        );
    });
}

#[test]
fn a_streaming_protocol_is_not_bound_by_the_message_limit() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let (mut seen, limits) = (0, sockeye::Limits { message_bytes: 10, ..Default::default() });
        let stream = Stream::new(&trace, move |conn, chunk| {
            seen += chunk.payload().len();
            if chunk.is_final() { conn.reply(format!("{seen}")) } else { Action::Continue }
        });
        let world = World::new(mode, Context::builder().limits(limits).protocol(stream));
        let mut peer = world.client();
        peer.send_frame(&Frame::binary(pattern(3_000_000)));
        peer.expect_text("3000000");
    });
}

#[test]
fn two_connections_do_not_disturb_each_other() {
    in_every_mode(|mode| {
        let world = World::new(mode, echo().0);
        let mut peers: Vec<Peer> = (0..20).map(|_| world.client()).collect();
        for (i, peer) in peers.iter_mut().enumerate() {
            let half = Frame::text(&format!("from {i}")).masked();
            peer.send(&half[..5 + i % 4]);
        }
        world.pump();
        for (i, peer) in peers.iter_mut().enumerate().rev() {
            let half = Frame::text(&format!("from {i}")).masked();
            peer.send(&half[5 + i % 4..]);
            peer.expect_text(&format!("from {i}"));
        }
    });
}
