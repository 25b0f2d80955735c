//! `lws-mirror-protocol`: every message goes to every connection, its sender's too; newcomers are
//! sent what was drawn before.

use super::bell::Bell;
use super::history::History;
use super::ring::Ring;
use sockeye::{
    Action, CloseCode, Closed, Conn, ConnId, Connections, Handshake, Message, Permit, Protocol,
    ProtocolId, Reject, Shared,
};

/// The latest messages take this much memory at most, in bytes. Who falls behind further is
/// closed.
const RING_BYTES: u64 = 4 << 20;

/// A connection that is this far behind is not read from, so that nobody can send faster than
/// they take what is mirrored; in bytes.
const PAUSE_BYTES: u64 = RING_BYTES / 4;

/// The code and reason for who falls behind further than the ring reaches.
const TOO_SLOW: (CloseCode, &str) = (CloseCode::POLICY_VIOLATION, "too slow");

/// The protocol.
pub(crate) struct Mirror {
    bell: Bell,
    ring: Ring,
    history: History,
}

impl Mirror {
    pub(crate) fn new(bell: Bell) -> Self {
        Self { bell, ring: Ring::new(RING_BYTES), history: History::new() }
    }
}

/// How far a connection has been served.
pub(crate) struct Cursor {
    protocol: ProtocolId,
    /// What the history has from here up to `joined` is sent first.
    replay: u64,
    /// The number of the first message after the handshake.
    joined: u64,
    /// The number of the message to be sent next of those since then.
    next: u64,
    paused: bool,
}

impl Protocol for Mirror {
    type Session = Cursor;
    type Notice = ();

    fn name(&self) -> &str {
        "lws-mirror-protocol"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Cursor, Reject> {
        let joined = self.ring.end();
        Ok(Cursor { protocol: hello.protocol(), replay: 0, joined, next: joined, paused: false })
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.bell.ring(conn.connections());
        conn.request_writable();
        Action::Continue
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        let message = Shared::new(message);
        self.history.see(self.ring.end(), &message);
        self.ring.push(message);
        if self.ring.behind(conn.session.next) > PAUSE_BYTES {
            conn.session.paused = true;
            conn.pause();
        }
        conn.connections().request_writable_all(conn.session.protocol);
        Action::Continue
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let mut permit = Some(permit);
        while let Some(ready) = permit {
            let cursor = &mut *conn.session;
            let Some(message) = self.next(cursor) else {
                return self.served(conn);
            };
            permit = ready.send_shared(message);
        }
        conn.request_writable();
        Action::Continue
    }

    fn closed(&mut self, connections: Connections<'_>, _: ConnId, _: Cursor, _: Closed) {
        self.bell.ring(connections);
    }
}

impl Mirror {
    /// The message a connection is to be sent next; its cursor moves past it.
    fn next(&self, cursor: &mut Cursor) -> Option<&Shared> {
        if let Some((number, message)) = self.history.between(cursor.replay, cursor.joined) {
            cursor.replay = number + 1;
            return Some(message);
        }
        let message = self.ring.get(cursor.next)?;
        cursor.next += 1;
        Some(message)
    }

    /// There is nothing to send: all has been, or the ring does not reach back far enough.
    fn served(&self, conn: &mut Conn<'_, Self>) -> Action {
        if self.ring.has_dropped(conn.session.next) {
            let (code, reason) = TOO_SLOW;
            return Action::close(code, reason);
        }
        if std::mem::take(&mut conn.session.paused) {
            conn.resume();
        }
        Action::Continue
    }
}
