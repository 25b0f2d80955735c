//! Handshakes that are answered later, and what may come in between.

use crate::http::{ask, get};
use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Mode, World, in_every_mode};
use rustix::net::sockopt;
use sockeye::{
    Action, Answer, CloseCode, ConnId, Context, Key, Limits, MessageKind, Reject, Response,
};
use sockeye_testkit::{End, Frame, upgrade_request};
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
fn only_the_first_verdict_on_a_handshake_counts() {
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
            all.accept(server.key, id, 8);
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
fn a_handshake_after_a_request_that_is_never_answered_ends_once() {
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
        assert_eq!(server.trace.take(), ["request GET /x", "sent", "http closed", "abandoned"]);
    });
}

#[test]
fn a_client_that_leaves_before_its_answer_is_noticed_and_the_application_is_told() {
    in_every_mode(|mode| {
        let server = Patient::new(mode);
        for reset in [false, true] {
            let mut peer = server.world.peer();
            peer.send(upgrade_request("/", &[]));
            let id = server.next();
            if reset {
                let at_once = Some(Duration::ZERO);
                sockopt::set_socket_linger(peer.stream(), at_once).expect("its socket");
            }
            drop(peer);
            server.world.until_connections(0);
            assert_eq!(server.trace.take(), ["abandoned"]);
            server.world.connections(|all| all.accept(server.key, id, 7)); // finds nobody
            server.world.pump();
            assert_eq!(server.trace.take(), [""; 0]);
        }
    });
}

#[test]
fn a_client_that_leaves_before_the_answer_to_its_request_is_noticed() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let site = Site::new(&trace).on_request(|_, _| Answer::Later);
        let world = World::new(mode, Context::builder().http(site));
        let mut peer = world.peer();
        peer.send(get("/slow"));
        world.until("the request", || trace.count("request") == 1);
        world.pump();
        assert_eq!(world.turns_while_idle(), 0);
        drop(peer);
        world.until_connections(0);
        assert_eq!(trace.take(), ["request GET /slow", "http closed"]);
    });
}

/// A site that puts every answer off, and its clients' way to it.
fn slow(mode: Mode) -> (Trace, Rc<RefCell<Vec<ConnId>>>, Rc<World>) {
    let (trace, asked) = (Trace::default(), Rc::new(RefCell::new(Vec::new())));
    let asking = Rc::clone(&asked);
    let site = Site::new(&trace).on_request(move |conn, _| {
        asking.borrow_mut().push(conn.id());
        Answer::Later
    });
    (trace, asked, World::new(mode, Context::builder().http(site)))
}

#[test]
fn a_client_that_says_no_more_still_gets_the_answer_that_was_put_off() {
    in_every_mode(|mode| {
        let (trace, asked, world) = slow(mode);
        for version in ["1.1", "1.0"] {
            let mut peer = world.peer();
            peer.send(format!("GET /slow HTTP/{version}\r\nHost: a\r\n\r\n"));
            peer.finish();
            if version == "1.1" {
                assert_eq!(peer.expect_head().text, "HTTP/1.1 100 Continue");
            }
            world.pump();
            peer.expect_silence();
            assert_eq!(world.turns_while_idle(), 0, "nothing spins on the FIN");
            let id = asked.borrow_mut().pop().expect("a request");
            let answer = Response::text("here you are");
            world.connections(|all| all.respond(id, answer)).expect("somebody listens");
            let (text, end) = peer.expect_rest_and_end();
            let text = String::from_utf8(text).expect("text");
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
            assert!(text.ends_with("\r\n\r\nhere you are"), "{text}");
            assert!(text.to_lowercase().contains("connection: close\r\n"), "{text}");
            assert_eq!(end, End::Eof);
            world.until_connections(0);
        }
        assert_eq!(trace.count("http closed"), 2);
    });
}

#[test]
fn who_says_no_more_is_waited_for_no_longer_than_others() {
    in_every_mode(|mode| {
        let (trace, _, world) = slow(mode);
        let mut peer = world.peer();
        peer.send(get("/slow"));
        peer.finish();
        assert_eq!(peer.expect_head().status(), 100);
        world.wind(Limits::default().exchange + Duration::from_secs(1));
        assert_eq!(peer.expect_response().head.status(), 503);
        world.until_connections(0);
        assert_eq!(trace.take(), ["request GET /slow", "http closed"]);
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
        assert_eq!(server.trace.take(), ["abandoned"]);
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
