//! What bindings to other languages need: requests of long ago, answers by hand, sockets that are
//! connected already.

use crate::play::{Play, Trace};
use crate::world::{World, in_every_mode};
use sockeye::{
    Action, Answer, BodyPermit, CloseCode, Connect, ConnectError, Context, Http, HttpConn, Request,
};
use sockeye_testkit::{Frame, Opcode, Peer, accept_upgrade, upgrade_request};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Answers by hand with the target; `/end` ends the connection, `/more` goes on when writable,
/// `/timer` when a timer has run out.
struct ByHand;

impl Http for ByHand {
    type Session = ();

    fn request(&mut self, conn: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer {
        let target = request.target();
        conn.connections().send_raw(conn.id(), target.as_bytes()).expect("it is being answered");
        if target == "/more" {
            conn.request_writable();
        }
        if target == "/timer" {
            conn.connections().set_timer(conn.id(), Some(Duration::from_secs(9)));
        }
        if target == "/end" { Answer::End } else { Answer::Raw }
    }

    fn timer(&mut self, conn: &mut HttpConn<'_, Self>) -> Action {
        conn.connections().send_raw(conn.id(), b"!").expect("it is being answered");
        Action::close(CloseCode::NORMAL, "")
    }

    fn writable(&mut self, conn: &mut HttpConn<'_, Self>, _: BodyPermit<'_>) -> Action {
        conn.connections().send_raw(conn.id(), b"+").expect("it is being answered");
        Action::close(CloseCode::NORMAL, "")
    }
}

fn by_hand() -> sockeye::Builder {
    Context::builder().http(ByHand).lenient_requests(true)
}

#[test]
fn requests_of_long_ago_are_taken_if_wanted() {
    in_every_mode(|mode| {
        let world = World::new(mode, by_hand());
        let mut peer = world.peer();
        peer.send("GET blah HTTP/1.1\r\n\r\n");
        assert_eq!(peer.expect_bytes(4), b"blah");
        let strict = World::new(mode, Context::builder().http(ByHand));
        for request in ["GET blah HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
            let mut peer = strict.peer();
            peer.send(request);
            assert_eq!(peer.expect_response().status(), 400);
        }
    });
}

#[test]
fn a_connection_of_http_has_a_timer_too() {
    in_every_mode(|mode| {
        let world = World::new(mode, by_hand());
        let mut peer = world.peer();
        peer.send("GET /timer HTTP/1.1\r\n\r\n");
        assert_eq!(peer.expect_bytes(6), b"/timer");
        world.wind(Duration::from_secs(8));
        peer.expect_silence();
        world.wind(Duration::from_secs(2));
        assert_eq!(peer.expect_bytes(1), b"!");
        peer.expect_eof();
    });
}

#[test]
fn after_an_answer_by_hand_comes_the_next_request_whenever_it_likes() {
    in_every_mode(|mode| {
        let world = World::new(mode, by_hand());
        let mut peer = world.peer();
        for target in ["/a", "/b"] {
            peer.send(format!("GET {target} HTTP/1.1\r\n\r\n"));
            assert_eq!(peer.expect_bytes(2), target.as_bytes());
            world.wind(std::time::Duration::from_secs(3600)); // no deadline counts
        }
        peer.send("GET /more HTTP/1.1\r\n\r\nGET /never HTTP/1.1\r\n\r\n");
        assert_eq!(peer.expect_rest(), b"/more+");
        drop(peer);
        world.until_connections(0);
    });
}

#[test]
fn an_answer_by_hand_may_be_the_last() {
    in_every_mode(|mode| {
        let world = World::new(mode, by_hand());
        let mut peer = world.peer();
        peer.send("GET /end HTTP/1.1\r\n\r\nnonsense");
        assert_eq!(peer.expect_rest(), b"/end");
    });
}

#[test]
fn compression_can_be_declined_and_not_offered() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default()).on_upgrade(|hello| {
            assert!(hello.is_compressed());
            hello.decline_compression();
            assert!(!hello.is_compressed());
            Ok(())
        });
        let world = World::new(mode, Context::builder().protocol(play));
        let mut peer = world.peer();
        let offer = [("Sec-WebSocket-Extensions", "permessage-deflate")];
        let head = peer.upgrade("/", &offer);
        assert_eq!(head.header("Sec-WebSocket-Extensions"), None);
        peer.send_frame(&Frame::text("plain"));
        peer.expect_text("plain");
    });
}

#[test]
fn text_that_is_not_utf8_is_taken_if_wanted() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default());
        let world = World::new(mode, Context::builder().protocol(play).check_utf8(false));
        let mut peer = world.client();
        peer.send_frame(&Frame::new(Opcode::Text, b"\xff".to_vec()));
        peer.send_frame(&Frame::text("after it"));
        assert!(matches!(peer.expect_frame().opcode, Opcode::Text | Opcode::Binary));
        peer.expect_text("after it");
    });
}

#[test]
fn who_offers_no_subprotocol_goes_to_the_protocol_without_a_name() {
    in_every_mode(|mode| {
        let mut builder = Context::builder().protocol(Play::new(&Trace::default()));
        let trace = Trace::default();
        builder.register_unnamed(Play::new(&trace));
        let world = World::new(mode, builder);
        let _peer = world.client();
        assert_eq!(trace.take().len(), 1);
        let mut stranger = world.peer();
        stranger.send(upgrade_request("/", &[("Sec-WebSocket-Protocol", "nobody")]));
        assert_eq!(stranger.expect_response().status(), 400);
    });
}

#[test]
fn a_client_speaks_over_a_socket_that_is_connected_already() {
    in_every_mode(|mode| {
        let mut builder = Context::builder();
        let trace = Trace::default();
        let key = builder.register(Play::new(&trace));
        let world = World::new(mode, builder);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let stream = TcpStream::connect(listener.local_addr().expect("an address"));
        let connect = Connect::to("ws://nowhere.invalid/a?b").expect("a URL").host("me:80");
        let id = world.connections(|all| {
            let socket = stream.expect("a connection").into();
            let id = all.connect_over(socket, &connect.compression(false), key.id());
            id.expect("a connection")
        });
        let mut server = Peer::accept(&listener, world.turns());
        let request = accept_upgrade(&mut server);
        assert!(request.text.starts_with("GET /a?b HTTP/1.1\r\n"), "{}", request.text);
        assert_eq!(request.header("Host"), Some("me:80"));
        assert_eq!(request.header("Sec-WebSocket-Extensions"), None);
        world.until("an open connection", || trace.count("open") == 1);
        world.connections(|all| {
            assert!(all.by_fd(all.fd(id).expect("a descriptor")).is_none_or(|found| found == id));
        });
        let odd = Connect::to("ws://localhost/").expect("a URL").host("no host");
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let refused = world.connections(|all| all.connect_over(one.into(), &odd, key.id()));
        assert!(matches!(refused, Err(ConnectError::Request(_))), "{refused:?}");
    });
}
