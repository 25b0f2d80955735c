//! Which handshakes are taken, by whom, and what those are told that are not.

use crate::play::{Play, Trace};
use crate::world::{World, in_every_mode};
use rustix::net::{RecvFlags, recv};
use sockeye::{Builder, Context, Limits, OriginPolicy, Reject};
use sockeye_testkit::{Frame, Response, upgrade_request};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// Protocols `a` and `b` by name, and one at `/c`.
fn three(trace: &Trace) -> Builder {
    Context::builder()
        .protocol(Play::named("a", trace).on_open(|conn| conn.reply("this is a")))
        .protocol(Play::named("b", trace).on_open(|conn| conn.reply("this is b")))
        .protocol_at("/c", Play::named("c", trace).on_open(|conn| conn.reply("this is c")))
}

/// What a request gets that must be refused, after which the connection must end.
fn refusal(world: &Rc<World>, request: &str) -> Response {
    let mut peer = world.peer();
    peer.send(request);
    let response = peer.expect_response();
    let connection = response.head.header("Connection").expect("it says that it ends");
    assert!(connection.starts_with("close"), "{connection}");
    peer.expect_eof();
    response
}

fn one(mode: crate::world::Mode) -> Rc<World> {
    World::new(mode, Context::builder().protocol(Play::new(&Trace::default())))
}

#[test]
fn a_version_not_spoken_gets_426_and_hears_which_one_is() {
    in_every_mode(|mode| {
        let world = one(mode);
        let request = upgrade_request("/", &[("Sec-WebSocket-Version", "8")]);
        let response = refusal(&world, &request);
        assert_eq!(response.status(), 426);
        assert_eq!(response.head.header("Sec-WebSocket-Version"), Some("13"));
        assert_eq!(response.head.header("Upgrade"), Some("websocket"));
    });
}

#[test]
fn malformed_handshakes_get_400_and_hear_what_is_wrong() {
    in_every_mode(|mode| {
        let world = one(mode);
        for (header, value, word) in [
            ("Sec-WebSocket-Key", "c2hvcnQ=", "Sec-WebSocket-Key"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ", "Sec-WebSocket-Key"),
            ("Connection", "close", "Connection"),
            ("Content-Length", "5", "body"),
            ("Sec-WebSocket-Protocol", "a b", "Sec-WebSocket-Protocol"),
        ] {
            let response = refusal(&world, &upgrade_request("/", &[(header, value)]));
            assert_eq!(response.status(), 400, "{header}: {value}");
            assert!(response.text().contains(word), "{}", response.text());
        }
        let post = upgrade_request("/", &[]).replace("GET", "POST");
        assert_eq!(refusal(&world, &post).status(), 400);
    });
}

#[test]
fn unknown_subprotocols_and_paths_are_refused_and_hear_what_there_is() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, three(&trace));
        let response =
            refusal(&world, &upgrade_request("/", &[("Sec-WebSocket-Protocol", "x, y")]));
        assert_eq!(response.status(), 400);
        assert!(response.text().contains("a, b"), "{}", response.text());
        let only_a_path = Context::builder().protocol_at("/c", Play::new(&trace));
        let world = World::new(mode, only_a_path);
        let response = refusal(&world, &upgrade_request("/d", &[]));
        assert_eq!(response.status(), 404);
        assert!(response.text().contains("/d"), "{}", response.text());
    });
}

#[test]
fn path_then_subprotocol_then_first_registered_decides_who_gets_a_handshake() {
    in_every_mode(|mode| {
        let world = World::new(mode, three(&Trace::default()));
        for (target, offer, agreed, greeting) in [
            ("/", None, None, "this is a"),
            ("/c", None, None, "this is c"),
            ("/c?d=e", None, None, "this is c"),
            ("/", Some("b"), Some("b"), "this is b"),
            ("/", Some("x, b, a"), Some("b"), "this is b"),
            ("/", Some("a, b"), Some("a"), "this is a"),
            ("/c", Some("a, c"), Some("c"), "this is c"),
            ("/c", Some("a"), None, "this is c"),
        ] {
            let offer = offer.map(|offer| ("Sec-WebSocket-Protocol", offer));
            let mut peer = world.peer();
            let head = peer.upgrade(target, offer.as_slice());
            assert_eq!(head.header("Sec-WebSocket-Protocol"), agreed, "{target} {offer:?}");
            peer.expect_text(greeting);
        }
    });
}

#[test]
fn what_no_other_protocol_takes_goes_to_the_one_for_any() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let any = Play::named("any", &trace).on_open(|conn| conn.reply("any"));
        let named = Play::named("a", &trace).on_open(|conn| conn.reply("this is a"));
        let world = World::new(mode, Context::builder().protocol(named).protocol_for_any(any));
        for (offer, agreed, greeting) in [
            (Some("x, y"), Some("x"), "any"),
            (Some("x, a"), Some("a"), "this is a"),
            (None, None, "any"),
        ] {
            let offer = offer.map(|offer| ("Sec-WebSocket-Protocol", offer));
            let mut peer = world.peer();
            let head = peer.upgrade("/anywhere", offer.as_slice());
            assert_eq!(head.header("Sec-WebSocket-Protocol"), agreed);
            peer.expect_text(greeting);
        }
    });
}

#[test]
fn foreign_pages_get_403_with_both_names_in_it() {
    in_every_mode(|mode| {
        let world = one(mode);
        for origin in [
            "https://evil.example",
            "http://localhost.evil.example",
            "http://evil-localhost",
            "http://localhost:81",
            "null",
        ] {
            let response = refusal(&world, &upgrade_request("/", &[("Origin", origin)]));
            assert_eq!(response.status(), 403, "{origin}");
            let text = response.text();
            assert!(text.contains(origin) && text.contains("localhost"), "{text}");
        }
    });
}

#[test]
fn pages_of_the_same_host_and_of_the_list_may_connect() {
    in_every_mode(|mode| {
        one(mode).peer().upgrade("/", &[("Origin", "http://localhost")]);
        one(mode).peer().upgrade("/", &[("Origin", "http://LOCALHOST:80")]);
        let list = OriginPolicy::List(vec!["https://friend.example".into()]);
        let builder = Context::builder().protocol(Play::new(&Trace::default())).origins(list);
        let world = World::new(mode, builder);
        world.peer().upgrade("/", &[("Origin", "https://friend.example")]);
        world.peer().upgrade("/", &[]);
        let own = upgrade_request("/", &[("Origin", "http://localhost")]);
        assert_eq!(refusal(&world, &own).status(), 403);
        let any = Context::builder().protocol(Play::new(&Trace::default()));
        let world = World::new(mode, any.origins(OriginPolicy::Any));
        world.peer().upgrade("/", &[("Origin", "null")]);
    });
}

#[test]
fn heads_over_the_limits_get_431_or_414() {
    in_every_mode(|mode| {
        let world = one(mode);
        let long = upgrade_request("/", &[("X-Long", &"x".repeat(17 << 10))]);
        assert_eq!(refusal(&world, &long).status(), 431);
        let endless = &long[..17 << 10];
        assert_eq!(refusal(&world, endless).status(), 431);
        let many: Vec<(String, String)> =
            (0..100).map(|i| (format!("X-{i}"), "1".to_owned())).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(refusal(&world, &upgrade_request("/", &many)).status(), 431);
        let target = format!("/{}", "x".repeat(17 << 10));
        assert_eq!(refusal(&world, &upgrade_request(&target, &[])).status(), 414);
        world.peer().upgrade("/", &many[..90]);
    });
}

#[test]
fn garbage_gets_400() {
    in_every_mode(|mode| {
        let world = one(mode);
        for garbage in ["\x16\x03\x01\x02\0\r\n\r\n", "hello\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
            assert_eq!(refusal(&world, garbage).status(), 400, "{garbage:?}");
        }
    });
}

#[test]
fn a_handshake_that_dribbles_in_gets_408_at_its_deadline() {
    in_every_mode(|mode| {
        let world = one(mode);
        let mut peer = world.peer();
        world.until_connections(1);
        let request = upgrade_request("/", &[]);
        for byte in &request.as_bytes()[..9] {
            peer.send([*byte]);
            world.wind(Duration::from_secs(1)); // each byte in time does not move the deadline
        }
        peer.expect_silence();
        world.wind(Duration::from_millis(1500));
        assert_eq!(peer.expect_response().status(), 408);
        peer.expect_eof();
    });
}

#[test]
fn a_connection_that_says_nothing_is_cut_at_the_handshake_deadline() {
    in_every_mode(|mode| {
        let world = one(mode);
        let mut peer = world.peer();
        world.until_connections(1);
        world.wind(Duration::from_millis(9900));
        peer.expect_silence();
        world.wind(Duration::from_millis(500));
        peer.expect_eof();
        world.until_connections(0);
    });
}

#[test]
fn bytes_after_a_refused_handshake_are_not_taken_for_a_request() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let world = World::new(mode, Context::builder().protocol(Play::new(&trace)));
        let mut peer = world.peer();
        let refused = upgrade_request("/", &[("Sec-WebSocket-Version", "12")]);
        peer.send(refused + &upgrade_request("/", &[]));
        let _ = peer.try_send(upgrade_request("/", &[]));
        assert_eq!(peer.expect_response().status(), 426);
        assert_eq!(peer.expect_rest_and_end().0, b"", "one answer and no other");
        assert_eq!(trace.take(), [""; 0]);
    });
}

#[test]
fn what_the_application_rejects_with_reaches_the_wire() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let guarded = Play::new(&trace).on_upgrade(|hello| match hello.header("Authorization") {
            Some("Basic b2s=") => Ok(()),
            Some(_) | None => Err(Reject::new(401, "Log in first.")
                .header("WWW-Authenticate", "Basic realm=\"play\"")),
        });
        let world = World::new(mode, Context::builder().protocol(guarded));
        let response = refusal(&world, &upgrade_request("/", &[]));
        assert_eq!((response.status(), response.text().as_str()), (401, "Log in first.\n"));
        let challenge = response.head.header("WWW-Authenticate");
        assert_eq!(challenge, Some("Basic realm=\"play\""));
        assert_eq!(trace.take(), [""; 0], "no open and no closed");
        world.peer().upgrade("/", &[("Authorization", "Basic b2s=")]);
        assert_eq!(trace.take(), ["open#0"]);
    });
}

#[test]
fn a_rejection_that_would_break_the_head_does_not() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let evil = Play::new(&trace)
            .on_upgrade(|_| Err(Reject::new(401, "no").header("X-Why", "a\r\nSet-Cookie: b=c")));
        let world = World::new(mode, Context::builder().protocol(evil));
        let response = refusal(&world, &upgrade_request("/", &[]));
        assert_eq!(response.status(), 401);
        assert_eq!(response.head.header("Set-Cookie"), None);
    });
}

#[test]
fn the_application_sees_all_of_the_handshake() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let notes = trace.clone();
        let curious = Play::new(&trace).on_upgrade(move |hello| {
            notes.note(format!("{} ? {:?}", hello.path(), hello.query()));
            notes.note(format!("{} {:?}", hello.host(), hello.subprotocol()));
            notes.note(format!("{:?} {:?}", hello.header("x-a"), hello.header("X-None")));
            notes.note(format!(
                "{:?}",
                hello.peer().and_then(|peer| peer.ip()).map(|peer| peer.ip().is_loopback())
            ));
            Ok(())
        });
        let world = World::new(mode, Context::builder().protocol(curious));
        let headers = [("X-A", "b"), ("Sec-WebSocket-Protocol", "play"), ("Host", "h:7")];
        world.peer().upgrade("/p/q?r=s", &headers);
        assert_eq!(
            trace.take()[..4],
            ["/p/q ? Some(\"r=s\")", "h:7 Some(\"play\")", "Some(\"b\") None", "Some(true)"]
        );
    });
}

#[test]
fn an_accept_filter_closes_connections_before_a_byte_is_read() {
    in_every_mode(|mode| {
        let mut count = 0;
        let builder = Context::builder().protocol(Play::new(&Trace::default()));
        let world = World::new(
            mode,
            builder.accept_filter(move |_, peer| {
                count += 1;
                peer.ip().is_some_and(|peer| peer.ip().is_loopback()) && count % 2 == 0
            }),
        );
        let mut refused = world.peer();
        refused.expect_end();
        let mut taken = world.client();
        taken.send_frame(&Frame::text("hi"));
        taken.expect_text("hi");
        assert_eq!(world.connections(|all| all.accepted()), 1);
    });
}

#[test]
fn an_accept_filter_has_descriptor_and_address_while_nothing_is_read() {
    in_every_mode(|mode| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let filtered = Rc::clone(&seen);
        let builder = Context::builder().protocol(Play::new(&Trace::default()));
        let world = World::new(
            mode,
            builder.accept_filter(move |fd, peer| {
                let mut waits = [0; 1000];
                // A peek: what it finds is still there for the library.
                let n = recv(fd, &mut waits, RecvFlags::PEEK).map_or(0, |(n, _)| n);
                let address = sockeye_sys::peer_addr(fd).expect("it is connected");
                assert_eq!(peer.ip(), address.ip());
                filtered.borrow_mut().push((peer.ip(), n));
                true
            }),
        );
        let mut peer = world.peer();
        let hello = upgrade_request("/", &[]);
        assert_eq!(peer.send_without_turns(hello.as_bytes()), hello.len());
        world.pump();
        assert_eq!(peer.expect_head().status(), 101);
        assert_eq!(*seen.borrow(), [(Some(peer.address()), hello.len())]);
    });
}

#[test]
fn without_an_http_handler_ordinary_requests_get_426() {
    in_every_mode(|mode| {
        let response = refusal(&one(mode), "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(response.status(), 426);
        assert_eq!(response.head.header("Upgrade"), Some("websocket"));
    });
}

#[test]
fn limits_of_the_head_are_the_applications() {
    in_every_mode(|mode| {
        let limits = Limits { head_bytes: 300, headers: 6, ..Limits::default() };
        let builder = Context::builder().protocol(Play::new(&Trace::default())).limits(limits);
        let world = World::new(mode, builder);
        world.peer().upgrade("/", &[("X-1", "1")]);
        let seven = upgrade_request("/", &[("X-1", "1"), ("X-2", "2")]);
        assert_eq!(refusal(&world, &seven).status(), 431);
        let long = upgrade_request("/", &[("X-1", &"1".repeat(200))]);
        assert_eq!(refusal(&world, &long).status(), 431);
    });
}

#[test]
fn an_upgrade_that_asks_for_the_end_is_not_opened() {
    in_every_mode(|mode| {
        let trace = Trace::default();
        let play = Play::new(&trace).on_upgrade(|hello| {
            hello.connections().abort(hello.id());
            Ok(())
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.peer();
        peer.send(upgrade_request("/", &[]));
        peer.expect_end();
        world.until_connections(0);
        assert_eq!((trace.count("open"), trace.count("closed")), (0, 1));
    });
}
