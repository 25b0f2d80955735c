// error: E0521
//! A session is lent with its connection, and handed back by `closed`: no reference outlives it.

use sockeye::{Action, Conn, Handshake, Message, Protocol, Reject};

struct Hoarder {
    sessions: Vec<&'static mut String>,
}

impl Protocol for Hoarder {
    type Session = String;
    type Notice = ();

    fn name(&self) -> &str {
        "hoarder"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<String, Reject> {
        Ok(String::new())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.sessions.push(conn.session);
        Action::Continue
    }
}

fn main() {}
