//! A pipe(2) that wakers and the alarm write to: what wakes a loop, one byte each.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio, read, write};
use rustix::pipe::pipe;

use crate::error::{context, retry};

const WAKE: u8 = b'w';
const ALARM: u8 = b'a';

/// The way from wakers and the alarm to the loop. It has both ends, so that a write always has a
/// reader and never raises `SIGPIPE`.
#[derive(Debug)]
pub(crate) struct Channel {
    reader: OwnedFd,
    writer: OwnedFd,
}

impl Channel {
    pub(crate) fn new() -> io::Result<Self> {
        Self::open().map_err(|error| context("create a pipe", error))
    }

    /// Without pipe2(2), which not every system has: a process forked by another thread between
    /// these calls inherits the pipe.
    fn open() -> io::Result<Self> {
        let (reader, writer) = pipe()?;
        for end in [&reader, &writer] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
            ioctl_fionbio(end, true)?;
        }
        Ok(Self { reader, writer })
    }

    pub(crate) fn wake(&self) -> io::Result<()> {
        write(&self.writer, &[WAKE])?;
        Ok(())
    }

    /// The alarm's wake-up. A pipe that is full is readable as it is.
    pub(crate) fn ring(&self) -> io::Result<()> {
        match retry(|| Ok(write(&self.writer, &[ALARM])?)) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Takes back the alarm's wake-up and leaves those of wakers. A waker at work in between
    /// writes its own byte, so no wake-up is lost.
    pub(crate) fn unring(&self) -> io::Result<()> {
        if self.empty()? { retry(|| self.wake()) } else { Ok(()) }
    }

    /// Takes back all wake-ups.
    pub(crate) fn drain(&self) -> io::Result<()> {
        self.empty().map(|_| ())
    }

    /// Empties the pipe and tells whether a waker had written to it.
    fn empty(&self) -> io::Result<bool> {
        let mut buffer = [0; 256];
        let mut woken = false;
        loop {
            match retry(|| Ok(read(&self.reader, &mut buffer)?)) {
                Ok(count) => {
                    woken |= buffer[..count].contains(&WAKE);
                    if count < buffer.len() {
                        return Ok(woken);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(woken),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}
