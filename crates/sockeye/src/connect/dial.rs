//! Look-up and TCP: a race of addresses, each with a slot of its own.
//!
//! An attempt is a slot in the phase `Attempt`, so that descriptors are watched and forgotten in
//! the one way there is. The attempt that wins hands its descriptor to the connection. Its timer
//! is the delay after which the next address is tried beside it. A connection that waits before it
//! begins has an attempt without a descriptor.

use super::race::interleaved;
use super::tunnel::Tunnelling;
use super::{Ask, Connect, ConnectError, Step};
use crate::conn::Phase;
use crate::log::note;
use crate::message::{By, Cause};
use crate::slots::{ConnId, Flags};
use crate::state::{Core, ProtocolId, State};
use crate::wheel::Deadline;
use sockeye_proto::parse_ip;
use sockeye_proto::proxy::Tunnel;
use sockeye_sys::{Address, Lasting, Source};
use std::cell::RefMut;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::time::Duration;

/// A connection on its way to be opened, up to TCP.
pub(crate) struct Dial {
    ask: Ask,
    /// What the proxy will be told, if there is one.
    tunnel: Option<Tunnelling>,
    route: Route,
    /// The address of ours that TCP leaves from, if that is not left to the system.
    source: Option<Source>,
    /// Addresses not tried yet, the next one last.
    addresses: Vec<Address>,
    /// Those being tried, the oldest first.
    attempts: Vec<(ConnId, Address)>,
    /// Those that failed, and how.
    tries: Vec<(Address, io::Error)>,
    /// Why there are no addresses.
    unresolved: Option<io::Error>,
    /// The attempt that stands for the time before it begins.
    waits: Option<ConnId>,
}

/// How the first hop is found.
enum Route {
    /// At these addresses.
    Known(Vec<Address>),
    /// By its name.
    Name(String, u16),
}

impl Connect {
    fn route(&self) -> Route {
        if let Some(address) = &self.via {
            return Route::Known([address.clone()].into());
        }
        let (host, port) = self.first_hop();
        let known = self.known.iter().find(|(name, at, _)| name == host && *at == port);
        if let Some((_, _, addresses)) = known {
            return Route::Known(interleaved(addresses));
        }
        match parse_ip(host) {
            Some(ip) => Route::Known([SocketAddr::new(ip, port).into()].into()),
            None => Route::Name(host.to_owned(), port),
        }
    }
}

impl Core {
    /// Begins to open a connection, after a while if that is wanted.
    pub(crate) fn dial(
        &self,
        connect: &Connect,
        protocol: ProtocolId,
        after: Option<Duration>,
    ) -> Result<ConnId, ConnectError> {
        let mut state = self.admit(connect, protocol, after.is_some())?;
        let dial = state.prepare(connect, protocol)?;
        let id = state.insert(Phase::Dialing(Box::new(dial)), None);
        let slot = state.slots.at_mut(id.index);
        slot.flags.set(Flags::CLIENT);
        slot.protocol = protocol.0;
        match after {
            None => state.begin_dial(id),
            Some(after) => state.begin_later(id, after),
        }
        Ok(id)
    }

    /// Begins to open a connection over a socket that is connected already.
    pub(crate) fn dial_over(
        &self,
        connect: &Connect,
        socket: OwnedFd,
        protocol: ProtocolId,
    ) -> Result<ConnId, ConnectError> {
        let lost = |error| ConnectError::Lost { step: Step::Handshake, error };
        sockeye_sys::set_nonblocking(socket.as_fd(), true).map_err(lost)?;
        let mut state = self.admit(connect, protocol, false)?;
        let Dial { ask, .. } = state.prepare(connect, protocol)?;
        state.set_tcp_options(socket.as_fd());
        let id = state.insert(Phase::Draining, Some(socket));
        let slot = state.slots.at_mut(id.index);
        slot.flags.set(Flags::CLIENT);
        slot.protocol = protocol.0;
        state.send_request(id, ask);
        Ok(id)
    }

    /// The state, if it takes another connection for what is wanted; `counted`: it is there
    /// already.
    fn admit(
        &self,
        connect: &Connect,
        protocol: ProtocolId,
        counted: bool,
    ) -> Result<RefMut<'_, State>, ConnectError> {
        let state = self.state.borrow_mut();
        let is_there = |protocol: ProtocolId| usize::from(protocol.0) < self.registrations.len();
        if !is_there(protocol) || !connect.spoken_by.iter().all(|(_, other)| is_there(*other)) {
            return Err(ConnectError::NoSuchProtocol);
        }
        if state.stopping {
            return Err(ConnectError::ShuttingDown);
        }
        let limit = state.limits.connections;
        if !counted && limit.is_some_and(|limit| state.slots.live() >= limit) {
            return Err(ConnectError::TooManyConnections);
        }
        Ok(state)
    }
}

impl State {
    fn prepare(&mut self, connect: &Connect, protocol: ProtocolId) -> Result<Dial, ConnectError> {
        let security = connect.security().map_err(ConnectError::Tls)?;
        let near = connect.proxy_security()?;
        let no_nonce = |error| ConnectError::Lost { step: Step::Handshake, error };
        let nonce = self.keys.next().map_err(no_nonce)?;
        let offer = self.deflate_options().map(|options| options.offer());
        let hello = connect.hello(nonce, offer.as_deref())?;
        let (host, target) = (connect.url.host_header(), connect.url.target.clone());
        let spoken_by = connect.spoken_by.clone();
        let tunnel = connect.proxy.as_ref().map(|proxy| {
            let mut first = Vec::new();
            let tunnel = Tunnel::begin(proxy, &connect.url.host, connect.url.port, &mut first)?;
            Ok(Tunnelling { tunnel, first, proxy: proxy.clone(), security: near })
        });
        Ok(Dial {
            ask: Ask { hello, protocol, spoken_by, host, target, security },
            tunnel: tunnel.transpose().map_err(ConnectError::BadTunnel)?,
            route: connect.route(),
            source: connect.source,
            addresses: Vec::new(),
            attempts: Vec::new(),
            tries: Vec::new(),
            unresolved: None,
            waits: None,
        })
    }

    fn begin_later(&mut self, id: ConnId, after: Duration) {
        let attempt = self.insert_attempt(id, None);
        self.set_timer(attempt, Some(after));
        if let Some(dial) = self.dialing(id) {
            dial.waits = Some(attempt);
        }
    }

    /// From here on the deadline of connecting runs.
    fn begin_dial(&mut self, id: ConnId) {
        self.arm(id, Deadline::Connect);
        let Some(dial) = self.dialing(id) else { return };
        let (host, port) = match &mut dial.route {
            Route::Known(addresses) => {
                addresses.reverse();
                dial.addresses = mem::take(addresses);
                return self.next_attempt(id);
            }
            Route::Name(host, port) => (host.clone(), *port),
        };
        note!(CLIENT, "connection {id}: looks up {host}");
        if let Err(error) = self.resolver.look_up(id, &host, port) {
            self.resolved(id, Err(error));
        }
    }

    /// The look-up has ended.
    pub(crate) fn resolved(&mut self, id: ConnId, found: io::Result<Vec<SocketAddr>>) {
        let Some(dial) = self.dialing(id) else { return };
        match found {
            Ok(addresses) => {
                dial.addresses = interleaved(&addresses);
                note!(CLIENT, "connection {id}: found {}", listed(&dial.addresses));
                dial.addresses.reverse();
            }
            Err(error) => dial.unresolved = Some(error),
        }
        self.next_attempt(id);
    }

    /// The timer of an attempt has run out: another is made beside it, or the first of all.
    pub(crate) fn attempt_is_slow(&mut self, id: ConnId, attempt: ConnId) {
        let Some(dial) = self.dialing(id) else { return };
        if dial.waits.take_if(|waits| *waits == attempt).is_some() {
            self.remove_attempt(attempt);
            return self.begin_dial(id);
        }
        self.next_attempt(id);
    }

    /// Tries the next address. Without one left, and with none being tried, the connection is
    /// doomed, and [`dial_error`](Self::dial_error) tells why.
    fn next_attempt(&mut self, id: ConnId) {
        let latency = Rc::clone(&self.latency);
        let most = self.limits.attempts.max(1);
        loop {
            let Some(dial) = self.dialing(id) else { return };
            if dial.attempts.len() >= most {
                return; // until one fails
            }
            let Some(address) = dial.addresses.pop() else {
                if dial.attempts.is_empty() {
                    self.doom(id, By::Peer, Cause::Broken(io::ErrorKind::NotConnected));
                }
                return;
            };
            let newest = dial.attempts.last().map(|&(newest, _)| newest);
            let source = dial.source;
            note!(CLIENT, "connection {id}: tries {address}");
            match latency.call("connect", Some(id), || sockeye_sys::connect_from(&address, source))
            {
                // Both outcomes make the socket writable, which `attempt_ended` waits for.
                Ok((fd, _)) => {
                    self.set_tcp_options(fd.as_fd());
                    let attempt = self.insert_attempt(id, Some(fd));
                    if let Some(newest) = newest {
                        self.set_timer(newest, None);
                    }
                    let delay = self.limits.attempt_delay;
                    let Some(dial) = self.dialing(id) else { return };
                    dial.attempts.push((attempt, address));
                    if !dial.addresses.is_empty() {
                        self.set_timer(attempt, Some(delay)); // RFC 8305 §5
                    }
                    return;
                }
                Err(error) => dial.tries.push((address, error)),
            }
        }
    }

    /// The socket of an attempt has become writable: TCP is open, or has failed.
    pub(crate) fn attempt_ended(&mut self, id: ConnId, attempt: ConnId) {
        let Some(fd) = self.slots.get(attempt).and_then(|slot| slot.fd()) else { return };
        match sockeye_sys::take_error(fd) {
            Ok(None) => self.attempt_won(id, attempt),
            Ok(Some(error)) | Err(error) => self.attempt_failed(id, attempt, error),
        }
    }

    pub(crate) fn attempt_failed(&mut self, id: ConnId, attempt: ConnId, error: io::Error) {
        self.remove_attempt(attempt);
        let Some(dial) = self.dialing(id) else { return };
        if let Some(at) = dial.attempts.iter().position(|&(other, _)| other == attempt) {
            let (_, address) = dial.attempts.remove(at);
            note!(CLIENT, "connection {id}: {address} failed: {error}");
            dial.tries.push((address, error));
        }
        self.next_attempt(id);
    }

    /// The attempt's descriptor becomes the connection's; the other attempts end.
    fn attempt_won(&mut self, id: ConnId, attempt: ConnId) {
        let winner = self.slots.at_mut(attempt.index);
        let (fd, registered) = (winner.fd.take(), winner.registered);
        if let Some(watched) =
            fd.as_ref().and_then(|fd| self.watched.get_mut(fd.as_raw_fd() as usize))
        {
            *watched = id;
        }
        let Some(slot) = self.slots.get_mut(id) else { return };
        (slot.fd, slot.registered) = (fd, registered);
        let Some(dial) = self.dialing(id) else { return };
        let found = dial.attempts.iter().find(|&&(other, _)| other == attempt);
        if let Some(address) = found.map(|(_, address)| address.clone()) {
            note!(CLIENT, "connection {id}: connected to {address}");
            self.lines.note_peer(id, &address);
        }
        self.drop_attempts(id);
        let Some(slot) = self.slots.get_mut(id) else { return };
        let Phase::Dialing(dial) = mem::replace(&mut slot.phase, Phase::Draining) else { return };
        let Dial { ask, tunnel, .. } = *dial;
        match tunnel {
            Some(tunnel) => self.ask_proxy(id, tunnel, ask),
            None => self.send_request(id, ask),
        }
    }

    fn insert_attempt(&mut self, id: ConnId, fd: Option<OwnedFd>) -> ConnId {
        let attempt = self.insert(Phase::Attempt { of: id }, fd);
        let protocol = self.slots.get(id).map_or(crate::slots::UNBOUND, |slot| slot.protocol);
        self.slots.at_mut(attempt.index).protocol = protocol;
        self.attempts += 1;
        self.review(attempt);
        attempt
    }

    fn remove_attempt(&mut self, attempt: ConnId) {
        if self.attempt_of(attempt).is_some() {
            self.attempts -= 1;
            self.remove(attempt);
        }
    }

    /// Ends the attempts of a connection, if it has any.
    pub(crate) fn drop_attempts(&mut self, id: ConnId) {
        let Some(dial) = self.dialing(id) else { return };
        let (attempts, waits) = (mem::take(&mut dial.attempts), dial.waits.take());
        for (attempt, _) in attempts {
            self.remove_attempt(attempt);
        }
        if let Some(attempt) = waits {
            self.remove_attempt(attempt);
        }
    }

    /// The connection that a watched descriptor is of, or is tried for.
    pub(crate) fn by_fd(&self, fd: RawFd) -> Option<ConnId> {
        let id = *self.watched.get(fd as usize)?;
        Some(self.attempt_of(id).unwrap_or(id))
    }

    /// The connection that an attempt is made for.
    pub(crate) fn attempt_of(&self, attempt: ConnId) -> Option<ConnId> {
        let Phase::Attempt { of } = self.slots.get(attempt)?.phase else { return None };
        Some(of)
    }

    /// Why a connection in `Dialing` came to nothing.
    pub(crate) fn dial_error(&mut self, id: ConnId) -> ConnectError {
        let Some(dial) = self.dialing(id) else { return ConnectError::Aborted };
        let error = match (&dial.route, dial.unresolved.take()) {
            (Route::Name(host, _), Some(error)) => {
                ConnectError::LookUp { host: host.clone(), error }
            }
            (Route::Name(host, _), None) if dial.tries.is_empty() => {
                let error = io::Error::new(io::ErrorKind::NotFound, "it has no address");
                ConnectError::LookUp { host: host.clone(), error }
            }
            (_, _) => ConnectError::Tcp(mem::take(&mut dial.tries)),
        };
        dial.blame(error)
    }

    /// What has not come about within the deadline of connecting.
    pub(crate) fn dial_timed_out(&mut self, id: ConnId, after: Duration) -> ConnectError {
        let Some(dial) = self.dialing(id) else { return ConnectError::Aborted };
        let mut tries = mem::take(&mut dial.tries);
        for (_, address) in &dial.attempts {
            let late = format!("no answer within {}", Lasting(after));
            tries.push((address.clone(), io::Error::new(io::ErrorKind::TimedOut, late)));
        }
        let error = match tries[..] {
            [] => ConnectError::TimedOut { step: Step::LookUp, after },
            [..] => ConnectError::Tcp(tries),
        };
        dial.blame(error)
    }

    fn dialing(&mut self, id: ConnId) -> Option<&mut Dial> {
        let Phase::Dialing(dial) = &mut self.slots.get_mut(id)?.phase else { return None };
        Some(dial)
    }
}

/// Addresses in a line.
fn listed(addresses: &[Address]) -> String {
    let mut line = String::new();
    for address in addresses {
        let comma = if line.is_empty() { "" } else { ", " };
        line += &format!("{comma}{address}");
    }
    line
}

impl Dial {
    /// With a proxy, all that goes wrong so far is about it.
    fn blame(&self, error: ConnectError) -> ConnectError {
        match &self.tunnel {
            Some(tunnel) => error.of_proxy(&tunnel.proxy),
            None => error,
        }
    }
}
