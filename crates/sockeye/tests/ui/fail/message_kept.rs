// error: E0521
//! A message may lie in the loop's one receive buffer. To keep it, take its bytes: `into_bytes`.

use sockeye::{Action, Conn, Handshake, Message, Protocol, Reject};

struct Hoarder {
    messages: Vec<Message<'static>>,
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

    fn receive(&mut self, _: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        self.messages.push(message);
        Action::Continue
    }
}

fn main() {}
