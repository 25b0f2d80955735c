//! Listening sockets: accepting, the connection limit, running out of descriptors.

use crate::conn::Phase;
use crate::message::{By, Cause};
use crate::place::Opened;
use crate::poll::Change;
use crate::slots::ConnId;
use crate::state::State;
use crate::tls::ServerTls;
use crate::wheel::Deadline;
use sockeye_sys::{AcceptFailure, Address, Interest, SocketFile};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

/// The most connections that are accepted in one go, so that a rush of them does not starve the
/// others.
pub(crate) const BATCH: usize = 64;

/// How long accepting pauses after the system had no descriptor or memory left, if no connection
/// of ours ends before.
const RETRY_NANOS: u64 = 1_000_000_000;

/// Looks at a new connection before a byte is read; `false` closes it (manual,
/// `FILTER_NETWORK_CONNECTION`).
pub(crate) type AcceptFilter = Box<dyn FnMut(BorrowedFd<'_>, &Address) -> bool>;

pub(crate) struct Listeners {
    list: Vec<Listener>,
    filter: Option<AcceptFilter>,
    /// Nothing is accepted until there is room.
    paused: bool,
    /// Loop nanoseconds at which to try again although no connection has ended.
    retry_at: Option<u64>,
}

struct Listener {
    /// Goes with the listener, and before its socket.
    _file: Option<SocketFile>,
    fd: OwnedFd,
    /// Its connections have the TCP options that it was told: it was made here, or is no TCP.
    is_prepared: bool,
    /// What its connections are made with, if it is for TLS.
    tls: Option<ServerTls>,
    registered: Option<Interest>,
}

impl Listeners {
    pub(crate) fn new(filter: Option<AcceptFilter>) -> Self {
        Self { list: Vec::new(), filter, paused: false, retry_at: None }
    }

    /// Begins to accept at these sockets; the addresses they are at.
    pub(crate) fn add(
        &mut self,
        opened: Vec<Opened>,
        tls: Option<&ServerTls>,
    ) -> io::Result<Vec<Address>> {
        let mut addresses = Vec::new();
        for opened in &opened {
            addresses.push(sockeye_sys::local_addr(opened.fd.as_fd())?);
        }
        for Opened { fd, file } in opened {
            let is_prepared = sockeye_sys::ACCEPT_INHERITS_OPTIONS;
            let (tls, registered) = (tls.cloned(), None);
            self.list.push(Listener { fd, _file: file, is_prepared, tls, registered });
        }
        Ok(addresses)
    }

    /// Takes over a socket that listens already.
    pub(crate) fn adopt(&mut self, fd: OwnedFd, tls: Option<&ServerTls>) -> io::Result<Address> {
        sockeye_sys::check_listener(fd.as_fd())?;
        sockeye_sys::set_nonblocking(fd.as_fd(), true)?;
        let address = sockeye_sys::local_addr(fd.as_fd())?;
        // Others may accept there too: the socket itself is not told what this context wishes.
        let (is_prepared, tls, registered) = (false, tls.cloned(), None);
        self.list.push(Listener { fd, _file: None, is_prepared, tls, registered });
        Ok(address)
    }

    /// Accepts what waits, so many at most, within the connection limit.
    pub(crate) fn accept(&mut self, index: usize, most: usize, state: &mut State) {
        for _ in 0..most.min(BATCH) {
            if self.paused {
                return;
            }
            let limit = state.limits.connections.unwrap_or(usize::MAX);
            if state.slots.live() >= limit {
                state.log_pause(format_args!("{limit} connections are the limit"));
                self.paused = true;
                state.room = false;
                return;
            }
            let Some(listener) = self.list.get(index) else { return };
            let accept = || sockeye_sys::accept(listener.fd.as_fd());
            match state.latency.call("accept", None, accept) {
                Ok((fd, peer)) => self.welcome(index, fd, &peer, state),
                Err(error) => match AcceptFailure::of(&error) {
                    AcceptFailure::Empty => return,
                    AcceptFailure::Gone => {}
                    AcceptFailure::Exhausted | AcceptFailure::Broken => {
                        state.log_pause(format_args!("{error}"));
                        self.paused = true;
                        state.room = false;
                        self.retry_at = Some(state.nanos() + RETRY_NANOS);
                        return;
                    }
                },
            }
        }
    }

    fn welcome(&mut self, index: usize, fd: OwnedFd, peer: &Address, state: &mut State) {
        if let Some(filter) = &mut self.filter
            && !state.latency.of_context("accept_filter", || filter(fd.as_fd(), peer))
        {
            return state.log_filtered(peer);
        }
        if !self.list[index].is_prepared {
            state.set_tcp_options(fd.as_fd());
        }
        let id = state.begin_connection(fd);
        state.lines.note_peer(id, peer);
        if let Some(tls) = &self.list[index].tls
            && let Err(error) = state.secure_server(id, tls)
        {
            state.doom(id, By::Us, Cause::Tls(error));
        }
    }

    /// Goes on accepting if a connection has ended since accepting paused.
    pub(crate) fn make_room(&mut self, state: &mut State) -> bool {
        let room = std::mem::take(&mut state.room);
        let limit = state.limits.connections.unwrap_or(usize::MAX);
        let resumes = room && self.paused && state.slots.live() < limit;
        if resumes {
            self.paused = false;
            self.retry_at = None;
        }
        resumes
    }

    /// Tries again if the time has come.
    pub(crate) fn tick(&mut self, state: &mut State) {
        if self.retry_at.is_some_and(|at| at <= state.nanos()) {
            self.retry_at = None;
            self.paused = false;
        }
    }

    /// Nanoseconds of loop time at which [`tick`](Self::tick) has something to do.
    pub(crate) fn retry_at(&self) -> Option<u64> {
        self.retry_at
    }

    /// Stops listening.
    pub(crate) fn close_all(&mut self, state: &mut State) {
        for listener in self.list.drain(..) {
            if listener.registered.is_some() && state.announce_forgets {
                state.forgotten.push_back(listener.fd);
            }
        }
        self.retry_at = None;
    }

    /// The next change of interest: which listener, what, and whether it is known already.
    pub(crate) fn pop_changed(&mut self) -> Option<(usize, Interest, bool)> {
        let desired = if self.paused { Interest::NONE } else { Interest::READ };
        let changed = |(_, listener): &(usize, &mut Listener)| listener.registered != Some(desired);
        let (index, listener) = self.list.iter_mut().enumerate().find(changed)?;
        let known = listener.registered.replace(desired).is_some();
        Some((index, desired, known))
    }

    pub(crate) fn next_change(&mut self) -> Option<(usize, Change)> {
        let (index, interest, _) = self.pop_changed()?;
        Some((index, Change::Watch(self.list[index].fd.as_raw_fd(), interest)))
    }

    pub(crate) fn watched(&self) -> impl Iterator<Item = (BorrowedFd<'_>, Interest)> {
        self.list.iter().filter_map(|listener| Some((listener.fd.as_fd(), listener.registered?)))
    }

    pub(crate) fn fd(&self, index: usize) -> Option<BorrowedFd<'_>> {
        self.list.get(index).map(|listener| listener.fd.as_fd())
    }

    pub(crate) fn position(&self, fd: RawFd) -> Option<usize> {
        self.list.iter().position(|listener| listener.fd.as_raw_fd() == fd)
    }

    /// The addresses listened at.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let local = |listener: &Listener| sockeye_sys::local_addr(listener.fd.as_fd()).ok();
        self.list.iter().filter_map(local).collect()
    }
}

impl State {
    /// A connection that has just been accepted.
    fn begin_connection(&mut self, fd: OwnedFd) -> ConnId {
        let id = self.insert(Phase::Request(None), Some(fd));
        self.accepted += 1;
        self.arm(id, Deadline::Handshake);
        self.review(id);
        id
    }

    /// Takes over a connected socket.
    pub(crate) fn adopt(&mut self, fd: OwnedFd) -> io::Result<ConnId> {
        if self.stopping || self.limits.connections.is_some_and(|most| self.slots.live() >= most) {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "no room for a connection"));
        }
        sockeye_sys::set_nonblocking(fd.as_fd(), true)?;
        self.set_tcp_options(fd.as_fd());
        Ok(self.begin_connection(fd))
    }
}
