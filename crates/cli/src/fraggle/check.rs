//! The client's protocol: takes fragments as they come, and compares sums.

use super::{NAME, add};
use crate::ending::{Ending, FAILED};
use sockeye::{
    Action, Chunk, CloseCode, Closed, Conn, ConnId, ConnectError, Connections, Handshake, Message,
    MessageKind, Protocol, Reject,
};
use std::cell::OnceCell;
use std::io::{self, Write};
use std::rc::Rc;

/// The protocol.
pub(crate) struct Check {
    url: String,
    /// How many messages are wanted, and how many were right.
    count: u64,
    right: u64,
    open: bool,
    /// What the program ends with.
    ending: Rc<OnceCell<Ending>>,
}

/// What a connection is expected to bring next.
pub(crate) enum Stage {
    /// A message, of which this much has come.
    Message { fragments: u64, bytes: u64, sum: u32 },
    /// Its sum, of which these bytes have come.
    Sum { of: u32, said: Vec<u8> },
}

impl Stage {
    const BEGIN: Self = Self::Message { fragments: 0, bytes: 0, sum: 0 };
}

impl Check {
    pub(crate) fn new(count: u64, url: &str, ending: Rc<OnceCell<Ending>>) -> Self {
        Self { url: url.to_owned(), count, right: 0, open: false, ending }
    }

    /// Says what is wrong with the present message, and ends.
    fn wrong(&self, what: &str) -> Action {
        let sentence = format!("message {}: {what}", self.right + 1);
        self.end(Ending::with(FAILED, sentence))
    }

    fn end(&self, ending: Ending) -> Action {
        let _ = self.ending.set(ending); // the first counts
        Action::close(CloseCode::NORMAL, "")
    }

    fn compare(&mut self, of: u32, said: &[u8]) -> Action {
        let Ok(said) = said.try_into().map(u32::from_be_bytes) else {
            return self.wrong(&format!("its sum should have 4 bytes, and has {}", said.len()));
        };
        if said != of {
            return self.wrong(&format!(
                "its bytes add up to {of:#010x}, and the server says {said:#010x}"
            ));
        }
        self.right += 1;
        if self.right == self.count { self.end(Ending::success()) } else { Action::Continue }
    }

    /// One line for each message that has come whole.
    fn tell(&self, fragments: u64, bytes: u64, sum: u32) -> io::Result<()> {
        let number = self.right + 1;
        writeln!(
            io::stdout(),
            "message {number}: {bytes} bytes in {fragments} fragments, sum {sum:#010x}"
        )
    }
}

impl Protocol for Check {
    type Session = Stage;
    /// End with this.
    type Notice = Ending;
    const STREAMING: bool = true;

    fn name(&self) -> &str {
        NAME
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<Stage, Reject> {
        Ok(Stage::BEGIN)
    }

    fn open(&mut self, _: &mut Conn<'_, Self>) -> Action {
        self.open = true;
        Action::Continue
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue // comes as chunks
    }

    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        if chunk.kind() != MessageKind::Binary {
            return self.wrong("it is text");
        }
        let piece = chunk.payload();
        match conn.session {
            Stage::Message { fragments, bytes, sum } => {
                *fragments += u64::from(chunk.remaining() == 0);
                *bytes += piece.len() as u64;
                *sum = add(*sum, piece);
                if chunk.is_final() {
                    let (fragments, bytes, of) = (*fragments, *bytes, *sum);
                    if let Err(error) = self.tell(fragments, bytes, of) {
                        return self.end(Ending::of_stdout(&error));
                    }
                    *conn.session = Stage::Sum { of, said: Vec::new() };
                }
                Action::Continue
            }
            Stage::Sum { of, said } => {
                let room = 5 - said.len(); // one more than there should be
                said.extend_from_slice(&piece[..piece.len().min(room)]);
                if said.len() > 4 {
                    return self.wrong("its sum should have 4 bytes, and has more");
                }
                if !chunk.is_final() {
                    return Action::Continue;
                }
                let (of, said) = (*of, std::mem::take(said));
                *conn.session = Stage::BEGIN;
                self.compare(of, &said)
            }
        }
    }

    fn notified(&mut self, connections: Connections<'_>, ending: Ending) {
        let _ = self.ending.set(ending); // the first counts
        for id in connections.all() {
            if self.open {
                connections.close(id, CloseCode::NORMAL, "");
            } else {
                connections.abort(id);
            }
        }
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, _: Stage, closed: Closed) {
        let early = format!("the connection ended after {} right messages: {closed}", self.right);
        let _ = self.ending.set(Ending::with(FAILED, early)); // if nothing else has been
    }

    fn connect_failed(&mut self, _: Connections<'_>, _: ConnId, error: ConnectError) {
        let _ = self.ending.set(Ending::with(FAILED, format!("{}: {error}", self.url)));
    }
}
