//! Time that passes when the test says so.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A clock that stands still until it is wound. Clones show the same time.
///
/// ```
/// use sockeye_testkit::Clock;
/// use std::time::Duration;
///
/// let clock = Clock::new();
/// let reading = clock.reading();
/// let before = reading();
/// clock.wind(Duration::from_secs(30));
/// assert_eq!(reading() - before, Duration::from_secs(30));
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    now: Rc<Cell<Instant>>,
}

impl Clock {
    /// A clock that shows the present time.
    pub fn new() -> Self {
        Self { now: Rc::new(Cell::new(Instant::now())) }
    }

    /// The time it shows.
    pub fn now(&self) -> Instant {
        self.now.get()
    }

    /// Lets time pass.
    pub fn wind(&self, by: Duration) {
        self.now.set(self.now.get() + by);
    }

    /// The clock as a function, for whoever takes the time from one.
    pub fn reading(&self) -> impl Fn() -> Instant + 'static + use<> {
        let clock = self.clone();
        move || clock.now()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}
