//! `dumb-increment-protocol`: each connection is sent a number of its own, and the next, and the
//! next.

use super::bell::Bell;
use sockeye::{
    Action, Closed, Conn, ConnId, Connections, Handshake, Message, Permit, Protocol, Reject,
};
use std::time::{Duration, Instant};

/// From one number to the next.
const PERIOD: Duration = Duration::from_millis(50);

/// The message that sets the number to 0.
const RESET: &str = "reset\n";

/// The protocol.
pub(crate) struct Counter {
    bell: Bell,
}

impl Counter {
    pub(crate) fn new(bell: Bell) -> Self {
        Self { bell }
    }
}

/// One connection's count.
pub(crate) struct Count {
    /// The number that is sent next.
    value: u64,
    /// When, in an ideal world.
    due: Instant,
}

impl Protocol for Counter {
    type Session = Count;
    type Notice = ();

    fn name(&self) -> &str {
        "dumb-increment-protocol"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Count, Reject> {
        Ok(Count { value: 0, due: hello.connections().now() })
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.bell.ring(conn.connections());
        set_timer(conn);
        Action::Continue
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        if message.as_text() == Some(RESET) {
            conn.session.value = 0;
        }
        Action::Continue
    }

    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        conn.request_writable(); // once, however many periods the peer takes to read
        set_timer(conn);
        Action::Continue
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let count = &mut conn.session.value;
        permit.send(count.to_string());
        *count += 1;
        Action::Continue
    }

    fn closed(&mut self, connections: Connections<'_>, _: ConnId, _: Count, _: Closed) {
        self.bell.ring(connections);
    }
}

/// Sets the timer to the next beat after now, so that lateness does not add up.
fn set_timer(conn: &mut Conn<'_, Counter>) {
    let now = conn.connections().now();
    conn.session.due = next_beat(conn.session.due, now);
    conn.set_timer(conn.session.due - now);
}

/// The first instant after `now` that lies whole periods after `due`.
fn next_beat(due: Instant, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due);
    let missed = u32::try_from(late.as_nanos() / PERIOD.as_nanos());
    match missed {
        Ok(missed) => due + PERIOD * (missed + 1),
        Err(_) => now + PERIOD, // years late: a new beginning
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_keep_their_distance_to_the_first_however_late_the_timer_is() {
        let first = Instant::now();
        let at = |ms| first + Duration::from_millis(ms);
        assert_eq!(next_beat(first, first), at(50));
        assert_eq!(next_beat(at(50), at(50)), at(100));
        assert_eq!(next_beat(at(50), at(53)), at(100));
        assert_eq!(next_beat(at(50), at(99)), at(100));
        assert_eq!(next_beat(at(50), at(230)), at(250));
    }
}
