//! What messages and idle connections cost in memory, counted at the allocator.

use allocation_counter::measure;
use sockeye::{
    Action, Answer, Conn, Context, Handshake, Http, HttpConn, Key, Message, Protocol, Reject,
    Request, Response, Shared,
};
use sockeye_testkit::{Frame, Peer, idle, upgrade_request};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        conn.reply(message)
    }
}

/// A listening context, and what its connections are counted by.
fn listening() -> (Context, Key<Echo>, SocketAddr) {
    let mut builder = Context::builder();
    let key = builder.register(Echo);
    let mut context = builder.build().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    (context, key, address)
}

#[test]
fn an_echo_allocates_nothing_per_message() {
    const ROUNDS: usize = 3000;
    let (mut context, _, address) = listening();
    let (warm, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (say_warm, say_done) = (Arc::clone(&warm), Arc::clone(&done));
    let peer = thread::spawn(move || {
        let mut peer = Peer::connect(address, idle());
        peer.upgrade("/", &[]);
        // Several frames a read; none so long that it might come in two.
        let frames = [0, 5, 125, 126, 200, 3000].map(|size| Frame::binary(vec![7; size]));
        for round in 0..ROUNDS {
            peer.send_frames(&frames);
            frames.iter().for_each(|frame| assert_eq!(peer.expect_frame(), *frame));
            say_warm.fetch_or(round == 100, Relaxed);
        }
        say_done.store(true, Relaxed);
        peer.send_frame(&Frame::text("wake up"));
        peer.expect_text("wake up");
        peer.close(1000, "");
    });
    let mut turns = 0;
    let mut turn = |context: &mut Context| {
        turns += 1;
        context.service(None).expect("the loop goes on");
    };
    while !warm.load(Relaxed) {
        turn(&mut context);
    }
    let measured = measure(|| {
        while !done.load(Relaxed) {
            turn(&mut context);
        }
    });
    while !context.connections().is_empty() {
        turn(&mut context);
    }
    peer.join().expect("no panic");
    assert!(turns > ROUNDS / 2, "{turns} turns");
    assert_eq!(measured.count_total, 0, "allocations in {turns} turns");
}

#[test]
fn a_broadcast_allocates_for_the_message_and_not_for_each_receiver() {
    const RECEIVERS: usize = 100;
    const MESSAGES: usize = 200;
    let (mut context, key, address) = listening();
    let text = |number: usize| format!("{number:0200}");
    let mut peers: Vec<Peer> = (0..RECEIVERS)
        .map(|_| {
            let mut peer = Peer::connect(address, idle());
            peer.send(upgrade_request("/", &[]));
            peer
        })
        .collect();
    while context.connections().count(key.id()) < RECEIVERS {
        context.service(None).expect("the loop goes on");
    }
    let mut broadcast = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            let message = Shared::new(text(number));
            let connections = context.connections();
            for id in connections.of(key.id()) {
                connections.send_shared(id, &message).expect("the queue is empty");
            }
            context.service(Duration::ZERO).expect("the loop goes on");
        }
    };
    broadcast(0..1); // once, for what is kept
    let measured = measure(|| broadcast(1..MESSAGES));
    for peer in &mut peers {
        peer.expect_head();
        (0..MESSAGES).for_each(|number| peer.expect_text(&text(number)));
    }
    let each = measured.count_total / MESSAGES as u64;
    println!("{each} allocations for each message to {RECEIVERS} receivers");
    assert!(each <= 10, "{each} allocations for each message to {RECEIVERS} receivers");
}

#[test]
fn an_idle_connection_holds_at_most_160_bytes() {
    const COUNT: usize = 2000;
    /// poll(2) needs an array of its own.
    const MOST: i64 = if cfg!(sockeye_poll_backend) { 240 } else { 160 };
    let (mut context, key, address) = listening();
    let mut peers: Vec<Peer> = Vec::new();
    let mut connect = |context: &mut Context| {
        let mut peer = Peer::connect(address, idle());
        peer.send(upgrade_request("/", &[]));
        peers.push(peer);
        let open = measure(|| {
            while context.connections().count(key.id()) < peers.len() {
                context.service(None).expect("the loop goes on");
            }
        });
        open.bytes_current
    };
    let once: i64 = (0..1).map(|_| connect(&mut context)).sum();
    let held: i64 = (1..COUNT).map(|_| connect(&mut context)).sum();
    let each = held / (COUNT as i64 - 1);
    assert!(each <= MOST, "{each} bytes for each idle connection, {once} for the first");
    println!("{each} bytes for each idle connection, {once} for the first");
}

struct Site;

impl Http for Site {
    type Session = ();

    fn request(&mut self, _: &mut HttpConn<'_, Self>, _: &Request<'_>) -> Answer {
        Response::text("fine").into()
    }
}

#[test]
fn a_burst_of_requests_costs_no_more_than_as_many_single_ones() {
    const COUNT: u64 = 2000;
    const MOST: u64 = 3000; // bytes allocated for each, in whatever time they are freed again
    let mut context = Context::builder().http(Site).build().expect("a context");
    let address = context.listen("127.0.0.1:0").expect("a listener");
    let peer = thread::spawn(move || {
        let mut peer = Peer::connect(address, idle());
        peer.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(COUNT as usize));
        for _ in 0..COUNT {
            assert_eq!(peer.expect_response().body, b"fine");
        }
    });
    let measured = measure(|| {
        while !peer.is_finished() || !context.connections().is_empty() {
            // Its thread may end after its connection has, of which nothing would tell.
            context.service(Duration::from_millis(10)).expect("the loop goes on");
        }
    });
    peer.join().expect("no panic");
    let each = measured.bytes_total / COUNT;
    assert!(each <= MOST, "{each} bytes allocated for each of {COUNT} requests");
}

/// What rustls holds for a connection, and what we hold beside it.
#[cfg(feature = "tls")]
#[test]
fn an_idle_connection_under_tls_holds_at_most_5_kb() {
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
    use sockeye::tls::{Certificate, ServerTls};
    use std::io::{Read, Write};
    use std::net::TcpStream;

    const COUNT: usize = 150;
    const MOST: i64 = 5000;
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let issued = params.self_signed(&key).expect("a certificate");
    let certificate = Certificate::from_pem(issued.pem(), key.serialize_pem());
    let tls = ServerTls::builder().certificate(certificate).build().expect("TLS");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(issued.der().to_vec())).expect("a root");
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut builder = Context::builder();
        let key = builder.register(Echo);
        let mut context = builder.build().expect("a context");
        let address = context.listen_tls("127.0.0.1:0", &tls).expect("a listener");
        let config = ClientConfig::builder_with_protocol_versions(&[version])
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let config = Arc::new(config);
        let clients = thread::spawn(move || {
            let open = |_| {
                let name = ServerName::try_from("localhost").expect("a name");
                let tls = ClientConnection::new(Arc::clone(&config), name).expect("a client");
                let tcp = TcpStream::connect(address).expect("it listens");
                let mut stream = StreamOwned::new(tls, tcp);
                stream.write_all(upgrade_request("/", &[]).as_ref()).expect("a handshake");
                let mut answer = [0; 12];
                stream.read_exact(&mut answer).expect("an answer");
                assert_eq!(&answer, b"HTTP/1.1 101");
                stream
            };
            (0..COUNT).map(open).collect::<Vec<_>>()
        });
        let mut until = |count: usize| {
            while context.connections().count(key.id()) < count {
                context.service(None).expect("the loop goes on");
            }
        };
        until(1); // once, for what all connections share
        let measured = measure(|| until(COUNT));
        drop(clients.join().expect("no panic"));
        let each = measured.bytes_current / (COUNT as i64 - 1);
        println!("{version:?}: {each} bytes for each idle connection");
        assert!((1..=MOST).contains(&each), "{version:?}: {each} bytes for each idle connection");
    }
}

/// The same of a client: what is held of the server's certificate and for resumption is shared.
#[cfg(feature = "tls")]
#[test]
fn an_idle_connection_to_a_server_under_tls_holds_at_most_5_kb() {
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};
    use sockeye::Connect;
    use sockeye::tls::ClientTls;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    const COUNT: usize = 150;
    const MOST: i64 = 5000;
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).expect("a name");
    let issued = params.self_signed(&key).expect("a certificate");
    let pem = issued.pem();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).expect("PEM");
        let config = ServerConfig::builder_with_protocol_versions(&[version])
            .with_no_client_auth()
            .with_single_cert(vec![issued.der().clone()], private)
            .expect("they fit");
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let server = thread::spawn(move || {
            let open = |_| {
                let tls = ServerConnection::new(Arc::clone(&config)).expect("a server");
                let (tcp, _) = listener.accept().expect("a client");
                let mut stream = StreamOwned::new(tls, tcp);
                let (mut head, mut byte) = (String::new(), [0]);
                while !head.ends_with("\r\n\r\n") {
                    stream.read_exact(&mut byte).expect("a request");
                    head.push(char::from(byte[0]));
                }
                let nonce = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
                let accept = sockeye_proto::handshake::accept_key(nonce.expect("a key"));
                stream
                    .write_all(
                        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                          Connection: Upgrade\r\nSec-WebSocket-Accept: ",
                    )
                    .and_then(|()| stream.write_all(&accept))
                    .and_then(|()| stream.write_all(b"\r\n\r\n"))
                    .expect("an answer");
                stream
            };
            (0..COUNT).map(open).collect::<Vec<_>>()
        });
        let mut builder = Context::builder();
        let key = builder.register(Echo);
        let mut context = builder.build().expect("a context");
        let tls = ClientTls::builder().ca_pem(pem.clone()).build().expect("TLS");
        let url = format!("wss://localhost:{}/", address.port());
        let to = Connect::to(&url).expect("an address").tls(tls);
        let mut open = |count: usize| {
            for number in context.connections().count(key.id()) + 1..=count {
                context.connections().connect(&to, key.id()).expect("it begins");
                while context.connections().count(key.id()) < number {
                    context.service(None).expect("the loop goes on");
                }
            }
        };
        open(20); // for what all connections share: buffers, and sessions to resume
        let measured = measure(|| open(COUNT));
        drop(server.join().expect("no panic"));
        let each = measured.bytes_current / (COUNT as i64 - 20);
        println!("{version:?}: {each} bytes for each idle connection of a client");
        assert!((1..=MOST).contains(&each), "{version:?}: {each} bytes for each idle connection");
    }
}
