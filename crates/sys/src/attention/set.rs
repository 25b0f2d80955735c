//! An epoll(7) set that holds the wake-up and the alarm: readable while either is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::alarm::Alarm;
use crate::wake::Channel;
use crate::{Interest, Poller, Waker};

pub(super) const HAS_TIMER: bool = true;

#[derive(Debug)]
pub(super) struct Backend {
    set: Poller,
    channel: Arc<Channel>,
    waker: Waker,
    alarm: Alarm,
}

impl Backend {
    pub(super) fn new() -> io::Result<Self> {
        let channel = Arc::new(Channel::new()?);
        let alarm = Alarm::new()?;
        let mut set = Poller::new()?;
        set.add(channel.as_fd(), 0, Interest::READ)?;
        set.add(alarm.as_fd(), 1, Interest::READ)?;
        let waker = Waker::new(Arc::clone(&channel));
        Ok(Self { set, channel, waker, alarm })
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn set_alarm(&mut self, after: Option<Duration>) -> io::Result<()> {
        self.alarm.set(after)
    }

    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.channel.drain()?;
        self.alarm.drain()
    }
}

impl AsFd for Backend {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.set.as_fd()
    }
}
