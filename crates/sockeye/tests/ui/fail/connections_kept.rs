// error: lifetime may not live long enough
//! The handle on all connections is lent as well: what reaches the loop from elsewhere is a
//! `Handle`.

use sockeye::{Action, Conn, Connections, Handshake, Message, Protocol, Reject};

struct Hoarder {
    connections: Option<Connections<'static>>,
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

    fn notified(&mut self, connections: Connections<'_>, _: ()) {
        self.connections = Some(connections);
    }
}

fn main() {}
