//! Sending: with a permit while the pipe is clear, through a bounded queue else.

use crate::broadcast::broadcast;
use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use sockeye::{
    Action, Builder, CloseCode, Conn, Context, Key, Limits, MessageKind, Overflow, Shared, Turn,
};
use sockeye_testkit::{Frame, Opcode, Peer};
use std::cell::Cell;
use std::rc::Rc;

/// A server whose sockets hold little, so that a pipe is soon choked.
pub(crate) fn narrow(builder: Builder) -> Builder {
    builder.accept_filter(|fd, _| {
        rustix::net::sockopt::set_socket_send_buffer_size(fd, 32 << 10).expect("a socket");
        rustix::net::sockopt::set_socket_recv_buffer_size(fd, 128 << 10).expect("a socket");
        true
    })
}

/// A client whose socket holds little.
pub(crate) fn narrow_client(world: &Rc<World>) -> Peer {
    let mut peer = narrow_http_peer(world);
    peer.upgrade("/", &[]);
    peer
}

/// A peer whose socket holds little.
pub(crate) fn narrow_http_peer(world: &Rc<World>) -> Peer {
    let peer = world.peer();
    let socket = peer.stream();
    rustix::net::sockopt::set_socket_recv_buffer_size(socket, 128 << 10).expect("a socket");
    rustix::net::sockopt::set_socket_send_buffer_size(socket, 64 << 10).expect("a socket");
    peer
}

/// Sends messages of 1000 bytes, numbered from 0, as long as the pipe takes them.
fn numbers(trace: &Trace, count: u32) -> Play {
    let mut next = 0;
    Play::new(trace)
        .on_open(|conn| {
            conn.request_writable();
            Action::Continue
        })
        .on_writable(move |conn, permit| {
            let mut permit = Some(permit);
            while let Some(clear) = permit.take().filter(|_| next < count) {
                permit = clear.send(numbered(next));
                next += 1;
            }
            if next < count {
                conn.request_writable();
            }
            Action::Continue
        })
}

fn numbered(number: u32) -> String {
    format!("{number:01000}")
}

#[test]
fn a_permit_is_given_back_until_the_pipe_is_choked_and_comes_again_when_it_is_clear() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, narrow(Context::builder().protocol(numbers(&trace, 1000))));
        let mut peer = narrow_client(&world);
        world.pump();
        assert!(world.settles(), "a choked pipe makes no work");
        let before = trace.count("writable#0");
        let queued = queued(&world);
        assert!(queued > 0, "the pipe is choked");
        assert!(queued <= (16 << 10) + 1100, "no more waits than the cork and a message: {queued}");
        (0..1000).for_each(|i| peer.expect_text(&numbered(i)));
        assert!(trace.count("writable#0") > before);
    });
}

#[test]
fn while_the_pipe_is_choked_there_is_no_permit_and_when_it_is_clear_only_one() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let notes = trace.clone();
        let play = Play::new(&trace)
            .on_receive(|conn, message| {
                let first = conn.permit().expect("the pipe is clear");
                assert!(conn.permit().is_none(), "a second permit");
                drop(first);
                assert!(conn.permit().is_some(), "the first was given back");
                if message.as_text() == Some("flood") {
                    let mut permit = conn.permit();
                    while let Some(clear) = permit.take() {
                        permit = clear.send(vec![b'x'; 9000]);
                    }
                    assert!(conn.permit().is_none(), "the pipe is choked");
                }
                conn.request_writable();
                Action::Continue
            })
            .on_writable(move |conn, permit| {
                assert!(conn.permit().is_none(), "a second permit");
                assert!(permit.send("clear").is_some());
                notes.note("clear");
                Action::Continue
            });
        let world = World::new(mode, narrow(Context::builder().protocol(play)));
        let mut peer = narrow_client(&world);
        peer.send_frame(&Frame::text("hello"));
        peer.expect_text("clear");
        peer.send_frame(&Frame::text("flood"));
        while peer.expect_frame().payload != b"clear" {}
        assert_eq!(trace.count("clear"), 2);
    });
}

#[test]
fn writable_asked_for_inside_writable_comes_in_the_next_turn_and_not_in_a_spin() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace)
            .on_open(|conn| {
                conn.set_timer(std::time::Duration::from_secs(1)); // it keeps something
                conn.request_writable();
                conn.request_writable(); // twice is once
                Action::Continue
            })
            .on_writable(|conn, _permit| {
                conn.request_writable();
                assert!(!conn.connections().is_choked(conn.id()));
                conn.request_writable();
                Action::Continue
            });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        for _ in 0..20 {
            let before = trace.count("writable");
            world.turn();
            let calls = trace.count("writable") - before;
            // A host that calls both `ready` and `tick` makes two turns of one.
            let most = if matches!(mode, Mode::External | Mode::OneByOne) { 2 } else { 1 };
            assert!((1..=most).contains(&calls), "{calls} calls in a turn");
        }
        peer.send_frame(&Frame::ping("heard beside it"));
        peer.expect_message(Opcode::Pong, b"heard beside it");
    });
}

#[test]
fn writable_asked_for_in_another_callback_comes_in_the_same_turn() {
    let trace = Trace::default();
    let play = Play::new(&trace).on_receive(|conn, _| {
        conn.set_timer(std::time::Duration::from_secs(1)); // the connection keeps something
        conn.request_writable();
        assert!(!conn.connections().is_choked(conn.id()));
        Action::Continue
    });
    let world = World::new(Mode::BuiltIn, Context::builder().protocol(play));
    let mut peer = world.client();
    world.pump();
    peer.send_without_turns(&Frame::text("x").masked());
    while trace.count("receive") == 0 {
        assert_eq!(trace.count("writable"), 0);
        world.turn();
    }
    assert_eq!(trace.count("writable"), 1);
    world.pump();
    assert_eq!(trace.count("writable"), 1, "asked for once");
}

#[test]
fn every_connection_of_a_protocol_gets_its_writable_once() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let mut builder = Context::builder();
        let key = Rc::new(Cell::new(None));
        let its_key = Rc::clone(&key);
        let play = Play::new(&trace)
            .on_receive(move |conn, _| {
                let key: Key<Play> = its_key.get().expect("it is registered");
                conn.connections().request_writable_all(key.id());
                conn.connections().request_writable_all(key.id());
                Action::Continue
            })
            .on_writable(|conn, permit| {
                let _ = permit.send(format!("you are {}", conn.session));
                Action::Continue
            });
        key.set(Some(builder.register(play)));
        let other = Play::named("other", &Trace::default());
        let world = World::new(mode, builder.protocol_at("/other", other));
        let mut peers: Vec<Peer> = (0..10).map(|_| world.client()).collect();
        let mut stranger = world.peer();
        stranger.upgrade("/other", &[]);
        peers[3].send_frame(&Frame::text("all"));
        for (i, peer) in peers.iter_mut().enumerate() {
            peer.expect_text(&format!("you are {i}"));
        }
        stranger.expect_silence();
        assert_eq!(trace.count("writable"), 10);
    });
}

#[test]
fn what_is_framed_before_and_what_is_not_leave_in_the_order_in_which_they_were_sent() {
    in_every_mode(|mode| {
        let (short, long) = (Shared::new("2"), Shared::new("4".repeat(40_000)));
        let play = Play::new(&Trace::default()).on_open(ask).on_writable(move |conn, permit| {
            let permit = permit.send("1").expect("room in the pipe");
            let permit = permit.send_shared(&short).expect("room in the pipe");
            let all = conn.connections();
            all.send(conn.id(), "3").expect("room in the queue");
            let permit = permit.send_shared(&long).expect("room in the pipe");
            let permit = permit.send_shared(&short).expect("room in the pipe");
            drop(permit.send("5"));
            Action::Continue
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        for text in ["1", "2", "3", &"4".repeat(40_000), "2", "5"] {
            peer.expect_text(text);
        }
    });
}

#[test]
fn a_permit_sends_nothing_after_a_close_or_inside_an_unfinished_message() {
    in_every_mode(|mode| {
        let shared = Shared::new("whole");
        let play = Play::new(&Trace::default()).on_open(ask).on_writable(move |conn, permit| {
            let permit = permit.send_part(MessageKind::Text, b"be", false).expect("room");
            let permit = permit.send_shared(&shared).expect("room, but not for this");
            let permit = permit.send_part(MessageKind::Text, b"gun", true).expect("room");
            let permit = permit.send_shared(&shared).expect("room in the pipe");
            conn.connections().close(conn.id(), CloseCode::NORMAL, "bye");
            assert!(permit.send_shared(&shared).is_none(), "it is closing");
            Action::Continue
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        for text in ["be", "gun", "whole"] {
            assert_eq!(peer.expect_frame().payload, text.as_bytes());
        }
        assert_eq!(peer.expect_close(1000), "bye");
    });
}

/// Asks for `writable`.
fn ask(conn: &mut Conn<'_, Play>) -> Action {
    conn.request_writable();
    Action::Continue
}

/// How much waits for the first connection.
fn queued(world: &World) -> usize {
    world.connections(|all| all.info(all.all()[0]).expect("it is open").queued)
}

/// A peer that sends and does not read, until nothing more is taken. How many bytes were.
fn push(world: &World, peer: &mut Peer, bytes: &[u8]) -> usize {
    let (mut sent, mut idle) = (0, 0);
    while sent < bytes.len() && idle < 5 {
        let taken = peer.send_without_turns(&bytes[sent..]);
        sent += taken;
        idle = if taken == 0 { idle + 1 } else { 0 };
        world.pump();
    }
    sent
}

#[test]
fn an_echo_to_a_peer_that_does_not_read_stops_reading_and_loses_nothing() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, narrow(Context::builder().protocol(Play::new(&trace))));
        let mut peer = narrow_client(&world);
        let text = |i: usize| format!("{i:0999}");
        let bytes: Vec<u8> = (0..2000).flat_map(|i| Frame::text(&text(i)).masked()).collect();
        let mut sent = push(&world, &mut peer, &bytes);
        assert!(sent < bytes.len() / 2, "all of it was taken");
        let queued = queued(&world);
        assert!(queued < 66_700, "{queued} bytes wait");
        assert!(world.settles(), "a choked pipe makes no work");
        let mut next = 0;
        while next < 2000 {
            sent += peer.send_without_turns(&bytes[sent..]);
            world.pump();
            peer.waiting();
            while let Some(frame) = peer.next_frame() {
                assert_eq!(frame.payload, text(next).into_bytes());
                next += 1;
            }
        }
        assert_eq!(trace.count("closed"), 0);
    });
}

#[test]
fn what_a_permit_let_in_does_not_stop_reading() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let long = "x".repeat(1 << 20);
        let its_long = long.clone();
        let play = Play::new(&trace)
            .on_open(|conn| {
                conn.request_writable();
                Action::Continue
            })
            .on_writable(move |_, permit| {
                assert!(permit.send(its_long.as_str()).is_none(), "the pipe is choked");
                Action::Continue
            });
        let world = World::new(mode, narrow(Context::builder().protocol(play)));
        let mut peer = narrow_client(&world);
        world.pump();
        assert!(queued(&world) > 512 << 10, "most of it waits");
        for number in 0..3 {
            peer.send_without_turns(&Frame::text(&format!("read {number}")).masked());
            world.pump();
            assert_eq!(trace.count(&format!("receive#0 read {number}")), 1);
        }
        peer.expect_text(&long);
        (0..3).for_each(|number| peer.expect_text(&format!("read {number}")));
    });
}

#[test]
fn behind_what_a_permit_let_in_there_is_room_for_answers_as_always() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace)
            .on_open(|conn| {
                conn.request_writable();
                Action::Continue
            })
            .on_writable(move |_, permit| {
                drop(permit.send("x".repeat(1 << 20)));
                Action::Continue
            });
        let world = World::new(mode, narrow(Context::builder().protocol(play)));
        let mut peer = narrow_client(&world);
        world.pump();
        let bytes: Vec<u8> = (0..2000).flat_map(|i| Frame::text(&numbered(i)).masked()).collect();
        push(&world, &mut peer, &bytes);
        assert!(queued(&world) > 512 << 10, "most of it waits");
        assert_eq!(trace.count("receive#0 "), 66, "1004 bytes each fill 64 KiB");
        assert_eq!(trace.count("closed"), 0);
    });
}

#[test]
fn pings_from_a_peer_that_does_not_read_fill_no_memory() {
    in_every_mode(|mode| {
        for overflow in [Overflow::Pause, Overflow::Drop, Overflow::Close] {
            let limits = Limits { overflow, ..Limits::default() };
            let play = Play::new(&Trace::default());
            let builder = Context::builder().protocol(play).limits(limits);
            let world = World::new(mode, narrow(builder));
            let mut peer = narrow_client(&world);
            let bytes = Frame::ping([b'p'; 125]).masked().repeat(30_000);
            let sent = push(&world, &mut peer, &bytes);
            assert!(sent < bytes.len() / 2, "all of it was taken");
            let queued = queued(&world);
            assert!(queued < 66_000, "{queued} bytes wait");
            peer.expect_message(Opcode::Pong, &[b'p'; 125]);
        }
    });
}

/// Floods a peer that does not read with numbered messages of 1000 bytes, until its queue is full
/// and the pipe takes nothing more. How many were sent or refused.
fn flooded(mode: Mode, overflow: Overflow, trace: &Trace) -> (Rc<World>, Peer, u32) {
    let (count, notes) = (Rc::new(Cell::new(0)), trace.clone());
    let its_count = Rc::clone(&count);
    let (builder, key) = broadcast(trace, move |connections, id, _| {
        let number = its_count.replace(its_count.get() + 1);
        if let Err(error) = connections.send(id, numbered(number)) {
            notes.note(format!("refused {number}: {error:?}"));
        }
    });
    let limits = Limits { overflow, ..Limits::default() };
    let world = World::new(mode, narrow(builder.limits(limits)));
    let peer = narrow_client(&world);
    let is_choked = || {
        world.connections(|all| {
            let info = all.all().first().and_then(|&id| all.info(id));
            info.is_none_or(|info| info.queued >= 64 << 10)
        })
    };
    while {
        for _ in 0..100 {
            world.handle.post(key, "go".into()).expect("the box is not full");
            world.pump();
        }
        world.turns_while_idle();
        !is_choked()
    } {}
    (world, peer, count.get())
}

#[test]
fn a_full_queue_refuses_messages_under_the_policy_of_pausing() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let (world, mut peer, count) = flooded(mode, Overflow::Pause, &trace);
        assert!(trace.count("refused") > 0);
        assert_eq!(trace.count("closed"), 0);
        peer.send_without_turns(&Frame::text("not read yet").masked());
        world.pump();
        assert_eq!(trace.count("receive"), 0, "reading pauses");
        let taken = |number: &u32| trace.count(&format!("refused {number}:")) == 0;
        (0..count).filter(taken).for_each(|number| peer.expect_text(&numbered(number)));
        peer.expect_text("not read yet");
    });
}

#[test]
fn a_full_queue_drops_messages_under_the_policy_of_dropping() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let (world, mut peer, count) = flooded(mode, Overflow::Drop, &trace);
        assert_eq!((trace.count("refused"), trace.count("closed")), (0, 0));
        peer.send_without_turns(&Frame::text("is read").masked());
        world.pump();
        assert_eq!(trace.count("receive#0 is read"), 1, "reading goes on");
        let mut numbers = Vec::new();
        let is_empty = || queued(&world) == 0;
        while peer.waiting() > 0 || !is_empty() {
            while let Some(frame) = peer.next_frame() {
                let text = String::from_utf8(frame.payload).expect("text");
                if text != "is read" {
                    numbers.push(text.parse::<u32>().expect("a number")); // else a lucky echo
                }
            }
            world.pump();
        }
        peer.send_frame(&Frame::text("the end"));
        peer.expect_text("the end");
        assert!(numbers.is_sorted_by(|a, b| a < b), "in order: {numbers:?}");
        assert!(numbers.len() < count as usize, "some were dropped");
    });
}

#[test]
fn a_full_queue_ends_the_connection_under_the_policy_of_closing() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let (world, mut peer, _) = flooded(mode, Overflow::Close, &trace);
        assert_eq!(trace.count("closed#0"), 1);
        let closed = trace.last("closed#0");
        assert!(closed.contains("closed by us: send queue full"), "{closed}");
        peer.expect_rest_and_end();
        world.until_connections(0);
    });
}

#[test]
fn reply_closes_with_1013_what_it_cannot_queue() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_receive(|conn, _| {
            for _ in 0..1000 {
                if let action @ Action::Close(..) = conn.reply("x".repeat(1000)) {
                    return action;
                }
            }
            Action::Continue
        });
        let world = World::new(mode, narrow(Context::builder().protocol(play)));
        let mut peer = narrow_client(&world);
        peer.send_frame(&Frame::text("go"));
        let close = loop {
            let frame = peer.expect_frame();
            if frame.opcode == Opcode::Close {
                break frame.close_code();
            }
        };
        assert_eq!(close, Some((1013, "send queue full".into())));
    });
}

#[test]
fn announced_writes_are_served_through_the_poll_loop() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let builder = Context::builder().protocol(numbers(&trace, 1000)).announce_writes(true);
        let world = World::new(mode, narrow(builder));
        let mut peer = narrow_client(&world);
        (0..1000).for_each(|i| peer.expect_text(&numbered(i)));
        assert_eq!(world.turns_while_idle(), 0, "no interest is left");
        assert_eq!(world.turn(), Turn::Idle);
    });
}

#[test]
fn a_queue_of_no_bytes_still_takes_one_message() {
    in_every_mode(|mode| {
        let limits = Limits { queue_bytes: 0, ..Limits::default() };
        let play = Play::new(&Trace::default()).on_receive(|conn, message| {
            let all: Vec<_> = conn.connections().all();
            for id in all {
                conn.connections().send(id, message.as_bytes()).expect("its queue is empty");
            }
            Action::Continue
        });
        let world = World::new(mode, Context::builder().protocol(play).limits(limits));
        let (mut one, mut other) = (world.client(), world.client());
        for payload in [[1], [2], [3]] {
            one.send_frame(&Frame::binary(payload));
            one.expect_message(Opcode::Binary, &payload);
            other.expect_message(Opcode::Binary, &payload);
        }
    });
}
