//! Every way a WebSocket ends: who ended it, what the other end sees, what the application hears.

use crate::play::{Play, Stream, Trace};
use crate::world::{Mode, World, in_every_mode};
use sockeye::{Action, Builder, CloseCode, ConnId, Connections, Context, Opcode};
use sockeye_testkit::{End, Frame, Peer, upgrade_request};
use std::cell::Cell;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn close_4001() -> Action {
    Action::close(CloseCode::new(4001).expect("one for applications"), "enough")
}

/// A callback, a protocol that does something in it, and what makes it run.
pub(crate) type Case<Do> = (&'static str, fn(Play, Do) -> Play, fn(&World, &mut Peer));

/// Protocols that return an action from each of their callbacks.
pub(crate) fn returning_from_each() -> Vec<Case<Action>> {
    vec![
        ("open", |play, action| play.on_open(move |_| action.clone()), |_, _| {}),
        (
            "receive",
            |play, action| play.on_receive(move |_, _| action.clone()),
            |_, peer| peer.send_frame(&Frame::text("x")),
        ),
        (
            "writable",
            |play, action| {
                play.on_open(|conn| {
                    conn.request_writable();
                    Action::Continue
                })
                .on_writable(move |_, _| action.clone())
            },
            |_, _| {},
        ),
        (
            "ping",
            |play, action| play.on_ping(move |_, _| action.clone()),
            |_, peer| peer.send_frame(&Frame::ping("x")),
        ),
        (
            "pong",
            |play, action| play.on_pong(move |_, _| action.clone()),
            |_, peer| peer.send_frame(&Frame::pong("x")),
        ),
        (
            "timer",
            |play, action| {
                play.on_open(|conn| {
                    conn.set_timer(SECOND);
                    Action::Continue
                })
                .on_timer(move |_| action.clone())
            },
            |world, _| {
                world.pump();
                world.wind(2 * SECOND);
            },
        ),
    ]
}

pub(crate) fn after_a_pong(peer: &mut Peer, callback: &str) {
    if callback == "ping" {
        peer.expect_message(Opcode::Pong, b"x");
    }
}

#[test]
fn every_callback_can_close_its_connection() {
    in_every_mode(|mode| {
        for (callback, play, trigger) in returning_from_each() {
            println!("in {callback}");
            let trace = Trace::default();
            let play = play(Play::new(&trace), close_4001());
            let world = World::new(mode, Context::builder().protocol(play));
            let mut peer = world.client();
            trigger(&world, &mut peer);
            after_a_pong(&mut peer, callback);
            assert_eq!(peer.expect_close(4001), "enough");
            peer.send_frame(&Frame::text("on its way")); // not for the application any more
            peer.send_frame(&Frame::close(4001, "enough"));
            peer.expect_eof();
            let lines = trace.take();
            let closed = "closed#0 closed by us: closing handshake, \
                          code 4001 of the application, reason \"enough\"";
            assert_eq!(lines.last().map(String::as_str), Some(closed), "{lines:#?}");
            assert!(lines.iter().all(|line| !line.contains("on its way")), "{lines:#?}");
            drop(peer);
            world.until_connections(0);
        }
    });
}

#[test]
fn every_callback_can_abort_its_connection() {
    in_every_mode(|mode| {
        for (callback, play, trigger) in returning_from_each() {
            println!("in {callback}");
            let trace = Trace::default();
            let play = play(Play::new(&trace), Action::Abort);
            let world = World::new(mode, Context::builder().protocol(play));
            let mut peer = world.peer();
            peer.send(upgrade_request("/", &[]));
            world.until("the upgrade", || trace.count("open#0") == 1);
            trigger(&world, &mut peer);
            let (rest, _) = peer.expect_rest_and_end();
            let close = rest.windows(2).any(|two| two == b"\x88\x00");
            assert!(!close, "no Close frame in {}", rest.escape_ascii());
            assert_eq!(trace.last("closed"), "closed#0 closed by us: aborted, not clean");
            assert_eq!(trace.count("closed"), 1);
            world.until_connections(0);
        }
    });
}

#[test]
fn a_chunk_can_close_and_abort_too() {
    in_every_mode(|mode| {
        for action in [close_4001(), Action::Abort] {
            let (trace, closes) = (Trace::default(), action != Action::Abort);
            let stream = Stream::new(&trace, move |_, _| action.clone());
            let world = World::new(mode, Context::builder().protocol(stream));
            let mut peer = world.client();
            peer.send_frames(&[Frame::text("a").not_final(), Frame::ping("b")]);
            if closes {
                peer.close_answer(4001, "enough");
            } else {
                peer.expect_end();
            }
            let lines = trace.take();
            assert_eq!(lines.len(), 2, "one chunk, one closed: {lines:#?}");
        }
    });
}

/// What callbacks can ask about other connections.
type Deed = fn(Connections<'_>, ConnId);

fn close_it(connections: Connections<'_>, id: ConnId) {
    connections.close(id, CloseCode::GOING_AWAY, "all of you");
}

fn abort_it(connections: Connections<'_>, id: ConnId) {
    connections.abort(id);
}

fn to_all(connections: Connections<'_>, deed: Deed) -> Action {
    connections.all().into_iter().for_each(|id| deed(connections, id));
    Action::Continue
}

/// Protocols that do something to all connections from each callback of connection 1.
fn doing_to_all_from_each() -> Vec<Case<Deed>> {
    vec![
        (
            "open",
            |play, deed| {
                play.on_open(move |conn| match *conn.session {
                    2 => to_all(conn.connections(), deed),
                    _ => Action::Continue,
                })
            },
            |_, _| {},
        ),
        (
            "receive",
            |play, deed| play.on_receive(move |conn, _| to_all(conn.connections(), deed)),
            |_, peer| peer.send_frame(&Frame::text("x")),
        ),
        (
            "writable",
            |play, deed| {
                play.on_receive(|conn, _| {
                    conn.request_writable();
                    Action::Continue
                })
                .on_writable(move |conn, _permit| to_all(conn.connections(), deed))
            },
            |_, peer| peer.send_frame(&Frame::text("x")),
        ),
        (
            "ping",
            |play, deed| play.on_ping(move |conn, _| to_all(conn.connections(), deed)),
            |_, peer| peer.send_frame(&Frame::ping("x")),
        ),
        (
            "pong",
            |play, deed| play.on_pong(move |conn, _| to_all(conn.connections(), deed)),
            |_, peer| peer.send_frame(&Frame::pong("x")),
        ),
        (
            "timer",
            |play, deed| {
                play.on_open(|conn| {
                    conn.set_timer((1 + *conn.session as u32 % 2) * SECOND);
                    Action::Continue
                })
                .on_timer(move |conn| to_all(conn.connections(), deed))
            },
            |world, _| world.wind(2 * SECOND),
        ),
        (
            "closed",
            |play, deed| {
                play.on_closed(move |connections, _, _| {
                    let _ = to_all(connections, deed);
                })
            },
            |_, peer| peer.send_frame(&Frame::close(1000, "me first")),
        ),
    ]
}

#[test]
fn every_callback_can_end_all_connections_and_each_hears_it_once() {
    in_every_mode(|mode| {
        for deed in [close_it, abort_it] {
            for (callback, play, trigger) in doing_to_all_from_each() {
                println!("in {callback}");
                let trace = Trace::default();
                let play = play(Play::new(&trace), deed);
                let world = World::new(mode, Context::builder().protocol(play));
                let mut peers = [world.client(), world.client()];
                let mut third = world.peer();
                third.send(upgrade_request("/", &[]));
                world.until("the third", || trace.count("open#2") == 1);
                trigger(&world, &mut peers[1]);
                for peer in peers.iter_mut().chain([&mut third]) {
                    peer.finish(); // a Close is not answered
                    peer.expect_rest_and_end();
                }
                world.until_connections(0);
                let closed = [0, 1, 2].map(|i| trace.count(&format!("closed#{i}")));
                assert_eq!(closed, [1, 1, 1], "{:#?}", trace.take());
            }
        }
    });
}

#[test]
fn a_notice_can_end_connections() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let mut builder = Context::builder();
        let play = Play::new(&trace).on_notice(|connections, _| {
            let _ = to_all(connections, abort_it);
        });
        let key = builder.register(play);
        let world = World::new(mode, builder);
        let mut peer = world.client();
        world.handle.post(key, "end it".into()).expect("the box is not full");
        peer.expect_end();
        assert_eq!(trace.count("closed#0"), 1);
    });
}

#[test]
fn closing_twice_is_closing_once_and_the_first_code_counts() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_receive(|conn, _| {
            let first = conn.connections().all()[0];
            conn.connections().close(first, CloseCode::GOING_AWAY, "first");
            conn.connections().close(first, CloseCode::NORMAL, "second");
            conn.reply("done")
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let (mut closed, mut closer) = (world.client(), world.client());
        closer.send_frame(&Frame::text("close the first"));
        closer.expect_text("done");
        closed.close_answer(1001, "first");
        assert_eq!(
            trace.last("closed#0"),
            "closed#0 closed by us: closing handshake, code 1001 going away, reason \"first\""
        );
        closer.send_frame(&Frame::text("it is closed already"));
        closer.expect_text("done");
    });
}

fn echo(mode: Mode) -> (Rc<World>, Trace) {
    let trace = Trace::default();
    (World::new(mode, Context::builder().protocol(Play::new(&trace))), trace)
}

#[test]
fn the_peers_close_is_answered_with_its_code_and_reason() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        for code in [1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 3999, 4999] {
            world.client().close(code, "für dich");
            assert!(trace.last("closed").contains(&code.to_string()));
            assert!(trace.last("closed").ends_with("reason \"für dich\""));
        }
        let longest = "x".repeat(123);
        world.client().close(1000, &longest);
    });
}

#[test]
fn an_empty_close_is_answered_by_an_empty_close() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        peer.send_frame(&Frame::new(Opcode::Close, ""));
        peer.expect_message(Opcode::Close, b"");
        peer.expect_eof();
        assert_eq!(trace.last("closed"), "closed#0 closed by peer: closing handshake");
    });
}

#[test]
fn when_both_close_at_once_each_gets_the_others_close() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        peer.send_without_turns(&Frame::close(4002, "mine").masked());
        let _ = world.connections(|all| to_all(all, close_it));
        peer.expect_close(1001);
        peer.expect_eof();
        assert!(trace.last("closed").starts_with("closed#0 closed by us: closing handshake"));
        assert!(!trace.last("closed").ends_with("not clean"));
    });
}

#[test]
fn a_close_that_is_not_answered_is_followed_by_the_end() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        let _ = world.connections(|all| to_all(all, close_it));
        peer.expect_close(1001);
        world.wind(Duration::from_millis(4900));
        assert_eq!(trace.count("closed"), 0);
        world.wind(Duration::from_millis(300));
        peer.expect_end();
        let closed = trace.last("closed");
        assert!(closed.contains("close frame unanswered for 5s, code 1001"), "{closed}");
        world.until_connections(0);
    });
}

#[test]
fn a_peer_that_does_not_hang_up_after_the_closing_handshake_is_cut() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        peer.send_frame(&Frame::close(1000, ""));
        peer.expect_close(1000);
        world.until("closed", || trace.count("closed") == 1);
        assert_eq!(world.connections(|all| all.len()), 1, "its FIN is awaited");
        world.wind(Duration::from_millis(5300));
        world.until_connections(0);
        assert_eq!(trace.count("closed"), 1);
    });
}

#[test]
fn a_fin_without_close_and_a_reset_are_told_apart() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        peer.finish();
        peer.expect_eof();
        let vanished = "closed#0 closed by peer: end of stream without a close frame, not clean";
        assert_eq!(trace.last("closed"), vanished);
        let peer = world.client();
        sockeye_sys::set_linger_zero(peer.stream().as_fd()).expect("a TCP socket");
        drop(peer);
        world.until("the reset", || trace.count("closed#1") == 1);
        let broken = "closed#1 closed by peer: connection broke: connection reset, not clean";
        assert_eq!(trace.last("closed"), broken);
        world.until_connections(0);
    });
}

#[test]
fn messages_before_a_fin_are_delivered_first() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        peer.send_without_turns(&Frame::text("last words").masked());
        peer.finish();
        peer.expect_text("last words");
        peer.expect_eof();
        assert_eq!(trace.count("receive#0 last words"), 1);
    });
}

#[test]
fn the_id_of_an_ended_connection_does_nothing_to_the_next_in_its_place() {
    in_every_mode(|mode| {
        let (trace, stale) = (Trace::default(), Rc::new(Cell::new(None)));
        let first = Rc::clone(&stale);
        let mut builder = Context::builder();
        builder.register(Play::new(&trace).on_open(move |conn| {
            first.set(first.get().or(Some(conn.id())));
            Action::Continue
        }));
        let world = World::new(mode, builder);
        world.client().close(1000, "");
        world.until_connections(0);
        let (mut peer, stale) = (world.client(), stale.get().expect("it was open"));
        trace.take();
        world.connections(|all| {
            let now = all.all()[0];
            assert_eq!(now.as_u64() as u32, stale.as_u64() as u32, "the same place");
            assert_ne!(now, stale);
            all.request_writable(stale);
            assert!(all.send(stale, "x").is_err());
            assert!(all.send_shared(stale, &sockeye::Shared::new("x")).is_err());
            assert!(all.send_frame(stale, Opcode::Text, true, b"x").is_err());
            assert!(all.send_raw(stale, b"x").is_err());
            assert!(all.respond(stale, sockeye::Response::new(200)).is_err());
            all.close(stale, CloseCode::NORMAL, "x");
            all.abort(stale);
            all.pause(stale);
            all.resume(stale);
            all.feed(stale, &Frame::text("x").masked());
            all.set_timer(stale, Some(Duration::ZERO));
            all.is_choked(stale);
            assert!(all.info(stale).is_none() && all.peer(stale).is_none());
            assert!(all.fd(stale).is_none());
        });
        world.handle.request_writable(stale).expect("the box is not full");
        peer.expect_silence();
        assert_eq!(trace.take(), [""; 0]);
        peer.send_frame(&Frame::text("unharmed"));
        peer.expect_text("unharmed");
    });
}

#[test]
fn the_descriptor_is_open_while_closed_runs_and_the_connection_is_counted_no_more() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let notes = trace.clone();
        let mut builder = Context::builder();
        let key = Rc::new(Cell::new(None));
        let its_key = Rc::clone(&key);
        let play = Play::new(&trace).on_closed(move |all, id, _| {
            let protocol = Option::<sockeye::ProtocolId>::unwrap(its_key.get());
            notes.note(format!("fd {}", all.fd(id).is_some()));
            notes.note(format!("count {} {}", all.count(protocol), all.of(protocol).count()));
            notes.note(format!("send {:?}", all.send(id, "too late")));
        });
        key.set(Some(builder.register(play).id()));
        let world = World::new(mode, builder);
        world.client().close(1000, "");
        assert_eq!(trace.take()[2..], ["fd true", "count 0 0", "send Err(Closed)"]);
    });
}

#[test]
fn dropping_the_context_ends_every_connection() {
    fn builder() -> Builder {
        Context::builder().protocol(Play::new(&Trace::default()))
    }
    let mut context = builder().build().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let mut peers: Vec<Peer> =
        (0..10).map(|_| Peer::connect(address, sockeye_testkit::idle())).collect();
    peers.iter_mut().skip(3).for_each(|peer| peer.send(upgrade_request("/", &[])));
    while context.connections().accepted() < 10 {
        context.service(None).expect("the loop goes on");
    }
    drop(context);
    for peer in &mut peers {
        let (_, end) = peer.expect_rest_and_end();
        assert!(matches!(end, End::Eof | End::Reset));
    }
}

#[test]
fn nothing_follows_a_close_that_a_callback_began_by_asking() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace)
            .on_receive(|conn, _| {
                conn.request_writable();
                Action::Continue
            })
            .on_writable(|conn, permit| {
                conn.connections().close(conn.id(), CloseCode::NORMAL, "");
                assert!(permit.send("after the close").is_none());
                assert!(conn.send("after the close").is_err());
                assert!(conn.permit().is_none());
                assert!(conn.ping(b"").is_err());
                Action::Continue
            });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        peer.send_frame(&Frame::text("go"));
        peer.close_answer(1000, "");
    });
}

#[test]
fn what_comes_between_our_close_and_the_peers_is_dropped() {
    in_every_mode(|mode| {
        let (world, trace) = echo(mode);
        let mut peer = world.client();
        let _ = world.connections(|all| to_all(all, close_it));
        peer.expect_close(1001);
        trace.take();
        let late = [Frame::text("late"), Frame::ping(b"late"), Frame::binary([1])];
        peer.send_frames(&late);
        peer.send_frame(&Frame::close(1001, ""));
        peer.expect_eof();
        world.until("closed", || trace.count("closed") == 1);
        assert_eq!(trace.take().len(), 1, "nothing but the end");
    });
}
