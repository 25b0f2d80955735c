//! Where what is to be sent comes from: a pipe, or somebody at a terminal.

use super::input::{Lines, Supply};
use sockeye::CloseCode;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Send this.
    Line(Vec<u8>),
    /// Send a Ping with this.
    Ping(String),
    /// Close with this code and reason.
    Close(CloseCode, String),
    /// There will be no more.
    End,
}

/// What was typed and has not been done yet.
#[derive(Default)]
pub(crate) struct Typed {
    items: VecDeque<Item>,
    bytes: usize,
}

/// No more is taken while so many bytes wait.
const MOST: usize = 4 << 20;

impl Typed {
    /// Takes one more thing to do, unless too much waits already; the end is always taken.
    pub(crate) fn push(&mut self, item: Item) -> bool {
        if self.bytes > MOST && item != Item::End {
            return false;
        }
        self.bytes += item.weight();
        self.items.push_back(item);
        true
    }

    /// Whether an end is among what waits.
    pub(crate) fn ends(&self) -> bool {
        self.items.iter().any(|item| matches!(item, Item::End | Item::Close(..)))
    }

    fn pop(&mut self) -> Option<Item> {
        let item = self.items.pop_front()?;
        self.bytes -= item.weight();
        Some(item)
    }
}

impl Item {
    fn weight(&self) -> usize {
        let content = match self {
            Self::Line(line) => line.len(),
            Self::Ping(text) | Self::Close(_, text) => text.len(),
            Self::End => 0,
        };
        content + size_of::<Self>()
    }
}

/// Where it comes from.
pub(crate) enum Source {
    /// The lines of standard input.
    Piped(Lines),
    /// A terminal.
    Typed(Rc<RefCell<Typed>>),
}

impl Source {
    /// Looks for something to do, if there is nothing at hand.
    pub(crate) fn supply(&mut self) -> Supply {
        match self {
            Self::Piped(lines) => lines.supply(),
            Self::Typed(typed) => match typed.borrow().items.front() {
                Some(Item::End) => Supply::Ended,
                Some(_) => Supply::Ready,
                None => Supply::Later,
            },
        }
    }

    /// The next thing to do of those at hand, but for the end; with its number if it is a line of
    /// standard input.
    pub(crate) fn next(&mut self) -> Option<(Option<u64>, Item)> {
        match self {
            Self::Piped(lines) => {
                lines.next().map(|(number, line)| (Some(number), Item::Line(line.to_vec())))
            }
            Self::Typed(typed) => {
                let mut typed = typed.borrow_mut();
                let more = typed.items.front().is_some_and(|item| *item != Item::End);
                if more { typed.pop().map(|item| (None, item)) } else { None }
            }
        }
    }

    pub(crate) fn is_typed(&self) -> bool {
        matches!(self, Self::Typed(_))
    }

    /// Whether somebody has asked for the end already.
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Self::Typed(typed) if typed.borrow().ends())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_and_the_end_is_always_taken() {
        let mut typed = Typed::default();
        let line = Item::Line(vec![b'x'; 1 << 20]);
        let taken = (0..10).filter(|_| typed.push(line.clone())).count();
        assert_eq!(taken, 4);
        assert!(!typed.ends() && typed.push(Item::End) && typed.ends());
        let typed = Rc::new(RefCell::new(typed));
        let mut source = Source::Typed(Rc::clone(&typed));
        for _ in 0..taken {
            assert_eq!(source.supply(), Supply::Ready);
            assert_eq!(source.next(), Some((None, line.clone())));
        }
        assert_eq!((source.supply(), source.next()), (Supply::Ended, None));
        assert!(typed.borrow_mut().push(line));
    }
}
