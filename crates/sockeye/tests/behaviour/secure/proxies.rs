//! Proxies that TLS is spoken with: around the tunnel, and around the TLS inside it.

use super::certs::Authority;
use super::client::server_config;
use super::relay;
use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use sockeye::tls::ClientTls;
use sockeye::{Connect, Context, Key, Limits, Proxy};
use sockeye_testkit::{Frame, Peer, accept_upgrade};
use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// A context that connects through a proxy under TLS, whose plain side is at `proxy`.
struct Clients {
    world: Rc<World>,
    key: Key<Play>,
    trace: Trace,
    failure: Rc<RefCell<Option<String>>>,
    ca: Authority,
    proxy: TcpListener,
    at: SocketAddr,
}

impl Clients {
    fn new(mode: Mode, workers: usize) -> Self {
        let (trace, failure) = (Trace::default(), Rc::new(RefCell::new(None)));
        let (seen, upgraded) = (Rc::clone(&failure), trace.clone());
        let play = Play::new(&trace)
            .on_upgrade(move |hello| {
                let subject = hello.tls().and_then(|tls| tls.peer).map(|peer| peer.subject());
                upgraded.note(format!("peer {}", subject.unwrap_or("none".to_owned())));
                Ok(())
            })
            .on_failure(move |_, _, error| *seen.borrow_mut() = Some(error.to_string()));
        let limits = Limits { proxy: Duration::from_secs(3), ..Limits::default() };
        let mut builder = Context::builder().limits(limits).tls_workers(workers);
        let key = builder.register(play);
        let world = World::new(mode, builder);
        let ca = Authority::new("CA of proxies");
        let proxy = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let config = server_config(&ca.issue(&["localhost"], "proxy"), None);
        let at = relay::from_tls(proxy.local_addr().expect("an address"), Arc::new(config));
        Self { world, key, trace, failure, ca, proxy, at }
    }

    /// By way of the proxy, of which its CA is known.
    fn connect(&self, connect: Connect) {
        let proxy: Proxy =
            format!("https://localhost:{}", self.at.port()).parse().expect("a proxy");
        let believes = ClientTls::builder().ca_pem(self.ca.pem()).build().expect("TLS");
        self.begin(&connect.proxy(proxy).proxy_tls(believes));
    }

    fn begin(&self, connect: &Connect) {
        let begun = self.world.connections(|all| all.connect(connect, self.key.id()));
        begun.expect("it begins");
    }

    fn failure(&self) -> String {
        self.world.until("the failure", || self.failure.borrow().is_some());
        self.world.until_connections(0);
        self.failure.take().expect("it is there")
    }
}

/// Messages of every size where something is cut, both ways, and the end.
fn converse(clients: &Clients, server: &mut Peer) {
    for len in [0, 1, 1000, 16 << 10, (16 << 10) + 1, 100_000, 600_000] {
        let payload: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
        server.send_frame(&Frame::binary(&payload[..]));
        server.expect_message(sockeye::Opcode::Binary, &payload);
    }
    server.close(1000, "");
    clients.world.until_connections(0);
    assert_eq!(
        clients.trace.last("closed"),
        "closed#0 closed by peer: closing handshake, code 1000 normal closure"
    );
}

#[test]
fn a_tunnel_of_a_proxy_under_tls_carries_a_plain_connection() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode, 0);
        clients.connect(Connect::to("ws://nowhere.invalid:81/x").expect("an address"));
        let mut proxy = Peer::accept(&clients.proxy, clients.world.turns());
        let asked = proxy.expect_head();
        assert!(
            asked.text.starts_with("CONNECT nowhere.invalid:81 HTTP/1.1\r\n"),
            "{}",
            asked.text
        );
        proxy.dribble("HTTP/1.1 200 Connection established\r\n\r\n");
        accept_upgrade(&mut proxy);
        converse(&clients, &mut proxy);
        assert_eq!(clients.trace.last("peer"), "peer none", "the proxy is not the peer");
    });
}

#[test]
fn a_tunnel_of_a_proxy_under_tls_carries_one_under_tls() {
    in_every_mode(|mode| {
        for workers in [0, 1] {
            let clients = Clients::new(mode, workers);
            let ca = Authority::new("CA of servers");
            let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
            let config = server_config(&ca.issue(&["server.example"], "server"), None);
            let plain = listener.local_addr().expect("an address");
            let server = relay::from_tls(plain, Arc::new(config));
            give_a_tunnel(clients.proxy.try_clone().expect("a listener"), server);
            let believes = ClientTls::builder().ca_pem(ca.pem()).build().expect("TLS");
            let to = Connect::to("wss://server.example:444/").expect("an address");
            clients.connect(to.tls(believes));
            let mut server = Peer::accept(&listener, clients.world.turns());
            accept_upgrade(&mut server);
            converse(&clients, &mut server);
            assert_eq!(clients.trace.last("peer"), "peer CN=server");
        }
    });
}

/// Gives the first who asks a tunnel to this address, whatever was asked for.
fn give_a_tunnel(listener: TcpListener, to: SocketAddr) {
    thread::spawn(move || {
        let (mut near, _) = listener.accept().expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            near.read_exact(&mut byte).expect("a head");
            head.extend_from_slice(&byte);
        }
        assert!(head.starts_with(b"CONNECT server.example:444 HTTP/1.1\r\n"));
        let mut far = TcpStream::connect(to).expect("a server");
        near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").expect("a client");
        let (mut from, mut into) = (near.try_clone().expect("it"), far.try_clone().expect("it"));
        let there = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut into); // how it ends is for the ends to see
            let _ = into.shutdown(Shutdown::Write);
        });
        let _ = std::io::copy(&mut far, &mut near);
        let _ = near.shutdown(Shutdown::Write);
        let _ = there.join();
    });
}

#[test]
fn what_goes_wrong_in_tls_with_a_proxy_is_said_of_the_proxy() {
    in_every_mode(|mode| {
        let clients = Clients::new(mode, 0);
        let to = || Connect::to("wss://server.example/").expect("an address");
        let begin = |port: u16, tls: Option<ClientTls>| {
            let proxy: Proxy = format!("https://localhost:{port}").parse().expect("a proxy");
            let connect = to().proxy(proxy);
            clients.begin(&tls.map_or(connect.clone(), |tls| connect.proxy_tls(tls)));
            clients.failure()
        };
        // The CA that is believed of the server is not believed of the proxy.
        let other = ClientTls::builder().ca_pem(Authority::new("Other").pem()).build();
        let said = begin(clients.at.port(), Some(other.expect("TLS")));
        let start = format!("proxy https://localhost:{}: ", clients.at.port());
        assert!(said.starts_with(&start) && said.contains("issue"), "{said}");
        let plain = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let port = plain.local_addr().expect("an address").port();
        let speaks = thread::spawn(move || {
            let (mut stream, _) = plain.accept().expect("a connection");
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read(&mut [0; 4096]);
            plain
        });
        let believes = || ClientTls::builder().ca_pem(clients.ca.pem()).build().ok();
        let said = begin(port, believes());
        let start = format!("proxy https://localhost:{port}: ");
        assert!(said.starts_with(&start) && said.contains("TLS"), "{said}");
        let silent = speaks.join().expect("it has spoken");
        let proxy: Proxy = format!("https://localhost:{port}").parse().expect("a proxy");
        clients.begin(&to().proxy(proxy));
        let mut silent = Peer::accept(&silent, clients.world.turns());
        assert_eq!(silent.expect_bytes(1), [22], "a record of the handshake");
        clients.world.wind(Duration::from_millis(3200));
        assert!(clients.failure().ends_with(": no tunnel within 3s"));
    });
}
