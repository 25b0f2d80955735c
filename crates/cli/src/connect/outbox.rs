//! Lines that were sent and of which it is not known whether they have arrived.
//!
//! After some lines comes a ping with their number; its answer says that the server has them. What
//! it has not when a connection is lost is sent once more on the next one: nothing is lost, some
//! lines may come twice.

use std::collections::VecDeque;

/// No more lines are taken while so many bytes of them are unconfirmed.
const MOST: usize = 1 << 20;

#[derive(Default)]
pub(crate) struct Outbox {
    lines: VecDeque<Vec<u8>>,
    /// How many of them have been sent on the present connection.
    sent: usize,
    /// How many lines have been confirmed, since the beginning.
    confirmed: u64,
    bytes: usize,
}

impl Outbox {
    /// Keeps a line that is being sent for the first time.
    pub(crate) fn keep(&mut self, line: &[u8]) {
        self.bytes += line.len() + 1;
        self.lines.push_back(line.to_vec());
        self.sent += 1;
    }

    /// The next line that must be sent once more.
    pub(crate) fn again(&mut self) -> Option<&[u8]> {
        let line = self.lines.get(self.sent)?;
        self.sent += 1;
        Some(line)
    }

    /// What a ping says that comes after all that has been sent.
    pub(crate) fn mark(&self) -> [u8; 8] {
        (self.confirmed + self.sent as u64).to_be_bytes()
    }

    /// The answer to a ping has come; whether there was news in it.
    pub(crate) fn confirm(&mut self, mark: &[u8]) -> bool {
        let Ok(mark) = mark.try_into().map(u64::from_be_bytes) else { return false };
        let before = self.confirmed;
        while self.confirmed < mark && self.sent > 0 {
            let line = self.lines.pop_front().unwrap_or_default();
            self.bytes -= line.len() + 1;
            self.sent -= 1;
            self.confirmed += 1;
        }
        self.confirmed > before
    }

    /// There is a new connection: nothing has been sent on it.
    pub(crate) fn begin_anew(&mut self) {
        self.sent = 0;
    }

    /// Whether some must be sent once more.
    pub(crate) fn owes(&self) -> bool {
        self.sent < self.lines.len()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= MOST
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_confirmed_is_sent_again() {
        let mut outbox = Outbox::default();
        outbox.keep(b"a");
        outbox.keep(b"b");
        let mark = outbox.mark();
        outbox.keep(b"c");
        assert!(outbox.confirm(&mark) && !outbox.confirm(&mark) && !outbox.confirm(b"x"));
        outbox.begin_anew();
        assert!(!outbox.confirm(&u64::MAX.to_be_bytes()), "nothing has been sent");
        assert_eq!(outbox.again(), Some(&b"c"[..]));
        assert_eq!(outbox.again(), None);
        assert!(outbox.confirm(&outbox.mark()) && outbox.is_empty());
        outbox.keep(&vec![b'x'; MOST]);
        assert!(outbox.is_full());
    }
}
