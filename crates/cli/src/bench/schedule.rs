//! When messages are to be sent, and which of them are measured.
//!
//! ```text
//!  begun          start                          end
//!    │── warm-up ───│── what is measured ──────────│── the last echoes ──▶
//! ```
//!
//! All times are nanoseconds of one clock.

use crate::args::BenchArgs;
use std::time::Duration;

/// When messages are to be sent.
pub(super) struct Schedule {
    connections: u64,
    warm_up: u64,
    /// How long to measure; or how many messages, however long it takes.
    goal: Goal,
    pace: Pace,
    begun: Option<u64>,
    /// What is sent from here on is measured.
    start: u64,
    /// What comes from here on is not measured. Known from the start if the goal is a time.
    end: u64,
    /// From here on nothing is sent.
    stop: u64,
}

#[derive(Clone, Copy)]
enum Goal {
    Time(u64),
    Count(u64),
}

enum Pace {
    /// Whenever an echo has come; so many measured ones are left to be sent.
    Echoes { left: u64 },
    /// A message every so many nanoseconds, the connections in turn; none from number `last` on.
    Rate { period: f64, last: u64 },
}

impl Schedule {
    pub(super) fn new(args: &BenchArgs) -> Self {
        let goal = match args.count {
            Some(count) => Goal::Count(count),
            None => Goal::Time(nanos(args.duration)),
        };
        let pace = match (args.rate, goal) {
            (Some(rate), _) => Pace::Rate { period: 1e9 / rate as f64, last: u64::MAX },
            (None, Goal::Count(left)) => Pace::Echoes { left },
            (None, Goal::Time(_)) => Pace::Echoes { left: u64::MAX },
        };
        Self {
            connections: args.connections.into(),
            warm_up: nanos(args.warm_up()),
            goal,
            pace,
            begun: None,
            start: u64::MAX,
            end: u64::MAX,
            stop: u64::MAX,
        }
    }

    /// All is ready: sending begins.
    pub(super) fn begin(&mut self, now: u64) {
        self.begun = Some(now);
        self.start = now + self.warm_up;
        match (&mut self.pace, self.goal) {
            (_, Goal::Time(time)) => self.stop(self.start.saturating_add(time)),
            (Pace::Rate { period, last }, Goal::Count(count)) => {
                let before = (self.warm_up as f64 / *period).ceil() as u64;
                *last = before.saturating_add(count);
            }
            (Pace::Echoes { .. }, Goal::Count(_)) => {}
        }
    }

    /// Ends it at that time.
    pub(super) fn stop(&mut self, at: u64) {
        self.end = self.end.min(at);
        self.stop = self.stop.min(at);
    }

    /// So many echoes have come since the start.
    pub(super) fn echoed(&mut self, echoes: u64, now: u64) {
        if matches!(self.goal, Goal::Count(count) if echoes == count) {
            self.end = self.end.min(now);
        }
    }

    /// If a connection that has sent so many messages may send one now: since when it should.
    pub(super) fn next(&mut self, connection: u32, sent: u64, now: u64) -> Option<u64> {
        let begun = self.begun?;
        if now >= self.stop {
            return None;
        }
        match &mut self.pace {
            Pace::Echoes { left } if now >= self.start => {
                *left = left.checked_sub(1)?;
                Some(now)
            }
            Pace::Echoes { .. } => Some(now),
            Pace::Rate { period, last } => {
                let number = sent * self.connections + u64::from(connection);
                let due = due(begun, *period, number);
                (number < *last && due <= now && due < self.stop).then_some(due)
            }
        }
    }

    /// At a rate: how many messages should have been sent by now, and when the next one is due.
    pub(super) fn due_by(&self, now: u64) -> Option<(u64, Option<u64>)> {
        let (begun, Pace::Rate { period, last }) = (self.begun?, &self.pace) else { return None };
        if now >= self.stop {
            return None;
        }
        let by = (((now - begun) as f64 / period) as u64).saturating_add(1).min(*last);
        let next = due(begun, *period, by);
        Some((by, (by < *last && next < self.stop).then_some(next)))
    }

    /// Whether nothing more will be sent, given how much was.
    pub(super) fn is_over(&self, sent: u64, now: u64) -> bool {
        let exhausted = match self.pace {
            Pace::Echoes { left } => left == 0,
            Pace::Rate { last, .. } => sent >= last,
        };
        self.begun.is_some() && (exhausted || now >= self.stop)
    }

    /// How many messages the rate asked for and nobody had sent when the time was over.
    pub(super) fn behind(&self, sent: u64) -> u64 {
        match (&self.pace, self.begun) {
            (Pace::Rate { period, last }, Some(begun)) if self.stop < u64::MAX => {
                let asked = (self.stop.saturating_sub(begun) as f64 / period).ceil() as u64;
                asked.min(*last).saturating_sub(sent)
            }
            (Pace::Rate { .. } | Pace::Echoes { .. }, _) => 0,
        }
    }

    /// Whether latencies count from when messages should have been sent.
    pub(super) fn corrects(&self) -> bool {
        matches!(self.pace, Pace::Rate { .. })
    }

    /// When measuring starts.
    pub(super) fn start(&self) -> u64 {
        self.start
    }

    /// When it ends; `u64::MAX` while that is not known.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// The share of what is to be measured that has been.
    pub(super) fn progress(&self, echoes: u64, now: u64) -> f64 {
        match self.goal {
            Goal::Count(count) => echoes as f64 / count as f64,
            Goal::Time(time) => now.saturating_sub(self.start) as f64 / time as f64,
        }
    }
}

fn due(begun: u64, period: f64, number: u64) -> u64 {
    begun.saturating_add((number as f64 * period) as u64)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2).min(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(pace: Pace, goal: Goal, warm_up: u64) -> Schedule {
        let (begun, start, end, stop) = (None, u64::MAX, u64::MAX, u64::MAX);
        Schedule { connections: 2, warm_up, goal, pace, begun, start, end, stop }
    }

    fn at_rate(period: f64) -> Pace {
        Pace::Rate { period, last: u64::MAX }
    }

    #[test]
    fn messages_follow_echoes_until_the_time_is_over() {
        let mut it = schedule(Pace::Echoes { left: u64::MAX }, Goal::Time(100), 10);
        assert_eq!(it.next(0, 0, 5), None);
        it.begin(1000);
        assert_eq!(it.next(0, 0, 1000), Some(1000));
        assert_eq!(it.next(1, 7, 1109), Some(1109));
        assert_eq!((it.is_over(8, 1109), it.is_over(8, 1110)), (false, true));
        assert_eq!(it.next(0, 1, 1110), None);
    }

    #[test]
    fn a_count_does_not_count_the_warm_up() {
        let mut it = schedule(Pace::Echoes { left: 2 }, Goal::Count(2), 10);
        it.begin(1000);
        for now in [1000, 1005, 1009] {
            assert_eq!(it.next(0, 0, now), Some(now));
        }
        it.echoed(2, 1010); // of messages that were sent before
        assert_eq!(it.end(), 1010);
        assert_eq!(it.next(0, 3, 1010), Some(1010));
        assert_eq!(it.next(1, 0, 1011), Some(1011));
        assert_eq!(it.next(0, 4, 1012), None);
        assert!(it.is_over(5, 1012));
    }

    #[test]
    fn a_rate_says_when_each_message_is_due_whenever_it_is_sent() {
        let mut it = schedule(at_rate(10.0), Goal::Time(100), 0);
        it.begin(1000);
        assert_eq!(it.next(0, 0, 1000), Some(1000));
        assert_eq!(it.next(1, 0, 1000), None);
        assert_eq!(it.next(1, 0, 1010), Some(1010));
        assert_eq!(it.next(0, 1, 1055), Some(1020)); // it is late, and that counts
        assert_eq!(it.next(1, 1, 1055), Some(1030));
        assert_eq!(it.due_by(1055), Some((6, Some(1060))));
        assert_eq!(it.due_by(1095), Some((10, None)));
        assert_eq!(it.due_by(1100), None);
        assert_eq!(it.next(0, 2, 1100), None);
        assert_eq!(it.behind(4), 6);
    }

    #[test]
    fn a_count_at_a_rate_ends_with_its_last_message() {
        let mut it = schedule(at_rate(10.0), Goal::Count(3), 25);
        it.begin(1000);
        // 0, 10 and 20 are warm-up; 30, 40 and 50 count.
        assert_eq!(it.next(1, 2, 1999), Some(1050));
        assert_eq!(it.next(0, 3, 1999), None);
        assert_eq!(it.due_by(1999), Some((6, None)));
        assert_eq!((it.is_over(5, 1999), it.is_over(6, 1999)), (false, true));
        assert_eq!(it.behind(6), 0);
    }

    #[test]
    fn it_can_be_stopped() {
        let mut it = schedule(at_rate(10.0), Goal::Count(1000), 0);
        it.begin(1000);
        it.stop(1045);
        assert!(it.is_over(3, 1045));
        assert_eq!(it.next(0, 0, 1045), None);
        assert_eq!(it.behind(3), 2);
    }
}
