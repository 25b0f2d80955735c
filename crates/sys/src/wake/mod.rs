//! A wake-up that any thread, and any signal handler, can send to a loop that waits.

#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
#[path = "eventfd.rs"]
mod backend;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend))))]
#[path = "pipe.rs"]
mod backend;

pub(crate) use backend::Channel;

use std::io;
use std::sync::Arc;

use crate::error::retry;
use crate::fault::{self, Call};

/// Makes an [`Attention`](crate::Attention) readable, from anywhere. Clones are cheap and wake the
/// same one. One that outlives it wakes nobody, and does no harm.
#[derive(Clone, Debug)]
pub struct Waker {
    /// Holds every descriptor of the channel, so that a wake-up that comes too late is neither
    /// written to somebody else's file nor answered with `SIGPIPE`.
    channel: Arc<Channel>,
}

impl Waker {
    pub(crate) fn new(channel: Arc<Channel>) -> Self {
        Self { channel }
    }

    /// Wakes the loop, now or as soon as it waits. Several wake-ups before it does are one.
    ///
    /// Hand over the work first and wake then; the loop drains first and looks for work then.
    /// This takes no lock and is one write(2), so a signal handler may call it; one that cares for
    /// `errno` saves and restores it, as around any system call.
    ///
    /// # Errors
    ///
    /// None is known: the write is to a descriptor that is open, and one that is full has woken
    /// the loop already.
    pub fn wake(&self) -> io::Result<()> {
        let written = retry(|| {
            fault::check(Call::Wake)?;
            self.channel.wake()
        });
        match written {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            result => result,
        }
    }
}
