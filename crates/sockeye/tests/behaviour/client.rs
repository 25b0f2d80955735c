//! Opening connections: what goes out, what is taken for an answer, and every way it can fail.

use crate::closing::{after_a_pong, close_4001, returning_from_each};
use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use sockeye::{Action, Connect, ConnectError, Context, Key, Limits, Reject};
use sockeye_testkit::{Frame, Opcode, Peer, accept_upgrade};
use std::cell::Cell;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::time::Duration;

/// A context that can connect, and somewhere it can connect to.
struct Clients {
    world: Rc<World>,
    key: Key<Play>,
    trace: Trace,
    listener: TcpListener,
    address: SocketAddr,
}

impl Clients {
    fn new(mode: Mode) -> Self {
        Self::of(mode, Play::new)
    }

    fn of(mode: Mode, play: impl FnOnce(&Trace) -> Play) -> Self {
        let trace = Trace::default();
        let mut builder = Context::builder();
        let key = builder.register(play(&trace));
        let world = World::new(mode, builder);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("a socket has an address");
        Self { world, key, trace, listener, address }
    }

    /// Like `of`, for a play that is put together already; with its trace.
    fn playing(mode: Mode, play: Play) -> (Self, Trace) {
        let trace = play.trace.clone();
        (Self::of(mode, |_| play), trace)
    }

    fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    fn connect(&self, connect: Connect) {
        let begun = self.world.connections(|all| all.connect(&connect, self.key.id()));
        begun.expect("it begins");
    }

    fn connect_to(&self, url: &str) {
        self.connect(Connect::to(url).expect("an address"));
    }

    /// Connects and takes the connection at the other end.
    fn dialled(&self) -> Peer {
        self.connect_to(&self.url("/"));
        Peer::accept(&self.listener, self.world.turns())
    }

    /// Connects and agrees to the handshake.
    fn open(&self) -> Peer {
        let mut server = self.dialled();
        accept_upgrade(&mut server);
        server
    }

    /// The one line that says why connecting failed.
    fn failure(&self) -> String {
        self.world.until("the failure", || self.trace.count("failed") == 1);
        self.world.until_connections(0);
        let lines = self.trace.take();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        lines[0].clone()
    }
}

#[test]
fn a_connection_is_opened_with_the_request_asked_for() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let connect = Connect::to(&clients.url("/chat?room=1")).expect("an address");
        let connect = connect.subprotocol("play").subprotocol("other").origin("http://h");
        clients.connect(connect.header("Cookie", "a=b"));
        let mut server = Peer::accept(&clients.listener, clients.world.turns());
        let request = server.expect_head();
        assert!(request.text.starts_with("GET /chat?room=1 HTTP/1.1\r\n"), "{}", request.text);
        for (name, value) in [
            ("Host", clients.address.to_string().as_str()),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Protocol", "play, other"),
            ("Origin", "http://h"),
            ("Cookie", "a=b"),
        ] {
            assert_eq!(request.header(name), Some(value), "{name}");
        }
        server.send(request.switching_protocols());
        server.send_frame(&Frame::text("welcome"));
        server.expect_text("welcome");
        server.send_frame(&Frame::close(1000, "bye"));
        assert_eq!(server.expect_close(1000), "bye");
        server.expect_silence(); // the server hangs up first
        server.finish();
        server.expect_eof();
        let lines = clients.trace.take();
        assert_eq!(lines[..2], ["open#0", "receive#0 welcome"]);
        assert_eq!(lines.len(), 3);
        clients.world.until_connections(0);
    });
}

#[test]
fn frames_in_the_same_segment_as_the_answer_are_not_lost() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let mut server = clients.dialled();
        let mut answer = server.expect_head().switching_protocols().into_bytes();
        for frame in [Frame::text("one"), Frame::ping("two"), Frame::text("three")] {
            answer.extend(frame.plain());
        }
        server.send(&answer);
        server.expect_text("one");
        server.expect_message(Opcode::Pong, b"two");
        server.expect_text("three");
    });
}

#[test]
fn an_answer_that_comes_byte_by_byte_is_understood() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let mut server = clients.dialled();
        let answer = server.expect_head().switching_protocols();
        server.dribble(answer);
        server.dribble(Frame::text("hi").plain());
        server.expect_text("hi");
    });
}

#[test]
fn every_frame_is_masked_with_a_key_of_its_own_and_the_buffer_stays_as_it_was() {
    in_every_mode(|mode| {
        let clients = Clients::of(mode, |trace| {
            Play::new(trace).on_open(|conn| {
                let buffer = vec![b'x'; 5000];
                for length in (0..200).chain([5000]) {
                    conn.send(&buffer[..length]).expect("the queue is empty");
                }
                assert_eq!(buffer, [b'x'; 5000]);
                Action::Continue
            })
        });
        let mut server = clients.open();
        let mut keys = std::collections::HashSet::new();
        for length in (0..200).chain([5000]) {
            let frame = server.expect_frame();
            assert!(frame.payload == vec![b'x'; length], "{frame:?}");
            keys.insert(frame.mask.expect("a client masks"));
        }
        assert!(keys.len() >= 200, "{} different keys", keys.len());
        let ones: u32 = keys.iter().flatten().map(|byte| byte.count_ones()).sum();
        let share = f64::from(ones) / (keys.len() * 32) as f64;
        assert!((0.45..0.55).contains(&share), "{share} of the bits are set");
    });
}

#[test]
fn a_masked_frame_from_a_server_breaks_the_protocol() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let mut server = clients.open();
        server.send(Frame::text("masked").masked());
        let frame = server.expect_frame();
        assert_eq!(frame.close_code().expect("a code").0, 1002);
        let closed = clients.trace.last("closed");
        assert!(closed.contains("closed by us: protocol violation: frame from a server is masked"));
    });
}

#[test]
fn answers_that_are_none_fail_with_what_is_wrong_with_them() {
    in_every_mode(|mode| {
        let right = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                     Connection: Upgrade\r\n";
        for (answer, why) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), "200"),
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno".to_owned(), "says \"no\""),
            (format!("{right}Sec-WebSocket-Accept: AAAA\r\n\r\n"), "Sec-WebSocket-Accept"),
            (format!("{right}\r\n"), "Sec-WebSocket-Accept"),
            ("HTTP/1.1 101 S\r\nUpgrade: h2c\r\n\r\n".to_owned(), "Upgrade"),
            ("SSH-2.0-OpenSSH_9.6\r\n\r\n".to_owned(), "no HTTP"),
            (format!("HTTP/1.1 101 S\r\nX: {}", "x".repeat(17 << 10)), "no HTTP"),
        ] {
            let clients = Clients::new(mode);
            let mut server = clients.dialled();
            server.expect_head();
            let _ = server.try_send(answer);
            let failure = clients.failure();
            assert!(failure.contains(why), "{failure}");
        }
    });
}

#[test]
fn an_answer_with_what_was_not_asked_for_fails() {
    in_every_mode(|mode| {
        for (header, why) in [
            ("Sec-WebSocket-Protocol: surprise", "subprotocol"),
            ("Sec-WebSocket-Extensions: x-surprise", "extension"),
        ] {
            let clients = Clients::new(mode);
            let mut server = clients.dialled();
            let answer = server.expect_head().switching_protocols();
            let answer = format!("{}\r\n{header}\r\n\r\n", answer.trim_end());
            server.send(answer);
            let failure = clients.failure();
            assert!(failure.contains(why) && failure.contains("surprise"), "{failure}");
        }
    });
}

#[test]
fn a_server_that_hangs_up_instead_of_answering_is_lost() {
    in_every_mode(|mode| {
        for start in ["", "HTTP/1.1 101 Swi"] {
            let clients = Clients::new(mode);
            let mut server = clients.dialled();
            server.expect_head();
            server.send(start);
            server.finish();
            let failure = clients.failure();
            assert!(failure.contains("connection lost during the handshake"), "{failure}");
        }
    });
}

#[test]
fn a_refused_port_fails_with_its_address() {
    in_every_mode(|mode| {
        let closed = Clients::new(mode);
        let (gone, url) = (closed.address, closed.url("/"));
        drop(closed);
        let clients = Clients::new(mode);
        clients.connect_to(&url);
        let failure = clients.failure();
        assert!(failure.contains(&gone.to_string()) && failure.contains("refused"), "{failure}");
    });
}

#[test]
fn a_server_that_does_not_answer_fails_at_the_handshake_deadline() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let mut server = clients.dialled();
        server.expect_head();
        server.send("HTTP/1.1 101 ");
        clients.world.pump();
        clients.world.wind(Duration::from_millis(9900));
        assert_eq!(clients.trace.count("failed"), 0);
        clients.world.wind(Duration::from_millis(300));
        assert_eq!(clients.failure(), "failed the server did not answer the handshake within 10s");
    });
}

#[test]
fn a_name_is_looked_up_and_its_addresses_are_tried_in_order() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let port = clients.address.port(); // `localhost` may be ::1 first, where nobody listens
        clients.connect_to(&format!("ws://localhost:{port}/"));
        let mut server = Peer::accept(&clients.listener, clients.world.turns());
        let request = accept_upgrade(&mut server);
        assert_eq!(request.header("Host"), Some(format!("localhost:{port}").as_str()));
        server.send_frame(&Frame::text("hi"));
        server.expect_text("hi");
    });
}

#[test]
fn a_name_that_does_not_exist_fails() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        clients.connect_to("ws://name.that.does.not.exist.invalid/");
        let failure = clients.failure();
        assert!(
            failure.contains("name look-up of name.that.does.not.exist.invalid failed"),
            "{failure}"
        );
    });
}

#[test]
fn the_deadline_of_connecting_holds_while_a_name_is_looked_up() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        clients.connect_to("ws://another.name.that.does.not.exist.invalid/");
        clients.world.clock.wind(Duration::from_secs(11)); // the answer may come before or after
        clients.world.handle.wake();
        let failure = clients.failure();
        let known = ["without an answer for 10s", "name look-up of"];
        assert!(known.iter().any(|why| failure.contains(why)), "{failure}");
    });
}

#[test]
fn a_loop_that_only_hears_its_descriptors_learns_of_the_deadline_at_once() {
    for mode in [Mode::Tickless, Mode::Nested] {
        if mode == Mode::Nested && !crate::world::CAN_NEST {
            continue;
        }
        let clients = Clients::new(mode);
        clients.world.pump();
        clients.connect_to("ws://a.third.name.that.does.not.exist.invalid/");
        assert_eq!(clients.world.turn(), sockeye::Turn::Worked); // before the look-up is done
    }
}

#[test]
fn an_answer_can_be_turned_down() {
    in_every_mode(|mode| {
        let clients = Clients::of(mode, |trace| {
            Play::new(trace).on_upgrade(|hello| {
                assert_eq!(hello.role(), sockeye::Role::Client);
                assert_eq!(hello.header("Upgrade"), Some("websocket"));
                Err(Reject::new(403, "I do not like it."))
            })
        });
        let mut server = clients.open();
        server.expect_end();
        let failure = clients.failure();
        assert!(failure.contains("turned down: 403 Forbidden: I do not like it."), "{failure}");
    });
}

#[test]
fn a_client_sees_its_request_and_the_head_of_the_answer_before_it_is_open() {
    in_every_mode(|mode| {
        let clients = Clients::of(mode, |trace| {
            let notes = trace.clone();
            Play::new(trace).on_upgrade(move |hello| {
                let (path, query) = (hello.path(), hello.query());
                notes.note(format!("{} {path} {query:?}", hello.host()));
                let (server, count) = (hello.header("server"), hello.headers().iter().count());
                notes.note(format!("{server:?} {:?} {count}", hello.subprotocol()));
                match server {
                    Some("good") => Ok(()),
                    Some(_) | None => Err(Reject::new(403, "That is another server.")),
                }
            })
        });
        let host = clients.address.to_string();
        for (name, opens) in [("evil", false), ("good", true)] {
            let connect = Connect::to(&clients.url("/a?b=c")).expect("an address");
            clients.connect(connect.subprotocol("play"));
            let mut server = Peer::accept(&clients.listener, clients.world.turns());
            let request = server.expect_head();
            let more = format!("\r\nSec-WebSocket-Protocol: play\r\nServer: {name}\r\n\r\n");
            server.send(request.switching_protocols().trim_end().to_owned() + &more);
            if !opens {
                server.expect_end();
            }
            clients.world.pump();
            let lines = clients.trace.take();
            let seen = format!("Some({name:?}) Some(\"play\") 5");
            assert_eq!(lines[..2], [format!("{host} /a Some(\"b=c\")"), seen]);
            assert_eq!(lines.iter().any(|line| line.starts_with("open")), opens, "{lines:?}");
        }
    });
}

#[test]
fn a_connection_can_be_aborted_at_every_stage_of_its_opening() {
    in_every_mode(|mode| {
        let abort = |clients: &Clients| {
            clients.world.connections(|all| all.all().into_iter().for_each(|id| all.abort(id)));
        };
        let clients = Clients::new(mode);
        clients.connect_to(&clients.url("/"));
        abort(&clients);
        assert_eq!(clients.failure(), "failed aborted");
        clients.connect_to("ws://localhost:1/");
        abort(&clients);
        assert_eq!(clients.failure(), "failed aborted");
        let clients = Clients::new(mode);
        let mut server = clients.dialled();
        server.expect_head();
        abort(&clients);
        assert_eq!(clients.failure(), "failed aborted");
        server.expect_end();
    });
}

#[test]
fn requests_that_cannot_be_made_are_refused_at_once() {
    let clients = Clients::new(Mode::BuiltIn);
    let url = clients.url("/");
    let connect = || Connect::to(&url).expect("an address");
    let refused = |connect: Connect| {
        let result = clients.world.connections(|all| all.connect(&connect, clients.key.id()));
        assert!(matches!(result, Err(ConnectError::Request(_))), "{result:?}");
    };
    refused(connect().header("X-A", "b\r\nX-B: c"));
    refused(connect().header("X-A\r\nX-B", "c"));
    refused(connect().header("Connection", "close"));
    refused(connect().header("Host", "other"));
    refused(connect().subprotocol("a b"));
    refused(connect().subprotocol("a\r\nX-B: c"));
    refused(connect().origin("http://a\r\nX-B: c"));
    let secure = Connect::to("wss://h/");
    assert!(if cfg!(feature = "tls") {
        secure.is_ok()
    } else {
        matches!(secure, Err(ConnectError::NoTls))
    });
    for url in ["", "h", "ftp://h/", "ws://", "ws://h:99999/", "ws://h/ x", "ws://h\r\nX: y/"] {
        assert!(matches!(Connect::to(url), Err(ConnectError::Url(_))), "{url:?}");
    }
    assert_eq!(clients.world.connections(|all| all.len()), 0);
}

#[test]
fn a_callback_can_connect() {
    in_every_mode(|mode| {
        let key: Rc<Cell<Option<Key<Play>>>> = Rc::default();
        let (in_receive, in_failure, in_closed) =
            (Rc::clone(&key), Rc::clone(&key), Rc::clone(&key));
        let trace = Trace::default();
        let dial = |all: sockeye::Connections<'_>, key: &Cell<Option<Key<Play>>>, url: &str| {
            let connect = Connect::to(url).expect("an address");
            let key = key.get().expect("it is registered");
            all.connect(&connect, key.id()).expect("it begins");
        };
        let nobody = {
            // At an address where no other test listens, so that the port stays free.
            let listener = TcpListener::bind("127.0.0.99:0").expect("a listener");
            format!("ws://{}/", listener.local_addr().expect("an address"))
        };
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let somebody = format!("ws://{}/", listener.local_addr().expect("an address"));
        let retry = somebody.clone();
        let play = Play::new(&trace)
            .on_receive(move |conn, _| {
                dial(conn.connections(), &in_receive, &nobody);
                Action::Continue
            })
            .on_failure(move |all, _, _| dial(all, &in_failure, &somebody))
            .on_closed(move |all, _, _| dial(all, &in_closed, &retry));
        let mut builder = Context::builder();
        key.set(Some(builder.register(play)));
        let world = World::new(mode, builder);
        let mut peer = world.client();
        peer.send_frame(&Frame::text("connect to nobody"));
        let mut second = Peer::accept(&listener, world.turns());
        accept_upgrade(&mut second);
        world.until("the second", || trace.count("open#1") == 1);
        second.finish();
        let mut third = Peer::accept(&listener, world.turns());
        accept_upgrade(&mut third);
        world.until("the third", || trace.count("open#2") == 1);
        assert_eq!((trace.count("failed"), trace.count("closed")), (1, 1));
    });
}

#[test]
fn client_and_server_can_live_in_one_context() {
    in_every_mode(|mode| {
        let (server_trace, client_trace) = (Trace::default(), Trace::default());
        let client = Play::named("client", &client_trace)
            .on_open(|conn| conn.reply("x".repeat(100_000)))
            .on_receive(|_, _| Action::close(sockeye::CloseCode::NORMAL, "thanks"));
        let mut builder = Context::builder().protocol(Play::named("server", &server_trace));
        let key = builder.register(client);
        let world = World::new(mode, builder);
        let connect = Connect::to(&format!("ws://{}/", world.address)).expect("an address");
        for _ in 0..10 {
            let begun = world
                .connections(|all| all.connect(&connect.clone().subprotocol("server"), key.id()));
            begun.expect("it begins");
        }
        world.until("all closed", || client_trace.count("closed") == 10);
        world.until_connections(0);
        assert_eq!(server_trace.count("closed"), 10);
        let closed = client_trace.last("closed");
        assert!(closed.ends_with("code 1000 normal closure, reason \"thanks\""), "{closed}");
        let closed = server_trace.last("closed");
        assert!(closed.contains("closed by peer: closing handshake, code 1000"), "{closed}");
    });
}

#[test]
fn connections_out_count_against_the_limit_too() {
    let trace = Trace::default();
    let limits = Limits { connections: Some(1), ..Limits::default() };
    let mut builder = Context::builder().limits(limits);
    let key = builder.register(Play::new(&trace));
    let world = World::new(Mode::BuiltIn, builder);
    assert_eq!(world.connections(|all| all.limit()), 1);
    let _one = world.client();
    let connect = Connect::to("ws://127.0.0.1:1/").expect("an address");
    let refused = world.connections(|all| all.connect(&connect, key.id()));
    assert!(matches!(refused, Err(ConnectError::TooManyConnections)), "{refused:?}");
}

#[test]
fn every_callback_of_a_client_can_close_and_abort_its_connection_too() {
    in_every_mode(|mode| {
        for (callback, play, trigger) in returning_from_each() {
            println!("in {callback}");
            let play = play(Play::new(&Trace::default()), close_4001());
            let (clients, trace) = Clients::playing(mode, play);
            let mut server = clients.open();
            trigger(&clients.world, &mut server);
            after_a_pong(&mut server, callback);
            assert_eq!(server.expect_close(4001), "enough");
            server.send_frame(&Frame::close(4001, "enough"));
            server.finish();
            clients.world.until_connections(0);
            let closed = "closed#0 closed by us: closing handshake, \
                          code 4001 of the application, reason \"enough\"";
            assert_eq!(trace.last("closed"), closed);
        }
        for (callback, play, trigger) in returning_from_each() {
            println!("in {callback}");
            let play = play(Play::new(&Trace::default()), Action::Abort);
            let (clients, trace) = Clients::playing(mode, play);
            let mut server = clients.open();
            trigger(&clients.world, &mut server);
            server.expect_rest_and_end();
            clients.world.until_connections(0);
            assert_eq!(trace.last("closed"), "closed#0 closed by us: aborted, not clean");
            assert_eq!(trace.count("closed"), 1);
        }
    });
}

#[test]
fn messages_are_passed_on_between_both_roles_whatever_their_length() {
    in_every_mode(|mode| {
        let play = Play::new(&Trace::default()).on_receive(|conn, message| {
            let all = conn.connections();
            let other = all.all().into_iter().find(|&id| id != conn.id());
            all.send(other.expect("there are two"), message).expect("it is open");
            Action::Continue
        });
        let (clients, _) = Clients::playing(mode, play);
        let mut above = clients.open();
        let mut below = clients.world.client();
        for length in [0, 5, 125, 126, 127, 16_379, 16_384, 65_535, 65_536] {
            let payload: Vec<u8> = (0..length).map(|i| i as u8).collect();
            for _ in 0..2 {
                let frame = Frame::binary(payload.clone());
                below.send_frame(&frame);
                above.expect_message(Opcode::Binary, &payload);
                above.send_frame(&frame);
                below.expect_message(Opcode::Binary, &payload);
            }
        }
    });
}
