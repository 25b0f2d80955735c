//! Sending until the pipe is choked: the loop ends by itself.

use sockeye::{Action, Conn, Handshake, Message, Permit, Protocol, Reject};

struct Numbers;

impl Protocol for Numbers {
    type Session = u64;
    type Notice = ();

    fn name(&self) -> &str {
        "numbers"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<u64, Reject> {
        Ok(0)
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let mut permit = Some(permit);
        while let Some(ready) = permit {
            *conn.session += 1;
            permit = ready.send(conn.session.to_string());
        }
        conn.request_writable();
        Action::Continue
    }
}

fn main() {
    sockeye::Context::builder().protocol(Numbers).build().unwrap();
}
