//! What newcomers to the mirror are sent: the drawing so far.

use sockeye::Shared;
use std::collections::{BTreeMap, HashMap, VecDeque};

/// The most that is kept, in bytes of messages.
const BYTES: usize = 1 << 20;

/// The most messages that are kept.
const MESSAGES: usize = 16_384;

/// The latest messages that are worth keeping, by their numbers in the ring; the oldest go first.
pub(crate) struct History {
    kept: BTreeMap<u64, Shared>,
    /// The numbers of each stroke's messages, in order, so that taking one back needs no search.
    strokes: HashMap<Box<[u8]>, VecDeque<u64>>,
    bytes: usize,
}

/// What a message means for the history.
#[derive(Debug, PartialEq, Eq)]
enum Meaning<'m> {
    /// `m …`, `p …`: a pointer or a probe, of no interest later.
    Passing,
    /// `u ID;`: this stroke is taken back.
    Undo(&'m [u8]),
    /// `s ID …`: part of this stroke.
    Stroke(&'m [u8]),
    /// Anything else is kept too.
    Other,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { kept: BTreeMap::new(), strokes: HashMap::new(), bytes: 0 }
    }

    /// Takes note of a message. Numbers only go up.
    pub(crate) fn see(&mut self, number: u64, message: &Shared) {
        match Meaning::of(message.as_bytes()) {
            Meaning::Passing => return,
            Meaning::Undo(stroke) => return self.take_back(stroke),
            Meaning::Stroke(stroke) => match self.strokes.get_mut(stroke) {
                Some(numbers) => numbers.push_back(number),
                None => drop(self.strokes.insert(stroke.into(), [number].into())),
            },
            Meaning::Other => {}
        }
        self.bytes += message.as_bytes().len();
        self.kept.insert(number, message.clone());
        while self.bytes > BYTES || self.kept.len() > MESSAGES {
            self.drop_oldest();
        }
    }

    /// The first message that is numbered from `from` up and below `to`.
    pub(crate) fn between(&self, from: u64, to: u64) -> Option<(u64, &Shared)> {
        self.kept.range(from..to).next().map(|(number, message)| (*number, message))
    }

    fn take_back(&mut self, stroke: &[u8]) {
        for number in self.strokes.remove(stroke).unwrap_or_default() {
            if let Some(message) = self.kept.remove(&number) {
                self.bytes -= message.as_bytes().len();
            }
        }
    }

    fn drop_oldest(&mut self) {
        let Some((_, message)) = self.kept.pop_first() else { return };
        self.bytes -= message.as_bytes().len();
        if let Meaning::Stroke(stroke) = Meaning::of(message.as_bytes())
            && let Some(numbers) = self.strokes.get_mut(stroke)
        {
            numbers.pop_front();
            if numbers.is_empty() {
                self.strokes.remove(stroke);
            }
        }
    }
}

impl<'m> Meaning<'m> {
    fn of(message: &'m [u8]) -> Self {
        match message {
            [b'm' | b'p', b' ', ..] => Self::Passing,
            [b'u', b' ', rest @ ..] => {
                let end = rest.iter().position(|&byte| byte == b';').unwrap_or(rest.len());
                Self::Undo(rest[..end].trim_ascii())
            }
            [b's', b' ', rest @ ..] => match rest.iter().position(|&byte| byte == b' ') {
                Some(end) => Self::Stroke(&rest[..end]),
                None => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(messages: &[&str]) -> History {
        let mut history = History::new();
        for (number, &message) in (0..).zip(messages) {
            history.see(number, &Shared::new(message));
        }
        history
    }

    fn texts(history: &History) -> Vec<&str> {
        history.kept.values().map(|m| std::str::from_utf8(m.as_bytes()).unwrap()).collect()
    }

    #[test]
    fn pointers_and_probes_are_not_kept() {
        let history = history(&["m a 1 2;", "d #000 1 2 3 4;", "p a 7;", "mm", "hello"]);
        assert_eq!(texts(&history), ["d #000 1 2 3 4;", "mm", "hello"]);
    }

    #[test]
    fn taking_a_stroke_back_drops_all_of_it_and_no_other() {
        let history =
            history(&["s a.1 1;", "s a.2 1;", "s a.1 2;", "s a.10 1;", "u a.1;", "u none;"]);
        assert_eq!(texts(&history), ["s a.2 1;", "s a.10 1;"]);
        assert_eq!(history.bytes, 17);
        assert_eq!(history.strokes.len(), 2);
    }

    #[test]
    fn the_oldest_messages_go_when_there_are_too_many() {
        let mut history = History::new();
        for number in 0..MESSAGES as u64 + 2 {
            history.see(number, &Shared::new(format!("s {} x;", number / 2)));
        }
        assert_eq!(history.kept.len(), MESSAGES);
        assert_eq!(history.between(0, u64::MAX).unwrap().0, 2);
        assert_eq!(history.strokes.len(), MESSAGES / 2);
    }

    #[test]
    fn the_oldest_messages_go_when_they_are_too_long() {
        let mut history = History::new();
        let long = "x".repeat(BYTES / 2);
        for number in 0..3 {
            history.see(number, &Shared::new(long.as_str()));
        }
        assert_eq!((history.kept.len(), history.bytes), (2, BYTES));
    }

    #[test]
    fn ranges_leave_out_what_is_gone() {
        let history = history(&["s a 1;", "x", "u a;", "y"]);
        assert_eq!(history.between(0, 4).unwrap().0, 1);
        assert_eq!(history.between(2, 3).map(|(number, _)| number), None);
        assert_eq!(history.between(2, 4).unwrap().0, 3);
    }
}
