// error: E0521
//! The pieces of a streamed message lie in the loop's one receive buffer, and do not outlive it.

use sockeye::{Action, Chunk, Conn, Handshake, Message, Protocol, Reject};

struct Hoarder {
    pieces: Vec<&'static [u8]>,
}

impl Protocol for Hoarder {
    type Session = ();
    type Notice = ();
    const STREAMING: bool = true;

    fn name(&self) -> &str {
        "hoarder"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }

    fn chunk(&mut self, _: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        self.pieces.push(chunk.payload());
        Action::Continue
    }
}

fn main() {}
