//! Fuzz target: the whole life of a connection, any bytes in, invariants asserted.
//!
//! An input is a script and what the peer sends by it:
//!
//! ```text
//! flags, flags, number of steps, a byte for each step, bytes on the wire
//! ```

mod app;
mod host;
mod ledger;
#[cfg(feature = "tls")]
mod link;
mod wire;

use crate::conn::Phase;
use crate::connect::Answering;
use crate::engine::Engine;
use crate::handle::{Handle, Key};
use crate::slots::{ConnId, Flags};
use crate::wheel::Deadline;
use crate::{Builder, Connections, Context, DeflateOptions, Limits, Overflow, Reject, Response};
use crate::{CloseCode, Message, Shared};
use app::{Play, Site};
use host::Host;
use ledger::{Fact, Ledger};
use sockeye_proto::handshake::{ClientHello, ClientRequest, accept_key};
use std::cell::Cell;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A connection: whatever its peer sends, in whatever pieces, and whatever the application does
/// about it: `closed` comes once and nothing after it, what is sent can be read, what is held
/// stays within the limits, the loop comes to rest, and in the end nothing is left.
pub fn fuzz_connection(data: &[u8]) {
    connection_outcome(data);
}

/// [`fuzz_connection`], and which kinds of things have happened.
pub fn connection_outcome(data: &[u8]) -> u64 {
    let script = Script::parse(data);
    let mut play = Scene::set(&script);
    for &step in script.steps {
        play.step(step);
    }
    play.rest_of_the_wire();
    play.end()
}

/// A cipher list.
pub fn fuzz_cipher_list(data: &[u8]) {
    crate::tls::cipher_list::fuzz(data);
}

/// A file of certificates, or of a key.
#[cfg(feature = "tls")]
pub fn fuzz_pem(data: &[u8]) {
    crate::tls::pem::fuzz(data);
}

/// A certificate, and a name in one.
#[cfg(feature = "tls")]
pub fn fuzz_certificate(data: &[u8]) {
    crate::tls::der::fuzz(data);
}

/// Both ends of TLS, and whatever someone between them does to the bytes: nothing is heard but what
/// was said, what is kept and answered is bounded, and what fails ends, once, with a sentence.
#[cfg(feature = "tls")]
pub fn fuzz_tls_link(data: &[u8]) {
    tls_link_outcome(data);
}

/// [`fuzz_tls_link`], and what kinds of things have happened.
#[cfg(feature = "tls")]
pub fn tls_link_outcome(data: &[u8]) -> u64 {
    link::outcome(data)
}

/// The receive buffer, and so what a paused connection may keep.
const BUFFER: usize = 4096;
/// The most that is sent as one message or response.
const BIGGEST: usize = 8192;
/// What overheads there are: heads, frame headers, a Close frame.
const SLACK: usize = 2048;
/// What the turns needed to come to rest must stay below.
const TURNS: usize = 400;

const LIMITS: Limits = Limits {
    connections: Some(2),
    handshake: Duration::from_secs(2),
    connect: Duration::from_secs(2),
    attempt_delay: Duration::from_millis(250),
    attempts: 2,
    proxy: Duration::from_secs(2),
    head_bytes: 1024,
    headers: 16,
    message_bytes: BIGGEST as u64,
    fragments: 16,
    queue_bytes: 1024,
    overflow: Overflow::Pause,
    ping_after: Duration::from_secs(3),
    pong_within: Duration::from_secs(2),
    close_within: Duration::from_secs(1),
    keep_alive: Duration::from_secs(4),
    exchange: Duration::from_secs(2),
    body_bytes: 4096,
    notices: 8,
    ended_lines: 100,
    refused_lines: 10,
    latency: Duration::from_millis(50),
};

/// The nonce of a client's handshake: the same always, so that inputs can have the answer.
const NONCE: [u8; 16] = [0; 16];

/// An input, taken apart.
struct Script<'d> {
    flags: u16,
    steps: &'d [u8],
    wire: &'d [u8],
}

impl<'d> Script<'d> {
    const CLIENT: u16 = 1;
    const EXTERNAL: u16 = 1 << 1;
    /// The wire begins with a handshake in good order.
    const HELLO: u16 = 1 << 2;
    /// That handshake goes to the protocol that streams.
    const STREAM: u16 = 1 << 3;
    /// That handshake agrees to compression.
    const DEFLATE: u16 = 1 << 4;
    /// The peer reads whatever comes.
    const READS: u16 = 1 << 5;
    const ANNOUNCE: u16 = 1 << 6;
    /// The foreign loop says more than is true.
    const LIES: u16 = 1 << 7;
    const DROP: u16 = 1 << 8;
    const CLOSE: u16 = 1 << 9;
    const TAKEOVER: u16 = 1 << 10;
    /// Even short messages are compressed.
    const EAGER: u16 = 1 << 11;
    const NO_COMPRESSION: u16 = 1 << 12;
    /// In the end the peer goes away.
    const LEAVES: u16 = 1 << 13;
    /// In the end the peer reads what there is.
    const READS_LAST: u16 = 1 << 14;
    /// The socket takes little.
    const NARROW: u16 = 1 << 15;

    fn parse(mut data: &'d [u8]) -> Self {
        let mut next = || data.split_off_first().copied().unwrap_or_default();
        let flags = u16::from_le_bytes([next(), next()]);
        let count = usize::from(next() % 32).min(data.len());
        let (steps, wire) = data.split_at(count);
        Self { flags, steps, wire }
    }

    fn has(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }

    fn limits(&self) -> Limits {
        let overflow = match (self.has(Self::DROP), self.has(Self::CLOSE)) {
            (true, false) => Overflow::Drop,
            (false, true) => Overflow::Close,
            (_, _) => Overflow::Pause,
        };
        Limits { overflow, ..LIMITS }
    }

    fn compression(&self) -> Option<DeflateOptions> {
        let options = DeflateOptions {
            level: 1,
            memory_level: 1,
            window_bits: 9,
            context_takeover: self.has(Self::TAKEOVER),
            peer_context_takeover: self.has(Self::TAKEOVER),
            threshold: if self.has(Self::EAGER) { 0 } else { 32 },
            ..DeflateOptions::default()
        };
        (!self.has(Self::NO_COMPRESSION)).then_some(options)
    }

    /// A handshake in good order, as the peer sends it.
    fn hello(&self, key: &str) -> Vec<u8> {
        let compressed = self.has(Self::DEFLATE);
        let mut head = if self.has(Self::CLIENT) {
            let accept = accept_key(key);
            let accept = String::from_utf8_lossy(&accept);
            format!("HTTP/1.1 101 Sure\r\nSec-WebSocket-Accept: {accept}\r\n")
        } else {
            let path = if self.has(Self::STREAM) { "/stream" } else { "/" };
            let key = format!("Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n");
            format!("GET {path} HTTP/1.1\r\nHost: a\r\n{key}")
        };
        head.push_str("Upgrade: websocket\r\nConnection: Upgrade\r\n");
        if compressed && self.compression().is_some() {
            head.push_str("Sec-WebSocket-Extensions: permessage-deflate");
            if self.has(Self::CLIENT) {
                head.push_str("; server_no_context_takeover");
            }
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A context with one connection, and its peer.
struct Scene<'d> {
    script: &'d Script<'d>,
    host: Host,
    clock: Rc<Cell<Instant>>,
    handle: Handle,
    ledger: Ledger,
    keys: (Key<Play<false>>, Key<Play<true>>),
    id: ConnId,
    /// `None`: the peer has gone.
    peer: Option<OwnedFd>,
    reads: bool,
    /// What the peer has still to send.
    wire: &'d [u8],
    /// What the peer has read.
    output: Vec<u8>,
    /// What was fed besides.
    fed: usize,
}

impl<'d> Scene<'d> {
    fn set(script: &'d Script<'d>) -> Self {
        let clock = Rc::new(Cell::new(Instant::now()));
        let ledger = Ledger::new();
        let reading = Rc::clone(&clock);
        let mut builder = Context::builder()
            .http(Site::new(&ledger))
            .limits(script.limits())
            .compression(script.compression())
            .receive_buffer(BUFFER)
            .announce_writes(script.has(Script::ANNOUNCE))
            .clock(move || reading.get());
        let plain = builder.register(Play::new("echo", &ledger));
        let streaming = builder.register_at("/stream", Play::new("stream", &ledger));
        let host = open_host(script, builder);
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.set_nonblocking(true).expect("it does not block");
        let mut scene = Self {
            handle: host.handle(),
            keys: (plain, streaming),
            id: ConnId::from_u64(u64::MAX),
            peer: Some(theirs.into()),
            reads: script.has(Script::READS),
            wire: script.wire,
            output: Vec::new(),
            fed: 0,
            script,
            host,
            clock,
            ledger,
        };
        scene.begin(ours);
        scene
    }

    /// Hands the socket over, and says hello if the script says so.
    fn begin(&mut self, ours: UnixStream) {
        if self.script.has(Script::NARROW) {
            rustix::net::sockopt::set_socket_send_buffer_size(&ours, 1).expect("a small buffer");
        }
        let key = if self.script.has(Script::CLIENT) {
            ours.set_nonblocking(true).expect("it does not block");
            let index = if self.script.has(Script::STREAM) { 1 } else { 0 };
            let (id, key) = dialled(self.host.engine(), ours.into(), index, self.script);
            self.id = id;
            self.ledger.dialled(id);
            key
        } else {
            self.id = self.connections(|all| all.adopt(ours.into())).expect("there is room");
            "AAAAAAAAAAAAAAAAAAAAAA==".to_owned()
        };
        if self.script.has(Script::HELLO) {
            self.settle();
            self.send(&self.script.hello(&key));
            self.settle();
        }
    }

    fn connections<R>(&mut self, ask: impl FnOnce(Connections<'_>) -> R) -> R {
        self.host.connections(ask)
    }

    /// What a byte of the script stands for.
    fn step(&mut self, step: u8) {
        let size = usize::from(step & 31);
        match step >> 5 {
            0 => self.send_next(size + 1),
            1 => self.send_next((size + 1) * 64),
            2 => {
                self.send_next(size + 1);
                return; // more is to come before the loop turns
            }
            3 => self.wind(Duration::from_millis(1 << (size % 15))),
            4 => self.read(if size == 0 { usize::MAX } else { size * 256 }),
            5 => self.peer_acts(size),
            6 => self.owner_acts(size),
            _ => self.reads = size.is_multiple_of(2),
        }
        self.settle();
    }

    fn send_next(&mut self, size: usize) {
        let (piece, rest) = self.wire.split_at(size.min(self.wire.len()));
        self.wire = rest;
        self.send(piece);
    }

    fn rest_of_the_wire(&mut self) {
        while !self.wire.is_empty() {
            self.send_next(1 << 14);
            self.settle();
        }
    }

    /// What does not fit into the socket is lost: the peer says no more then.
    fn send(&mut self, bytes: &[u8]) {
        let Some(peer) = &self.peer else { return };
        if !bytes.is_empty() && sockeye_sys::send(peer.as_fd(), bytes).is_err() {
            self.wire = &[];
        }
    }

    fn read(&mut self, most: usize) {
        let mut buffer = [0; 4096];
        let mut left = most;
        while left > 0 {
            let Some(peer) = &self.peer else { return };
            let room = left.min(buffer.len());
            match sockeye_sys::recv(peer.as_fd(), &mut buffer[..room]) {
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    self.output.extend_from_slice(&buffer[..n]);
                    left -= n;
                }
            }
        }
    }

    fn wind(&mut self, by: Duration) {
        self.clock.set(self.clock.get() + by);
        self.handle.wake();
    }

    fn peer_acts(&mut self, what: usize) {
        let Some(peer) = &self.peer else { return };
        match what % 4 {
            0 => self.peer = None,
            1 => drop(sockeye_sys::shutdown_write(peer.as_fd())),
            2 => self.read(1),
            _ => {
                // A flood of pings, as a client sends them.
                let pings = [b"\x89\xf8\0\0\0\0".as_slice(), &[b'.'; 120]].concat();
                self.send(&pings.repeat(1 + what * 4));
            }
        }
    }

    /// What the application does between callbacks, and from other threads.
    fn owner_acts(&mut self, what: usize) {
        let (id, handle) = (self.id, self.handle.clone());
        let (plain, streaming) = self.keys;
        let ledger = self.ledger.clone();
        match what {
            0 => self.connections(|all| all.pause(id)),
            1 => self.connections(|all| all.resume(id)),
            2 => self.connections(|all| all.close(id, CloseCode::NORMAL, "enough")),
            3 => self.connections(|all| all.abort(id)),
            4 => self.connections(|all| all.request_writable(id)),
            5 => drop(handle.request_writable(id)),
            6 => self.connections(|all| ledger.send(all, id, Message::text("from outside"))),
            7 => self.connections(|all| ledger.send(all, id, Message::binary(vec![7; BIGGEST]))),
            8 => self.connections(|all| ledger.send_shared(all, id, &Shared::new("shared"))),
            9 => self.connections(|all| all.set_timer(id, Some(Duration::from_millis(100)))),
            10 => drop(handle.post(plain, 3)),
            11 => drop(handle.post(streaming, 200)),
            12 => drop(self.connections(|all| all.is_choked(id))),
            13 => drop(self.connections(|all| all.respond(id, Response::text("late")))),
            14 => self.connections(|all| all.accept(plain, id, ledger.late_session(id))),
            15 => self.connections(|all| all.reject(id, Reject::new(403, "No."))),
            16 => handle.shutdown(),
            17 => self.connections(|all| all.request_writable_all(plain.into())),
            18..25 => self.feed((what - 17) * 8),
            _ => drop(self.connections(|all| (all.info(id), all.peer(id), all.fd(id)))),
        }
    }

    fn feed(&mut self, size: usize) {
        let (piece, rest) = self.wire.split_at(size.min(self.wire.len()));
        self.wire = rest;
        self.fed += piece.len();
        let id = self.id;
        self.connections(|all| all.feed(id, piece));
    }

    /// Turns the loop until there is nothing to do, which must come.
    fn settle(&mut self) {
        for _ in 0..TURNS {
            let worked = self.host.turn(self.clock.get());
            self.check_bounds();
            if self.reads {
                self.read(usize::MAX);
            }
            if !worked {
                return self.check_idle();
            }
        }
        panic!("the loop does not come to rest");
    }

    /// Seconds, but no longer than there is a connection.
    fn let_time_pass(&mut self, seconds: usize) {
        for _ in 0..seconds {
            self.settle();
            if self.connections(|all| all.is_empty()) {
                return;
            }
            self.wind(Duration::from_secs(1));
        }
        self.settle();
    }

    fn check_bounds(&mut self) {
        let (id, fed) = (self.id, self.fed);
        let state = self.host.engine().core.state.borrow();
        let Some(slot) = state.slots.get(id) else { return };
        let queued = slot.queued();
        let by_permit = queued - slot.counted();
        assert!(by_permit <= crate::cork::CORK + BIGGEST, "{by_permit} bytes by permit");
        let most = LIMITS.queue_bytes + crate::cork::CORK + BIGGEST + SLACK;
        assert!(slot.counted() <= most, "{queued} bytes are queued");
        let pauses = state.limits.overflow == Overflow::Pause && state.is_open(id);
        let over = pauses && slot.counted() >= LIMITS.queue_bytes;
        assert!(!over || slot.holds_back(), "reading goes on while {queued} bytes wait");
        let kept = slot.cold.as_ref().map_or(0, |cold| cold.leftover.len());
        assert!(kept <= BUFFER + fed, "{kept} bytes of input are kept");
        let held = match &slot.phase {
            Phase::WebSocket(ws) => ws.reader.held_bytes(),
            Phase::Request(Some(head)) => head.bytes.len(),
            Phase::Request(None)
            | Phase::Vacant { .. }
            | Phase::Dialing(_)
            | Phase::Attempt { .. }
            | Phase::Tunnel(_)
            | Phase::Answer(_)
            | Phase::Waiting(_)
            | Phase::Exchange(_)
            | Phase::Draining => 0,
        };
        assert!(held <= BIGGEST + 125, "{held} bytes of a message are held");
        assert!(!slot.flags.has(Flags::PERMIT), "a permit is left over");
    }

    /// When nothing is to be done, nothing waits that could go on.
    fn check_idle(&mut self) {
        let id = self.id;
        let state = self.host.engine().core.state.borrow();
        let Some(slot) = state.slots.get(id) else { return };
        let desired = slot.desired(state.announce_writes);
        let has = |flag| slot.flags.has(flag);
        let told = slot.registered == Some(desired) || has(Flags::CHANGED);
        assert!(told, "watched for {:?} instead of {desired:?}", slot.registered);
        assert!(!has(Flags::FULL) || slot.queued() > 0, "full, but empty");
        let waits = slot.queued() > 0 || state.announce_writes; // for the socket
        assert!(!has(Flags::WANTS) || waits, "writable was asked for in vain");
        assert!(!has(Flags::DOOMED) && !has(Flags::DIRTY), "an end, or output, was forgotten");
        let kept = slot.cold.as_ref().is_some_and(|cold| !cold.leftover.is_empty());
        let waits = match &slot.phase {
            Phase::Exchange(_) | Phase::Waiting(_) => true,
            Phase::WebSocket(_) => slot.holds_back(),
            Phase::Request(_)
            | Phase::Vacant { .. }
            | Phase::Dialing(_)
            | Phase::Attempt { .. }
            | Phase::Tunnel(_)
            | Phase::Answer(_)
            | Phase::Draining => false,
        };
        assert!(!kept || waits, "input is kept for nothing");
    }

    /// Lets everything come to its end: the deadlines first, then a shutdown.
    fn end(mut self) -> u64 {
        self.reads = self.script.has(Script::READS_LAST);
        if self.script.has(Script::LEAVES) {
            self.read(usize::MAX);
            self.peer = None;
        }
        self.let_time_pass(6);
        self.handle.shutdown();
        self.let_time_pass(9);
        let left = self.connections(|all| all.len());
        assert_eq!(left, 0, "connections left after all deadlines");
        self.host.check_rest();
        self.read(usize::MAX);
        self.ledger.check_end();
        wire::check(&self.output, &self.ledger, self.script);
        self.ledger.note(Fact::Sent(self.output.len().checked_ilog2().unwrap_or_default() / 2));
        self.ledger.fingerprint()
    }
}

fn open_host(script: &Script<'_>, builder: Builder) -> Host {
    if script.has(Script::EXTERNAL) {
        let context = builder.build_external().expect("a context");
        Host::external(context, script.has(Script::LIES))
    } else {
        Host::built_in(builder.build().expect("a context"))
    }
}

/// A client's connection whose request has just gone out, without the network before it; and the
/// request's key.
fn dialled(
    engine: &mut Engine,
    socket: OwnedFd,
    index: u16,
    script: &Script<'_>,
) -> (ConnId, String) {
    let offer = script.compression().map(|options| options.offer());
    let wanted = ClientRequest {
        host: "a",
        target: "/",
        extensions: offer.as_deref(),
        ..ClientRequest::default()
    };
    let hello = ClientHello::new(NONCE, &wanted).expect("a good request");
    let (key, mut request) = (hello.key().to_owned(), Vec::new());
    hello.write_to(&mut request);
    let protocol = crate::ProtocolId(index);
    let answering = Answering::to(hello, protocol);
    let state = engine.core.state.get_mut();
    let id = state.insert(Phase::Answer(Box::new(answering)), Some(socket));
    let slot = state.slots.at_mut(id.index);
    slot.flags.set(Flags::CLIENT);
    slot.protocol = index;
    state.arm(id, Deadline::Handshake);
    state.put(id, &[], &request);
    state.review(id);
    (id, key)
}
