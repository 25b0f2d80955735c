//! What an external loop is told (manual, "External polling loop support").

use crate::state::State;
use sockeye_sys::Interest;
use std::os::fd::{AsRawFd, RawFd};

/// A change of what an external loop must watch. Absolute, not a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Watch the descriptor for this, and for nothing else any more. With [`Interest::NONE`]
    /// errors and hang-ups still count.
    Watch(RawFd, Interest),
    /// Watch the descriptor no more. It stays open until the next change is taken or the context
    /// is entered again, so its number cannot come back before.
    Forget(RawFd),
}

impl State {
    /// The next change that concerns a connection. A forgotten descriptor is closed by
    /// [`close_forgotten`](Self::close_forgotten), once the loop has had the time to forget it.
    pub(crate) fn next_change(&mut self) -> Option<Change> {
        if let Some(fd) = self.forgotten.get(self.announced) {
            let fd = fd.as_raw_fd();
            self.announced += 1;
            self.watched.remove(fd as usize);
            return Some(Change::Forget(fd));
        }
        let (id, interest, _) = self.pop_changed()?;
        let fd = self.raw_fd(id)?;
        self.watched.insert(fd as usize, id);
        Some(Change::Watch(fd, interest))
    }

    /// Closes the descriptors whose `Forget` has been taken.
    pub(crate) fn close_forgotten(&mut self) {
        while self.announced > 0 {
            self.announced -= 1;
            let fd = self.forgotten.pop_front();
            self.latency.call("close", None, || drop(fd));
        }
    }
}
