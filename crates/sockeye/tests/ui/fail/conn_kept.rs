// error: E0521
//! A connection is lent: what may be kept of it is its id, which goes stale without harm.

use sockeye::{Action, Conn, Handshake, Message, Protocol, Reject};

struct Hoarder {
    conns: Vec<&'static mut Conn<'static, Self>>,
}

impl Protocol for Hoarder {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "hoarder"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.conns.push(conn);
        Action::Continue
    }
}

fn main() {}
