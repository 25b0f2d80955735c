// error: E0277
//! A notice may come from any thread.

use sockeye::{Action, Conn, Handshake, Message, Protocol, Reject};
use std::rc::Rc;

struct Gossip;

impl Protocol for Gossip {
    type Session = ();
    type Notice = Rc<str>;

    fn name(&self) -> &str {
        "gossip"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }
}

fn main() {}
