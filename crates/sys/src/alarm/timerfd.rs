//! timerfd_create(2) on the monotonic clock.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::read;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use super::FURTHEST;
use crate::error::{context, retry};

const NEVER: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// A descriptor that is readable from a moment on, until it is set anew or drained.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: OwnedFd,
    /// Whether it runs or has rung: if not, there is nothing to stop or drain, and no call is made.
    set: bool,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        match timerfd_create(TimerfdClockId::Monotonic, flags) {
            Ok(timer) => Ok(Self { timer, set: false }),
            Err(errno) => Err(context("create a timerfd", errno.into())),
        }
    }

    pub(crate) fn set(&mut self, after: Option<Duration>) -> io::Result<()> {
        if after.is_none() && !self.set {
            return Ok(());
        }
        let it_value = after.map_or(NEVER, timespec);
        let once = Itimerspec { it_interval: NEVER, it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)?;
        self.set = after.is_some();
        Ok(())
    }

    /// Takes back an alarm that has rung; one that has not stays set.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        if !self.set {
            return Ok(());
        }
        match retry(|| Ok(read(&self.timer, &mut [0; 8])?)) {
            Ok(_) => self.set = false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl AsFd for Alarm {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.timer.as_fd()
    }
}

/// Zero would stop the timer: at once is the shortest time it knows.
fn timespec(after: Duration) -> Timespec {
    let after = after.clamp(Duration::from_nanos(1), FURTHEST);
    Timespec { tv_sec: after.as_secs() as _, tv_nsec: after.subsec_nanos() as _ }
}
