//! Waiting for descriptors to become ready: epoll(7) on Linux, poll(2) elsewhere.

#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
#[path = "epoll.rs"]
mod backend;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend))))]
#[path = "poll.rs"]
mod backend;
mod events;
mod timeout;

pub use events::Events;

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use crate::Interest;
use crate::fault::{self, Call};

/// A set of descriptors, each with a token and an [`Interest`], and the wait for any of them.
///
/// It is level-triggered: what is ready is reported by every wait until it is no longer ready.
///
/// **A descriptor is [removed](Poller::remove) before it is closed.** Closing alone is not enough:
/// poll(2) goes on asking for the number, which may soon be another file's, and epoll(7) goes on
/// reporting the file while a duplicate of its descriptor lives.
#[derive(Debug)]
pub struct Poller {
    backend: backend::Backend,
}

impl Poller {
    /// The system facility behind it: `"epoll"` or `"poll"`.
    pub const NAME: &'static str = backend::NAME;

    /// The system call that [`add`](Self::add) and [`modify`](Self::modify) make; `None` where they
    /// only take a note for the next wait.
    pub const CHANGING: Option<&'static str> = backend::CHANGING;

    /// An empty set.
    ///
    /// # Errors
    ///
    /// If the process or the system has no descriptor or memory left for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { backend: backend::Backend::new()? })
    }

    /// Starts to watch `fd`; its events carry `token`.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if it is watched already; else what the system says if it cannot be watched.
    pub fn add(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        fault::check(Call::Watch)?;
        self.backend.add(fd, token, interest)
    }

    /// Replaces the token and the interest of `fd`.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not watched.
    pub fn modify(&mut self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        fault::check(Call::Watch)?;
        self.backend.modify(fd, token, interest)
    }

    /// Stops watching `fd`. One that is not watched is fine.
    ///
    /// # Errors
    ///
    /// If the system cannot do it; none is known for a descriptor that is open.
    pub fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.backend.remove(fd)
    }

    /// Waits until a descriptor is ready, `timeout` has passed or a signal has arrived, and
    /// replaces the content of `events` by what was found. Without a timeout it waits for ever.
    ///
    /// What does not fit into `events` is left to the next wait, which begins with it. A wait may
    /// end with nothing found before `timeout` has passed, so deadlines are compared with a clock.
    ///
    /// # Errors
    ///
    /// If the system cannot wait. A signal is no error: it leaves `events` empty.
    pub fn wait(&mut self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        match self.wait_or_signal(events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            result => result,
        }
    }

    /// The same for loops that end when a signal arrives.
    ///
    /// # Errors
    ///
    /// `Interrupted` by a signal, which leaves `events` empty; else as for [`wait`](Self::wait).
    pub fn wait_or_signal(
        &mut self,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        events.list.clear();
        let timeout = timeout::timespec(timeout);
        fault::check(Call::Wait)?;
        self.backend.wait(&mut events.list, timeout.as_ref())
    }
}
