//! What is measured: latencies, and echoes over time. Takes the same memory however much that is.

use hdrhistogram::Histogram;
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// Latencies longer than this, an hour, count as this long.
const LONGEST: u64 = 3_600_000_000_000;
/// Significant digits of latencies.
const DIGITS: u8 = 3;

/// All that was measured.
pub(super) struct Samples {
    pub(super) latencies: Histogram<u64>,
    /// Those that came last and are all the same, as those of a burst are, and how many.
    last: (u64, u64),
    min: u64,
    pub(super) max: u64,
    sum: u128,
    pub(super) series: Series,
    raw: Option<Raw>,
}

impl Samples {
    pub(super) fn new(raw: Option<Raw>) -> Self {
        // Fails only if its arguments do not fit each other.
        let latencies = Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("bounds in order");
        let (last, series) = ((0, 0), Series::new());
        Self { latencies, last, min: u64::MAX, max: 0, sum: 0, series, raw }
    }

    /// The echo of a measured message has come.
    pub(super) fn latency(&mut self, sample: &Sample) {
        if sample.latency != self.last.0 {
            self.record();
            self.last = (sample.latency, 0);
        }
        self.last.1 += 1;
        if let Some(raw) = &mut self.raw {
            raw.write(sample);
        }
    }

    /// Records the last ones.
    fn record(&mut self) {
        let (latency, count) = std::mem::take(&mut self.last);
        if count > 0 {
            self.latencies.saturating_record_n(latency, count);
            self.min = self.min.min(latency);
            self.max = self.max.max(latency);
            self.sum += u128::from(latency) * u128::from(count);
        }
    }

    /// How many latencies there are.
    pub(super) fn count(&self) -> u64 {
        self.latencies.len()
    }

    /// The shortest latency, 0 if there is none.
    pub(super) fn min(&self) -> u64 {
        self.min.min(self.max)
    }

    pub(super) fn mean(&self) -> f64 {
        self.sum as f64 / self.count().max(1) as f64
    }

    /// The latency that this share of all does not exceed, with [`DIGITS`] significant digits;
    /// 0 if there is none, as when the machine stood still for as long as was measured.
    pub(super) fn quantile(&self, quantile: f64) -> u64 {
        self.latencies.value_at_quantile(quantile).clamp(self.min(), self.max)
    }

    /// Records and writes what is left; before that, what is told of latencies is not complete.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.record();
        self.raw.as_mut().map_or(Ok(()), Raw::finish)
    }
}

/// One measured message.
pub(super) struct Sample {
    /// Counted from 0.
    pub(super) connection: u32,
    /// Counted from 0, on its connection.
    pub(super) number: u64,
    /// Since the start.
    pub(super) sent: u64,
    pub(super) latency: u64,
}

/// Every sample, in a file.
pub(super) struct Raw {
    file: BufWriter<File>,
    result: io::Result<()>,
}

impl Raw {
    pub(super) fn new(file: File) -> Self {
        let mut file = BufWriter::with_capacity(1 << 20, file);
        let result = writeln!(file, "connection,message,sent_ns,latency_ns");
        Self { file, result }
    }

    /// After an error nothing is written any more.
    fn write(&mut self, sample: &Sample) {
        if self.result.is_ok() {
            let &Sample { connection, number, sent, latency } = sample;
            let (connection, number) = (connection + 1, number + 1);
            self.result = writeln!(self.file, "{connection},{number},{sent},{latency}");
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        std::mem::replace(&mut self.result, Ok(()))?;
        self.file.flush()
    }
}

/// How many echoes came in each interval since the start. Intervals become longer as there are
/// more of them.
pub(super) struct Series {
    width: u64,
    /// Up to the interval that time has reached.
    counts: Vec<u64>,
    /// Where that one ends.
    edge: u64,
    total: u64,
}

/// The most intervals.
const INTERVALS: usize = 200;
/// The length of intervals in the beginning, in nanoseconds.
const INTERVAL: u64 = 10_000_000;

impl Series {
    fn new() -> Self {
        Self { width: INTERVAL, counts: vec![0], edge: INTERVAL, total: 0 }
    }

    /// An echo came so long after the start; time does not go backwards.
    pub(super) fn add(&mut self, at: u64) {
        while at >= self.edge {
            self.grow();
        }
        self.total += 1;
        if let Some(last) = self.counts.last_mut() {
            *last += 1;
        }
    }

    fn grow(&mut self) {
        if self.counts.len() == INTERVALS {
            self.counts = self.counts.chunks(2).map(|pair| pair.iter().sum()).collect();
            self.width *= 2;
        }
        self.counts.push(0);
        self.edge = self.width * self.counts.len() as u64;
    }

    /// How many echoes came in all.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// The intervals that `window` reaches: beginning, end, echoes.
    pub(super) fn intervals(&self, window: u64) -> impl Iterator<Item = (u64, u64, u64)> + '_ {
        let reached = window.div_ceil(self.width).max(1) as usize;
        let counts = self.counts.iter().copied().chain(std::iter::repeat(0));
        counts.take(reached.max(self.counts.len())).enumerate().map(move |(i, count)| {
            let from = self.width * i as u64;
            (from, (from + self.width).min(window.max(from + 1)), count)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_may_be_no_sample_at_all() {
        let samples = Samples::new(None);
        assert_eq!((samples.min(), samples.max), (0, 0));
        assert_eq!((samples.quantile(0.5), samples.quantile(1.0), samples.mean()), (0, 0, 0.0));
    }

    #[test]
    fn intervals_become_longer_and_lose_nothing() {
        let mut series = Series::new();
        for at in 0..100_000 {
            series.add(at * 1_000_000);
        }
        let window = 100_000 * 1_000_000 - 1;
        let intervals: Vec<_> = series.intervals(window).collect();
        assert!(intervals.len() <= INTERVALS, "{}", intervals.len());
        assert_eq!(intervals.iter().map(|interval| interval.2).sum::<u64>(), 100_000);
        assert_eq!((intervals[0].0, intervals.last().unwrap().1), (0, window));
        assert!(intervals.windows(2).all(|pair| pair[0].1 == pair[1].0));
    }

    #[test]
    fn time_without_echoes_shows() {
        let mut series = Series::new();
        series.add(0);
        let intervals: Vec<_> = series.intervals(3 * INTERVAL - 1).collect();
        let expected = [(0, 1, 1), (1, 2, 0), (2, 3, 0)]
            .map(|(from, to, count)| (from * INTERVAL, to * INTERVAL, count));
        assert_eq!(intervals[..2], expected[..2]);
        assert_eq!(intervals[2], (2 * INTERVAL, 3 * INTERVAL - 1, 0));
    }
}
