//! Handshakes that are answered later, headers added to their answer, messages sent in parts.

use crate::http::{ask, get};
use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Mode, World, in_every_mode};
use crate::writability::{narrow, narrow_client};
use sockeye::{Action, CloseCode, ConnId, Context, Key, MessageKind, Reject, SendError};
use sockeye_testkit::{Frame, Opcode, upgrade_request};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// A server that puts every handshake off, and those that wait.
struct Patient {
    world: Rc<World>,
    key: Key<Play>,
    waiting: Rc<RefCell<Vec<ConnId>>>,
    trace: Trace,
}

impl Patient {
    fn new(mode: Mode) -> Self {
        let (trace, waiting) = (Trace::default(), Rc::new(RefCell::default()));
        let ids: Rc<RefCell<Vec<ConnId>>> = Rc::clone(&waiting);
        let play = Play::new(&trace).on_upgrade(move |hello| {
            ids.borrow_mut().push(hello.id());
            let added = hello.add_header("Set-Cookie", "a=b");
            added.expect("a header that is allowed");
            Err(Reject::later())
        });
        let mut builder = Context::builder().http(Site::new(&trace));
        let key = builder.register(play);
        Self { world: World::new(mode, builder), key, waiting, trace }
    }

    fn next(&self) -> ConnId {
        self.world.until("a handshake", || !self.waiting.borrow().is_empty());
        self.waiting.borrow_mut().remove(0)
    }
}

#[test]
fn a_handshake_can_be_accepted_later_and_what_came_meanwhile_is_not_lost() {
    in_every_mode(|mode| {
        let server = Patient::new(mode);
        let mut peer = server.world.peer();
        let mut bytes = upgrade_request("/", &[]).into_bytes();
        bytes.extend(Frame::text("glued").masked());
        peer.send(&bytes);
        let id = server.next();
        peer.send(Frame::text("meanwhile").masked());
        peer.expect_silence();
        assert_eq!(server.trace.take(), [""; 0]);
        assert_eq!(server.world.turns_while_idle(), 0);
        server.world.connections(|all| {
            all.accept(server.key, id, 7);
            all.accept(server.key, id, 8); // the first answer counts
            all.reject(id, Reject::new(403, "no"));
        });
        let head = peer.expect_head();
        assert_eq!((head.status(), head.header("Set-Cookie")), (101, Some("a=b")));
        peer.expect_text("glued");
        peer.expect_text("meanwhile");
        let lines = ["open#7", "receive#7 glued", "receive#7 meanwhile"];
        assert_eq!(server.trace.take(), lines);
    });
}

#[test]
fn a_handshake_can_be_rejected_later() {
    in_every_mode(|mode| {
        let server = Patient::new(mode);
        let mut peer = server.world.peer();
        peer.send(upgrade_request("/", &[]));
        let id = server.next();
        server.world.connections(|all| all.reject(id, Reject::new(401, "Who are you?")));
        let response = peer.expect_response();
        assert_eq!((response.status(), response.text().as_str()), (401, "Who are you?\n"));
        peer.expect_eof();
        server.world.connections(|all| all.accept(server.key, id, 7));
        server.world.pump();
        assert_eq!(server.trace.take(), [""; 0]);
    });
}

#[test]
fn a_handshake_that_is_never_answered_gets_503_at_its_deadline() {
    in_every_mode(|mode| {
        let server = Patient::new(mode);
        let mut peer = server.world.peer();
        ask(&mut peer, &get("/x"), "GET /x");
        peer.send(upgrade_request("/", &[]));
        let id = server.next();
        server.world.wind(Duration::from_secs(9));
        peer.expect_silence();
        server.world.wind(Duration::from_secs(2));
        assert_eq!(peer.expect_response().status(), 503);
        peer.expect_eof();
        server.world.connections(|all| all.accept(server.key, id, 7));
        server.world.pump();
        assert_eq!(server.trace.take(), ["request GET /x", "sent", "http closed"]);
    });
}

#[test]
fn a_shutdown_ends_handshakes_that_wait() {
    in_every_mode(|mode| {
        let server = Patient::new(mode);
        let mut peer = server.world.peer();
        peer.send(upgrade_request("/", &[]));
        server.next();
        server.world.handle.shutdown();
        peer.expect_end();
        server.world.until("the end", || server.world.is_finished());
    });
}

#[test]
fn headers_that_would_break_the_handshake_cannot_be_added() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default()).on_upgrade(|hello| {
            for (name, value) in [
                ("X-A", "b\r\nX-B: c"),
                ("X A", "b"),
                ("Connection", "close"),
                ("Sec-WebSocket-Accept", "x"),
            ] {
                assert!(hello.add_header(name, value).is_err(), "{name}: {value}");
            }
            hello.add_header("X-A", "b").map_err(|_| Reject::new(500, "it is allowed"))
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let head = world.peer().upgrade("/", &[]);
        assert_eq!((head.header("X-A"), head.header("X-B")), (Some("b"), None));
    });
}

#[test]
fn a_message_in_parts_holds_others_back_and_lets_pings_through() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default()).on_receive(|conn, message| {
            let permit = conn.permit().expect("the pipe is clear");
            match message.as_text() {
                Some("last") => {
                    let _ = permit.send_part(MessageKind::Binary, b"last", true);
                    conn.reply("after")
                }
                Some(part) => {
                    let _ = permit.send_part(MessageKind::Text, part.as_bytes(), false);
                    assert_eq!(conn.send("between"), Err(SendError::Unfinished));
                    conn.ping(b"between").expect("a ping may lie between");
                    Action::Continue
                }
                None => Action::Abort,
            }
        });
        let world = World::new(mode, narrow(Context::builder().protocol(play)));
        let mut peer = narrow_client(&world);
        peer.send_frames(&["first", "second", "last"].map(Frame::text));
        assert_eq!(peer.expect_frame(), Frame::text("first").not_final());
        peer.expect_message(Opcode::Ping, b"between");
        let second = Frame::new(Opcode::Continuation, "second").not_final();
        assert_eq!(peer.expect_frame(), second);
        peer.expect_message(Opcode::Ping, b"between");
        peer.expect_message(Opcode::Continuation, b"last");
        peer.expect_text("after");
    });
}

#[test]
fn a_close_can_come_between_the_parts_of_a_message() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default()).on_receive(|conn, _| {
            let permit = conn.permit().expect("the pipe is clear");
            let permit = permit.send_part(MessageKind::Text, b"part", false);
            conn.connections().close(conn.id(), CloseCode::GOING_AWAY, "");
            let permit = permit.expect("the pipe is clear");
            assert!(permit.send_part(MessageKind::Text, b"late", true).is_none());
            Action::Continue
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.client();
        peer.send_frame(&Frame::text("go"));
        assert_eq!(peer.expect_frame(), Frame::text("part").not_final());
        peer.close_answer(1001, "");
    });
}
