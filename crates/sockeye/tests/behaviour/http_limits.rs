//! Requests that are wrong, too big or too slow; answers that are long.

use crate::http::{ask, get, serving};
use crate::play::Trace;
use crate::site::Site;
use crate::world::{Mode, World, in_every_mode};
use crate::writability::{narrow, narrow_http_peer};
use sockeye::{Action, Answer, CloseCode, Context, Limits, Response};
use std::rc::Rc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn requests_that_two_readers_could_take_differently_get_400() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace).on_request(|_, _| Answer::Body));
        let inner = get("/smuggled");
        for headers in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked\r\nContent-Length: 5",
            "Content-Length: 5\r\nContent-Length: 6",
            "Content-Length: 5, 6",
            "Content-Length: +5",
            "Content-Length: -5",
            "Content-Length: 0x5",
            "Content-Length: 5 5",
            "Content-Length: ",
            "Content-Length: 99999999999999999999",
            "Content-Length : 5",
            "Transfer-Encoding: chunked, identity",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: xchunked",
            "Transfer-Encoding: \"chunked\"",
            "X: a\r\n folded",
            "X: a\nContent-Length: 5",
            "Host: other",
        ] {
            let mut peer = world.peer();
            let request =
                format!("POST / HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n0\r\n\r\n{inner}");
            peer.send(request);
            let response = peer.expect_response();
            assert!(matches!(response.status(), 400 | 501), "{headers}: {}", response.head.text);
            assert_eq!(peer.expect_rest_and_end().0, b"", "{headers}");
        }
        assert_eq!(trace.count("request"), 0);
    });
}

#[test]
fn chunks_that_two_readers_could_take_differently_get_400() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace).on_request(|_, _| Answer::Body));
        let head = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in ["0x5\r\nhello\r\n", "5\nhello\n", "g\r\n", "5\r\nhelloX\r\n", "-1\r\n", "\r\n"]
        {
            let mut peer = world.peer();
            peer.send(format!("{head}{body}0\r\n\r\n{}", get("/smuggled")));
            assert_eq!(peer.expect_response().status(), 400, "{body:?}");
            peer.expect_rest_and_end();
        }
        assert_eq!(trace.count("request GET"), 0);
        assert_eq!(trace.count("request"), trace.count("http closed"));
    });
}

#[test]
fn a_body_over_the_limit_gets_413() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let limits = Limits { body_bytes: 10, ..Limits::default() };
        let site = Site::new(&trace).on_request(|_, _| Answer::Body);
        let world = World::new(mode, Context::builder().http(site).limits(limits));
        let post = "POST / HTTP/1.1\r\nHost: h\r\n";
        ask(
            &mut world.peer(),
            &format!("{post}Content-Length: 10\r\n\r\n0123456789"),
            "0123456789",
        );
        for request in [
            format!("{post}Content-Length: 11\r\n\r\n"),
            format!("{post}Transfer-Encoding: chunked\r\n\r\n8\r\n01234567\r\n3\r\n012\r\n"),
        ] {
            let mut peer = world.peer();
            peer.send(request);
            assert_eq!(peer.expect_response().status(), 413);
            peer.expect_end();
        }
        world.until("the ends", || trace.count("http closed") >= 2);
    });
}

#[test]
fn a_kept_alive_connection_ends_in_silence_after_its_time() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        let mut peer = world.peer();
        ask(&mut peer, &get("/"), "GET /");
        world.wind(59 * SECOND);
        ask(&mut peer, &get("/"), "GET /");
        world.wind(59 * SECOND);
        peer.expect_silence();
        world.wind(2 * SECOND);
        peer.expect_eof();
        assert_eq!(trace.count("http closed"), 1);
    });
}

#[test]
fn a_second_request_that_dribbles_in_gets_408() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, Site::new(&trace));
        let mut peer = world.peer();
        ask(&mut peer, &get("/"), "GET /");
        world.wind(50 * SECOND);
        peer.send("GET /");
        world.pump();
        world.wind(11 * SECOND);
        assert_eq!(peer.expect_response().status(), 408);
        peer.expect_eof();
        drop(peer);
        world.until_connections(0);
        assert_eq!(trace.count("http closed"), 1);
    });
}

#[test]
fn a_body_that_stops_coming_gets_408_and_an_answer_that_never_comes_503() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let site = Site::new(&trace).on_request(|_, request| match request.method() {
            "POST" => Answer::Body,
            _ => Answer::Later,
        });
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n");
        for byte in ["a", "b", "c"] {
            world.pump();
            world.wind(19 * SECOND); // each byte in time moves the deadline
            peer.send(byte);
        }
        world.pump();
        peer.expect_silence();
        world.wind(21 * SECOND);
        assert_eq!(peer.expect_response().status(), 408);
        let mut peer = world.peer();
        peer.send(get("/"));
        peer.expect_silence();
        world.wind(21 * SECOND);
        assert_eq!(peer.expect_response().status(), 503);
        peer.expect_eof();
        assert_eq!(trace.count("http closed"), 2);
    });
}

#[test]
fn a_refusal_of_head_has_no_body() {
    const HEAD: &str = "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n";
    let refused = |peer: &mut sockeye_testkit::Peer, status| {
        let head = peer.expect_head();
        assert_eq!(head.status(), status);
        assert_ne!(head.header("Content-Length"), Some("0"));
        assert_eq!(peer.expect_rest(), b"");
    };
    in_every_mode(|mode| {
        let site = Site::new(&Trace::default()).on_request(|_, _| Answer::Later);
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send(HEAD);
        peer.expect_silence();
        world.wind(21 * SECOND);
        refused(&mut peer, 503);
        let without_handler = World::new(mode, Context::builder());
        let mut peer = without_handler.peer();
        peer.send(HEAD);
        refused(&mut peer, 426);
    });
}

/// Streams this many pieces of 1000 bytes, as the socket takes them.
fn streaming(trace: &Trace, pieces: usize, length: Option<u64>) -> Site {
    let mut sent = 0;
    Site::new(trace).on_request(move |_, _| Response::new(200).stream(length).into()).on_writable(
        move |conn, permit| {
            let mut permit = Some(permit);
            while sent < pieces {
                let Some(clear) = permit.take() else {
                    conn.request_writable();
                    return Action::Continue;
                };
                permit = clear.send(&[b'a' + (sent % 26) as u8; 1000]);
                sent += 1;
            }
            match permit {
                Some(clear) => clear.finish(),
                None if length.is_none() => conn.request_writable(),
                None => {}
            }
            Action::Continue
        },
    )
}

fn body(pieces: usize) -> Vec<u8> {
    (0..pieces).flat_map(|i| [b'a' + (i % 26) as u8; 1000]).collect()
}

fn narrow_world(mode: Mode, site: Site) -> Rc<World> {
    World::new(mode, narrow(Context::builder().http(site)))
}

#[test]
fn a_stream_of_known_length_comes_whole_and_the_connection_goes_on() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = narrow_world(mode, streaming(&trace, 700, Some(700_000)));
        let mut peer = narrow_http_peer(&world);
        peer.send(get("/"));
        let response = peer.expect_response();
        assert_eq!(response.head.header("Content-Length"), Some("700000"));
        assert!(response.body == body(700));
        assert_eq!(trace.count("sent"), 1);
        peer.send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(peer.expect_head().header("Content-Length"), Some("700000"));
        peer.expect_silence();
    });
}

#[test]
fn a_stream_of_unknown_length_comes_in_chunks_or_until_the_end_of_the_connection() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = narrow_world(mode, streaming(&trace, 700, None));
        let mut peer = narrow_http_peer(&world);
        peer.send(get("/"));
        let response = peer.expect_response();
        assert_eq!(response.head.header("Transfer-Encoding"), Some("chunked"));
        assert!(response.body == body(700));
        world.until("sent", || trace.count("sent") == 1);
        let world = narrow_world(mode, streaming(&trace, 700, None));
        let mut peer = narrow_http_peer(&world);
        peer.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let response = peer.expect_response();
        assert_eq!(response.head.header("Transfer-Encoding"), None);
        assert!(response.body == body(700));
        peer.expect_eof();
    });
}

#[test]
fn a_choked_stream_goes_on_by_itself_when_the_pipe_is_clear() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let mut sent = 0;
        let site = Site::new(&trace)
            .on_request(|_, _| Response::new(200).stream(Some(700_000)).into())
            .on_writable(move |_, permit| {
                let mut permit = Some(permit);
                while let Some(clear) = permit {
                    permit = clear.send(&[b'a' + (sent % 26) as u8; 1000]);
                    sent += 1;
                }
                Action::Continue
            });
        let world = narrow_world(mode, site);
        let mut peer = narrow_http_peer(&world);
        peer.send(get("/"));
        assert!(peer.expect_response().body == body(700));
        assert_eq!(world.turns_while_idle(), 0);
    });
}

#[test]
fn a_stream_that_ends_before_its_announced_length_ends_the_connection() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = serving(mode, streaming(&trace, 3, Some(5000)));
        let mut peer = world.peer();
        peer.send(get("/"));
        assert_eq!(peer.expect_head().header("Content-Length"), Some("5000"));
        assert_eq!(peer.expect_rest(), body(3));
        assert_eq!(trace.count("http closed"), 1);
    });
}

#[test]
fn a_stream_longer_than_announced_is_cut_off() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let site = Site::new(&trace)
            .on_request(|_, _| Response::new(200).stream(Some(4)).into())
            .on_writable(|_, permit| {
                assert!(permit.send(b"12345678").is_none(), "it is complete");
                Action::Continue
            });
        let world = serving(mode, site);
        let mut peer = world.peer();
        ask(&mut peer, &get("/"), "1234");
        ask(&mut peer, &get("/"), "1234");
    });
}

#[test]
fn writable_can_close_a_stream_and_the_connection_is_closed_once() {
    in_every_mode(|mode| {
        for action in [Action::close(CloseCode::NORMAL, ""), Action::Abort] {
            let trace = Trace::default();
            let site = Site::new(&trace)
                .on_request(|_, _| Response::new(200).stream(None).into())
                .on_writable(move |_, _permit| action.clone());
            let world = serving(mode, site);
            let mut peer = world.peer();
            peer.send(get("/"));
            peer.expect_rest_and_end();
            drop(peer);
            world.until_connections(0);
            assert_eq!(trace.take(), ["request GET /", "http closed"]);
        }
    });
}

#[test]
fn a_slow_reader_of_a_stream_is_cut_and_one_that_makes_progress_is_not() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = narrow_world(mode, streaming(&trace, 5000, None));
        let mut peer = narrow_http_peer(&world);
        peer.send(get("/"));
        peer.expect_head();
        for _ in 0..10 {
            world.pump();
            world.wind(15 * SECOND);
            peer.expect_bytes(400_000);
        }
        world.pump();
        assert_eq!(trace.count("http closed"), 0);
        world.wind(21 * SECOND);
        world.wind(21 * SECOND);
        assert_eq!(trace.count("http closed"), 1);
        assert_eq!(trace.count("sent"), 0);
        world.until_connections(0);
    });
}

#[test]
fn a_stream_that_goes_on_for_long_in_small_pieces_is_not_cut() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let id = Rc::new(std::cell::Cell::new(None));
        let its_id = Rc::clone(&id);
        let site = Site::new(&trace)
            .on_request(move |conn, _| {
                its_id.set(Some(conn.id()));
                Response::new(200).stream(None).into()
            })
            .on_writable(|_, permit| {
                let _ = permit.send(b"tick");
                Action::Continue
            });
        let world = serving(mode, site);
        let mut peer = world.peer();
        peer.send(get("/"));
        peer.expect_head();
        for _ in 0..10 {
            assert_eq!(peer.expect_bytes(9), b"4\r\ntick\r\n");
            world.wind(15 * SECOND);
            let id = id.get().expect("it is there");
            world.connections(|all| all.request_writable(id));
        }
        assert_eq!(trace.count("http closed"), 0);
    });
}
