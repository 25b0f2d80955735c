//! poll(2), with a table that finds a descriptor's entry by its number.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{Interest, Readiness};

pub(super) const NAME: &str = "poll";

pub(super) const CHANGING: Option<&str> = None;

/// One entry of [`Events`](super::Events).
pub(super) type RawEvent = (u64, Readiness);

/// What an entry says.
pub(super) fn decode(event: &RawEvent) -> (u64, Readiness) {
    *event
}

/// The set: adding, changing and removing take constant time, waiting takes linear time.
#[derive(Debug)]
pub(super) struct Backend {
    /// What poll(2) is handed, without gaps.
    entries: Vec<PollFd<'static>>,
    /// INVARIANT: as long as `entries`; the token of each.
    tokens: Vec<u64>,
    /// INVARIANT: `places[fd]` is `Some(i)` exactly if `entries[i]` watches `fd`.
    places: Vec<Option<usize>>,
    /// Where the next wait begins to collect, so that with more descriptors ready than there is
    /// room for events none is passed over for ever.
    first: usize,
}

impl Backend {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { entries: Vec::new(), tokens: Vec::new(), places: Vec::new(), first: 0 })
    }

    pub(super) fn add(
        &mut self,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        if self.place(fd).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = number(fd.as_raw_fd());
        if number >= self.places.len() {
            self.places.resize(number + 1, None);
        }
        self.places[number] = Some(self.entries.len());
        self.entries.push(entry(fd, interest));
        self.tokens.push(token);
        Ok(())
    }

    pub(super) fn modify(
        &mut self,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        let place = self.place(fd).ok_or(io::ErrorKind::NotFound)?;
        self.entries[place] = entry(fd, interest);
        self.tokens[place] = token;
        Ok(())
    }

    pub(super) fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        if let Some(place) = self.place(fd) {
            self.remove_at(place);
        }
        Ok(())
    }

    /// Fills `events`, which is empty, as far as it has room.
    pub(super) fn wait(
        &mut self,
        events: &mut Vec<RawEvent>,
        timeout: Option<&Timespec>,
    ) -> io::Result<()> {
        let mut left = poll(&mut self.entries, timeout)?;
        let count = self.entries.len();
        let mut closed = Vec::new();
        let mut place = self.first;
        for _ in 0..count {
            if left == 0 || events.len() == events.capacity() {
                break;
            }
            place = if place < count { place } else { 0 };
            let found = self.entries[place].revents();
            if found.contains(PollFlags::NVAL) {
                closed.push(self.entries[place].as_fd().as_raw_fd());
            } else if !found.is_empty() {
                events.push((self.tokens[place], readiness(found)));
            }
            left -= usize::from(!found.is_empty());
            place += 1;
        }
        self.first = place;
        self.forget(&closed);
        Ok(())
    }

    /// Drops descriptors that were closed while watched. The caller broke the contract; to drop
    /// them, as epoll does, is better than a loop that spins on them for ever.
    fn forget(&mut self, closed: &[RawFd]) {
        for &fd in closed {
            if let Some(place) = self.places.get(number(fd)).copied().flatten() {
                self.remove_at(place);
            }
        }
    }

    fn place(&self, fd: BorrowedFd<'_>) -> Option<usize> {
        self.places.get(number(fd.as_raw_fd())).copied().flatten()
    }

    /// Removes `entries[place]`; the last entry moves there.
    fn remove_at(&mut self, place: usize) {
        let gone = self.entries.swap_remove(place);
        self.tokens.swap_remove(place);
        self.places[number(gone.as_fd().as_raw_fd())] = None;
        if let Some(moved) = self.entries.get(place) {
            self.places[number(moved.as_fd().as_raw_fd())] = Some(place);
        }
    }
}

/// A descriptor as an index. An open one is never negative.
fn number(fd: RawFd) -> usize {
    usize::try_from(fd).unwrap_or_default()
}

/// ERR and HUP need no asking for.
fn entry(fd: BorrowedFd<'_>, interest: Interest) -> PollFd<'static> {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.is_readable());
    flags.set(PollFlags::OUT, interest.is_writable());
    // SAFETY: the descriptor must stay open for as long as the entry borrows it. `Poller` makes its
    // callers promise to remove a descriptor before closing it, which drops the entry. If one
    // breaks the promise, the number is still only ever handed to poll(2), which answers NVAL, or
    // tells of another file's readiness; it reads, writes and closes nothing, and no memory
    // depends on its answer.
    let lasting = unsafe { BorrowedFd::borrow_raw(fd.as_raw_fd()) };
    PollFd::from_borrowed_fd(lasting, flags)
}

fn readiness(found: PollFlags) -> Readiness {
    Readiness {
        readable: found.contains(PollFlags::IN),
        writable: found.contains(PollFlags::OUT),
        hangup: found.intersects(PollFlags::ERR | PollFlags::HUP),
    }
}
