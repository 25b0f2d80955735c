//! What Sockeye wants watched, and the wait for it: by poll(2) or epoll(7), whichever is less work.
//!
//! Programs ask for POLLOUT and take that back with each message. To poll(2), which is handed
//! everything with each wait, that is nothing; to epoll(7) each is a system call. In turn each wait
//! of poll(2) looks at every descriptor, whether anything happens there or not. So what is compared
//! is how many descriptors there are, and how many changes come between two waits.

use libc::{POLLERR, POLLHUP, POLLIN, POLLOUT, c_int, c_short, pollfd};
use sockeye::dense::Dense;
use sockeye::{Events, Interest, Poller, Readiness};
use std::io;
use std::mem;
use std::os::fd::BorrowedFd;
use std::process;
use std::time::Duration;

/// Up to so many descriptors are watched by poll(2), however silent.
const FEW: usize = 64;

/// What a change costs epoll(7): as much as poll(2) takes for so many descriptors.
const CHANGE: usize = 5;

/// One way takes the other's place once it would have saved as much as so many waits of poll(2).
const PROOF: isize = 32;

/// How many descriptors that are ready one wait with epoll(7) tells of.
const TOLD: usize = 256;

#[derive(Default)]
pub(crate) struct Polls {
    /// As poll(2) takes it.
    list: Vec<pollfd>,
    /// Where each descriptor stands in `list`.
    places: Dense<usize>,
    /// The same in the kernel, while that is less work.
    set: Option<Set>,
    /// How much there was to change since the last wait.
    changes: usize,
    /// What epoll(7) would have saved, or has, in descriptors that poll(2) looks at.
    saved: isize,
    /// Room for what a wait finds.
    spare: Vec<pollfd>,
}

/// Of what is watched, what the kernel knows.
struct Set {
    poller: Poller,
    events: Events,
    known: Dense<Known>,
    /// Descriptors that are `noted`.
    changed: Vec<c_int>,
    /// The process whose set it is: what a copy of it in another does is done to both.
    process: u32,
}

struct Known {
    /// `None`: it has not been told of it.
    events: Option<c_short>,
    /// It is among the `changed`.
    noted: bool,
}

impl Polls {
    /// Watches a descriptor, or for other events.
    pub(crate) fn watch(&mut self, fd: c_int, events: c_short) {
        self.changes += 1;
        match self.places.get(fd as usize) {
            Some(&place) => self.list[place].events = events,
            None => {
                self.places.insert(fd as usize, self.list.len());
                self.list.push(pollfd { fd, events, revents: 0 });
            }
        }
        if let Some(set) = &mut self.set {
            set.note(fd);
        }
    }

    /// Watches it no longer; it is still open.
    pub(crate) fn forget(&mut self, fd: c_int) {
        let Some(place) = self.places.remove(fd as usize) else { return };
        self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places.insert(moved.fd as usize, place);
        }
        if self.own_set().is_some_and(|set| set.forget(fd).is_err()) {
            self.set = None; // the next wait makes another
        }
    }

    pub(crate) fn is_watched(&self, fd: c_int) -> bool {
        self.places.get(fd as usize).is_some()
    }

    /// Waits for any of them, `timeout_ms` at most, without end if that is negative. What is ready,
    /// with what for; [`take_back`](Self::take_back) takes the room that this is in.
    ///
    /// # Errors
    ///
    /// `Interrupted` by a signal; else what poll(2) says.
    pub(crate) fn wait(&mut self, timeout_ms: c_int) -> io::Result<Vec<pollfd>> {
        let mut ready = mem::take(&mut self.spare);
        ready.clear();
        if self.is_silent()
            && let Ok(set) = self.up_to_date()
        {
            set.wait(timeout_ms, &mut ready)?;
            return Ok(ready);
        }
        ready.extend_from_slice(&self.list);
        // SAFETY: the pointer and length are those of one vector.
        let found = unsafe { libc::poll(ready.as_mut_ptr(), ready.len() as _, timeout_ms) };
        if found < 0 {
            return Err(io::Error::last_os_error());
        }
        ready.retain(|poll| poll.revents != 0);
        Ok(ready)
    }

    /// Whether most of what is watched does nothing most of the time: then epoll(7) is less work.
    fn is_silent(&mut self) -> bool {
        let (count, has_set) = (self.list.len(), self.set.is_some());
        let changed = CHANGE.saturating_mul(mem::take(&mut self.changes));
        let proof = count as isize * PROOF;
        self.saved = (self.saved + count as isize - changed as isize).clamp(-proof, proof);
        let is_silent = match has_set {
            true => self.saved > -proof && count > FEW / 2,
            false => self.saved == proof && count > FEW,
        };
        if is_silent != has_set {
            self.saved = 0;
        }
        if !is_silent {
            self.set = None;
        }
        is_silent
    }

    pub(crate) fn take_back(&mut self, ready: Vec<pollfd>) {
        self.spare = ready;
    }

    /// The kernel's set, which has all that is watched. An error if there can be none.
    fn up_to_date(&mut self) -> io::Result<&mut Set> {
        if self.own_set().is_none() {
            let mut set = Set::new()?;
            self.list.iter().for_each(|poll| set.note(poll.fd));
            self.set = Some(set);
        }
        let (list, places) = (&self.list, &self.places);
        let wanted = |fd| places.get(fd as usize).map(|&place: &usize| list[place].events);
        match self.set.take() {
            Some(mut set) => {
                set.tell(wanted)?;
                Ok(self.set.insert(set))
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// The kernel's set, if it is this process's own.
    fn own_set(&mut self) -> Option<&mut Set> {
        self.set.take_if(|set| set.process != process::id());
        self.set.as_mut()
    }
}

impl Set {
    fn new() -> io::Result<Self> {
        Ok(Self {
            poller: Poller::new()?,
            events: Events::with_capacity(TOLD),
            known: Dense::new(),
            changed: Vec::new(),
            process: process::id(),
        })
    }

    /// What it is to be watched for may be something else than what the kernel knows.
    fn note(&mut self, fd: c_int) {
        match self.known.get_mut(fd as usize) {
            Some(known) if known.noted => return,
            Some(known) => known.noted = true,
            None => self.known.insert(fd as usize, Known { events: None, noted: true }),
        }
        self.changed.push(fd);
    }

    fn forget(&mut self, fd: c_int) -> io::Result<()> {
        let Some(known) = self.known.get_mut(fd as usize) else { return Ok(()) };
        let was_told = known.events.take().is_some();
        if !known.noted {
            self.known.remove(fd as usize);
        }
        if was_told { self.poller.remove(open(fd)) } else { Ok(()) }
    }

    /// Tells the kernel what has changed.
    fn tell(&mut self, wanted: impl Fn(c_int) -> Option<c_short>) -> io::Result<()> {
        for fd in self.changed.drain(..) {
            let Some(events) = wanted(fd) else {
                self.known.remove(fd as usize); // it has been forgotten since
                continue;
            };
            let Some(known) = self.known.get_mut(fd as usize) else { continue };
            known.noted = false;
            let (token, interest) = (fd as u64, interest_in(events));
            match known.events {
                Some(same) if same == events => {}
                Some(_) => self.poller.modify(open(fd), token, interest)?,
                None => self.poller.add(open(fd), token, interest)?,
            }
            known.events = Some(events);
        }
        Ok(())
    }

    fn wait(&mut self, timeout_ms: c_int, ready: &mut Vec<pollfd>) -> io::Result<()> {
        let timeout = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        self.poller.wait_or_signal(&mut self.events, timeout)?;
        ready.extend(self.events.iter().map(|(token, readiness)| pollfd {
            fd: token as c_int,
            events: 0,
            revents: revents_of(readiness),
        }));
        Ok(())
    }
}

fn open<'fd>(fd: c_int) -> BorrowedFd<'fd> {
    // SAFETY: Sockeye closes no descriptor that it wants watched before `forget` has returned, and
    // no borrow is kept beyond a system call.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

fn interest_in(events: c_short) -> Interest {
    let read = if events & POLLIN != 0 { Interest::READ } else { Interest::NONE };
    let write = if events & POLLOUT != 0 { Interest::WRITE } else { Interest::NONE };
    read | write
}

fn revents_of(readiness: Readiness) -> c_short {
    let read = if readiness.readable { POLLIN } else { 0 };
    let write = if readiness.writable { POLLOUT } else { 0 };
    let hangup = if readiness.hangup { POLLHUP | POLLERR } else { 0 };
    read | write | hangup
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    fn pairs(count: usize) -> Vec<(UnixStream, UnixStream)> {
        (0..count).map(|_| UnixStream::pair().unwrap()).collect()
    }

    fn ready(polls: &mut Polls) -> Vec<(c_int, c_short)> {
        let ready = polls.wait(0).unwrap();
        let found = ready.iter().map(|poll| (poll.fd, poll.revents)).collect();
        polls.take_back(ready);
        found
    }

    #[test]
    fn silence_is_left_to_the_kernel_and_much_change_is_not() {
        let mut pairs = pairs(FEW + 1);
        let mut polls = Polls::default();
        let fds: Vec<c_int> = pairs.iter().map(|(end, _)| end.as_raw_fd()).collect();
        fds.iter().for_each(|&fd| polls.watch(fd, POLLIN));
        while polls.set.is_none() {
            assert_eq!(ready(&mut polls), []);
        }
        for _ in 0..2 * PROOF {
            polls.watch(fds[0], POLLIN | POLLOUT);
            assert_eq!(ready(&mut polls), [(fds[0], POLLOUT)]);
            polls.watch(fds[0], POLLIN);
            assert_eq!(ready(&mut polls), []);
        }
        assert!(polls.set.is_some(), "that is little change");
        pairs[1].1.write_all(b"x").unwrap();
        let half = &fds[2..FEW / 2];
        while polls.set.is_some() {
            half.iter().for_each(|&fd| polls.watch(fd, POLLOUT));
            assert_eq!(ready(&mut polls).len(), 1 + half.len());
            half.iter().for_each(|&fd| polls.watch(fd, 0));
            assert_eq!(ready(&mut polls), [(fds[1], POLLIN)]);
        }
    }

    #[test]
    fn what_is_forgotten_is_not_told_of_though_another_holds_it() {
        let mut pairs = pairs(FEW + 2);
        let mut polls = Polls::default();
        pairs.iter().for_each(|(end, _)| polls.watch(end.as_raw_fd(), POLLIN));
        while polls.set.is_none() {
            assert_eq!(ready(&mut polls), []);
        }
        let (end, mut peer) = pairs.pop().unwrap();
        let fd = end.as_raw_fd();
        let _other = end.try_clone().unwrap();
        polls.forget(fd);
        drop(end);
        peer.write_all(b"x").unwrap();
        assert_eq!(ready(&mut polls), []);
        // The number is another's by now, and both come and go before the kernel knows of it.
        for _ in 0..100 {
            polls.watch(fd, POLLIN);
            polls.forget(fd);
        }
        assert_eq!(polls.set.as_ref().unwrap().changed.len(), 1);
        assert_eq!(ready(&mut polls), []);
        assert!(polls.set.as_ref().unwrap().known.get(fd as usize).is_none());
    }

    #[test]
    fn a_copy_of_it_in_another_process_leaves_the_kernels_set_alone() {
        let mut pairs = pairs(FEW + 1);
        let mut polls = Polls::default();
        pairs.iter().for_each(|(end, _)| polls.watch(end.as_raw_fd(), POLLIN));
        while polls.set.is_none() {
            assert_eq!(ready(&mut polls), []);
        }
        let set = polls.set.as_mut().unwrap();
        set.process = set.process.wrapping_add(1); // as a fork would have it
        polls.forget(pairs[0].0.as_raw_fd());
        assert!(polls.set.is_none());
        pairs[1].1.write_all(b"x").unwrap();
        assert_eq!(ready(&mut polls), [(pairs[1].0.as_raw_fd(), POLLIN)]);
    }
}
