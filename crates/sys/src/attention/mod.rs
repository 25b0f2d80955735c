//! One descriptor that tells an external loop that there is something to do.

#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
#[path = "set.rs"]
mod backend;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend))))]
#[path = "pipe.rs"]
mod backend;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::Waker;

/// A descriptor that is readable from a wake-up, or from the moment of an alarm on, until it is
/// drained. A loop watches it for reading beside its sockets.
#[derive(Debug)]
pub struct Attention {
    backend: backend::Backend,
}

impl Attention {
    /// Whether the alarm is a timer of the system's, and not a thread that sleeps.
    pub const HAS_TIMER: bool = backend::HAS_TIMER;

    /// One that is not readable.
    ///
    /// # Errors
    ///
    /// If the process or the system has no descriptors or memory left for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self { backend: backend::Backend::new()? })
    }

    /// Something to wake this from other threads and from signal handlers.
    pub fn waker(&self) -> Waker {
        self.backend.waker().clone()
    }

    /// Makes it readable at once, until it is drained: [`Waker::wake`] from the loop's own thread.
    ///
    /// # Errors
    ///
    /// As for [`Waker::wake`].
    pub fn raise(&self) -> io::Result<()> {
        self.backend.waker().wake()
    }

    /// Sets the one alarm, in place of an earlier one: readable after that time, and never before;
    /// at once after zero; not at all for `None`. An earlier alarm that has rung and was not
    /// drained is taken back; wake-ups are not.
    ///
    /// # Errors
    ///
    /// Where there is no timerfd, the first alarm starts a thread, which can fail; no other reason
    /// is known.
    pub fn set_alarm(&mut self, after: Option<Duration>) -> io::Result<()> {
        self.backend.set_alarm(after)
    }

    /// Makes it not readable: takes back every wake-up so far, and the alarm if it has rung. An
    /// alarm still to come stays set. Look for work after draining, not before: a wake-up that
    /// arrives in between is then either seen or still readable.
    ///
    /// # Errors
    ///
    /// None is known: the reads are of descriptors that are open.
    pub fn drain(&mut self) -> io::Result<()> {
        self.backend.drain()
    }
}

impl AsFd for Attention {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.backend.as_fd()
    }
}
