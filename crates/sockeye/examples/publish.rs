//! Whatever a client says goes to every client, its sender too, and nothing is lost.
//!
//! Each message is framed once and kept for a while, and each client knows how far it has come: so
//! a socket that takes nothing gets what it missed when it can, in as few system calls as it has
//! room for, and no client has a queue of its own. Who falls behind further than what is kept
//! reaches is closed.
//!
//! ```sh
//! cargo run -p sockeye --example publish -- 127.0.0.1:7681
//! ```

use sockeye::{
    Action, CloseCode, Conn, Context, Handshake, Key, Message, Permit, Protocol, ProtocolId,
    Reject, Shared,
};
use std::collections::VecDeque;

/// The most messages that are kept.
const KEPT: usize = 4096;

struct Topic {
    kept: VecDeque<Shared>,
    /// The number of the first one that is kept; they are counted from 0.
    first: u64,
    /// Its own registration, by which it asks for all its connections.
    registration: Option<ProtocolId>,
    /// All connections have been asked for, and none has been served since.
    asked: bool,
}

impl Topic {
    /// The number that the next message will have.
    fn end(&self) -> u64 {
        self.first + self.kept.len() as u64
    }
}

impl Protocol for Topic {
    /// The number of the message to be sent next.
    type Session = u64;
    type Notice = ();

    fn name(&self) -> &str {
        "publish"
    }

    fn registered(&mut self, key: Key<Self>) {
        self.registration = Some(key.id());
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<u64, Reject> {
        Ok(self.end())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.first += 1;
        }
        self.kept.push_back(Shared::new(message));
        // Of messages that come together, the first one asks for all of them.
        if let Some(registration) = self.registration
            && !std::mem::replace(&mut self.asked, true)
        {
            conn.connections().request_writable_all(registration);
        }
        Action::Continue
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        self.asked = false;
        let Some(missed) = conn.session.checked_sub(self.first) else {
            return Action::close(CloseCode::POLICY_VIOLATION, "too slow");
        };
        let mut permit = Some(permit);
        for message in self.kept.range(missed as usize..) {
            let Some(ready) = permit else {
                conn.request_writable();
                break;
            };
            permit = ready.send_shared(message);
            *conn.session += 1;
        }
        Action::Continue
    }
}

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7681".into());
    let topic = Topic { kept: VecDeque::new(), first: 0, registration: None, asked: false };
    let mut context = Context::builder().protocol_for_any(topic).build()?;
    println!("listening on ws://{}", context.listen(address)?);
    context.run()
}
