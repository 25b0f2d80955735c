//! Putting a context together.

use crate::buffer::ReceiveBuffer;
use crate::capacity::connection_limit;
use crate::config::Limits;
use crate::context::{BuiltIn, Context, External};
use crate::engine::Engine;
use crate::handle::{Inbox, Key};
use crate::handshake::{Proxies, Route, Router};
use crate::heartbeat::Heartbeat;
use crate::http::Http;
use crate::http_service::{Handler, HttpService};
use crate::latency::Latency;
use crate::listen::{AcceptFilter, Listeners};
use crate::protocol::Protocol;
use crate::registered::{Registered, Service};
use crate::state::{Core, ProtocolId, Registration, State};
use crate::tcp::TcpOptions;
use crate::tls::Workers;
use sockeye_proto::handshake::OriginPolicy;
use sockeye_proto::{DeflateOptions, Deflaters, Role, Rules};
use sockeye_sys::{Address, Attention, SendBatch, TcpKeepalive};
use std::cell::RefCell;
use std::io;
use std::marker::PhantomData;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where the loop takes the time from.
pub(crate) type Clock = Rc<dyn Fn() -> Instant>;

/// Puts a [`Context`] together: protocols, HTTP handler, limits, policies.
///
/// ```
/// use sockeye::{Context, Limits, OriginPolicy};
///
/// let context = Context::builder()
///     .limits(Limits { message_bytes: 64 << 20, ..Limits::default() })
///     .origins(OriginPolicy::List(vec!["https://example.com".into()]))
///     .build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Builder {
    context: u64,
    services: Vec<Box<dyn Service>>,
    registrations: Vec<(Registration, Route)>,
    http: Option<Box<dyn HttpService>>,
    limits: Limits,
    tcp: TcpOptions,
    origins: OriginPolicy,
    proxies: Proxies,
    filter: Option<AcceptFilter>,
    deflate: Option<DeflateOptions>,
    clock: Clock,
    buffer: usize,
    announce_writes: bool,
    io_uring: bool,
    tls_workers: usize,
    heartbeat: Option<Heartbeat>,
    check_utf8: bool,
    lenient_requests: bool,
}

impl Builder {
    pub(crate) fn new() -> Self {
        static CONTEXTS: AtomicU64 = AtomicU64::new(0);
        Self {
            context: CONTEXTS.fetch_add(1, Ordering::Relaxed),
            services: Vec::new(),
            registrations: Vec::new(),
            http: None,
            limits: Limits::default(),
            tcp: TcpOptions::default(),
            origins: OriginPolicy::default(),
            proxies: Proxies::default(),
            filter: None,
            deflate: Some(DeflateOptions::default()),
            clock: Rc::new(Instant::now),
            buffer: 512 << 10,
            announce_writes: false,
            io_uring: true,
            tls_workers: 0,
            heartbeat: None,
            check_utf8: true,
            lenient_requests: false,
        }
    }

    /// Registers a protocol for handshakes that offer its name, whatever their path. One that
    /// offers no subprotocol goes to the first protocol registered this way.
    pub fn protocol<P: Protocol>(mut self, protocol: P) -> Self {
        self.register(protocol);
        self
    }

    /// Registers a protocol for handshakes to this path, whatever they offer.
    pub fn protocol_at<P: Protocol>(mut self, path: impl Into<String>, protocol: P) -> Self {
        self.register_at(path, protocol);
        self
    }

    /// Registers a protocol for handshakes that no other takes; it agrees to whatever subprotocol
    /// the client likes best.
    pub fn protocol_for_any<P: Protocol>(mut self, protocol: P) -> Self {
        self.add(protocol, Route::Any);
        self
    }

    /// Registers a protocol for handshakes that offer no subprotocol and go to no other by their
    /// path, in place of the first one registered by name. Gives the key by which others reach it.
    pub fn register_unnamed<P: Protocol>(&mut self, protocol: P) -> Key<P> {
        self.add(protocol, Route::Unnamed)
    }

    /// Like [`protocol`](Self::protocol); gives the key by which others reach it.
    pub fn register<P: Protocol>(&mut self, protocol: P) -> Key<P> {
        self.add(protocol, Route::Name)
    }

    /// Like [`protocol_at`](Self::protocol_at); gives the key by which others reach it.
    pub fn register_at<P: Protocol>(&mut self, path: impl Into<String>, protocol: P) -> Key<P> {
        self.add(protocol, Route::Path(path.into()))
    }

    /// Handles requests that are not handshakes. Without it they get 426.
    pub fn http<H: Http>(mut self, http: H) -> Self {
        self.http = Some(Box::new(Handler::new(http)));
        self
    }

    /// Sets the limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets TCP look after silent connections, accepted and opened (manual, "TCP Keepalive"); off
    /// by default, since [`Limits::ping_after`] finds out more: that the peer's program lives too.
    /// For connections on which pings are switched off, or that the peer's program may leave alone
    /// for long. A connection that fails so ends with [`Cause::Broken`](crate::Cause::Broken).
    ///
    /// ```
    /// use sockeye::{Context, TcpKeepalive};
    /// use std::time::Duration;
    ///
    /// let time = Duration::from_secs(20);
    /// let context =
    ///     Context::builder().tcp_keepalive(TcpKeepalive { time, ..Default::default() }).build()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tcp_keepalive(mut self, keepalive: impl Into<Option<TcpKeepalive>>) -> Self {
        self.tcp.keepalive = keepalive.into();
        self
    }

    /// Ends connections whose peer acknowledges or takes nothing of what was sent for so long
    /// (`TCP_USER_TIMEOUT`, RFC 5482), and bounds how long TCP tries to connect. By default it is
    /// the system's bound, a quarter of an hour or so. Counted in milliseconds, at most 24 days;
    /// where the system has no such option, [`build`](Self::build) fails. Together with
    /// [`tcp_keepalive`](Self::tcp_keepalive) it also takes the place of the number of probes
    /// (tcp(7)).
    pub fn tcp_user_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.tcp.user_timeout = timeout.into();
        self
    }

    /// Sets which browsers' pages may connect. The default admits pages of the server's own host
    /// and port, and clients that are no browsers.
    pub fn origins(mut self, origins: OriginPolicy) -> Self {
        self.origins = origins;
        self
    }

    /// Takes the word of reverse proxies at these addresses on which host a browser asked for:
    /// `X-Forwarded-Host`, or a `Host` that has lost its port. For those that connect to Unix
    /// sockets see [`trusted_unix_proxies`](Self::trusted_unix_proxies).
    pub fn trusted_proxies(mut self, proxies: impl IntoIterator<Item = IpAddr>) -> Self {
        self.proxies.ips = proxies.into_iter().collect();
        self
    }

    /// Takes the word of whoever connects to a Unix socket on that too: for a reverse proxy that
    /// reaches the server by one which nobody else may write to. Not by default.
    pub fn trusted_unix_proxies(mut self, yes: bool) -> Self {
        self.proxies.unix = yes;
        self
    }

    /// Sets how messages are compressed (permessage-deflate, RFC 7692); `None` turns it off. By
    /// default it is negotiated without context takeover, so that idle connections hold nothing
    /// for it.
    pub fn compression(mut self, options: impl Into<Option<DeflateOptions>>) -> Self {
        self.deflate = options.into();
        self
    }

    /// Looks at each new connection's descriptor and peer before a byte is read; `false` closes
    /// it. Who is behind a Unix socket, [`peer_credentials`](crate::peer_credentials) tells.
    pub fn accept_filter(
        mut self,
        filter: impl FnMut(BorrowedFd<'_>, &Address) -> bool + 'static,
    ) -> Self {
        self.filter = Some(Box::new(filter));
        self
    }

    /// Sets the size of the loop's one receive buffer, in bytes: 512 KiB by default, 4 KiB at
    /// least, 1 GiB at most. A message that comes whole in one read is not copied, and of the
    /// buffer only what reads have filled takes memory. Also what a paused connection may keep.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes.clamp(4 << 10, 1 << 30);
        self
    }

    /// Hands the handshakes of TLS to so many threads of their own, at most, and takes the
    /// connections back when they are done; 0, the default, has them on the loop. One costs a
    /// fraction of a millisecond of computing, and several with an RSA key: worth it where many
    /// come at a time while others must not wait.
    pub fn tls_workers(mut self, threads: usize) -> Self {
        self.tls_workers = threads;
        self
    }

    /// Takes the time from `clock`, which tests can wind.
    pub fn clock(mut self, clock: impl Fn() -> Instant + 'static) -> Self {
        self.clock = Rc::new(clock);
        self
    }

    /// Registers write interest with the poll loop for every `writable` asked for, for hosts that
    /// count on seeing it. Without this, none is registered until a write comes up short.
    pub fn announce_writes(mut self, yes: bool) -> Self {
        self.announce_writes = yes;
        self
    }

    /// Whether what several connections are sent in a turn may leave by one call of io_uring(7),
    /// as it does by default where the kernel allows it (Linux 5.6 and later) and the feature
    /// `io-uring` is on. Else it leaves by one call of send(2) for each. A filter of system calls
    /// that refuses io_uring does no harm; one that ends processes for it (seccomp(2)) needs this.
    pub fn io_uring(mut self, yes: bool) -> Self {
        self.io_uring = yes;
        self
    }

    /// Calls `beat` as soon as the loop turns, and then about every `every` (1 ms at least), as
    /// long as it turns: a callback that does not return holds it up. For watchdogs, as
    /// [`systemd::beat`](crate::systemd::beat), and for counting.
    pub fn heartbeat(mut self, every: Duration, beat: impl FnMut() + 'static) -> Self {
        self.heartbeat = Some(Heartbeat::new(every, Box::new(beat)));
        self
    }

    /// Whether text that is received must be UTF-8 (RFC 6455 §8.1); it must by default. Without
    /// this, a text [`Message`](crate::Message) that is not gives `None` for its text.
    pub fn check_utf8(mut self, yes: bool) -> Self {
        self.check_utf8 = yes;
        self
    }

    /// Whether requests are also taken that today's HTTP refuses, as some programs of long ago
    /// send them: HTTP/1.1 without `Host`, and targets that begin with no `/`. Not by default.
    pub fn lenient_requests(mut self, yes: bool) -> Self {
        self.lenient_requests = yes;
        self
    }

    /// A context with a loop of its own.
    pub fn build(self) -> io::Result<Context<BuiltIn>> {
        let (engine, attention, clock) = self.assemble(false)?;
        Context::built_in(engine, attention, clock)
    }

    /// A context for a loop of the application's.
    pub fn build_external(self) -> io::Result<Context<External>> {
        let (engine, attention, clock) = self.assemble(true)?;
        Ok(Context::external(engine, attention, clock))
    }

    fn add<P: Protocol>(&mut self, mut protocol: P, route: Route) -> Key<P> {
        let id = ProtocolId(self.services.len() as u16);
        let key = Key { id, context: self.context, marker: PhantomData };
        protocol.registered(key);
        let rules = |role| Rules { streaming: P::STREAMING, ..Rules::new(role) };
        let registration = Registration {
            name: protocol.name().to_owned(),
            server: rules(Role::Server),
            client: rules(Role::Client),
        };
        self.registrations.push((registration, route));
        self.services.push(Box::new(Registered::new(protocol, id)));
        key
    }

    fn assemble(self, external: bool) -> io::Result<(Engine, Attention, Clock)> {
        if self.registrations.len() >= usize::from(u16::MAX) {
            return Err(io::Error::other("too many protocols"));
        }
        self.tcp.check()?;
        let attention = Attention::new()?;
        let inbox = Inbox::new(attention.waker(), self.limits.notices, self.context);
        let mut limits = self.limits;
        limits.connections = Some(connection_limit(limits.connections)?);
        limits.queue_bytes = limits.queue_bytes.max(1); // room for none would hold for ever
        let (mut registrations, mut routes) = (Vec::new(), Vec::new());
        for (mut registration, route) in self.registrations {
            for rules in [&mut registration.server, &mut registration.client] {
                rules.message_bytes = limits.message_bytes;
                rules.fragments = limits.fragments;
                rules.check_utf8 = self.check_utf8;
            }
            routes.push((registration.name.clone(), route));
            registrations.push(registration);
        }
        let (origins, proxies) = (self.origins, self.proxies);
        let router = Router { routes, origins, proxies };
        let latency = Rc::new(Latency::new(Rc::clone(&self.clock), limits.latency));
        let now = (self.clock)();
        let listeners = Listeners::new(self.filter);
        let buffer = ReceiveBuffer::new(self.buffer);
        let workers = Workers::new(self.tls_workers, &inbox);
        let deflaters = self.deflate.map(|options| Box::new(Deflaters::new(&options)));
        // From here on nothing can fail, so there is nothing to be taken apart again.
        let mut state = State::new(limits, registrations.len(), &inbox, &latency, now);
        state.tcp = self.tcp;
        state.deflaters = deflaters;
        state.sealing.workers = workers;
        state.announce_writes = self.announce_writes;
        state.batch = SendBatch::new(self.io_uring);
        state.lenient_requests = self.lenient_requests;
        state.announce_forgets = external || cfg!(sockeye_poll_backend);
        let core = Core { state: RefCell::new(state), registrations, inbox };
        let mut engine = Engine::new(core, self.services, self.http, router, listeners, buffer);
        engine.heartbeat = self.heartbeat;
        Ok((engine, attention, self.clock))
    }
}
