//! The statistics.

use std::fmt;
use std::time::{Duration, Instant};

/// What became of all pings.
pub(super) struct Tally {
    began: Instant,
    ended: Instant,
    pub(super) sent: u64,
    /// Replies that came in time, each once.
    pub(super) received: u64,
    /// Replies that came late, or twice.
    pub(super) odd: u64,
    /// Replies whose content was not what was sent.
    pub(super) changed: u64,
    min: Duration,
    max: Duration,
    /// Of round trips in nanoseconds.
    sum: u128,
    squares: u128,
}

impl Tally {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            ended: now,
            sent: 0,
            received: 0,
            odd: 0,
            changed: 0,
            min: Duration::MAX,
            max: Duration::ZERO,
            sum: 0,
            squares: 0,
        }
    }

    /// The first ping is about to go.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.began, self.ended) = (now, now);
    }

    /// There will be no more.
    pub(super) fn end(&mut self, now: Instant) {
        self.ended = now;
    }

    /// A reply came in time, after so long.
    pub(super) fn reply(&mut self, after: Duration) {
        self.received += 1;
        (self.min, self.max) = (self.min.min(after), self.max.max(after));
        self.sum += after.as_nanos();
        self.squares = self.squares.saturating_add(after.as_nanos().saturating_pow(2));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sent, {} received", self.sent, self.received)?;
        for (count, what) in [(self.odd, "late or twice"), (self.changed, "changed")] {
            if count > 0 {
                write!(f, ", +{count} {what}")?;
            }
        }
        let lost = (self.sent - self.received) as f64 * 100.0 / self.sent.max(1) as f64;
        let time = self.ended.duration_since(self.began).as_millis();
        write!(f, ", {}% loss, time {time} ms", (lost * 1000.0).round() / 1000.0)?;
        if self.received == 0 {
            return Ok(());
        }
        let (sum, squares, count) = (self.sum as f64, self.squares as f64, self.received as f64);
        let mean = sum / count;
        let deviation = (squares / count - mean * mean).max(0.0).sqrt();
        let [min, max] = [self.min, self.max].map(|time| time.as_nanos() as f64);
        let [min, mean, max, deviation] = [min, mean, max, deviation].map(|ns| ns / 1e6);
        write!(f, "\nrtt min/avg/max/mdev = {min:.3}/{mean:.3}/{max:.3}/{deviation:.3} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_as_pings() {
        let now = Instant::now();
        let mut tally = Tally::new(now);
        tally.sent = 3;
        for ms in [1, 3] {
            tally.reply(Duration::from_millis(ms));
        }
        tally.end(now + Duration::from_millis(2004));
        assert_eq!(
            tally.to_string(),
            "3 sent, 2 received, 33.333% loss, time 2004 ms\n\
             rtt min/avg/max/mdev = 1.000/2.000/3.000/1.000 ms"
        );
    }

    #[test]
    fn without_replies_there_are_no_times() {
        let mut tally = Tally::new(Instant::now());
        assert_eq!(tally.to_string(), "0 sent, 0 received, 0% loss, time 0 ms");
        (tally.sent, tally.odd, tally.changed) = (4, 2, 1);
        let expected = "4 sent, 0 received, +2 late or twice, +1 changed, 100% loss, time 0 ms";
        assert_eq!(tally.to_string(), expected);
    }
}
