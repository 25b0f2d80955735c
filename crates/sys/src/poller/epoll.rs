//! epoll(7), level-triggered.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;

use super::Poller;
use crate::error::context;
use crate::{Interest, Readiness};

pub(super) const NAME: &str = "epoll";

pub(super) const CHANGING: Option<&str> = Some("epoll_ctl");

/// One entry of [`Events`](super::Events).
pub(super) type RawEvent = epoll::Event;

/// What an entry says.
pub(super) fn decode(event: &RawEvent) -> (u64, Readiness) {
    let flags = event.flags;
    let readiness = Readiness {
        readable: flags.intersects(EventFlags::IN),
        writable: flags.intersects(EventFlags::OUT),
        hangup: flags.intersects(EventFlags::ERR | EventFlags::HUP),
    };
    (event.data.u64(), readiness)
}

/// The kernel's set.
#[derive(Debug)]
pub(super) struct Backend {
    set: OwnedFd,
}

impl Backend {
    pub(super) fn new() -> io::Result<Self> {
        match epoll::create(CreateFlags::CLOEXEC) {
            Ok(set) => Ok(Self { set }),
            Err(errno) => Err(context("create an epoll set", errno.into())),
        }
    }

    pub(super) fn add(&self, fd: BorrowedFd<'_>, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.set, fd, EventData::new_u64(token), flags(interest))?)
    }

    pub(super) fn modify(
        &self,
        fd: BorrowedFd<'_>,
        token: u64,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(epoll::modify(&self.set, fd, EventData::new_u64(token), flags(interest))?)
    }

    pub(super) fn remove(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match epoll::delete(&self.set, fd) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Fills `events`, which is empty, as far as it has room.
    pub(super) fn wait(
        &self,
        events: &mut Vec<RawEvent>,
        timeout: Option<&Timespec>,
    ) -> io::Result<()> {
        epoll::wait(&self.set, spare_capacity(events), timeout)?;
        Ok(())
    }
}

/// The set as one descriptor, readable while any descriptor in it is ready: for another loop to
/// watch. A loop that watches it edge-triggered hears of it again only after a wait on this set
/// found nothing.
impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.backend.set.as_fd()
    }
}

/// ERR and HUP need no asking for.
fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, interest.is_readable());
    flags.set(EventFlags::OUT, interest.is_writable());
    flags
}
