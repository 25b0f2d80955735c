//! The only read and the only write.
//!
//! Output of the connection whose turn it is gathers in the cork and leaves in one system call at
//! the turn's end. What the kernel does not take becomes the connection's tail.

use crate::buffer::ReceiveBuffer;
use crate::cold::GATHER;
use crate::config::Overflow;
use crate::conn::Phase;
use crate::cork::{LONG, Output};
use crate::message::{By, Cause, Message, Shared, data_header};
use crate::slots::{ConnId, Flags, Slot};
use crate::state::State;
use crate::tls;
use bytes::Bytes;
use sockeye_proto::{FrameHeader, HEADER_MAX, MessageKind, Opcode, RSV1, apply_mask};
use std::io::{self, ErrorKind, IoSlice};
use std::mem;

/// What one read gave.
pub(crate) enum Received {
    /// So many bytes at the buffer's start.
    Bytes(usize),
    /// So many, which TLS has opened; the stream's end may have come with them.
    Opened(usize),
    NotYet,
    Lost(Lost),
}

/// How the stream ended.
#[derive(Clone)]
pub(crate) enum Lost {
    /// The peer's FIN, or its `close_notify`.
    Eof,
    /// An error of the socket.
    Broken(ErrorKind),
    /// An error of its TLS.
    Tls(tls::Failure),
}

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// The connection has ended or is closing.
    Closed,
    /// The send queue is full: the message was not queued. Ask for `writable`.
    Full,
    /// A message that is being sent in parts has not ended.
    Unfinished,
}

impl std::fmt::Display for SendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Closed => "the connection has ended or is closing",
            Self::Full => "the send queue is full",
            Self::Unfinished => "a message that is being sent in parts has not ended",
        })
    }
}

impl std::error::Error for SendError {}

impl State {
    /// Reads once, if the connection's phase has a use for input.
    pub(crate) fn receive(
        &mut self,
        id: ConnId,
        hangup: bool,
        buffer: &mut ReceiveBuffer,
    ) -> Received {
        let now = self.millis();
        let Some(slot) = self.slots.get_mut(id) else { return Received::NotYet };
        if !slot.reads() {
            return match hangup {
                true => Received::Lost(Lost::Broken(ErrorKind::ConnectionReset)),
                false => Received::NotYet,
            };
        }
        if slot.flags.has(Flags::TLS) {
            return self.receive_sealed(id, buffer);
        }
        let Some(fd) = slot.fd() else { return Received::NotYet };
        match self.latency.call("recv", Some(id), || sockeye_sys::recv(fd, buffer.as_mut())) {
            Ok(0) => {
                slot.flags.set(Flags::EOF);
                Received::Lost(Lost::Eof)
            }
            Ok(n) => {
                slot.stamp = now;
                slot.bytes_in += n as u64;
                Received::Bytes(n)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Received::NotYet,
            Err(error) => Received::Lost(Lost::Broken(error.kind())),
        }
    }

    /// Sends a data message under the rules of the send queue.
    #[inline]
    pub(crate) fn send_message(
        &mut self,
        id: ConnId,
        message: &Message<'_>,
    ) -> Result<(), SendError> {
        match message.as_frame() {
            Some(frame) if self.cork_frame(id, frame) => Ok(()),
            Some(_) | None => self.send_unless_framed(id, message),
        }
    }

    #[inline(never)] // so that the shortest way is short
    fn send_unless_framed(&mut self, id: ConnId, message: &Message<'_>) -> Result<(), SendError> {
        let (kind, payload) = (message.kind(), message.as_bytes());
        let is_corked = self.cork_message(id, kind, payload) || self.cork_masked(id, kind, payload);
        if !is_corked && self.admit(id)? {
            self.send_data(id, message);
        }
        Ok(())
    }

    /// The short way out of what most messages are: a server's, in the turn of their connection,
    /// uncompressed, with nothing waiting before them and room in the cork. Else `false`, and
    /// nothing done.
    #[inline]
    fn cork_message(&mut self, id: ConnId, kind: MessageKind, payload: &[u8]) -> bool {
        self.is_usual(id) && self.cork.push_message(kind, payload)
    }

    /// The same for one that is framed already, and not long.
    #[inline]
    fn cork_frame(&mut self, id: ConnId, frame: &[u8]) -> bool {
        self.is_usual(id) && frame.len() < LONG && self.cork.push(frame)
    }

    /// The same for one of any length.
    #[inline]
    pub(crate) fn cork_shared(&mut self, id: ConnId, shared: &Shared) -> bool {
        self.is_usual(id) && self.cork.push(&shared.frame)
    }

    /// Whether a message to this connection may go the short way, if the cork has room.
    #[inline]
    fn is_usual(&self, id: ConnId) -> bool {
        if self.turn != Some(id) {
            return false;
        }
        let Some(slot) = self.slots.get(id) else { return false };
        let is_open = matches!(slot.phase, Phase::WebSocket(_));
        is_open && !slot.flags.has(Flags::UNUSUAL) && slot.queued() == 0
    }

    /// The short way out of a client's messages, which are masked.
    fn cork_masked(&mut self, id: ConnId, kind: MessageKind, payload: &[u8]) -> bool {
        let Some(slot) = self.slots.get(id) else { return false };
        let is_open = matches!(slot.phase, Phase::WebSocket(_)) && self.turn == Some(id);
        let is_usual = is_open && !slot.flags.has(Flags::HINDERED) && slot.queued() == 0;
        // Without a key the long way tells why.
        is_usual
            && slot.is_client()
            && payload.len() < self.cork.room()
            && self.keys.next().is_ok_and(|key| self.cork.push_masked(kind, payload, key))
    }

    /// Sends a data message, compressed if that was agreed and pays, whatever the queue holds.
    pub(crate) fn send_data(&mut self, id: ConnId, message: &Message<'_>) {
        let Some(mut deflaters) = self.deflaters.take() else {
            return self.send_as_it_is(id, message);
        };
        match self.ws_mut(id).and_then(|ws| ws.deflate(&mut deflaters, message.as_bytes())) {
            Some(small) => {
                let header = data_header(message.kind(), None);
                self.send_frame(id, FrameHeader { reserved: RSV1, ..header }, small);
            }
            None => self.send_as_it_is(id, message),
        }
        self.deflaters = Some(deflaters);
    }

    fn send_as_it_is(&mut self, id: ConnId, message: &Message<'_>) {
        let Some(slot) = self.slots.get(id) else { return };
        match message.as_frame().filter(|_| !slot.is_client()) {
            Some(frame) => self.put(id, &[], frame),
            None => self.send_frame(id, data_header(message.kind(), None), message.as_bytes()),
        }
    }

    /// Sends a message that is framed already, under the rules of the send queue.
    pub(crate) fn send_shared(&mut self, id: ConnId, shared: &Shared) -> Result<(), SendError> {
        if !self.admit(id)? {
            return Ok(());
        }
        let Some(frame) = self.shared_frame(id, shared) else {
            self.send_data(id, &shared.message());
            return Ok(());
        };
        let slot = self.slots.at_mut(id.index);
        if slot.flags.has(Flags::TLS) || (self.turn == Some(id) && slot.queued() == 0) {
            self.put(id, &[], &frame);
            return Ok(());
        }
        if self.hold_aside(id, &frame) {
            return Ok(());
        }
        let sent = self.send_aside(id, &[], &frame);
        if sent < frame.len() {
            self.slots.at_mut(id.index).cold().tail.push_shared(frame.slice(sent..));
            self.after_queueing(id);
        }
        Ok(())
    }

    /// Sends the next part of a message, or the first of a new one.
    pub(crate) fn send_part(&mut self, id: ConnId, kind: MessageKind, part: &[u8], last: bool) {
        if !self.is_open(id) {
            return; // the callback has asked for its end since the permit was issued
        }
        let Some(slot) = self.slots.get_mut(id) else { return };
        let begins = slot.flags.newly(Flags::IN_PARTS);
        if last {
            slot.flags.clear(Flags::IN_PARTS);
        }
        let opcode = if begins { kind.opcode() } else { Opcode::Continuation };
        let header = FrameHeader { fin: last, opcode, ..data_header(kind, None) };
        self.send_frame(id, header, part);
    }

    /// Frames and masks `payload` and puts it out, whatever the queue holds.
    pub(crate) fn send_frame(&mut self, id: ConnId, mut header: FrameHeader, payload: &[u8]) {
        let Some(slot) = self.slots.get(id) else { return };
        header.len = payload.len() as u64;
        let mut bytes = [0; HEADER_MAX];
        if !slot.is_client() {
            let len = header.encode(&mut bytes);
            return self.put(id, &bytes[..len], payload);
        }
        match self.keys.next() {
            Ok(key) => {
                header.mask = Some(key);
                let len = header.encode(&mut bytes);
                let mut masked = payload.to_vec();
                apply_mask(&mut masked, key);
                self.put(id, &bytes[..len], &masked);
            }
            Err(error) => self.doom(id, By::Us, Cause::Broken(error.kind())),
        }
    }

    /// Puts bytes out: into the cork if it is this connection's turn and they are few, to the
    /// socket if they are many, else to the end of the tail.
    pub(crate) fn put(&mut self, id: ConnId, header: &[u8], payload: &[u8]) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if slot.fd.is_none() || slot.flags.has(Flags::DOOMED) {
            return;
        }
        if slot.queued() > 0 || self.turn != Some(id) {
            if slot.flags.has(Flags::TLS) {
                return self.queue_sealed(id, header, payload);
            }
            return self.put_aside(id, header, payload);
        }
        let has_room = header.len() + payload.len() <= self.cork.room();
        if !(has_room && payload.len() < LONG && self.cork.push(header) && self.cork.push(payload))
        {
            self.send_corked_and(id, header, payload);
        }
    }

    /// Puts bytes out on a connection whose turn it is not, or for which others wait.
    fn put_aside(&mut self, id: ConnId, header: &[u8], payload: &[u8]) {
        let sent = self.send_aside(id, header, payload);
        if sent == header.len() + payload.len() {
            return;
        }
        let tail = &mut self.slots.at_mut(id.index).cold().tail;
        tail.push(&header[sent.min(header.len())..]);
        tail.push(&payload[sent.saturating_sub(header.len())..]);
        self.after_queueing(id);
    }

    /// Sends at once on a connection whose turn it is not, if nothing waits there and its socket
    /// has taken what there was, so that what one callback sends to many needs no queue for each.
    /// Only the first time in a callback: what follows gathers. How many bytes have gone.
    pub(crate) fn send_aside(&mut self, id: ConnId, header: &[u8], payload: &[u8]) -> usize {
        self.release_of(id);
        let slot = self.slots.at_mut(id.index);
        let clear = self.turn != Some(id) && slot.queued() == 0 && takes_data(slot);
        if !clear || !slot.flags.newly(Flags::DIRTY) {
            return 0;
        }
        self.dirty.push(id);
        let send = || match slot.fd() {
            Some(fd) if header.is_empty() => sockeye_sys::send(fd, payload),
            Some(fd) => sockeye_sys::send_vectored(fd, &[header, payload].map(IoSlice::new)),
            None => Ok(0),
        };
        match self.latency.call("send", Some(id), send) {
            Ok(n) => {
                slot.bytes_out += n as u64;
                n
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => {
                self.doom(id, By::Peer, Cause::Broken(error.kind()));
                header.len() + payload.len() // nobody waits for them any more
            }
        }
    }

    /// Holds a frame that goes to many for a connection whose turn it is not, where
    /// [`send_aside`](Self::send_aside) would send it at once: the callback's end sends it, if not
    /// others before.
    fn hold_aside(&mut self, id: ConnId, frame: &Bytes) -> bool {
        let slot = self.slots.at_mut(id.index);
        let is_clear = self.inside && slot.queued() == 0 && takes_data(slot);
        if !is_clear || slot.flags.has(Flags::NOT_HELD) || !slot.flags.newly(Flags::DIRTY) {
            return false;
        }
        slot.flags.set(Flags::HELD);
        self.dirty.push(id);
        if self.cork.hold_frame(id, frame.clone()) {
            self.release();
        }
        true
    }

    /// Begins the connection's turn: its output gathers until [`end_turn`](Self::end_turn).
    pub(crate) fn begin_turn(&mut self, id: ConnId) -> bool {
        self.release();
        let alive = self.slots.get(id).is_some_and(|slot| !slot.flags.has(Flags::DOOMED));
        self.turn = alive.then_some(id);
        alive
    }

    /// Sends what has gathered. Whether that is all there is to do, as it is for a WebSocket.
    pub(crate) fn end_turn(&mut self) -> bool {
        let Some(id) = self.turn else { return true };
        self.send_gathered();
        self.turn = None;
        let Some(slot) = self.slots.get_mut(id) else {
            self.cork.clear(); // it ended in its own turn
            self.sealing.output.clear();
            return true;
        };
        slot.shed();
        matches!(slot.phase, Phase::WebSocket(_))
    }

    /// Sends what has gathered in this turn.
    pub(crate) fn send_gathered(&mut self) {
        let has_output = !self.cork.is_empty() || !self.sealing.output.is_empty();
        if let Some(id) = self.turn.filter(|&id| has_output && self.slots.get(id).is_some()) {
            self.send_corked_and(id, &[], &[]);
        }
    }

    /// Ends the turn of `id` without sending what has gathered, if that is little:
    /// [`release`](Self::release) sends it, which must be called soon. Whether it did.
    pub(crate) fn hold(&mut self, id: ConnId) -> bool {
        if self.cork.is_empty() || !self.cork.may_hold() {
            return false;
        }
        let Some(slot) = self.slots.get_mut(id) else { return false };
        let is_open = matches!(slot.phase, Phase::WebSocket(_));
        if !is_open || slot.flags.has(Flags::NOT_HELD) || slot.queued() > 0 {
            return false;
        }
        slot.shed();
        slot.flags.set(Flags::HELD);
        self.turn = None;
        if self.cork.hold(id) {
            self.release();
        }
        true
    }

    /// Sends what turns that are over have left, connection by connection. Before anything else
    /// is sent there, or said of it.
    pub(crate) fn release(&mut self) {
        if self.cork.holds_nothing() {
            return;
        }
        let (turn, by_permit) = (self.turn.take(), mem::take(&mut self.by_permit));
        let Self { cork, slots, latency, batch, .. } = self;
        let mut results = match cork.holds_one() {
            true => batch.nothing(),
            false => {
                let outputs = cork.held().filter_map(|(id, output)| {
                    let fd = slots.get(id)?.fd()?;
                    Some((fd, output.as_bytes()))
                });
                latency.call("send", None, || batch.send(outputs))
            }
        };
        let mut trouble = Vec::new(); // hardly ever
        for (id, output) in cork.held() {
            let Some(slot) = slots.get_mut(id) else { continue };
            slot.flags.clear(Flags::HELD);
            let Some(fd) = slot.fd() else { continue };
            let alone = || sockeye_sys::send(fd, output.as_bytes());
            let result = results.next().flatten();
            let sent = match result.unwrap_or_else(|| latency.call("send", Some(id), alone)) {
                Ok(n) => n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => {
                    trouble.push((id, Some(error.kind())));
                    continue;
                }
            };
            slot.bytes_out += sent as u64;
            if sent < output.as_bytes().len() {
                let tail = &mut slot.cold().tail;
                match output {
                    Output::Copied(bytes) => tail.push(&bytes[sent..]),
                    Output::Shared(frame) => tail.push_shared(frame.slice(sent..)),
                }
                trouble.push((id, None));
            }
        }
        cork.let_go();
        for (id, error) in trouble {
            self.turn = Some(id); // the socket has been tried
            match error {
                Some(error) => self.doom(id, By::Peer, Cause::Broken(error)),
                None => self.after_queueing(id),
            }
        }
        (self.turn, self.by_permit) = (turn, by_permit);
    }

    /// The same, if something of this connection is held.
    pub(crate) fn release_of(&mut self, id: ConnId) {
        if self.slots.get(id).is_some_and(|slot| slot.flags.has(Flags::HELD)) {
            self.release();
        }
    }

    /// Sends the tail as far as the socket takes it; whether it is empty now.
    pub(crate) fn flush(&mut self, id: ConnId) -> bool {
        let now = self.millis();
        loop {
            let Some(slot) = self.slots.get_mut(id) else { return false };
            let (Some(fd), Some(cold)) = (&slot.fd, &mut slot.cold) else { return true };
            if cold.tail.bytes() == 0 {
                self.tail_ended(id);
                return true;
            }
            let mut slices = [IoSlice::new(&[]); GATHER];
            let count = cold.tail.slices(&mut slices);
            let fd = std::os::fd::AsFd::as_fd(fd);
            let send = || sockeye_sys::send_vectored(fd, &slices[..count]);
            match self.latency.call("send", Some(id), send) {
                Ok(n) => {
                    cold.tail.advance(n);
                    slot.bytes_out += n as u64;
                    slot.stamp = now;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.review(id);
                    return false;
                }
                Err(error) => {
                    self.doom(id, By::Peer, Cause::Broken(error.kind()));
                    return false;
                }
            }
        }
    }

    /// Whether a message may be queued; `Ok(false)` if policy says to drop it.
    fn admit(&mut self, id: ConnId) -> Result<bool, SendError> {
        let slot = self.slots.get(id).ok_or(SendError::Closed)?;
        if slot.flags.has(Flags::IN_PARTS) {
            return Err(SendError::Unfinished);
        }
        if !self.is_open(id) {
            return Err(SendError::Closed);
        }
        if slot.counted() < self.limits.queue_bytes {
            return Ok(true);
        }
        match self.limits.overflow {
            Overflow::Pause => Err(SendError::Full),
            Overflow::Drop => Ok(false),
            Overflow::Close => {
                self.doom(id, By::Us, Cause::QueueFull);
                Err(SendError::Closed)
            }
        }
    }

    /// Sends the cork and then `header` and `payload`; what is not taken becomes the tail.
    fn send_corked_and(&mut self, id: ConnId, header: &[u8], payload: &[u8]) {
        self.release(); // first come, first served; and all of the room is this connection's
        let slot = self.slots.at_mut(id.index);
        if slot.flags.has(Flags::TLS) {
            return self.send_sealed(id, header, payload);
        }
        let send = || match slot.fd() {
            Some(fd) if header.is_empty() && payload.is_empty() => {
                sockeye_sys::send(fd, self.cork.as_bytes())
            }
            Some(fd) if header.is_empty() && self.cork.is_empty() => sockeye_sys::send(fd, payload),
            Some(fd) => {
                let parts = [self.cork.as_bytes(), header, payload].map(IoSlice::new);
                let first = usize::from(self.cork.is_empty());
                sockeye_sys::send_vectored(fd, &parts[first..])
            }
            None => Err(io::Error::from(ErrorKind::NotConnected)),
        };
        let sent = match self.latency.call("send", Some(id), send) {
            Ok(n) => n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => {
                self.cork.clear();
                return self.doom(id, By::Peer, Cause::Broken(error.kind()));
            }
        };
        slot.bytes_out += sent as u64;
        if sent == self.cork.len() + header.len() + payload.len() {
            return self.cork.clear();
        }
        let mut gone = sent;
        for part in [self.cork.as_bytes(), header, payload] {
            let rest = &part[gone.min(part.len())..];
            gone -= part.len() - rest.len();
            if !rest.is_empty() {
                slot.cold().tail.push(rest);
            }
        }
        self.cork.clear();
        self.after_queueing(id);
    }

    /// Takes the consequences of a longer tail.
    pub(crate) fn after_queueing(&mut self, id: ConnId) {
        let slot = self.slots.at_mut(id.index);
        if self.by_permit {
            slot.cold().tail.excuse();
        }
        let over = slot.counted() >= self.limits.queue_bytes;
        if over && self.limits.overflow == Overflow::Pause {
            slot.flags.set(Flags::FULL);
        }
        if self.turn != Some(id) && slot.registered.is_some_and(|i| !i.is_writable()) {
            // The socket was writable when last seen: try before asking the poller.
            if slot.flags.newly(Flags::DIRTY) {
                self.dirty.push(id);
            }
            return;
        }
        self.review(id);
    }

    /// The tail is empty again: reading and a `writable` that was asked for may go on.
    fn tail_ended(&mut self, id: ConnId) {
        let slot = self.slots.at_mut(id.index);
        let wanted = slot.flags.has(Flags::WANTS) && !self.announce_writes;
        let was_full = slot.flags.has(Flags::FULL);
        slot.flags.clear(Flags::FULL);
        slot.shed();
        if wanted {
            self.serve_next(id);
        }
        if was_full {
            self.resume(id);
        }
        self.review(id);
    }
}

/// Whether the socket could take data when last seen. That of an open WebSocket for which nothing
/// waits has taken all there was, though it may not be registered yet, or still for writing.
fn takes_data(slot: &Slot) -> bool {
    let is_open = matches!(slot.phase, Phase::WebSocket(_));
    is_open || slot.registered.is_some_and(|interest| !interest.is_writable())
}
