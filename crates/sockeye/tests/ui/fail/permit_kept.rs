// error: E0521
//! A permit speaks of now: it cannot be kept for a later callback.

use sockeye::{Action, Conn, Handshake, Message, Permit, Protocol, Reject};

struct Hoarder {
    permits: Vec<Permit<'static>>,
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

    fn writable(&mut self, _: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        self.permits.push(permit);
        Action::Continue
    }
}

fn main() {}
