// error: E0308
//! Every callback about a connection says what becomes of it.

use sockeye::{Action, Conn, Handshake, Message, Protocol, Reject};

struct Forgetful;

impl Protocol for Forgetful {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "forgetful"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        conn.request_writable();
    }
}

fn main() {}
