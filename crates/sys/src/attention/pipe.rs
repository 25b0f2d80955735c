//! One pipe, which wakers and the alarm's thread write to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use crate::Waker;
use crate::alarm::Alarm;
use crate::wake::Channel;

pub(super) const HAS_TIMER: bool = false;

#[derive(Debug)]
pub(super) struct Backend {
    channel: Arc<Channel>,
    waker: Waker,
    alarm: Alarm,
}

impl Backend {
    pub(super) fn new() -> io::Result<Self> {
        let channel = Arc::new(Channel::new()?);
        let waker = Waker::new(Arc::clone(&channel));
        let alarm = Alarm::new(Arc::clone(&channel));
        Ok(Self { channel, waker, alarm })
    }

    pub(super) fn waker(&self) -> &Waker {
        &self.waker
    }

    pub(super) fn set_alarm(&mut self, after: Option<Duration>) -> io::Result<()> {
        self.alarm.set(after)
    }

    pub(super) fn drain(&mut self) -> io::Result<()> {
        self.alarm.drain()
    }
}

impl AsFd for Backend {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.as_fd()
    }
}
