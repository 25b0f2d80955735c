//! The server under test, in the test's own thread, turned by hand: in its own loop and as part
//! of other loops of several habits.

use sockeye::tls::ServerTls;
use sockeye::{
    Builder, BuiltIn, Change, Connections, Context, External, Handle, Interest, Readiness, Turn,
};
use sockeye_sys::{Events, Poller};
use sockeye_testkit::{Clock, Peer};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Whose loop it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The library's own.
    BuiltIn,
    /// Another's, which calls `ready` for each event and `tick` when that is due.
    External,
    /// Another's, which only ever calls `ready`.
    Tickless,
    /// Another's, which takes one event from each wait.
    OneByOne,
    /// The library's own, called only when the context as one descriptor says so.
    Nested,
}

/// Runs a test in every mode.
pub(crate) fn in_every_mode(test: impl Fn(Mode)) {
    for mode in [Mode::BuiltIn, Mode::External, Mode::Tickless, Mode::OneByOne, Mode::Nested] {
        if mode == Mode::Nested && !CAN_NEST {
            continue;
        }
        println!("in mode {mode:?}"); // shown if the test fails
        test(mode);
    }
}

/// Whether a context with a loop of its own is a descriptor.
pub(crate) const CAN_NEST: bool = cfg!(all(target_os = "linux", not(sockeye_poll_backend)));

/// Far longer than anything takes that is going to happen at all.
const PATIENCE: Duration = Duration::from_secs(60);

/// A listening context, and the clock it lives by.
pub(crate) struct World {
    server: RefCell<Server>,
    pub(crate) clock: Clock,
    pub(crate) handle: Handle,
    pub(crate) address: SocketAddr,
    /// Turns in which something was done.
    worked: Cell<usize>,
}

enum Server {
    BuiltIn(Context<BuiltIn>),
    Nested(Context<BuiltIn>),
    External(Host),
}

impl World {
    /// Time stands still until the test winds the clock.
    pub(crate) fn new(mode: Mode, builder: Builder) -> Rc<Self> {
        let clock = Clock::new();
        let reading = clock.reading();
        Self::over(mode, builder.clock(clock.reading()), None, clock, reading)
    }

    /// The same, at a port for TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn secure(mode: Mode, builder: Builder, tls: &ServerTls) -> Rc<Self> {
        let clock = Clock::new();
        let reading = clock.reading();
        Self::over(mode, builder.clock(clock.reading()), Some(tls), clock, reading)
    }

    /// Time passes as it does.
    pub(crate) fn in_real_time(mode: Mode, builder: Builder) -> Rc<Self> {
        Self::over(mode, builder, None, Clock::new(), Instant::now)
    }

    fn over(
        mode: Mode,
        builder: Builder,
        tls: Option<&ServerTls>,
        clock: Clock,
        now: impl Fn() -> Instant + 'static,
    ) -> Rc<Self> {
        let (server, handle, address) = if matches!(mode, Mode::BuiltIn | Mode::Nested) {
            let mut context = builder.build().expect("a context");
            let address = listen(&mut context, tls);
            let handle = context.handle();
            let nested = mode == Mode::Nested;
            let server = if nested { Server::Nested(context) } else { Server::BuiltIn(context) };
            (server, handle, address)
        } else {
            let mut context = builder.build_external().expect("a context");
            let address = listen(&mut context, tls);
            let handle = context.handle();
            (Server::External(Host::new(context, mode, now)), handle, address)
        };
        Rc::new(Self { server: RefCell::new(server), clock, handle, address, worked: Cell::new(0) })
    }

    /// What gives this server its turns.
    pub(crate) fn turns(self: &Rc<Self>) -> Rc<dyn Fn()> {
        let world = Rc::clone(self);
        Rc::new(move || world.pump())
    }

    /// A TCP connection to this server.
    pub(crate) fn peer(self: &Rc<Self>) -> Peer {
        Peer::connect(self.address, self.turns())
    }

    /// An open WebSocket at `/`.
    pub(crate) fn client(self: &Rc<Self>) -> Peer {
        let mut peer = self.peer();
        peer.upgrade("/", &[]);
        peer
    }

    /// One turn of the loop, without waiting.
    pub(crate) fn turn(&self) -> Turn {
        self.turn_within(Duration::ZERO)
    }

    /// One turn of the loop, which may wait so long for something to do.
    pub(crate) fn turn_within(&self, most: Duration) -> Turn {
        let turn = match &mut *self.server.borrow_mut() {
            Server::BuiltIn(context) => context.service(most).expect("the loop goes on"),
            Server::Nested(context) if !is_readable(context, most) => Turn::Idle,
            Server::Nested(context) => {
                context.service(Duration::ZERO).expect("the loop goes on");
                Turn::Worked
            }
            Server::External(host) => host.turn(most),
        };
        self.worked.set(self.worked.get() + usize::from(turn == Turn::Worked));
        turn
    }

    /// Turns until there is nothing to do, or what there is does not end.
    pub(crate) fn pump(&self) {
        for _ in 0..100 {
            if self.turn() == Turn::Idle {
                return;
            }
        }
    }

    /// Turns until something is so.
    pub(crate) fn until(&self, what: &str, so: impl Fn() -> bool) {
        let began = Instant::now();
        while !so() {
            self.turn_within(Duration::from_millis(5));
            assert!(began.elapsed() < PATIENCE, "{what}: in vain");
        }
    }

    /// Lets time pass, and the server do what is due then.
    pub(crate) fn wind(&self, by: Duration) {
        self.clock.wind(by);
        self.handle.wake();
        self.pump();
    }

    /// How many turns find something to do while the outside does nothing.
    pub(crate) fn turns_while_idle(&self) -> usize {
        self.pump();
        let before = self.worked.get();
        for _ in 0..10 {
            self.turn_within(Duration::from_millis(2));
        }
        self.worked.get() - before
    }

    /// Whether the loop comes to rest although a pipe is choked, through which the system may
    /// still press a little.
    pub(crate) fn settles(&self) -> bool {
        (0..100).any(|_| self.turns_while_idle() == 0)
    }

    /// All connections, between callbacks.
    pub(crate) fn connections<R>(&self, ask: impl FnOnce(Connections<'_>) -> R) -> R {
        match &mut *self.server.borrow_mut() {
            Server::BuiltIn(context) | Server::Nested(context) => ask(context.connections()),
            Server::External(host) => ask(host.context.connections()),
        }
    }

    /// Turns until so many connections are left.
    pub(crate) fn until_connections(&self, count: usize) {
        self.until("the number of connections", || self.connections(|all| all.len()) == count);
    }

    pub(crate) fn is_finished(&self) -> bool {
        match &*self.server.borrow() {
            Server::BuiltIn(context) | Server::Nested(context) => context.is_finished(),
            Server::External(host) => host.context.is_finished(),
        }
    }
}

fn listen<Mode>(context: &mut Context<Mode>, tls: Option<&ServerTls>) -> SocketAddr {
    let at = "127.0.0.1:0";
    let listening = match tls {
        None => context.listen(at),
        Some(tls) => context.listen_tls(at, tls),
    };
    listening.expect("a listener")
}

/// Whether the context as one descriptor becomes readable in this time.
#[cfg(all(target_os = "linux", not(sockeye_poll_backend)))]
pub(crate) fn is_readable(context: &Context<BuiltIn>, within: Duration) -> bool {
    use std::os::fd::AsFd;

    let (mut poller, mut events) = (Poller::new().expect("a poller"), Events::new());
    poller.add(context.as_fd(), 0, Interest::READ).expect("it can be watched");
    poller.wait(&mut events, Some(within)).expect("a wait");
    !events.is_empty()
}

#[cfg(not(all(target_os = "linux", not(sockeye_poll_backend))))]
fn is_readable(_: &Context<BuiltIn>, _: Duration) -> bool {
    unreachable!("see CAN_NEST")
}

/// Another's poll loop with a context in it. Checks what it is told as it goes along.
pub(crate) struct Host {
    pub(crate) context: Context<External>,
    /// What `changes` have said.
    watched: HashMap<RawFd, Interest>,
    mode: Mode,
    now: Box<dyn Fn() -> Instant>,
    /// Where the one that takes one event looks first.
    first: usize,
}

impl Host {
    pub(crate) fn new(
        context: Context<External>,
        mode: Mode,
        now: impl Fn() -> Instant + 'static,
    ) -> Self {
        Self { context, watched: HashMap::new(), mode, now: Box::new(now), first: 0 }
    }

    pub(crate) fn turn(&mut self, most: Duration) -> Turn {
        self.apply_changes();
        let timeout = self.timeout(most);
        let ready = self.wait(timeout);
        let mut turn = if ready.is_empty() { Turn::Idle } else { Turn::Worked };
        for (fd, readiness) in ready {
            self.context.ready(fd, readiness).expect("the loop goes on");
            self.apply_changes();
        }
        let now = (self.now)();
        let due = self.context.deadline().is_some_and(|at| at <= now);
        if due && self.mode != Mode::Tickless {
            self.context.tick(now).expect("the loop goes on");
            turn = Turn::Worked;
        }
        turn
    }

    fn timeout(&self, most: Duration) -> Duration {
        match self.context.deadline() {
            Some(at) if self.mode != Mode::Tickless => {
                most.min(at.saturating_duration_since((self.now)()))
            }
            Some(_) | None => most,
        }
    }

    /// What `poll(2)` with all that is watched gives.
    fn wait(&mut self, timeout: Duration) -> Vec<(RawFd, Readiness)> {
        let (mut poller, mut events) = (Poller::new().expect("a poller"), Events::new());
        let watched = self.context.watched();
        let mut fds = Vec::new();
        for (token, (fd, interest)) in watched.into_iter().enumerate() {
            poller.add(fd, token as u64, interest).expect("it can be watched");
            fds.push(fd.as_raw_fd());
        }
        poller.wait(&mut events, Some(timeout)).expect("a wait");
        let found = events.iter().map(|(token, readiness)| (fds[token as usize], readiness));
        let mut found: Vec<_> = found.collect();
        found.sort_unstable_by_key(|&(fd, _)| fd);
        if self.mode == Mode::OneByOne && !found.is_empty() {
            self.first = (self.first + 1) % found.len();
            found.swap(0, self.first);
            found.truncate(1);
        }
        found
    }

    pub(crate) fn apply_changes(&mut self) {
        for change in self.context.changes() {
            match change {
                Change::Watch(fd, interest) => {
                    let before = self.watched.insert(fd, interest);
                    assert_ne!(before, Some(interest), "{change:?} says nothing new");
                }
                Change::Forget(fd) => {
                    assert!(self.watched.remove(&fd).is_some(), "{change:?} was never watched");
                }
            }
        }
        let all = self.context.watched();
        let all: HashMap<RawFd, Interest> =
            all.into_iter().map(|(fd, interest)| (fd.as_raw_fd(), interest)).collect();
        assert_eq!(all, self.watched, "all that is watched, and the sum of the changes");
    }
}
