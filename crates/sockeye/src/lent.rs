//! What callbacks are lent: their connection, and all other connections.

use crate::conn::Phase;
use crate::connect::{Connect, ConnectError, LinkId};
use crate::engine::Engine;
use crate::handle::{Handle, Key, PostError};
use crate::handshake::Reject;
use crate::http::Response;
use crate::message::{Action, By, Cause, Message, Shared};
use crate::permit::Permit;
use crate::poll::Change;
use crate::protocol::Protocol;
use crate::slots::{ConnId, Flags, UNBOUND};
use crate::state::{Core, ProtocolId, State};
use crate::tls::TlsInfo;
use crate::transport::SendError;
use crate::wheel::Deadline;
use sockeye_proto::{CloseCode, FrameHeader, Opcode};
use sockeye_sys::{Address, Credentials};
use std::borrow::Cow;
use std::cell::RefMut;
use std::fmt;
use std::ops::Deref;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The connection that a callback is about, while the callback runs.
pub struct Conn<'c, P: Protocol + ?Sized> {
    /// What `upgrade` made for this connection.
    pub session: &'c mut P::Session,
    connections: Connections<'c>,
    id: ConnId,
}

impl<'c, P: Protocol + ?Sized> Conn<'c, P> {
    pub(crate) fn new(core: &'c Core, id: ConnId, session: &'c mut P::Session) -> Self {
        Self { session, connections: Connections { core }, id }
    }

    /// The name of this connection, which may be kept.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// All connections, this one included.
    pub fn connections(&self) -> Connections<'c> {
        self.connections
    }

    /// Sends a message: with what else this callback sends, as soon as it has returned, if the
    /// socket takes it; else it waits in the send queue, which pauses reading when it is full.
    ///
    /// Returns `Action::Continue`, or what to do if the queue is full (close with 1013), so that a
    /// callback can end with it.
    pub fn reply<'m>(&mut self, message: impl Into<Message<'m>>) -> Action {
        match self.send(message) {
            Ok(()) => Action::Continue,
            Err(error) => not_replied(error),
        }
    }

    /// Like [`reply`](Self::reply), but says what became of the message.
    pub fn send<'m>(&mut self, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        self.connections.state().send_message(self.id, &message.into())
    }

    /// The right to send, if the socket can take data now: only while nothing waits to go out and
    /// no other permit of this connection exists.
    pub fn permit(&self) -> Option<Permit<'c>> {
        Permit::issue(self.connections.core, self.id)
    }

    /// Asks for one [`writable`](Protocol::writable) callback (manual,
    /// `libwebsocket_callback_on_writable`). Made in any other callback, it is served in the same
    /// turn of the loop if the socket can take data; made inside `writable`, in the next.
    pub fn request_writable(&mut self) {
        self.connections.request_writable(self.id);
    }

    /// Stops reading from this connection; what has been read already is kept (manual,
    /// `libwebsocket_rx_flow_control`).
    pub fn pause(&mut self) {
        self.connections.pause(self.id);
    }

    /// Goes on reading.
    pub fn resume(&mut self) {
        self.connections.resume(self.id);
    }

    /// Calls [`timer`](Protocol::timer) once, `after` from now; replaces the timer set before.
    pub fn set_timer(&mut self, after: Duration) {
        self.connections.set_timer(self.id, Some(after));
    }

    /// Takes the timer back.
    pub fn clear_timer(&mut self) {
        self.connections.set_timer(self.id, None);
    }

    /// Sends a Ping of at most 125 bytes; more are cut off.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        let payload = &payload[..payload.len().min(125)];
        self.connections.send_frame(self.id, Opcode::Ping, true, payload)
    }

    /// The peer's address.
    pub fn peer(&self) -> Option<Address> {
        self.connections.peer(self.id)
    }
}

/// What becomes of a connection to which a reply could not be sent.
#[cold]
fn not_replied(error: SendError) -> Action {
    match error {
        SendError::Closed => Action::Continue,
        SendError::Full => Action::close(CloseCode::TRY_AGAIN_LATER, "send queue full"),
        SendError::Unfinished => {
            Action::close(CloseCode::INTERNAL_ERROR, "reply inside an unfinished message")
        }
    }
}

/// All connections of a context: what a callback may ask about others than its own, and what the
/// owner of the context may ask between callbacks.
///
/// Every method takes the id of an ended connection for a no-op. Nothing here calls back at once:
/// what it causes happens when the present callback has returned.
#[derive(Clone, Copy)]
pub struct Connections<'c> {
    pub(crate) core: &'c Core,
}

/// What there is to know about a connection.
#[derive(Clone, Copy, Debug)]
pub struct ConnInfo {
    /// The protocol it speaks; `None` before the upgrade, and for HTTP.
    pub protocol: Option<ProtocolId>,
    /// How long it has existed.
    pub age: Duration,
    /// Bytes read from the socket.
    pub bytes_in: u64,
    /// Bytes the socket took.
    pub bytes_out: u64,
    /// Bytes that wait for the socket.
    pub queued: usize,
}

impl<'c> Connections<'c> {
    pub(crate) fn new(core: &'c Core) -> Self {
        Self { core }
    }

    fn state(&self) -> RefMut<'c, State> {
        self.core.state.borrow_mut()
    }

    /// For what a call has left for later: outside a turn of the loop, it must be woken for it.
    fn later(&self, state: &State) {
        if !state.inside && (state.has_pending_work() || !state.changed.is_empty()) {
            self.core.inbox.wake();
        }
    }

    /// Asks for a [`writable`](Protocol::writable) callback of another connection.
    pub fn request_writable(&self, id: ConnId) {
        let mut state = self.state();
        if state.is_open(id) || state.is_exchange(id) {
            state.want(id);
        }
        self.later(&state);
    }

    /// Asks for one of every connection of a protocol (manual,
    /// `libwebsocket_callback_on_writable_all_protocol`).
    pub fn request_writable_all(&self, protocol: ProtocolId) {
        let mut state = self.state();
        state.want_all(protocol);
        self.later(&state);
    }

    /// Sends a message to a connection: at the end of this turn if its socket takes it, else it
    /// waits in its send queue.
    pub fn send<'m>(&self, id: ConnId, message: impl Into<Message<'m>>) -> Result<(), SendError> {
        let message = message.into();
        let mut state = self.state();
        let result = state.send_message(id, &message);
        self.later(&state);
        result
    }

    /// Like [`send`](Self::send), for a message that goes to many.
    pub fn send_shared(&self, id: ConnId, message: &Shared) -> Result<(), SendError> {
        let mut state = self.state();
        let result = state.send_shared(id, message);
        self.later(&state);
        result
    }

    /// Sends one frame as it is told: opcode, FIN and payload are not checked against what was
    /// sent before. For bindings, and for sending a message in parts; counts against the send
    /// queue.
    pub fn send_frame(
        &self,
        id: ConnId,
        opcode: Opcode,
        fin: bool,
        payload: &[u8],
    ) -> Result<(), SendError> {
        let mut state = self.state();
        if !state.is_open(id) {
            return Err(SendError::Closed);
        }
        let limit = state.limits.queue_bytes;
        if state.slots.get(id).is_some_and(|slot| slot.counted() >= limit) {
            return Err(SendError::Full);
        }
        let header = FrameHeader { fin, reserved: 0, opcode, mask: None, len: 0 };
        state.send_frame(id, header, payload);
        if opcode == Opcode::Close
            && let Some(slot) = state.slots.get_mut(id)
        {
            slot.flags.set(Flags::CLOSE_SENT);
            state.arm(id, Deadline::Close);
        }
        self.later(&state);
        Ok(())
    }

    /// Sends bytes on an HTTP connection as they are, for handlers that write their own answers.
    pub fn send_raw(&self, id: ConnId, bytes: &[u8]) -> Result<(), SendError> {
        let mut state = self.state();
        if !state.is_exchange(id) {
            return Err(SendError::Closed);
        }
        state.put(id, &[], bytes);
        self.later(&state);
        Ok(())
    }

    /// Answers an HTTP request for which the handler returned
    /// [`Answer::Later`](crate::Answer::Later).
    pub fn respond(&self, id: ConnId, response: Response) -> Result<(), SendError> {
        let mut state = self.state();
        let result = state.respond_later(id, response);
        self.later(&state);
        result
    }

    /// Accepts a handshake for which [`upgrade`](Protocol::upgrade) returned [`Reject::later`].
    pub fn accept<P: Protocol>(&self, key: Key<P>, id: ConnId, session: P::Session) {
        let _ = key; // for its type
        self.pass_verdict(id, move |engine| engine.accepted(id, Box::new(session)));
    }

    /// Rejects such a handshake.
    pub fn reject(&self, id: ConnId, reject: Reject) {
        self.pass_verdict(id, move |engine| engine.rejected(id, reject));
    }

    fn pass_verdict(&self, id: ConnId, verdict: impl FnOnce(&mut Engine) + 'static) {
        let mut state = self.state();
        if state.slots.get(id).is_some_and(|slot| matches!(slot.phase, Phase::Waiting(_))) {
            state.deeds.push(Box::new(move |engine| engine.pass_verdict(id, verdict)));
        }
        self.later(&state);
    }

    /// Whether data sent now would have to wait (manual, `lws_send_pipe_choked`). Sends what
    /// waits first, as far as the socket takes it.
    pub fn is_choked(&self, id: ConnId) -> bool {
        let mut state = self.state();
        state.release_of(id);
        if state.turn == Some(id) {
            state.send_gathered();
        }
        !state.flush(id)
    }

    /// Begins the closing handshake with a connection, as if its callback had returned
    /// [`Action::Close`]. Does nothing if it is closing already.
    pub fn close(&self, id: ConnId, code: CloseCode, reason: impl Into<Cow<'static, str>>) {
        let mut state = self.state();
        state.close_websocket(id, By::Us, Some(code), &reason.into(), Cause::Close);
        self.later(&state);
    }

    /// Ends a connection of any kind without ceremony; TLS is told of its end (`close_notify`) if
    /// nothing waited to be sent.
    pub fn abort(&self, id: ConnId) {
        let mut state = self.state();
        state.doom(id, By::Us, Cause::Aborted);
        self.later(&state);
    }

    /// Stops reading from a connection.
    pub fn pause(&self, id: ConnId) {
        let mut state = self.state();
        if let Some(slot) = state.slots.get_mut(id) {
            slot.flags.set(Flags::PAUSED);
            state.review(id);
        }
        self.later(&state);
    }

    /// Goes on reading from a connection.
    pub fn resume(&self, id: ConnId) {
        let mut state = self.state();
        if let Some(slot) = state.slots.get_mut(id) {
            slot.flags.clear(Flags::PAUSED);
            state.resume(id);
        }
        self.later(&state);
    }

    /// Takes `bytes` as if they had come from the connection's socket, after what is kept of it.
    pub fn feed(&self, id: ConnId, bytes: &[u8]) {
        let mut state = self.state();
        if let Some(slot) = state.slots.get_mut(id) {
            slot.cold().leftover.append(bytes);
            state.resume(id);
        }
        self.later(&state);
    }

    /// Sets or clears the timer of a connection.
    pub fn set_timer(&self, id: ConnId, after: Option<Duration>) {
        let mut state = self.state();
        state.set_timer(id, after);
        if !state.inside {
            self.core.inbox.wake();
        }
    }

    /// Opens a connection that will speak `protocol`. Returns at once; the outcome is the
    /// protocol's [`open`](Protocol::open) or [`connect_failed`](Protocol::connect_failed), with
    /// the id given here.
    pub fn connect(&self, connect: &Connect, protocol: ProtocolId) -> Result<ConnId, ConnectError> {
        let id = self.core.dial(connect, protocol, None)?;
        let mut state = self.state();
        state.links.begin(id, connect, protocol);
        if !state.inside {
            self.core.inbox.wake(); // its deadline must be set, also while a name is looked up
        }
        Ok(id)
    }

    /// The link that a connection belongs to, if it is opened again by a policy
    /// ([`Connect::reconnect`]).
    pub fn link(&self, id: ConnId) -> Option<LinkId> {
        self.core.state.borrow().links.of(id)
    }

    /// The connection that a link has at present: an open one, one that is being opened, or one
    /// that waits to be. Aborting it ends the link.
    pub fn linked(&self, link: LinkId) -> Option<ConnId> {
        self.core.state.borrow().links.at(link)
    }

    /// Like [`connect`](Self::connect), over a stream socket that is connected already, directly
    /// or through a tunnel; of the URL's host and port only the request tells. The request leaves
    /// at the next opportunity; [`is_choked`](Self::is_choked) is one.
    pub fn connect_over(
        &self,
        socket: OwnedFd,
        connect: &Connect,
        protocol: ProtocolId,
    ) -> Result<ConnId, ConnectError> {
        let id = self.core.dial_over(connect, socket, protocol)?;
        if !self.state().inside {
            self.core.inbox.wake();
        }
        Ok(id)
    }

    /// The connection that a descriptor told of in a [`Change`] is of, or is tried for; `None` once
    /// it is forgotten, and for those that are no connection's.
    pub fn by_fd(&self, fd: RawFd) -> Option<ConnId> {
        self.core.state.borrow().by_fd(fd)
    }

    /// Takes over a connected stream socket that was accepted elsewhere.
    pub fn adopt(&self, socket: OwnedFd) -> std::io::Result<ConnId> {
        let mut state = self.state();
        let id = state.adopt(socket)?;
        self.later(&state);
        Ok(id)
    }

    /// The connections of a protocol, in no particular order; none is added or removed while a
    /// callback runs.
    pub fn of(&self, protocol: ProtocolId) -> impl Iterator<Item = ConnId> + use<'c> {
        let core = self.core;
        (0..).map_while(move |i| {
            let state = core.state.borrow();
            let index = *state.members.get(usize::from(protocol.0))?.get(i)?;
            Some(state.slots.id_at(index))
        })
    }

    /// How many connections a protocol has.
    pub fn count(&self, protocol: ProtocolId) -> usize {
        self.core.state.borrow().members.get(usize::from(protocol.0)).map_or(0, Vec::len)
    }

    /// How many connections there are, of all kinds and in all phases.
    pub fn len(&self) -> usize {
        let state = self.core.state.borrow();
        state.slots.live() - state.attempts
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many connections there may be at a time: [`Limits::connections`](crate::Limits), or
    /// what the descriptor limit left when the context was built, whichever is less.
    pub fn limit(&self) -> usize {
        self.core.state.borrow().limits.connections.unwrap_or(usize::MAX)
    }

    /// How many connections were accepted since the context was built.
    pub fn accepted(&self) -> u64 {
        self.core.state.borrow().accepted
    }

    /// All connections, of all kinds and in all phases.
    pub fn all(&self) -> Vec<ConnId> {
        self.core.state.borrow().slots.ids()
    }

    /// Facts about a connection.
    pub fn info(&self, id: ConnId) -> Option<ConnInfo> {
        let state = self.core.state.borrow();
        let slot = state.slots.get(id)?;
        Some(ConnInfo {
            protocol: (slot.protocol != UNBOUND).then_some(ProtocolId(slot.protocol)),
            age: Duration::from_millis(state.millis().wrapping_sub(slot.began).into()),
            bytes_in: slot.bytes_in,
            bytes_out: slot.bytes_out,
            queued: slot.queued(),
        })
    }

    /// The peer's address.
    pub fn peer(&self, id: ConnId) -> Option<Address> {
        sockeye_sys::peer_addr(self.core.state.borrow().slots.get(id)?.fd()?).ok()
    }

    /// Who is at the other end of a Unix socket, as the kernel saw it when it was connected.
    /// Linux only; none for TCP.
    pub fn peer_credentials(&self, id: ConnId) -> Option<Credentials> {
        sockeye_sys::peer_credentials(self.core.state.borrow().slots.get(id)?.fd()?).ok()
    }

    /// What is known of a connection's TLS, once its handshake is done; `None` if it is plain.
    pub fn tls(&self, id: ConnId) -> Option<TlsInfo> {
        self.core.state.borrow().tls_info(id)
    }

    /// The descriptor, also inside [`closed`](Protocol::closed). For reading and setting socket
    /// options: reading, writing or closing it is the library's.
    pub fn fd(&self, id: ConnId) -> Option<RawFd> {
        self.core.state.borrow().raw_fd(id)
    }

    /// The name of a protocol.
    pub fn name(&self, protocol: ProtocolId) -> Option<Cow<'c, str>> {
        let core: &'c Core = self.core;
        core.registrations.get(usize::from(protocol.0)).map(|r| Cow::Borrowed(r.name.deref()))
    }

    /// Posts a notice to a protocol, also the caller's own; it is delivered when the present
    /// callback has returned.
    pub fn post<P: Protocol>(&self, key: Key<P>, notice: P::Notice) -> Result<(), PostError> {
        self.core.inbox.post(key, notice)
    }

    /// What other threads reach the context by.
    pub fn handle(&self) -> Handle {
        Handle { inbox: Arc::clone(&self.core.inbox) }
    }

    /// The time this turn of the loop began.
    pub fn now(&self) -> Instant {
        self.core.state.borrow().now
    }

    /// Takes the interest changes of connections so far, for a host that must see them at once
    /// and not only by [`Context::changes`](crate::Context::changes). Forgotten descriptors stay
    /// open until the context is entered again.
    pub fn take_changes(&self) -> Vec<Change> {
        let mut state = self.state();
        let mut changes = Vec::new();
        while let Some(change) = state.next_change() {
            changes.push(change);
        }
        changes
    }
}

impl fmt::Debug for Connections<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connections({})", self.len())
    }
}
