//! What is settled in the handshake: answers put off, headers added, proxies trusted, compression.
//! And messages that go out in parts.

use crate::play::{Play, Stream, Trace};
use crate::world::{Mode, World, in_every_mode};
use sockeye::{
    Action, ConnId, Connect, Context, DeflateOptions, Key, MessageKind, Reject, SendError, Shared,
};
use sockeye_proto::{Deflater, Event, FrameHeader, Inflaters, RSV1, Reader, Role, Rules};
use sockeye_testkit::{Frame, Opcode, Peer, upgrade_request};
use std::cell::{Cell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

/// A server that puts its answers off and notes whom it owes one.
fn undecided(trace: &Trace) -> (sockeye::Builder, Key<Play>, Rc<Cell<Option<ConnId>>>) {
    let owed = Rc::new(Cell::new(None));
    let noted = Rc::clone(&owed);
    let mut builder = Context::builder();
    let key = builder.register(Play::new(trace).on_upgrade(move |hello| {
        hello.add_header("X-Asked", hello.path()).expect("a header");
        noted.set(Some(hello.id()));
        Err(Reject::later())
    }));
    (builder, key, owed)
}

#[test]
fn an_answer_may_come_later_and_no_frame_sent_meanwhile_is_lost() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let (builder, key, owed) = undecided(&trace);
        let world = World::new(mode, builder);
        let mut peer = world.peer();
        peer.send(upgrade_request("/later", &[]));
        peer.send(Frame::text("early").masked());
        world.pump();
        peer.expect_silence();
        assert_eq!(trace.take(), [] as [String; 0]);
        let id = owed.get().expect("it was asked");
        world.connections(|all| all.accept(key, id, 7));
        world.connections(|all| all.accept(key, id, 8)); // twice is once
        let head = peer.expect_head();
        assert_eq!((head.status(), head.header("X-Asked")), (101, Some("/later")));
        peer.expect_text("early");
        assert_eq!(trace.take(), ["open#7", "receive#7 early"]);
        assert_eq!(world.turns_while_idle(), 0);
    });
}

#[test]
fn a_rejection_may_come_later_too_and_no_answer_at_all_is_503() {
    in_every_mode(|mode| {
        let (builder, _, owed) = undecided(&Trace::default());
        let world = World::new(mode, builder);
        let mut peer = world.peer();
        peer.send(upgrade_request("/", &[]));
        world.pump();
        let id = owed.get().expect("it was asked");
        world.connections(|all| all.reject(id, Reject::new(401, "who are you?")));
        let response = peer.expect_response();
        assert_eq!((response.status(), response.text().as_str()), (401, "who are you?\n"));
        peer.expect_eof();
        let mut forgotten = world.peer();
        forgotten.send(upgrade_request("/", &[]));
        world.pump();
        world.wind(Duration::from_secs(11));
        assert_eq!(forgotten.expect_response().status(), 503);
        world.connections(|all| all.reject(owed.get().expect("it was asked"), Reject::later()));
        forgotten.expect_eof();
    });
}

#[test]
fn headers_that_would_break_the_answer_cannot_be_added() {
    let trace = Trace::default();
    let noted = trace.clone();
    let play = Play::new(&trace).on_upgrade(move |hello| {
        for (name, value) in [
            ("Set-Cookie", "a=b\r\nX-Injected: 1"),
            ("Sec-WebSocket-Accept", "mine"),
            ("bad name", "x"),
        ] {
            noted.note(hello.add_header(name, value).expect_err(name).to_string());
        }
        hello.add_header("Set-Cookie", "a=b").map_err(|_| Reject::new(500, "no cookie"))
    });
    let world = World::new(Mode::BuiltIn, Context::builder().protocol(play));
    let head = world.peer().upgrade("/", &[]);
    assert_eq!(head.header("Set-Cookie"), Some("a=b"));
    assert_eq!(head.header("X-Injected"), None);
    assert_eq!(trace.take().len(), 4);
}

#[test]
fn a_trusted_proxy_says_which_host_the_browser_asked_for() {
    let status = |trusted: bool, origin: &str, headers: &[(&str, &str)]| {
        let mut builder = Context::builder().protocol(Play::new(&Trace::default()));
        if trusted {
            builder = builder.trusted_proxies(["127.0.0.1".parse().expect("an address")]);
        }
        let world = World::new(Mode::BuiltIn, builder);
        let mut peer = world.peer();
        peer.send(upgrade_request("/", &[&[("Origin", origin)], headers].concat()));
        peer.expect_head().status()
    };
    let forwarded = [("Host", "10.0.0.7:9000"), ("X-Forwarded-Host", "example.com")];
    assert_eq!(status(true, "https://example.com", &forwarded), 101);
    assert_eq!(status(false, "https://example.com", &forwarded), 403);
    assert_eq!(status(true, "https://example.com.evil.net", &forwarded), 403);
    let lost_port = [("Host", "example.com")];
    assert_eq!(status(true, "http://example.com:8080", &lost_port), 101);
    assert_eq!(status(false, "http://example.com:8080", &lost_port), 403);
    assert_eq!(status(true, "http://other.com:8080", &lost_port), 403);
}

#[test]
fn a_message_goes_out_in_parts_with_pongs_between_and_no_other_message() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let parts = RefCell::new(vec!["three", "two ", "one "]);
        let play = Play::new(&trace)
            .on_receive(|conn, message| match conn.send(message) {
                Err(SendError::Unfinished) => {
                    conn.request_writable();
                    Action::Continue
                }
                other => panic!("{other:?}"),
            })
            .on_open(|conn| {
                conn.request_writable();
                Action::Continue
            })
            .on_writable(move |_, permit| {
                if let Some(part) = parts.borrow_mut().pop() {
                    let last = part == "three";
                    let _ = permit.send_part(MessageKind::Text, part.as_bytes(), last);
                }
                Action::Continue
            });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        assert_eq!(peer.expect_frame(), Frame::text("one ").not_final());
        peer.send_frames(&[Frame::ping("p"), Frame::text("go on")]);
        assert_eq!(peer.expect_frame(), Frame::pong("p"));
        assert_eq!(peer.expect_frame(), Frame::new(Opcode::Continuation, "two ").not_final());
        peer.send_frame(&Frame::text("and on"));
        assert_eq!(peer.expect_frame(), Frame::new(Opcode::Continuation, "three"));
    });
}

/// A peer that has negotiated permessage-deflate with these parameters.
fn deflating(world: &Rc<World>, offer: &str) -> (Peer, String) {
    let mut peer = world.peer();
    let head = peer.upgrade("/", &[("Sec-WebSocket-Extensions", offer)]);
    let agreed = head.header("Sec-WebSocket-Extensions").unwrap_or_default().to_owned();
    (peer, agreed)
}

const LONG: &str = "compress me, compress me, compress me, compress me, compress me, compress me, \
                    compress me, compress me, compress me, compress me, compress me, compress me";

/// A message as a client sends it compressed, with the largest window.
fn compressed(message: &str) -> Vec<u8> {
    compressed_with(Some([5, 6, 7, 8]), message)
}

fn compressed_with(mask: Option<[u8; 4]>, message: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut deflater = Deflater::new(&DeflateOptions::default(), 15);
    let len = deflater.compress(message.as_bytes(), &mut out);
    let header = FrameHeader { fin: true, reserved: RSV1, opcode: Opcode::Text, mask, len: 0 };
    let mut frame = Vec::new();
    sockeye_proto::push_frame(&mut frame, header, &out[..len]);
    frame
}

/// The next message, inflated, and how long it was on the wire.
fn expect_inflated(peer: &mut Peer) -> (String, usize) {
    let mut frame = peer.expect_bytes(2);
    assert_eq!(frame[0], 0xc1, "a compressed text frame");
    let len = match frame[1] & 0x7f {
        126 => {
            let len = peer.expect_bytes(2);
            frame.extend(&len);
            usize::from(u16::from_be_bytes([len[0], len[1]]))
        }
        len => usize::from(len),
    };
    let (role, mask) = if frame[1] < 0x80 { (Role::Client, 0) } else { (Role::Server, 4) };
    frame.extend(peer.expect_bytes(mask + len));
    let agreed = sockeye_proto::DeflateAgreed {
        window_bits: 15,
        context_takeover: false,
        peer_context_takeover: false,
    };
    let mut reader = Reader::with_deflate(&agreed);
    let (rules, wire) = (Rules::new(role), frame.len());
    match reader.next(&rules, &mut Inflaters::new(), &mut &mut frame[..]) {
        Ok(Event::Message { payload, .. }) => {
            (String::from_utf8(payload.to_vec()).expect("text"), wire)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_are_compressed_both_ways_and_short_ones_are_not() {
    in_every_mode(|mode| {
        let world = World::new(mode, Context::builder().protocol(Play::new(&Trace::default())));
        let (mut peer, agreed) = deflating(&world, "permessage-deflate");
        assert_eq!(
            agreed,
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        );
        peer.send(compressed(LONG));
        let (echoed, wire) = expect_inflated(&mut peer);
        assert_eq!(echoed, LONG);
        assert!(wire < LONG.len() / 2, "{wire}");
        peer.send_frame(&Frame::text("short"));
        peer.expect_text("short");
    });
}

#[test]
fn a_shared_message_is_compressed_for_those_who_take_it_so() {
    in_every_mode(|mode| {
        let shared = Shared::new(LONG);
        let play = Play::new(&Trace::default()).on_receive(move |conn, _| {
            let all = conn.connections();
            for id in all.all() {
                all.send_shared(id, &shared).expect("room");
            }
            Action::Continue
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let (mut deflates, _) = deflating(&world, "permessage-deflate");
        let (mut narrow, agreed) =
            deflating(&world, "permessage-deflate; server_max_window_bits=10");
        assert!(agreed.contains("server_max_window_bits=10"), "{agreed}");
        let mut plain = world.client();
        plain.send_frame(&Frame::text("go"));
        plain.expect_text(LONG);
        assert_eq!(expect_inflated(&mut deflates).0, LONG);
        assert_eq!(expect_inflated(&mut narrow).0, LONG);
    });
}

/// So many digits without order, twice.
fn twice(digits: usize) -> String {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'0' + (state >> 16) as u8 % 10)
    };
    std::iter::repeat_with(next).take(digits).collect::<String>().repeat(2)
}

/// What is echoed to this peer refers 256 bytes back, and no farther.
fn expect_window_of_256(peer: &mut Peer, mask: Option<[u8; 4]>) {
    for (digits, reaches) in [(255, true), (256, true), (257, false)] {
        let message = twice(digits);
        peer.send(compressed_with(mask, &message));
        let (echoed, wire) = expect_inflated(peer);
        assert_eq!(echoed, message);
        assert_eq!(wire < 160, reaches, "{digits} digits twice: {wire} bytes");
    }
}

#[test]
fn a_server_keeps_to_a_window_of_256_bytes() {
    in_every_mode(|mode| {
        let world = World::new(mode, Context::builder().protocol(Play::new(&Trace::default())));
        let offer = "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8";
        let (mut peer, agreed) = deflating(&world, offer);
        let rest = "server_no_context_takeover; client_no_context_takeover";
        assert_eq!(agreed, format!("permessage-deflate; {rest}; server_max_window_bits=8"));
        expect_window_of_256(&mut peer, Some([5, 6, 7, 8]));
    });
}

#[test]
fn a_client_keeps_to_a_window_of_256_bytes() {
    let rest = "server_no_context_takeover; client_no_context_takeover";
    for (window_bits, asked) in [(15, "client_max_window_bits"), (8, "client_max_window_bits=8")] {
        let options = DeflateOptions { window_bits, peer_window_bits: 8, ..Default::default() };
        let mut builder = Context::builder().compression(Some(options));
        let key = builder.register(Play::new(&Trace::default()));
        let world = World::new(Mode::BuiltIn, builder);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("a socket has an address");
        let connect = Connect::to(&format!("ws://{address}/")).expect("an address");
        world.connections(|all| all.connect(&connect, key.id())).expect("it begins");
        let mut server = Peer::accept(&listener, world.turns());
        let request = server.expect_head();
        let offer = format!("permessage-deflate; {rest}; server_max_window_bits=8; {asked}");
        assert_eq!(request.header("Sec-WebSocket-Extensions"), Some(&*offer));
        let answer = request.switching_protocols();
        let agreed = "permessage-deflate; server_no_context_takeover; client_max_window_bits=8";
        server.send(format!("{}\r\nSec-WebSocket-Extensions: {agreed}\r\n\r\n", answer.trim_end()));
        expect_window_of_256(&mut server, None);
    }
}

#[test]
fn compression_can_be_turned_off_and_is_declined_where_it_cannot_be_done() {
    let off = Context::builder().protocol(Play::new(&Trace::default())).compression(None);
    let world = World::new(Mode::BuiltIn, off);
    assert_eq!(deflating(&world, "permessage-deflate").1, "");
    let on = Context::builder().protocol(Play::new(&Trace::default()));
    let world = World::new(Mode::BuiltIn, on);
    assert_eq!(deflating(&world, "permessage-deflate; server_max_window_bits=7").1, "");
    let several = "permessage-deflate; server_max_window_bits=7, permessage-deflate";
    assert!(deflating(&world, several).1.starts_with("permessage-deflate; server_no"));
}

#[test]
fn streamed_chunks_come_inflated_and_the_last_one_says_so() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let stream = Stream::new(&trace, |_, _| Action::Continue);
        let world = World::new(mode, Context::builder().protocol(stream));
        let (mut peer, _) = deflating(&world, "permessage-deflate");
        peer.dribble(compressed("dribbled, dribbled, dribbled"));
        world.pump();
        let lines = trace.take();
        let text: String = lines
            .iter()
            .map(|line| {
                let (payload, _) = line.rsplit_once(", ").expect("a chunk");
                let payload = payload.strip_prefix("chunk ").expect("a chunk");
                payload.rsplit_once(", ").map_or(payload, |(text, rest)| {
                    if rest.ends_with("remain") { text } else { payload }
                })
            })
            .collect();
        assert_eq!(text, "dribbled, dribbled, dribbled", "{lines:#?}");
        let finals = lines.iter().filter(|line| line.ends_with("final")).count();
        assert_eq!(finals, 1);
        assert!(lines.last().expect("a chunk").ends_with("final"));
    });
}
