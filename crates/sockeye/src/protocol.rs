//! The application's side of a WebSocket: one object per protocol, a session per connection.

use crate::connect::{ConnectError, LinkUp, Outage, Retry};
use crate::handle::Key;
use crate::handshake::{Handshake, Reject};
use crate::lent::{Conn, Connections};
use crate::message::{Action, Chunk, Closed, Message};
use crate::permit::Permit;
use crate::slots::ConnId;

/// What a WebSocket protocol does; the manual's `struct libwebsocket_protocols` and its callback.
///
/// One value serves all connections of the protocol, so what they share is `&mut self`, and what
/// each has is its [`Session`](Self::Session). Callbacks run one at a time. A callback decides
/// about its own connection by what it returns, and about any other by asking
/// [`Connections`]. Bytes may leave and interest may change at once; no other callback runs, and
/// nothing is freed, until it has returned.
///
/// | callback | when | manual |
/// |---|---|---|
/// | [`upgrade`](Self::upgrade) | handshake read, not yet answered | `FILTER_PROTOCOL_CONNECTION`, `CLIENT_FILTER_PRE_ESTABLISH` |
/// | [`open`](Self::open) | handshake done | `ESTABLISHED`, `CLIENT_ESTABLISHED` |
/// | [`receive`](Self::receive) or [`chunk`](Self::chunk) | data came | `RECEIVE`, `CLIENT_RECEIVE` |
/// | [`writable`](Self::writable) | asked for, and the socket can take data | `SERVER_WRITEABLE`, `CLIENT_WRITEABLE` |
/// | [`closed`](Self::closed) | exactly once after `upgrade` succeeded | `CLOSED` |
/// | [`link_up`](Self::link_up), [`link_down`](Self::link_down) | of connections that are opened again |  |
/// | [`connect_failed`](Self::connect_failed) | instead of `upgrade` and `closed` | `CLIENT_CONNECTION_ERROR` |
pub trait Protocol: 'static {
    /// What each connection has of its own: made by `upgrade`, lent as
    /// [`Conn::session`](crate::Conn), handed back by `closed`.
    type Session: 'static;

    /// What other threads, protocols and HTTP handlers may post to this protocol; often `()`.
    type Notice: Send + 'static;

    /// Set this to get [`chunk`](Self::chunk)s as they come instead of whole messages.
    const STREAMING: bool = false;

    /// The name, as in `Sec-WebSocket-Protocol`.
    fn name(&self) -> &str;

    /// The protocol has been registered; by `key` it can be reached from other threads, and its
    /// connections be asked for.
    fn registered(&mut self, key: Key<Self>)
    where
        Self: Sized,
    {
        let _ = key;
    }

    /// Decides about a handshake, on the server before it is answered and on the client after the
    /// answer was checked. The last sight of the headers.
    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Self::Session, Reject>;

    /// A message came.
    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action;

    /// A piece of a message came; only with [`STREAMING`](Self::STREAMING).
    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        let _ = (conn, chunk);
        Action::Continue
    }

    /// The connection is open.
    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        let _ = conn;
        Action::Continue
    }

    /// The socket can take data, and [`request_writable`](Conn::request_writable) was called
    /// since the last time.
    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let _ = (conn, permit);
        Action::Continue
    }

    /// A Ping came; it has been answered.
    fn ping(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        let _ = (conn, payload);
        Action::Continue
    }

    /// A Pong came.
    fn pong(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        let _ = (conn, payload);
        Action::Continue
    }

    /// The timer set by [`Conn::set_timer`] ran out.
    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        let _ = conn;
        Action::Continue
    }

    /// Something was posted to this protocol, by [`Handle::post`](crate::Handle::post) or
    /// [`Connections::post`].
    fn notified(&mut self, connections: Connections<'_>, notice: Self::Notice) {
        let _ = (connections, notice);
    }

    /// The connection has ended; its descriptor is still open. Nothing can be sent any more.
    fn closed(
        &mut self,
        connections: Connections<'_>,
        id: ConnId,
        session: Self::Session,
        closed: Closed,
    ) {
        let _ = (connections, id, session, closed);
    }

    /// A connection that is opened again by a policy ([`Connect::reconnect`](crate::Connect)) is
    /// open, for the first time or once more; [`open`](Self::open) has just returned. The place to
    /// subscribe, and to ask for what was missed.
    fn link_up(&mut self, conn: &mut Conn<'_, Self>, up: &LinkUp<'_>) -> Action {
        let _ = (conn, up);
        Action::Continue
    }

    /// A connection that is opened again by a policy has failed or ended: here both are told in
    /// one place, and it is decided whether and when it is opened again. The connection's own
    /// [`connect_failed`](Self::connect_failed) or [`closed`](Self::closed) comes right after.
    fn link_down(&mut self, connections: Connections<'_>, outage: &Outage<'_>) -> Retry {
        let _ = (connections, outage);
        Retry::AsPlanned
    }

    /// A handshake whose answer was put off with [`Reject::later`] has ended without one: the
    /// client has left or sent a FIN (without another word from it there is no WebSocket), the
    /// deadline has passed, or the context shuts down. `id` means nobody now;
    /// what was kept under it can be forgotten, and work begun for it be stopped.
    fn upgrade_abandoned(&mut self, connections: Connections<'_>, id: ConnId) {
        let _ = (connections, id);
    }

    /// A connection that [`Connections::connect`] began did not come about.
    fn connect_failed(&mut self, connections: Connections<'_>, id: ConnId, error: ConnectError) {
        let _ = (connections, id, error);
    }
}
