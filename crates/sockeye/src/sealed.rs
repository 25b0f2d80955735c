//! Connections under TLS: what the only read and the only write do for them.
//!
//! ```text
//!   socket ──▶ input ──▶ Link ──▶ the receive buffer, as if it had come plain
//!   socket ◀── output ◀── Link ◀── the cork
//!      ▲──── tail ◀───────┘           output of other turns goes to the tail at once
//! ```
//!
//! The tail holds records: what is sealed must leave in the order it was sealed in. So `output`
//! and the cork are empty whenever the tail is not.

use crate::buffer::ReceiveBuffer;
use crate::cold::Leftover;
use crate::conn::Phase;
use crate::connect::ConnectError;
use crate::cork::CORK;
use crate::engine::{Engine, Kind};
use crate::log::{self, Levels};
use crate::message::{By, Cause};
use crate::slots::{ConnId, Flags, Slot};
use crate::state::State;
use crate::tls::{
    self, ClientTls, Done, HANDSHAKE_MAX, Link, RECORD_MAX, ServerTls, Taken, TlsError, TlsInfo,
    TlsName, Workers,
};
use crate::transport::{Lost, Received};
use std::io::ErrorKind;
use std::mem;

/// A connection's TLS, in its cold part.
pub(crate) enum Security {
    Tls(tls::Held),
    /// A worker has it, for its handshake.
    Away,
    /// It came to a port for TLS and speaks plain HTTP: it is told so.
    Misplaced,
}

/// What all connections under TLS share. Empty until the first one.
#[derive(Default)]
pub(crate) struct Sealing {
    /// What is read from sockets.
    input: Vec<u8>,
    /// Records of the connection whose turn it is, which leave at the turn's end.
    pub(crate) output: Vec<u8>,
    /// Records on their way to a tail.
    scratch: Vec<u8>,
    /// What takes handshakes off the loop, if that is asked for.
    pub(crate) workers: Option<Workers>,
}

/// The receive buffer is no shorter under TLS, in bytes: what is read beside a record that has
/// come in part must fit.
const PLAIN_MIN: usize = 64 << 10;

/// The most that is read at once under TLS, in bytes.
const READ_MAX: usize = 128 << 10;

/// Output leaves at the latest when there is so much of it.
const OUTPUT: usize = 64 << 10;

impl Slot {
    fn link(&mut self) -> Option<&mut Link> {
        match &mut self.cold.as_mut()?.security {
            Some(Security::Tls(link)) => Some(link),
            Some(Security::Away | Security::Misplaced) | None => None,
        }
    }

    /// Whether a worker has its handshake: what comes must wait in the socket.
    pub(crate) fn is_away(&self) -> bool {
        self.flags.has(Flags::TLS)
            && self.cold.as_ref().is_some_and(|cold| matches!(cold.security, Some(Security::Away)))
    }
}

impl State {
    /// Makes an accepted connection one under TLS.
    pub(crate) fn secure_server(&mut self, id: ConnId, tls: &ServerTls) -> Result<(), TlsError> {
        let link = Link::server(tls)?;
        if let Some(slot) = self.slots.get_mut(id) {
            slot.flags.set(Flags::TLS);
            slot.cold().security = Some(Security::Tls(link.held()));
        }
        Ok(())
    }

    /// Begins TLS on a connection of ours; `request` goes when that is done. Where TLS is spoken
    /// with a proxy already, that goes on around it.
    pub(crate) fn secure_client(
        &mut self,
        id: ConnId,
        tls: &ClientTls,
        name: TlsName,
        request: Vec<u8>,
    ) -> Result<(), TlsError> {
        let mut link = Link::client(tls, name)?;
        if let Some(slot) = self.slots.get_mut(id) {
            if let Some(Security::Tls(under)) = slot.cold().security.take() {
                link.inside(under);
            } else if matches!(slot.phase, Phase::Tunnel(_)) {
                link.of_proxy();
            }
        }
        let mut records = mem::take(&mut self.sealing.scratch);
        self.latency.tls("handshake", id, || link.begin(request, &mut records));
        if let Some(slot) = self.slots.get_mut(id) {
            slot.flags.set(Flags::TLS);
            slot.cold().security = Some(Security::Tls(link.held()));
            if self.turn == Some(id) {
                self.sealing.output.extend_from_slice(&records);
            } else {
                slot.cold().tail.push(&records); // the output is another's, or nobody's
                self.after_queueing(id);
            }
        }
        records.clear();
        self.sealing.scratch = records;
        Ok(())
    }

    /// Whether a connection speaks plain HTTP at a port for TLS.
    pub(crate) fn is_misplaced(&self, id: ConnId) -> bool {
        let cold = self.slots.get(id).and_then(|slot| slot.cold.as_ref());
        tls::IS_BUILT && cold.is_some_and(|cold| matches!(cold.security, Some(Security::Misplaced)))
    }

    /// Whether a connection's TLS is still being agreed on.
    pub(crate) fn is_securing(&self, id: ConnId) -> bool {
        let cold = self.slots.get(id).and_then(|slot| slot.cold.as_ref());
        match cold.and_then(|cold| cold.security.as_ref()) {
            Some(Security::Tls(link)) => link.is_handshaking(),
            Some(Security::Away) => true,
            Some(Security::Misplaced) | None => false,
        }
    }

    /// What is known of a connection's TLS.
    pub(crate) fn tls_info(&self, id: ConnId) -> Option<TlsInfo> {
        match &self.slots.get(id)?.cold.as_ref()?.security {
            Some(Security::Tls(link)) => link.info(),
            Some(Security::Away | Security::Misplaced) | None => None,
        }
    }

    /// Reads once, and decrypts into `buffer`.
    pub(crate) fn receive_sealed(&mut self, id: ConnId, buffer: &mut ReceiveBuffer) -> Received {
        let now = self.millis();
        let Self { slots, sealing, latency, .. } = self;
        let Some(slot) = slots.get_mut(id) else { return Received::NotYet };
        let is_draining = slot.phase.is_draining();
        let Slot { fd: Some(fd), cold: Some(cold), flags, stamp, bytes_in, .. } = slot else {
            return Received::NotYet;
        };
        let Some(Security::Tls(link)) = &mut cold.security else { return Received::NotYet };
        buffer.at_least(PLAIN_MIN);
        let room = (buffer.len() - RECORD_MAX - link.kept_above()).min(READ_MAX);
        sealing.input.resize(HANDSHAKE_MAX + room, 0);
        let kept = link.kept();
        let space = &mut sealing.input[kept..kept + room];
        let fd = std::os::fd::AsFd::as_fd(fd);
        let len = match latency.call("recv", Some(id), || sockeye_sys::recv(fd, space)) {
            Ok(0) => {
                flags.set(Flags::EOF);
                return Received::Lost(Lost::Eof);
            }
            Ok(len) => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Received::NotYet,
            Err(error) => return Received::Lost(Lost::Broken(error.kind())),
        };
        *stamp = now;
        *bytes_in += len as u64;
        if is_draining {
            return Received::NotYet; // nobody wants it any more
        }
        let heavy = sealing.workers.is_some() && link.is_heavy(&mut sealing.input[..kept + len]);
        if heavy && self.hand_over(id, kept + len) {
            return Received::NotYet;
        }
        let Self { slots, sealing, latency, .. } = self;
        let Some(link) = slots.get_mut(id).and_then(Slot::link) else { return Received::NotYet };
        let handshakes = link.is_handshaking();
        let noted = log::is_on(Levels::CLIENT | Levels::HEADER) && handshakes;
        let (cipher, plain) = (&mut sealing.input[..kept + len], buffer.as_mut());
        let take = || link.take(cipher, plain, &mut sealing.output);
        let taken = latency.tls(if handshakes { "handshake" } else { "decryption" }, id, take);
        if noted && !link.is_handshaking() {
            self.note_secured(id);
        }
        self.taken(id, taken, len)
    }

    /// Hands a handshake to a worker, with the first `len` bytes of the input; whether it went.
    fn hand_over(&mut self, id: ConnId, len: usize) -> bool {
        let Self { slots, sealing, .. } = self;
        let (Some(slot), Some(workers)) = (slots.get_mut(id), &mut sealing.workers) else {
            return false;
        };
        let Some(Security::Tls(link)) = slot.cold().security.replace(Security::Away) else {
            return false;
        };
        let left = workers.hand_over(id, link, sealing.input[..len].to_vec()).err();
        let went = left.is_none();
        if let Some(link) = left {
            slot.cold().security = Some(Security::Tls(link));
        }
        self.review(id);
        went
    }

    fn taken(&mut self, id: ConnId, taken: Taken, len: usize) -> Received {
        if self.slots.get(id).is_some_and(|slot| slot.queued() > 0) {
            self.ship(id);
        }
        match taken {
            Taken::Plain(0) => self.take_end(id).map_or(Received::NotYet, Received::Lost),
            Taken::Plain(len) => Received::Opened(len),
            Taken::NoTls => {
                let slot = self.slots.at_mut(id.index);
                slot.flags.clear(Flags::TLS);
                slot.cold().security = Some(Security::Misplaced);
                Received::Bytes(len)
            }
        }
    }

    /// How the stream has ended, if it has and all before has been taken.
    pub(crate) fn take_end(&mut self, id: ConnId) -> Option<Lost> {
        let slot = self.slots.get_mut(id).filter(|slot| slot.flags.has(Flags::TLS))?;
        slot.link()?.take_end()
    }

    /// Seals what goes out in another's turn, or behind what waits already.
    pub(crate) fn queue_sealed(&mut self, id: ConnId, header: &[u8], payload: &[u8]) {
        let Self { slots, sealing, latency, .. } = self;
        let Some(slot) = slots.get_mut(id) else { return };
        let Some(link) = slot.link() else { return };
        let mut records = mem::take(&mut sealing.scratch);
        // One record for the header and what fits beside it.
        let (beside, rest) = payload.split_at(payload.len().min(CORK - header.len()));
        latency.tls("encryption", id, || {
            match header {
                [] => link.seal(beside, &mut records),
                _ => link.seal(&[header, beside].concat(), &mut records),
            }
            link.seal(rest, &mut records);
        });
        let sent = self.send_aside(id, &[], &records);
        if sent < records.len() {
            self.slots.at_mut(id.index).cold().tail.push(&records[sent..]);
            self.after_queueing(id);
        }
        records.clear();
        records.shrink_to(OUTPUT);
        self.sealing.scratch = records;
    }

    /// Seals the cork and then `header` and `payload`, and sends it.
    pub(crate) fn send_sealed(&mut self, id: ConnId, header: &[u8], payload: &[u8]) {
        if header.len() > self.cork.room() {
            self.seal_cork(id);
        }
        self.cork.fill(header);
        let rest = self.cork.fill(payload);
        self.seal_cork(id);
        for piece in rest.chunks(OUTPUT) {
            if self.sealing.output.len() >= OUTPUT {
                self.ship(id);
            }
            let Self { slots, sealing, latency, .. } = self;
            if let Some(link) = slots.get_mut(id).and_then(Slot::link) {
                latency.tls("encryption", id, || link.seal(piece, &mut sealing.output));
            }
        }
        self.ship(id);
    }

    fn seal_cork(&mut self, id: ConnId) {
        let Self { slots, sealing, cork, latency, .. } = self;
        if let Some(link) = slots.get_mut(id).and_then(Slot::link) {
            latency.tls("encryption", id, || link.seal(cork.as_bytes(), &mut sealing.output));
        }
        cork.clear();
    }

    /// Sends the records that have gathered; what the socket does not take goes to the tail.
    pub(crate) fn ship(&mut self, id: ConnId) {
        if !tls::IS_BUILT {
            return;
        }
        let Self { slots, sealing, latency, .. } = self;
        let Some(slot) = slots.get_mut(id).filter(|_| !sealing.output.is_empty()) else { return };
        let mut sent = 0;
        if slot.queued() == 0
            && let Some(fd) = slot.fd()
        {
            match latency.call("send", Some(id), || sockeye_sys::send(fd, &sealing.output)) {
                Ok(n) => sent = n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => {
                    sealing.output.clear();
                    return self.doom(id, By::Peer, Cause::Broken(error.kind()));
                }
            }
        }
        slot.bytes_out += sent as u64;
        let rest = &sealing.output[sent..];
        let waits = !rest.is_empty();
        if waits {
            slot.cold().tail.push(rest);
        }
        sealing.output.clear();
        sealing.output.shrink_to(2 * OUTPUT);
        if waits {
            self.after_queueing(id);
        }
    }

    /// Says by TLS that nothing more will be said, unless that was said.
    pub(crate) fn say_goodbye(&mut self, id: ConnId) {
        let Self { slots, sealing, .. } = self;
        let Some(slot) = slots.get_mut(id).filter(|slot| slot.flags.has(Flags::TLS)) else {
            return;
        };
        let Some(link) = slot.link() else { return };
        let mut records = mem::take(&mut sealing.scratch);
        link.close(&mut records);
        mem::swap(&mut records, &mut self.sealing.output);
        self.ship(id);
        mem::swap(&mut records, &mut self.sealing.output);
        self.sealing.scratch = records;
    }

    /// The same for a connection that ends at once: it must not say that all has come if something
    /// waits that will not be sent.
    pub(crate) fn say_goodbye_if_all_is_out(&mut self, id: ConnId) {
        if self.slots.get(id).is_some_and(|slot| slot.queued() == 0) {
            self.say_goodbye(id);
        }
    }
}

impl Engine {
    /// A worker hands a handshake back, for a connection that may have ended meanwhile.
    pub(crate) fn secured(&mut self, id: ConnId, done: Done) {
        let state = self.core.state.get_mut();
        let Done { link, mut plain, out } = done;
        if !state.slots.get(id).is_some_and(Slot::is_away) || !state.begin_turn(id) {
            return;
        }
        let slot = state.slots.at_mut(id.index);
        slot.cold().security = Some(Security::Tls(link));
        state.sealing.output.extend_from_slice(&out);
        let waits = self.input(id, &mut plain);
        let state = self.core.state.get_mut();
        if waits > 0 {
            state.keep(id, Leftover::from(&plain[plain.len() - waits..]));
        } else if let Some(lost) = state.take_end(id) {
            self.lost(id, lost);
        }
        self.core.state.get_mut().review(id);
        self.end_turn(id);
    }

    /// A connection's TLS has failed: its alert goes out, and its application is told.
    pub(crate) fn tls_failed(&mut self, id: ConnId, error: TlsError) {
        let state = self.core.state.get_mut();
        state.ship(id);
        match self.kind(id) {
            Kind::Gone | Kind::Attempt => {}
            Kind::Dialing | Kind::Tunnel | Kind::Answer => {
                let state = self.core.state.get_mut();
                let error = state.tunnel_error(id, ConnectError::Tls(error));
                self.connect_failed(id, error);
            }
            Kind::WebSocket => {
                self.websocket_ended(id, By::Peer, Cause::Tls(error));
                self.core.state.get_mut().drain(id);
            }
            Kind::Request | Kind::Exchange | Kind::Waiting => {
                self.core.state.get_mut().log_refused_tls(id, &error);
                self.http_ended(id);
                self.core.state.get_mut().drain(id);
            }
            Kind::Draining => self.core.state.get_mut().remove(id),
        }
    }
}
