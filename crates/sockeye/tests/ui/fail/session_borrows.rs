// error: lifetime may not live long enough
//! A session lives until `closed` hands it back, while the protocol changes: it borrows nothing,
//! not even from its protocol.

use sockeye::{Action, Conn, Handshake, Message, Protocol, Reject};

struct Greeter {
    greeting: String,
}

impl Protocol for Greeter {
    type Session = &'static str;
    type Notice = ();

    fn name(&self) -> &str {
        "greeter"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<Self::Session, Reject> {
        Ok(&self.greeting)
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }
}

fn main() {}
