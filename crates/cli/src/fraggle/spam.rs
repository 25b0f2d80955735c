//! The server's protocol: messages of random fragments, and their sums.

use super::random::Random;
use super::{NAME, add};
use sockeye::{Action, Conn, Handshake, Message, MessageKind, Permit, Protocol, Reject};
use std::ops::RangeInclusive;

/// How many fragments a message has, and how many bytes a fragment.
const FRAGMENTS: RangeInclusive<usize> = 1..=1024;
const BYTES: RangeInclusive<usize> = 1..=8000;

/// The protocol.
pub(crate) struct Spam {
    random: Random,
    fragment: Vec<u8>,
}

/// What a connection is sent next.
#[derive(Clone, Copy)]
pub(crate) enum Stage {
    /// Fragments of a message, so many more; the sum of those before.
    Fragments { left: usize, sum: u32 },
    /// The sum of the message before.
    Sum(u32),
}

impl Spam {
    pub(crate) fn new() -> Self {
        Self { random: Random::new(), fragment: Vec::new() }
    }

    fn begin(&mut self) -> Stage {
        Stage::Fragments { left: self.random.within(&FRAGMENTS), sum: 0 }
    }

    /// Sends the next piece.
    fn send<'c>(&mut self, stage: &mut Stage, permit: Permit<'c>) -> Option<Permit<'c>> {
        match *stage {
            Stage::Fragments { left, sum } => {
                self.fragment.resize(self.random.within(&BYTES), 0);
                self.random.fill(&mut self.fragment);
                let (sum, is_last) = (add(sum, &self.fragment), left == 1);
                *stage = if is_last {
                    Stage::Sum(sum)
                } else {
                    Stage::Fragments { left: left - 1, sum }
                };
                permit.send_part(MessageKind::Binary, &self.fragment, is_last)
            }
            Stage::Sum(sum) => {
                *stage = self.begin();
                permit.send(Message::binary(&sum.to_be_bytes()[..]))
            }
        }
    }
}

impl Protocol for Spam {
    type Session = Stage;
    type Notice = ();

    fn name(&self) -> &str {
        NAME
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<Stage, Reject> {
        Ok(self.begin())
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        conn.request_writable();
        Action::Continue
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let mut permit = Some(permit);
        // One message a turn at most: others have their turn too.
        while let Some(ready) = permit {
            let was_sum = matches!(conn.session, Stage::Sum(_));
            permit = self.send(conn.session, ready).filter(|_| !was_sum);
        }
        conn.request_writable();
        Action::Continue
    }
}
