//! How many messages per second there were in each interval.

use super::frame::{self, BOTTOM, LEFT, Picture, WIDTH};
use crate::bench::result::Interval;
use crate::bench::terminal::Grouped;

pub(super) fn plot(intervals: &[Interval]) -> String {
    let most = intervals.iter().map(rate).fold(0.0, f64::max);
    let (end, step) = frame::scale(most);
    let whole = intervals.last().map_or(1.0, |last| last.to_seconds);
    let facts = format!("data-end=\"{end}\" data-seconds=\"{whole}\"");
    let mut picture = Picture::new("throughput", "Messages per second over time", &facts);
    for i in 0..=(end / step).round() as u32 {
        let value = step * f64::from(i);
        picture.mark_left(BOTTOM - frame::height(value, end), &Grouped(value as u64).to_string());
    }
    let x = |seconds: f64| LEFT + seconds / whole * WIDTH;
    for interval in intervals {
        let height = frame::height(rate(interval), end);
        let (from, to) = (interval.from_seconds, interval.to_seconds);
        picture.add(&format!(
            "<rect class=\"bar\" x=\"{:.3}\" y=\"{:.3}\" width=\"{:.3}\" height=\"{height:.3}\" \
             data-from-seconds=\"{from}\" data-to-seconds=\"{to}\" data-echoes=\"{}\">\
             <title>{from:.2} s to {to:.2} s: {} messages/s</title></rect>",
            x(from),
            BOTTOM - height,
            x(to) - x(from),
            interval.echoes,
            Grouped(rate(interval).round() as u64),
        ));
    }
    // In whole milliseconds, which add up without a rest.
    let (_, step) = frame::scale(whole * 1000.0);
    let mut mark = 0.0;
    while mark <= whole * 1000.0 {
        picture.mark_below(x(mark / 1000.0), &(mark / 1000.0).to_string());
        mark += step;
    }
    picture.name_below("seconds");
    picture.finish()
}

fn rate(interval: &Interval) -> f64 {
    interval.echoes as f64 / (interval.to_seconds - interval.from_seconds)
}
