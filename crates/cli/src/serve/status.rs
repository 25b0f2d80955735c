//! `lws-status`: who is connected, as JSON, at first and whenever that changes.

use super::bell::Bell;
use super::roster::Roster;
use sockeye::{
    Action, CloseCode, Closed, Conn, ConnId, Connections, Handshake, Message, Permit, Protocol,
    ProtocolId, Reject,
};
use std::time::{Duration, Instant};

/// Changes that follow each other faster than this are told together.
const PAUSE: Duration = Duration::from_millis(100);

/// The protocol.
pub(crate) struct Status {
    bell: Bell,
    began: Instant,
    /// The protocols whose connections count; with this one, once it has had any.
    protocols: Vec<ProtocolId>,
    own: Option<ProtocolId>,
    /// How many changes there have been.
    version: u64,
    /// Who is connected; put together when it is asked for after a change.
    roster: Option<Roster>,
    /// When changes were last told.
    told: Option<Instant>,
    /// When the timers of the status connections run out, to tell the latest changes.
    due: Option<Instant>,
}

impl Status {
    /// The status of the connections of `others` and of its own.
    pub(crate) fn new(bell: Bell, others: impl Into<Vec<ProtocolId>>) -> Self {
        Self {
            bell,
            began: Instant::now(),
            protocols: others.into(),
            own: None,
            version: 0,
            roster: None,
            told: None,
            due: None,
        }
    }
}

impl Protocol for Status {
    /// The version that the connection has been told.
    type Session = Option<u64>;
    /// A connection has opened or closed.
    type Notice = ();

    fn name(&self) -> &str {
        "lws-status"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Option<u64>, Reject> {
        if self.own.is_none() {
            self.own = Some(hello.protocol());
            self.protocols.push(hello.protocol());
        }
        Ok(None)
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.bell.ring(conn.connections());
        conn.request_writable();
        if let Some(due) = self.due {
            conn.set_timer(due.saturating_duration_since(conn.connections().now()));
        }
        Action::Continue
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue // there is nothing to say to it
    }

    fn notified(&mut self, connections: Connections<'_>, (): ()) {
        self.version += 1;
        self.roster = None;
        let (None, Some(own)) = (self.due, self.own) else { return };
        let now = connections.now();
        let due = self.told.map_or(now, |told| now.max(told + PAUSE));
        self.due = Some(due);
        for id in connections.of(own) {
            connections.set_timer(id, Some(due - now));
        }
    }

    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.due = None;
        self.told = Some(conn.connections().now());
        conn.request_writable();
        Action::Continue
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        if conn.session.replace(self.version) == Some(self.version) {
            return Action::Continue;
        }
        let (connections, uptime) = (conn.connections(), self.began.elapsed());
        let roster = self.roster.get_or_insert_with(|| Roster::of(&self.protocols, connections));
        match roster.report(conn.id(), connections, uptime) {
            Ok(report) => {
                permit.send(report);
                Action::Continue
            }
            Err(error) => Action::close(CloseCode::INTERNAL_ERROR, error.to_string()),
        }
    }

    fn closed(&mut self, connections: Connections<'_>, _: ConnId, _: Option<u64>, _: Closed) {
        self.bell.ring(connections);
    }
}
