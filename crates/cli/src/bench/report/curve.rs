//! Which latency which share of the messages does not exceed. Both scales are logarithmic; the
//! one below counts nines, so that the slowest few have as much room as all others.

use super::frame::{BOTTOM, HEIGHT, LEFT, Picture, WIDTH};
use crate::bench::result::Point;
use crate::bench::terminal::Time;

pub(super) fn plot(points: &[Point]) -> String {
    let (low, high) = decades(points);
    let facts = format!("data-low-ns=\"{low}\" data-high-ns=\"{high}\"");
    let mut picture = Picture::new("percentiles", "Latency by percentile", &facts);
    let y = |ns: u64| {
        let share = (ns.max(1) as f64 / low as f64).log10() / (high as f64 / low as f64).log10();
        BOTTOM - share * HEIGHT
    };
    let mut mark = low;
    while mark <= high {
        picture.mark_left(y(mark), &Time(mark).to_string());
        mark *= 10;
    }
    let last = points.iter().map(|p| p.percentile).filter(|&p| p < 100.0).fold(0.0, f64::max);
    // 100 % would be infinitely far away; it is put where the scale ends.
    let end = nines(last).max(1.0) * 1.08;
    let x = |percentile: f64| LEFT + nines(percentile).min(end) / end * WIDTH;
    let label = |percentile: f64| format!("{percentile} %");
    for marked in [0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999, 99.9999, 99.99999] {
        if marked <= last {
            picture.mark_below(x(marked), &label(marked));
        }
    }
    let at = points.iter().map(|p| format!("{:.3},{:.3}", x(p.percentile), y(p.ns)));
    let line = at.collect::<Vec<_>>().join(" ");
    picture.add(&format!("<polyline class=\"curve\" points=\"{line}\"/>"));
    for point in points {
        let (percentile, ns) = (point.percentile, point.ns);
        picture.add(&format!(
            "<circle class=\"point\" cx=\"{:.3}\" cy=\"{:.3}\" r=\"3\" \
             data-percentile=\"{percentile}\" data-ns=\"{ns}\">\
             <title>{}: {}</title></circle>",
            x(percentile),
            y(ns),
            label(percentile),
            Time(ns),
        ));
    }
    picture.name_below("share of messages that are not slower");
    picture.finish()
}

/// How many nines a percentile has: 1 for 90, 2 for 99.
fn nines(percentile: f64) -> f64 {
    2.0 - (100.0 - percentile).log10()
}

/// The powers of ten that all points lie between.
fn decades(points: &[Point]) -> (u64, u64) {
    let least = points.iter().map(|p| p.ns).min().unwrap_or(1).max(1);
    let most = points.iter().map(|p| p.ns).max().unwrap_or(1);
    let low = 10_u64.pow(least.ilog10());
    let mut high = low * 10;
    while high < most {
        high *= 10;
    }
    (low, high)
}
