//! eventfd(2): a counter that is readable while it is not zero.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{read, write};

use crate::error::{context, retry};

/// The way from wakers to the loop.
#[derive(Debug)]
pub(crate) struct Channel {
    counter: OwnedFd,
}

impl Channel {
    pub(crate) fn new() -> io::Result<Self> {
        match eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK) {
            Ok(counter) => Ok(Self { counter }),
            Err(errno) => Err(context("create an eventfd", errno.into())),
        }
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        write(&self.counter, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    /// Takes back all wake-ups.
    pub(crate) fn drain(&self) -> io::Result<()> {
        match retry(|| Ok(read(&self.counter, &mut [0; 8])?)) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}
