//! What the loop does every so often, as long as it turns.

use std::time::Duration;

/// Called by the loop at intervals.
pub(crate) struct Heartbeat {
    /// Nanoseconds; at least one millisecond.
    every: u64,
    /// Nanoseconds of loop time.
    due: u64,
    beat: Box<dyn FnMut()>,
}

impl Heartbeat {
    /// The first beat is due at once.
    pub(crate) fn new(every: Duration, beat: Box<dyn FnMut()>) -> Self {
        let every = every.max(Duration::from_millis(1));
        Self { every: u64::try_from(every.as_nanos()).unwrap_or(u64::MAX), due: 0, beat }
    }

    /// Beats if that is due at `now`, in nanoseconds of loop time. Beats that were missed are not
    /// made up for.
    pub(crate) fn tick(&mut self, now: u64) {
        if self.due <= now {
            self.due = now.saturating_add(self.every);
            (self.beat)();
        }
    }

    /// Nanoseconds of loop time at which the next beat is due.
    pub(crate) fn due(&self) -> u64 {
        self.due
    }
}
