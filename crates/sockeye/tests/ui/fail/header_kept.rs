// error: lifetime may not live long enough
//! Headers are gone once the connection is established: the session takes a copy of what it needs.

use sockeye::{Action, Conn, Handshake, Message, Protocol, Reject};

struct Cookies;

impl Protocol for Cookies {
    type Session = Option<&'static str>;
    type Notice = ();

    fn name(&self) -> &str {
        "cookies"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Self::Session, Reject> {
        Ok(hello.header("Cookie"))
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }
}

fn main() {}
