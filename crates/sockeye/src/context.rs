//! A context: the loop, with its own wait or as part of another's.

use crate::builder::{Builder, Clock};
use crate::daemon::Home;
use crate::engine::Engine;
use crate::handle::Handle;
use crate::heartbeat::Heartbeat;
use crate::lent::Connections;
use crate::listen::BATCH;
use crate::place::{Listen, Opened, open_all};
use crate::poll::Change;
use crate::slots::ConnId;
use crate::state::earliest;
use crate::tcp::TcpOptions;
use crate::tls::ServerTls;
use crate::watch::{self, Watched};
use sockeye_sys::{Address, Attention, Events, Interest, ListenOptions, Poller, Readiness};
use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

/// All connections of a set of protocols, on one thread.
///
/// With [`BuiltIn`] it waits by itself: [`run`](Self::run). With [`External`] it is part of any
/// poll loop: [`changes`](Self::changes), [`ready`](Self::ready).
///
/// A context stays on the thread that made it; its [`Handle`] goes to all others. It also stays in
/// its process: after a fork the copy in the child refuses to serve, because the kernel's objects
/// behind it are still the parent's.
pub struct Context<Mode = BuiltIn> {
    engine: Engine,
    attention: Attention,
    clock: Clock,
    pub(crate) mode: Mode,
    /// What the attention descriptor's alarm is set to.
    alarm: Option<Instant>,
    home: Home,
    /// Neither `Send` nor `Sync`.
    marker: PhantomData<*const ()>,
}

/// The mode of a context that waits by itself.
pub struct BuiltIn {
    pub(crate) poller: Poller,
    pub(crate) watched: Watched,
    events: Events,
    /// What was due next when it last waited.
    awaited: Option<Instant>,
    /// Someone watches the context as a whole, so its descriptor must tell of deadlines.
    exported: Cell<bool>,
}

/// The mode of a context that is part of another loop.
pub struct External {
    attention_announced: bool,
}

/// What a turn of the loop found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing was to be done.
    Idle,
    /// Something was done; there may be more.
    Worked,
}

/// The tokens of the poller that are no connection's. A connection's generation would have to
/// wrap to reach them.
const ATTENTION: u64 = u64::MAX;
const LISTENERS: u64 = u64::MAX - (1 << 20);

/// The built-in loop accepts one connection in a turn, and one more for so many descriptors that
/// are ready beside: each is answered while the kernel's part of it is still in the processor's
/// caches, and where turns are long, newcomers do not wait for many.
const OTHERS: usize = 16;

/// How many connections are accepted in a turn in which so many descriptors are ready. Where each
/// turn looks at all descriptors anew, as poll(2) does, turns are not made more than they must be.
fn to_accept(ready: usize) -> usize {
    let looks_at_all = Poller::CHANGING.is_none();
    if looks_at_all { BATCH } else { 1 + ready / OTHERS }
}

impl Context {
    /// Begins to put a context together.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<Mode> Context<Mode> {
    /// Listens at an IP address; with port 0 the system picks one. Returns the address it is at;
    /// where a name has several, all are listened at and the first is returned.
    /// [`listen_at`](Self::listen_at) knows other places.
    pub fn listen(&mut self, address: impl ToSocketAddrs) -> io::Result<SocketAddr> {
        let all: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        self.listen_with(&all, None)
    }

    /// Listens for TLS (`wss://`, `https://`) at an address, like [`listen`](Self::listen). Plain
    /// HTTP requests that come there are redirected to `https://`, plain WebSocket handshakes get
    /// 400.
    pub fn listen_tls(
        &mut self,
        address: impl ToSocketAddrs,
        tls: &ServerTls,
    ) -> io::Result<SocketAddr> {
        let all: Vec<SocketAddr> = address.to_socket_addrs()?.collect();
        self.listen_with(&all, Some(tls))
    }

    fn listen_with(
        &mut self,
        all: &[SocketAddr],
        tls: Option<&ServerTls>,
    ) -> io::Result<SocketAddr> {
        let first = self.add(open_all(all, &ListenOptions::default(), &self.tcp())?, tls)?;
        let first = first.first().and_then(Address::ip);
        first.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }

    /// Listens at a place of any kind. Returns the addresses it is at: one, or those of the
    /// network interface.
    ///
    /// # Errors
    ///
    /// With the address in the text: `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`,
    /// `NotFound` for an interface that does not exist, and whatever else the system says.
    pub fn listen_at(&mut self, place: &Listen) -> io::Result<Vec<Address>> {
        self.add(place.open(&self.tcp())?, place.security())
    }

    /// Listens at a socket that was made elsewhere: a `TcpListener`, a `UnixListener`, one that a
    /// service manager has [handed over](crate::systemd::sockets). It is made non-blocking. The
    /// file of a Unix socket is not removed with the context.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is no stream socket that listens, TCP or Unix; the text says what it
    /// is instead.
    pub fn listen_on(&mut self, socket: impl Into<OwnedFd>) -> io::Result<Address> {
        self.home.check()?;
        self.engine.core.inbox.wake();
        self.engine.listeners.adopt(socket.into(), None)
    }

    /// Listens for TLS at a socket that was made elsewhere, like [`listen_on`](Self::listen_on).
    pub fn listen_tls_on(
        &mut self,
        socket: impl Into<OwnedFd>,
        tls: &ServerTls,
    ) -> io::Result<Address> {
        self.home.check()?;
        self.engine.core.inbox.wake();
        self.engine.listeners.adopt(socket.into(), Some(tls))
    }

    /// The most connections at a time: [`Limits::connections`](crate::Limits::connections), or
    /// what the descriptor limit left when the context was built.
    pub fn capacity(&self) -> usize {
        self.engine.core.state.borrow().limits.connections.unwrap_or(usize::MAX)
    }

    /// The addresses listened at.
    pub fn addresses(&self) -> Vec<Address> {
        self.engine.listeners.addresses()
    }

    fn tcp(&self) -> TcpOptions {
        self.engine.core.state.borrow().tcp.clone()
    }

    fn add(&mut self, opened: Vec<Opened>, tls: Option<&ServerTls>) -> io::Result<Vec<Address>> {
        self.home.check()?;
        self.engine.core.inbox.wake();
        self.engine.listeners.add(opened, tls)
    }

    /// What other threads reach the context by.
    pub fn handle(&self) -> Handle {
        Handle { inbox: self.engine.core.inbox.clone() }
    }

    /// All connections, between callbacks.
    pub fn connections(&mut self) -> Connections<'_> {
        self.engine.core.state.get_mut().set_now((self.clock)());
        Connections::new(&self.engine.core)
    }

    /// What is inside, for those who check it.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn engine(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Whether a shutdown is complete: nothing is listened at and no connection is left.
    pub fn is_finished(&self) -> bool {
        let state = self.engine.core.state.borrow();
        state.stopping && state.slots.live() == 0
    }

    /// When the clock must be looked at next; now if there is work.
    fn next_deadline(&self) -> Option<Instant> {
        let state = self.engine.core.state.borrow();
        if state.has_pending_work() {
            return Some(state.now);
        }
        let retry = self.engine.listeners.retry_at();
        let beat = self.engine.heartbeat.as_ref().map(Heartbeat::due);
        let first = earliest(&[state.next_deadline(), retry, beat]);
        first.and_then(|at| state.began.checked_add(Duration::from_nanos(at)))
    }

    fn new(engine: Engine, attention: Attention, clock: Clock, mode: Mode) -> Self {
        let (alarm, home) = (None, Home::here());
        Self { engine, attention, clock, mode, alarm, home, marker: PhantomData }
    }

    /// Makes the attention descriptor readable when there will be something to do.
    fn set_alarm(&mut self) -> io::Result<()> {
        let deadline = self.next_deadline();
        if deadline != self.alarm {
            self.alarm = deadline;
            let now = self.engine.core.state.borrow().now;
            let after = deadline.map(|deadline| deadline.saturating_duration_since(now));
            self.attention.set_alarm(after)?;
        }
        Ok(())
    }

    /// Takes note of what made the attention descriptor readable.
    fn heed(&mut self) -> io::Result<()> {
        self.alarm = None;
        self.attention.drain()
    }
}

impl Context<BuiltIn> {
    pub(crate) fn built_in(engine: Engine, attention: Attention, clock: Clock) -> io::Result<Self> {
        let mut poller = Poller::new()?;
        poller.add(attention.as_fd(), ATTENTION, Interest::READ)?;
        let (watched, events) = (Watched::default(), Events::new());
        let exported = Cell::new(false);
        let mode = BuiltIn { poller, watched, events, awaited: None, exported };
        Ok(Self::new(engine, attention, clock, mode))
    }

    /// Serves until [`Handle::shutdown`] and the end of the last connection after it.
    pub fn run(&mut self) -> io::Result<()> {
        while !self.is_finished() {
            self.service(None)?;
        }
        Ok(())
    }

    /// Waits for something to do, at most `timeout` (`None`: for ever), and does it (manual,
    /// `libwebsocket_service`).
    pub fn service(&mut self, timeout: impl Into<Option<Duration>>) -> io::Result<Turn> {
        self.home.check()?;
        self.apply_changes()?;
        let timeout = self.wait_at_most(timeout.into())?;
        self.mode.poller.wait(&mut self.mode.events, timeout)?;
        self.engine.enter((self.clock)());
        let (mut turn, mut heeded) = (Turn::Idle, false);
        for (token, readiness) in self.mode.events.iter() {
            turn = Turn::Worked;
            match token {
                ATTENTION => heeded = true,
                LISTENERS.. => {
                    let index = (token - LISTENERS) as usize;
                    let most = to_accept(self.mode.events.len());
                    self.engine.listeners.accept(index, most, self.engine.core.state.get_mut());
                }
                watch::FIRST_TOKEN.. => {
                    let index = (token - watch::FIRST_TOKEN) as usize;
                    let core = &self.engine.core;
                    self.mode.watched.ready(index, core, &mut self.mode.poller)?;
                }
                _ => self.engine.ready(ConnId::from_u64(token), readiness),
            }
        }
        self.engine.release();
        if heeded {
            self.heed()?;
        }
        self.engine.tick();
        if self.engine.work() {
            turn = Turn::Worked;
        }
        self.engine.leave();
        if self.mode.exported.get() {
            self.apply_changes()?;
            self.set_alarm()?;
        }
        Ok(turn)
    }

    /// How long to wait for a descriptor: `timeout`, or less if something is due before.
    ///
    /// A wait with an end sets a timer of the kernel's each time it blocks, which on a single
    /// connection is a twentieth of what a message costs. What is due is the same for many turns:
    /// from the second on the alarm is set for it, once, and the wait has no end.
    fn wait_at_most(&mut self, timeout: Option<Duration>) -> io::Result<Option<Duration>> {
        if timeout == Some(Duration::ZERO) {
            return Ok(timeout);
        }
        let Some(deadline) = self.next_deadline() else { return Ok(timeout) };
        if timeout.is_none() && self.alarm == Some(deadline) {
            return Ok(None);
        }
        let due = deadline.saturating_duration_since((self.clock)());
        let is_known = self.mode.awaited.replace(deadline) == Some(deadline);
        if is_known && timeout.is_none() && Attention::HAS_TIMER && !due.is_zero() {
            self.alarm = Some(deadline);
            self.attention.set_alarm(Some(due))?;
            return Ok(None);
        }
        Ok(Some(timeout.map_or(due, |timeout| timeout.min(due))))
    }

    /// Tells the poller what has changed: this is the external API's first client.
    fn apply_changes(&mut self) -> io::Result<()> {
        let (engine, poller) = (&mut self.engine, &mut self.mode.poller);
        let state = engine.core.state.get_mut();
        while let Some(fd) = state.forgotten.pop_front() {
            poller.remove(fd.as_fd())?;
            state.latency.call("close", None, || drop(fd));
        }
        while let Some((index, interest, known)) = engine.listeners.pop_changed() {
            if let Some(fd) = engine.listeners.fd(index) {
                tell(poller, fd, LISTENERS + index as u64, interest, known)?;
            }
        }
        while let Some((id, interest, known)) = state.pop_changed() {
            let Some(fd) = state.slots.get(id).and_then(|slot| slot.fd()) else { continue };
            let mut tell = || tell(poller, fd, id.as_u64(), interest, known);
            let told = match Poller::CHANGING {
                Some(call) => state.latency.call(call, Some(id), tell),
                None => tell(),
            };
            if let Err(error) = told {
                // The system has no room to watch it: that ends this connection, not the loop.
                state.doom(id, crate::By::Us, crate::Cause::Broken(error.kind()));
            }
        }
        Ok(())
    }
}

fn tell(
    poller: &mut Poller,
    fd: BorrowedFd<'_>,
    token: u64,
    interest: Interest,
    known: bool,
) -> io::Result<()> {
    if known { poller.modify(fd, token, interest) } else { poller.add(fd, token, interest) }
}

/// The context as one descriptor: readable exactly when `service(Duration::ZERO)` would do
/// something. An edge-triggered host clears its readiness only after that returned [`Turn::Idle`].
#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
impl AsFd for Context<BuiltIn> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        if !self.mode.exported.replace(true) {
            self.engine.core.inbox.wake(); // the next turn sets the alarm
        }
        self.mode.poller.as_fd()
    }
}

impl Context<External> {
    pub(crate) fn external(engine: Engine, attention: Attention, clock: Clock) -> Self {
        Self::new(engine, attention, clock, External { attention_announced: false })
    }

    /// What the loop must watch from now on, where it differs from before. To be drained after
    /// every call that can change it, and before every wait.
    ///
    /// Among the first is the context's own descriptor, which is readable exactly when there is
    /// something to do without a socket being ready; so a level-triggered loop that only ever
    /// calls [`ready`](Self::ready) cannot stall.
    pub fn changes(&mut self) -> Changes<'_> {
        Changes { context: self }
    }

    /// A watched descriptor is ready. Others than those watched are ignored, and `readiness` may
    /// say more than is true.
    pub fn ready(&mut self, fd: RawFd, readiness: Readiness) -> io::Result<()> {
        self.home.check()?;
        self.engine.core.state.get_mut().close_forgotten();
        self.engine.enter((self.clock)());
        if fd == self.attention.as_fd().as_raw_fd() {
            self.heed()?;
            self.engine.tick();
        } else if let Some(&id) = self.engine.core.state.get_mut().watched.get(fd as usize) {
            self.engine.ready(id, readiness);
        } else if let Some(index) = self.engine.listeners.position(fd) {
            self.engine.listeners.accept(index, BATCH, self.engine.core.state.get_mut());
        }
        self.finish_call()
    }

    /// When [`tick`](Self::tick) is due, if at all. Calling it then merely saves the context's own
    /// descriptor a wake-up.
    pub fn deadline(&self) -> Option<Instant> {
        self.next_deadline()
    }

    /// Does what is due at `now`.
    pub fn tick(&mut self, now: Instant) -> io::Result<()> {
        self.home.check()?;
        self.engine.core.state.get_mut().close_forgotten();
        self.engine.enter(now);
        self.engine.tick();
        self.finish_call()
    }

    /// Does what no descriptor announces, and sets the alarm for what comes next.
    fn finish_call(&mut self) -> io::Result<()> {
        self.engine.release();
        self.engine.work();
        self.engine.leave();
        self.set_alarm()
    }

    /// Everything that must be watched at present, in the form that safe system calls take: for
    /// loops that hand the whole set to each wait, as `poll(2)` does. Takes the
    /// [`changes`](Self::changes), which such loops need not look at.
    pub fn watched(&mut self) -> Vec<(BorrowedFd<'_>, Interest)> {
        while self.next_change().is_some() {}
        let mut all = Vec::new();
        if self.mode.attention_announced {
            all.push((self.attention.as_fd(), Interest::READ));
        }
        all.extend(self.engine.listeners.watched());
        all.extend(self.engine.core.state.get_mut().slots.watched());
        all
    }

    fn next_change(&mut self) -> Option<Change> {
        let state = self.engine.core.state.get_mut();
        state.close_forgotten();
        if !self.mode.attention_announced {
            self.mode.attention_announced = true;
            let fd = self.attention.as_fd().as_raw_fd();
            return Some(Change::Watch(fd, Interest::READ));
        }
        if let Some(change) = state.next_change() {
            return Some(change);
        }
        self.engine.listeners.next_change().map(|(_, change)| change)
    }
}

/// The changes of interest since they were last drained.
pub struct Changes<'c> {
    context: &'c mut Context<External>,
}

impl Iterator for Changes<'_> {
    type Item = Change;

    fn next(&mut self) -> Option<Change> {
        self.context.next_change()
    }
}

impl<Mode> Drop for Context<Mode> {
    fn drop(&mut self) {
        self.engine.core.inbox.shut();
        let state = self.engine.core.state.get_mut();
        state.lines.tick(u64::MAX); // nothing comes after
        state.latency.report();
    }
}

impl<Mode> fmt::Debug for Context<Mode> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections = self.engine.core.state.borrow().slots.live();
        f.debug_struct("Context").field("connections", &connections).finish_non_exhaustive()
    }
}

impl fmt::Debug for Changes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Changes")
    }
}
