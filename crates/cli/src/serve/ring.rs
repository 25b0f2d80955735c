//! The messages that mirror connections may still have to be sent.

use sockeye::Shared;
use std::collections::VecDeque;

/// What an entry costs besides its payload, about.
const OVERHEAD: u64 = 128;

/// The latest messages, numbered without gaps; the oldest go when they cost too much.
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    /// The cost of all messages there ever were.
    total: u64,
    /// The most the entries may cost.
    limit: u64,
}

struct Entry {
    message: Shared,
    /// The cost of all messages before.
    before: u64,
}

impl Ring {
    /// An empty ring for messages of `limit` bytes in all, overhead included.
    pub(crate) fn new(limit: u64) -> Self {
        Self { entries: VecDeque::new(), first: 0, total: 0, limit }
    }

    /// The number that the next message will get.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Adds a message. The newest always stays.
    pub(crate) fn push(&mut self, message: Shared) {
        let before = self.total;
        self.total += cost(&message);
        self.entries.push_back(Entry { message, before });
        while self.entries.len() > 1 && self.behind(self.first) > self.limit {
            self.entries.pop_front();
            self.first += 1;
        }
    }

    /// Message `number`; `None` if it is gone, or not there yet.
    pub(crate) fn get(&self, number: u64) -> Option<&Shared> {
        self.entry(number).map(|entry| &entry.message)
    }

    /// Whether message `number` has been dropped.
    pub(crate) fn has_dropped(&self, number: u64) -> bool {
        number < self.first
    }

    /// What a receiver that is to be sent message `number` next has before it, in bytes.
    pub(crate) fn behind(&self, number: u64) -> u64 {
        self.entry(number).map_or(0, |entry| self.total - entry.before)
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

fn cost(message: &Shared) -> u64 {
    message.as_bytes().len() as u64 + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go_when_the_ring_is_full_and_numbers_stay() {
        let mut ring = Ring::new(3 * (OVERHEAD + 1));
        for text in ["0", "1", "2", "3"] {
            ring.push(Shared::new(text));
        }
        assert_eq!(ring.end(), 4);
        assert!(ring.has_dropped(0) && ring.get(0).is_none());
        assert!(!ring.has_dropped(1));
        assert_eq!(ring.get(1).unwrap().as_bytes(), b"1");
        assert!(ring.get(4).is_none());
        assert_eq!(ring.behind(2), 2 * (OVERHEAD + 1));
        assert_eq!(ring.behind(4), 0);
    }

    #[test]
    fn a_message_larger_than_the_ring_is_in_it_alone() {
        let mut ring = Ring::new(10);
        ring.push(Shared::new("small"));
        ring.push(Shared::new("a good deal larger than the ring"));
        assert!(ring.has_dropped(0) && ring.get(1).is_some());
    }
}
