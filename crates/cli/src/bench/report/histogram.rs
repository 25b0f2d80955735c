//! How many latencies are in each class.

use super::frame::{self, BOTTOM, LEFT, Picture, WIDTH};
use crate::bench::result::Class;
use crate::bench::terminal::{Grouped, Time};

/// At most this many edges of classes are labelled.
const LABELS: usize = 9;

pub(super) fn plot(classes: &[Class]) -> String {
    let most = classes.iter().map(|class| class.count).max().unwrap_or(0);
    let (end, step) = frame::scale(most as f64);
    let facts = format!("data-end=\"{end}\"");
    let mut picture = Picture::new("histogram", "Number of messages by latency", &facts);
    for i in 0..=(end / step).round() as u32 {
        let value = step * f64::from(i);
        let label = Grouped(value as u64).to_string();
        if value.fract() == 0.0 {
            picture.mark_left(BOTTOM - frame::height(value, end), &label);
        }
    }
    let width = WIDTH / classes.len().max(1) as f64;
    let labelled = classes.len().div_ceil(LABELS).max(1);
    for (i, class) in classes.iter().enumerate() {
        let x = LEFT + width * i as f64;
        let height = frame::height(class.count as f64, end);
        let (from, to, count) = (class.from_ns, class.to_ns, class.count);
        let (low, high) =
            (Time(from), if to == u64::MAX { "∞".into() } else { Time(to).to_string() });
        picture.add(&format!(
            "<rect class=\"bar\" x=\"{:.3}\" y=\"{:.3}\" width=\"{:.3}\" height=\"{height:.3}\" \
             data-from-ns=\"{from}\" data-to-ns=\"{to}\" data-count=\"{count}\">\
             <title>{low} to {high}: {}</title></rect>",
            x + width * 0.05,
            BOTTOM - height,
            width * 0.9,
            Grouped(count),
        ));
        if i % labelled == 0 {
            picture.mark_below(x, &low.to_string());
        }
    }
    picture.name_below("latency");
    picture.finish()
}
