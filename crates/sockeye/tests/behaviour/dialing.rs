//! The way to a server: several addresses, proxies, deadlines, and answers that are a no.

use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use sockeye::{Connect, ConnectError, Context, HttpAnswer, Key, Limits, Proxy};
use sockeye_testkit::{Frame, Peer, accept_upgrade};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

const FOUR: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const HOST: &str = "chat.example";

/// A context that can connect.
struct Clients {
    world: Rc<World>,
    key: Key<Play>,
    other: Key<Play>,
    trace: Trace,
    /// What connecting has failed with.
    failed: Rc<RefCell<Option<String>>>,
}

impl Clients {
    fn new(mode: Mode) -> Self {
        Self::with(mode, Limits::default())
    }

    fn with(mode: Mode, limits: Limits) -> Self {
        let (trace, failed) = (Trace::default(), Rc::default());
        let mut builder = Context::builder().limits(limits);
        let note: Rc<RefCell<Option<String>>> = Rc::clone(&failed);
        let play = Play::new(&trace).on_failure(move |_, _, error| {
            note.replace(Some(error.to_string()));
        });
        let key = builder.register(play);
        let other = builder.register(Play::named("other", &trace));
        Self { world: World::new(mode, builder), key, other, trace, failed }
    }

    fn connect(&self, connect: &Connect) {
        let begun = self.world.connections(|all| all.connect(connect, self.key.id()));
        begun.expect("it begins");
        self.world.pump();
    }

    fn failure(&self) -> String {
        self.world.until("the failure", || self.failed.borrow().is_some());
        self.world.until_connections(0);
        assert_eq!(self.world.turns_while_idle(), 0);
        self.failed.take().expect("it is there")
    }

    fn accept(&self, listener: &TcpListener) -> Peer {
        Peer::accept(listener, self.world.turns())
    }
}

/// To a host of these addresses.
fn to(port: u16, addresses: &[IpAddr]) -> Connect {
    let url = format!("ws://{HOST}:{port}/");
    let connect = Connect::to(&url).expect("an address");
    connect.resolve(HOST, port, addresses.iter().copied())
}

/// A port that takes connections at IPv4 and does not answer at IPv6; and what it takes to that
/// end.
fn half_dead() -> (TcpListener, u16, Hole) {
    let attempt = || {
        let live = TcpListener::bind((FOUR, 0)).expect("a listener");
        let port = live.local_addr().expect("an address").port();
        let hole = Hole::dig(SocketAddr::new(SIX, port))?;
        Some((live, port, hole))
    };
    (0..20).find_map(|_| attempt()).expect("IPv6 on the loopback, and a port free for both")
}

/// An address that does not answer: somebody listens, whose queue is full.
struct Hole {
    _listener: OwnedFd,
    _queue: Vec<TcpStream>,
}

impl Hole {
    /// `None` if the port is taken.
    fn dig(at: SocketAddr) -> Option<Self> {
        let family = if at.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let listener = socket(family, SocketType::STREAM, None).expect("a socket");
        bind(&listener, &at).ok()?;
        listen(&listener, 0).expect("it listens");
        let connect = || TcpStream::connect_timeout(&at, Duration::from_millis(50));
        let queue: Vec<TcpStream> = std::iter::from_fn(|| connect().ok()).collect();
        Some(Self { _listener: listener, _queue: queue })
    }
}

/// That nobody has connected.
fn expect_nobody(listener: &TcpListener) {
    listener.set_nonblocking(true).expect("it can be non-blocking");
    let nobody = listener.accept().expect_err("nobody connects");
    assert_eq!(nobody.kind(), ErrorKind::WouldBlock);
}

#[test]
fn a_dead_address_is_overtaken_after_the_attempt_delay() {
    in_every_mode(|mode| {
        let (listener, port, _hole) = half_dead();
        let clients = Clients::new(mode);
        clients.connect(&to(port, &[SIX, FOUR]));
        clients.world.wind(Duration::from_millis(249));
        expect_nobody(&listener);
        clients.world.wind(Duration::from_millis(2));
        let mut server = clients.accept(&listener);
        accept_upgrade(&mut server);
        server.send_frame(&Frame::text("hi"));
        server.expect_text("hi");
        assert_eq!(clients.trace.take()[..2], ["open#0", "receive#0 hi"]);
        assert_eq!(clients.world.connections(|all| (all.len(), all.all().len())), (1, 1));
        assert_eq!(clients.world.turns_while_idle(), 0, "the dead one is forgotten");
        server.send_frame(&Frame::close(1000, ""));
        server.expect_close(1000);
        server.finish();
        clients.world.until_connections(0);
    });
}

#[test]
fn a_refused_address_is_overtaken_at_once() {
    in_every_mode(|mode| {
        let listener = TcpListener::bind((FOUR, 0)).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let clients = Clients::new(mode);
        clients.connect(&to(port, &[SIX, "127.0.0.2".parse().unwrap(), FOUR]));
        accept_upgrade(&mut clients.accept(&listener));
        clients.world.until("it is open", || clients.trace.count("open#0") == 1);
    });
}

#[test]
fn the_deadline_of_connecting_names_every_address() {
    in_every_mode(|mode| {
        let (listener, port, _hole) = half_dead();
        drop(listener);
        let clients = Clients::new(mode);
        clients.connect(&to(port, &[SIX, FOUR]));
        clients.world.wind(Duration::from_millis(251));
        clients.world.pump();
        assert!(clients.failed.borrow().is_none());
        clients.world.wind(Duration::from_secs(10));
        let failure = clients.failure();
        let expected = format!(
            "could not connect to 127.0.0.1:{port}: Connection refused (os error 111), \
             to [::1]:{port}: no answer within 10s"
        );
        assert_eq!(failure, expected);
    });
}

#[test]
fn only_so_many_addresses_are_tried_at_a_time() {
    in_every_mode(|mode| {
        let (listener, port, _hole) = half_dead();
        let clients = Clients::with(mode, Limits { attempts: 1, ..Limits::default() });
        clients.connect(&to(port, &[SIX, FOUR]));
        for _ in 0..9 {
            clients.world.wind(Duration::from_secs(1));
        }
        expect_nobody(&listener);
        clients.world.wind(Duration::from_secs(2));
        let failure = clients.failure();
        assert_eq!(failure, format!("could not connect to [::1]:{port}: no answer within 10s"));
    });
}

#[test]
fn an_abort_ends_all_that_is_tried() {
    in_every_mode(|mode| {
        let (_listener, port, _hole) = half_dead();
        let clients = Clients::new(mode);
        clients.connect(&to(port, &[SIX, FOUR]));
        clients.world.connections(|all| all.all().into_iter().for_each(|id| all.abort(id)));
        assert_eq!(clients.failure(), "aborted");
        clients.world.wind(Duration::from_secs(20));
        expect_nobody(&_listener);
        assert_eq!(clients.world.turns_while_idle(), 0);
    });
}

/// A proxy and the way through it.
fn proxied(scheme: &str) -> (TcpListener, Connect) {
    let listener = TcpListener::bind((FOUR, 0)).expect("a listener");
    let proxy = format!("{scheme}{}", listener.local_addr().expect("an address"));
    let proxy: Proxy = proxy.parse().expect("a proxy");
    let connect = Connect::to("ws://nowhere.invalid:81/x").expect("an address");
    (listener, connect.proxy(proxy))
}

#[test]
fn a_tunnel_by_connect_carries_a_connection() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let (listener, connect) = proxied("http://me:secret@");
        clients.connect(&connect);
        let mut proxy = clients.accept(&listener);
        let asked = proxy.expect_head();
        assert!(asked.text.starts_with("CONNECT nowhere.invalid:81 HTTP/1.1\r\n"));
        assert_eq!(asked.header("Proxy-Authorization"), Some("Basic bWU6c2VjcmV0"));
        proxy.dribble("HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n");
        let request = accept_upgrade(&mut proxy);
        assert!(request.text.starts_with("GET /x HTTP/1.1\r\n"));
        assert_eq!(request.header("Host"), Some("nowhere.invalid:81"));
        assert_eq!(request.header("Proxy-Authorization"), None);
        proxy.send_frame(&Frame::text("hi"));
        proxy.expect_text("hi");
    });
}

#[test]
fn a_tunnel_by_socks_carries_a_connection() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode);
        let (listener, connect) = proxied("socks5h://me:secret@");
        clients.connect(&connect);
        let mut proxy = clients.accept(&listener);
        assert_eq!(proxy.expect_bytes(4), b"\x05\x02\0\x02");
        proxy.dribble(b"\x05\x02");
        assert_eq!(proxy.expect_bytes(11), b"\x01\x02me\x06secret");
        proxy.dribble(b"\x01\0");
        let request = proxy.expect_bytes(7 + 15);
        assert_eq!(request, b"\x05\x01\0\x03\x0fnowhere.invalid\0\x51");
        proxy.dribble(b"\x05\0\0\x01\0\0\0\0\0\0");
        accept_upgrade(&mut proxy);
        proxy.send_frame(&Frame::text("hi"));
        proxy.expect_text("hi");
    });
}

#[test]
fn what_goes_wrong_with_a_proxy_is_said_of_the_proxy() {
    in_every_mode(|mode| {
        for (scheme, said, why) in [
            ("http://", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\n\r\n", "407 \"No\""),
            ("http://", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "its answer is no HTTP"),
            ("http://", "HTTP/1.1 200 OK\r\n\r\nearly", "bytes came behind its answer"),
            ("socks5h://", "HTTP/1.1 400 \r\n\r\n", "its answer is no SOCKS 5"),
            ("socks5h://", "\x05\0\x05\x05", "it found the connection refused"),
            ("socks5h://", "", "connection lost before there was a tunnel"),
        ] {
            let clients = Clients::new(mode);
            let (listener, connect) = proxied(scheme);
            clients.connect(&connect);
            let mut proxy = clients.accept(&listener);
            let _ = proxy.try_send(said);
            proxy.finish();
            let failure = clients.failure();
            let at = listener.local_addr().expect("an address");
            assert!(failure.starts_with(&format!("proxy {scheme}{at}: ")), "{failure}");
            assert!(failure.contains(why) && !failure.contains('\n'), "{failure}");
        }
    });
}

#[test]
fn a_proxy_has_a_deadline_of_its_own() {
    in_every_mode(|mode| {
        let limits = Limits { proxy: Duration::from_secs(3), ..Limits::default() };
        let clients = Clients::with(mode, limits);
        let (listener, connect) = proxied("http://");
        clients.connect(&connect);
        let mut proxy = clients.accept(&listener);
        proxy.expect_head();
        proxy.send("HTTP/1.1 200");
        clients.world.pump();
        clients.world.wind(Duration::from_millis(2900));
        assert!(clients.failed.borrow().is_none());
        clients.world.wind(Duration::from_millis(300));
        let failure = clients.failure();
        assert!(failure.ends_with(": no tunnel within 3s"), "{failure}");
        drop(proxy);
        drop(listener);
        clients.connect(&connect);
        let failure = clients.failure();
        assert!(failure.starts_with("proxy http://127.0.0.1:"), "{failure}");
        assert!(failure.contains(": could not connect to 127.0.0.1:"), "{failure}");
    });
}

#[test]
fn what_socks_cannot_carry_is_refused_at_once() {
    let clients = Clients::new(Mode::BuiltIn);
    let proxy: Proxy = "socks5h://user@127.0.0.1".parse().expect("a proxy");
    let connect = Connect::to("ws://h/").expect("an address").proxy(proxy);
    let begun = clients.world.connections(|all| all.connect(&connect, clients.key.id()));
    assert!(matches!(begun, Err(ConnectError::BadTunnel(_))), "{begun:?}");
}

#[test]
fn the_subprotocol_chosen_decides_the_protocol() {
    in_every_mode(|mode| {
        for (chosen, protocol) in [(Some("two"), 1), (Some("one"), 0), (None, 0)] {
            let clients = Clients::new(mode);
            let listener = TcpListener::bind((FOUR, 0)).expect("a listener");
            let url = format!("ws://{}/", listener.local_addr().expect("an address"));
            let connect = Connect::to(&url).expect("an address").subprotocol("one");
            clients.connect(&connect.subprotocol_for("two", clients.other));
            let mut server = clients.accept(&listener);
            let request = server.expect_head();
            assert_eq!(request.header("Sec-WebSocket-Protocol"), Some("one, two"));
            let answer = request.switching_protocols();
            let named = chosen
                .map(|name| format!("\r\nSec-WebSocket-Protocol: {name}"))
                .unwrap_or_default();
            // `switching_protocols` may have chosen the first already.
            let bare: Vec<&str> = answer
                .trim_end()
                .split("\r\n")
                .filter(|line| !line.starts_with("Sec-WebSocket-Protocol"))
                .collect();
            server.send(format!("{}{named}\r\n\r\n", bare.join("\r\n")));
            clients.world.until("it is open", || clients.trace.count("open#0") == 1);
            let counts = clients.world.connections(|all| {
                [clients.key.id(), clients.other.id()].map(|protocol| all.count(protocol))
            });
            assert_eq!(counts[protocol], 1, "{chosen:?}: {counts:?}");
        }
    });
}

/// What comes of this answer to a handshake, in pieces.
fn answered(mode: Mode, pieces: &[&str], then: impl FnOnce(&Clients, &mut Peer)) -> String {
    let clients = Clients::new(mode);
    let listener = TcpListener::bind((FOUR, 0)).expect("a listener");
    let url = format!("ws://{}/", listener.local_addr().expect("an address"));
    clients.connect(&Connect::to(&url).expect("an address"));
    let mut server = clients.accept(&listener);
    server.expect_head();
    for piece in pieces {
        server.send(piece);
        clients.world.pump();
    }
    then(&clients, &mut server);
    clients.failure()
}

#[test]
fn a_refusal_tells_its_status_and_the_start_of_its_body() {
    in_every_mode(|mode| {
        let prefix = "the server refused the handshake: it answered ";
        for (pieces, why) in [
            (
                &["HTTP/1.1 400 Bad Request\r\nContent-Length: 11\r\n\r\n", "no \"", "thing\"\n\n"]
                    [..],
                "400 Bad Request, not 101; it says \"no \\\"thing\\\"\"",
            ),
            (
                &[
                    "HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\n\r\n3\r\nno,\r\n",
                    "1\r\n!\r\n0\r\n\r\n",
                ],
                "500 Internal Server Error, not 101; it says \"no,!\"",
            ),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"], "200 OK, not 101"),
            (
                &["HTTP/1.1 301 Moved\r\nLocation: https://a/\r\nContent-Length: 0\r\n\r\n"],
                "301 Moved, not 101, and sends on to https://a/",
            ),
            (
                &["HTTP/1.1 503 No\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"],
                "503 No, not 101, and wants to be asked again after 7s",
            ),
        ] {
            assert_eq!(answered(mode, pieces, |_, _| {}), format!("{prefix}{why}"));
        }
        let head = "HTTP/1.1 403 Forbidden\r\n\r\n";
        let cut = answered(mode, &[head, "to the \x1b end"], |_, server| server.finish());
        assert!(cut.ends_with("it says \"to the \\u{1b} end\""), "{cut}");
        let late = answered(mode, &[head, "slow"], |clients, _| {
            clients.world.wind(HttpAnswer::BODY_WITHIN + Duration::from_millis(200));
        });
        assert!(late.ends_with("it says \"slow\""), "{late}");
        let long = answered(mode, &[head, &"x".repeat(5000)], |_, _| {});
        assert!(long.ends_with("xx…\"") && long.len() < 400, "{long}");
    });
}
