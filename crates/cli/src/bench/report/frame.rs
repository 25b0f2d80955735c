//! What all plots share: a frame, with a scale to the left and one below.

use std::fmt::Write;

/// Where a plot is drawn, in units of its picture.
pub(super) const LEFT: f64 = 70.0;
pub(super) const TOP: f64 = 12.0;
pub(super) const WIDTH: f64 = 640.0;
pub(super) const HEIGHT: f64 = 220.0;
/// The lower edge.
pub(super) const BOTTOM: f64 = TOP + HEIGHT;

/// A picture in the making.
pub(super) struct Picture {
    svg: String,
}

impl Picture {
    /// `facts` are attributes that say what the scales mean.
    pub(super) fn new(id: &str, label: &str, facts: &str) -> Self {
        let (width, height) = (LEFT + WIDTH + 20.0, BOTTOM + 44.0);
        let svg = format!(
            "<svg id=\"{id}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
             aria-label=\"{label}\" {facts}>\n\
             <rect class=\"frame\" x=\"{LEFT}\" y=\"{TOP}\" width=\"{WIDTH}\" \
             height=\"{HEIGHT}\"/>\n"
        );
        Self { svg }
    }

    /// Adds an element.
    pub(super) fn add(&mut self, element: &str) {
        self.svg += element;
        self.svg.push('\n');
    }

    /// A line across at `y`, and what it stands for.
    pub(super) fn mark_left(&mut self, y: f64, label: &str) {
        let (right, x, below) = (LEFT + WIDTH, LEFT - 6.0, y + 4.0);
        let _ = writeln!(
            self.svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.2}\" x2=\"{right}\" y2=\"{y:.2}\"/>\
             <text class=\"left\" x=\"{x}\" y=\"{below:.2}\">{label}</text>"
        ); // to a String
    }

    /// A tick at `x`, and what it stands for.
    pub(super) fn mark_below(&mut self, x: f64, label: &str) {
        let (to, y) = (BOTTOM + 5.0, BOTTOM + 20.0);
        let _ = writeln!(
            self.svg,
            "<line class=\"tick\" x1=\"{x:.2}\" y1=\"{BOTTOM}\" x2=\"{x:.2}\" y2=\"{to}\"/>\
             <text class=\"below\" x=\"{x:.2}\" y=\"{y}\">{label}</text>"
        ); // to a String
    }

    /// What the scale below counts.
    pub(super) fn name_below(&mut self, name: &str) {
        let (x, y) = (LEFT + WIDTH / 2.0, BOTTOM + 38.0);
        let _ = writeln!(self.svg, "<text class=\"below\" x=\"{x}\" y=\"{y}\">{name}</text>");
    }

    pub(super) fn finish(self) -> String {
        self.svg + "</svg>\n"
    }
}

/// The end of a scale from 0 that reaches `most`, and the distance of its marks.
pub(super) fn scale(most: f64) -> (f64, f64) {
    let most = most.max(1.0);
    let decade = 10_f64.powf(most.log10().floor());
    let step = [0.2, 0.5, 1.0, 2.0].into_iter().find(|step| step * decade * 5.0 >= most);
    let step = step.unwrap_or(2.0) * decade;
    ((most / step).ceil() * step, step)
}

/// The height of something on a scale that ends with `end`.
pub(super) fn height(value: f64, end: f64) -> f64 {
    value / end * HEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_reach_as_far_as_they_must_in_round_steps() {
        for (most, expected) in [
            (0.0, (1.0, 0.2)),
            (1.0, (1.0, 0.2)),
            (7.0, (8.0, 2.0)),
            (99.0, (100.0, 20.0)),
            (1_100.0, (1_500.0, 500.0)),
            (123_456.0, (150_000.0, 50_000.0)),
        ] {
            assert_eq!(scale(most), expected, "{most}");
        }
    }
}
