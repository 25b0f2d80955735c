//! Requests that are not handshakes.

use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Mode, World, in_every_mode};
use sockeye::{Action, Answer, CloseCode, ConnId, Context, Response};
use sockeye_testkit::{Frame, Peer, upgrade_request};
use std::cell::Cell;
use std::rc::Rc;

pub(crate) fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")
}

pub(crate) fn serving(mode: Mode, site: Site) -> Rc<World> {
    let play = Play::new(&Trace::default());
    World::new(mode, Context::builder().protocol(play).http(site))
}

/// Sends a request; its answer must be this text.
pub(crate) fn ask(peer: &mut Peer, request: &str, text: &str) {
    peer.send(request);
    let response = peer.expect_response();
    assert_eq!((response.status(), response.text().as_str()), (200, text));
}

#[test]
fn requests_follow_each_other_on_one_connection() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        let mut peer = world.peer();
        ask(&mut peer, &get("/a"), "GET /a");
        peer.dribble(get("/b?c=d"));
        let response = peer.expect_response();
        assert_eq!(response.text(), "GET /b");
        let content_type = response.head.header("Content-Type");
        assert_eq!(content_type, Some("text/plain; charset=utf-8"));
        assert!(response.head.header("Date").is_some());
        peer.finish();
        peer.expect_eof();
        let lines = ["request GET /a", "sent", "request GET /b", "sent", "http closed"];
        assert_eq!(trace.take(), lines);
        world.until_connections(0);
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        let mut peer = world.peer();
        let requests: String = (0..50).map(|i| get(&format!("/{i}"))).collect();
        peer.send(&requests[..requests.len() - 5]);
        world.pump();
        peer.send(&requests[requests.len() - 5..]);
        (0..50).for_each(|i| assert_eq!(peer.expect_response().text(), format!("GET /{i}")));
        assert_eq!(trace.count("sent"), 50);
        assert_eq!(world.turns_while_idle(), 0);
    });
}

#[test]
fn the_answer_to_head_has_the_headers_only() {
    in_every_mode(|mode| {
        let world = serving(mode, Site::new(&Trace::default()));
        let mut peer = world.peer();
        peer.send("HEAD /x HTTP/1.1\r\nHost: h\r\n\r\n");
        let head = peer.expect_head();
        assert_eq!(head.header("Content-Length"), Some("7"));
        ask(&mut peer, &get("/y"), "GET /y");
    });
}

#[test]
fn the_end_of_the_connection_is_the_clients_or_the_versions_choice() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        for request in
            ["GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", "GET /x HTTP/1.0\r\n\r\n"]
        {
            let mut peer = world.peer();
            ask(&mut peer, request, "GET /x");
            peer.expect_eof();
            assert_eq!(trace.take(), ["request GET /x", "sent", "http closed"]);
        }
        let mut peer = world.peer();
        ask(&mut peer, "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "GET /x");
        ask(&mut peer, &get("/y"), "GET /y");
    });
}

fn collecting(trace: &Trace) -> Site {
    Site::new(trace).on_request(|conn, _| {
        conn.session.clear();
        Answer::Body
    })
}

#[test]
fn bodies_of_both_framings_come_whole() {
    in_every_mode(|mode| {
        let world = serving(mode, collecting(&Trace::default()));
        let mut peer = world.peer();
        let post = "POST / HTTP/1.1\r\nHost: h\r\n";
        ask(&mut peer, &format!("{post}Content-Length: 5\r\n\r\nhello"), "hello");
        let chunks = "5\r\nhello\r\n7;ext=1\r\n, world\r\n0\r\nTrailer: x\r\n\r\n";
        let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunks}");
        ask(&mut peer, &chunked, "hello, world");
        ask(&mut peer, &format!("{post}Content-Length: 0\r\n\r\n"), "");
        ask(&mut peer, &get("/"), "");
        peer.dribble(&chunked);
        assert_eq!(peer.expect_response().text(), "hello, world");
        peer.send(format!("{chunked}{post}Content-Length: 2\r\n\r\nhi{}", get("/")));
        let texts = ["hello, world", "hi", ""];
        texts.iter().for_each(|text| assert_eq!(peer.expect_response().text(), *text));
    });
}

#[test]
fn a_body_that_nobody_reads_is_not_taken_for_the_next_request() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        let mut peer = world.peer();
        let inner = get("/smuggled");
        let length = inner.len();
        peer.send(format!(
            "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{inner}"
        ));
        let response = peer.expect_response();
        assert_eq!(response.text(), "POST /x");
        assert_eq!(response.head.header("Connection"), Some("close"), "it says so");
        peer.expect_rest_and_end();
        assert_eq!(trace.count("request"), 1);
        assert_eq!(trace.count("http closed"), 1);
    });
}

#[test]
fn an_answer_before_the_end_of_the_body_ends_the_connection() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let site = collecting(&trace)
            .on_body(|conn, last| Response::text(format!("{} {last}", conn.session.len())).into());
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nhello");
        assert_eq!(peer.expect_response().text(), "5 false");
        let _ = peer.try_send(get("/smuggled"));
        peer.expect_end();
        assert_eq!(trace.take(), ["request POST /", "sent", "http closed"]);
    });
}

#[test]
fn a_handler_that_wants_more_body_than_there_is_gets_a_500_sent() {
    in_every_mode(|mode| {
        let site = collecting(&Trace::default()).on_body(|_, _| Answer::Body);
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(peer.expect_response().status(), 500);
        peer.send(get("/"));
        assert_eq!(peer.expect_response().status(), 500);
    });
}

#[test]
fn a_client_that_asks_is_told_to_go_on_with_its_body_if_it_is_wanted() {
    in_every_mode(|mode| {
        let world = serving(mode, collecting(&Trace::default()));
        let mut peer = world.peer();
        let head =
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
        peer.send(head);
        assert_eq!(peer.expect_head().status(), 100);
        ask(&mut peer, "hi", "hi");
        let unwanting = serving(mode, Site::new(&Trace::default()));
        let mut peer = unwanting.peer();
        peer.send(head);
        assert_eq!(peer.expect_response().status(), 200);
        peer.expect_eof();
    });
}

#[test]
fn an_answer_can_come_later_and_from_elsewhere() {
    in_every_mode(|mode| {
        let (trace, waiting) = (Trace::default(), Rc::new(Cell::new(None)));
        let id: Rc<Cell<Option<ConnId>>> = Rc::clone(&waiting);
        let site = Site::new(&trace).on_request(move |conn, request| {
            if request.path() == "/ask" {
                id.set(Some(conn.id()));
                return Answer::Later;
            }
            let waiting = id.take().expect("somebody waits");
            let answer = Response::text("from elsewhere");
            conn.connections().respond(waiting, answer.clone()).expect("it waits");
            assert!(conn.connections().respond(waiting, answer).is_err(), "a second answer");
            Response::text("done").into()
        });
        let world = serving(mode, site);
        let (mut one, mut other) = (world.peer(), world.peer());
        one.send(get("/ask") + &get("/ask"));
        one.expect_silence();
        assert_eq!(world.turns_while_idle(), 0, "turns while the second request waits");
        ask(&mut other, &get("/answer"), "done");
        assert_eq!(one.expect_response().text(), "from elsewhere");
        world.until("the second request", || waiting.get().is_some());
        let id = waiting.take().expect("it is there");
        world.connections(|all| all.respond(id, Response::text("between callbacks"))).unwrap();
        assert_eq!(one.expect_response().text(), "between callbacks");
        assert_eq!(trace.count("sent"), 3);
        assert_eq!(world.turns_while_idle(), 0);
    });
}

#[test]
fn of_two_answers_to_one_request_only_the_first_goes_out() {
    in_every_mode(|mode| {
        let site = Site::new(&Trace::default()).on_request(|conn, _| {
            conn.connections().respond(conn.id(), Response::text("first")).expect("it waits");
            Response::text("second").into()
        });
        let world = serving(mode, site);
        let mut peer = world.peer();
        ask(&mut peer, &get("/"), "first");
        ask(&mut peer, &get("/"), "first");
        peer.expect_silence();
    });
}

#[test]
fn an_answer_can_be_written_by_hand() {
    in_every_mode(|mode| {
        let site = Site::new(&Trace::default()).on_request(|conn, _| {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
            conn.connections().send_raw(conn.id(), answer).expect("it waits");
            Answer::Later
        });
        let world = serving(mode, site);
        ask(&mut world.peer(), &get("/"), "hi");
    });
}

#[test]
fn an_aborted_request_gets_no_answer() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let site = Site::new(&trace).on_request(|_, _| Answer::Abort);
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send(get("/"));
        peer.expect_end();
        assert_eq!(trace.take(), ["request GET /", "http closed"]);
    });
}

#[test]
fn a_response_that_would_break_the_head_becomes_a_500() {
    in_every_mode(|mode| {
        let site = Site::new(&Trace::default())
            .on_request(|_, _| Response::text("x").header("X-Why", "a\r\nSet-Cookie: b=c").into());
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send(get("/"));
        let response = peer.expect_response();
        assert_eq!((response.status(), response.head.header("Set-Cookie")), (500, None));
    });
}

#[test]
fn sent_can_close_and_abort_and_each_connection_is_closed_once() {
    in_every_mode(|mode| {
        for action in [Action::close(CloseCode::NORMAL, ""), Action::Abort] {
            let trace = Trace::default();
            let site = Site::new(&trace).on_sent(move |_| action.clone());
            let world = serving(mode, site);
            let mut peer = world.peer();
            ask(&mut peer, &get("/x"), "GET /x");
            peer.expect_eof();
            drop(peer);
            world.until_connections(0);
            assert_eq!(trace.take(), ["request GET /x", "sent", "http closed"]);
        }
    });
}

#[test]
fn an_upgrade_can_follow_an_ordinary_request() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        let mut peer = world.peer();
        let frame = Frame::text("glued");
        let mut bytes = (get("/x") + &upgrade_request("/", &[])).into_bytes();
        bytes.extend(frame.masked());
        peer.send(&bytes);
        assert_eq!(peer.expect_response().text(), "GET /x");
        assert_eq!(peer.expect_head().status(), 101);
        peer.expect_text("glued");
        assert_eq!(trace.take(), ["request GET /x", "sent", "http closed"]);
        peer.close(1000, "");
        assert_eq!(trace.take(), [""; 0]);
    });
}

#[test]
fn a_refused_upgrade_after_a_request_ends_its_session_too() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        let mut peer = world.peer();
        ask(&mut peer, &get("/x"), "GET /x");
        peer.send(upgrade_request("/", &[("Sec-WebSocket-Version", "7")]));
        assert_eq!(peer.expect_response().status(), 426);
        peer.expect_eof();
        assert_eq!(trace.count("http closed"), 1);
    });
}

#[test]
fn a_shutdown_lets_the_answer_under_way_out() {
    in_every_mode(|mode| {
        let (trace, waiting) = (Trace::default(), Rc::new(Cell::new(None)));
        let id = Rc::clone(&waiting);
        let site = Site::new(&trace).on_request(move |conn, _| {
            id.set(Some(conn.id()));
            Answer::Later
        });
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send(get("/slow"));
        world.until("the request", || waiting.get().is_some());
        world.handle.shutdown();
        peer.expect_silence();
        let id = waiting.take().expect("it is there");
        world.connections(|all| all.respond(id, Response::text("at last"))).expect("it waits");
        assert_eq!(peer.expect_response().text(), "at last");
        peer.expect_eof();
        drop(peer);
        world.until("the end", || world.is_finished());
    });
}
