//! Bar charts as SVG.

use std::fmt::Write;

const WIDTH: f64 = 640.0;
const ROW: f64 = 26.0;
const LEFT: f64 = 150.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 34.0;

/// Names with their ratios to the one that counts as 1.
pub(crate) fn bars(title: &str, bars: &[(&str, f64)]) -> String {
    let most = bars.iter().map(|(_, ratio)| *ratio).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - RIGHT) / most;
    let height = TOP + ROW * bars.len() as f64 + 10.0;
    let one = LEFT + scale;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <style>text {{ fill: #333 }} rect {{ fill: #8aa }} .ours {{ fill: #c33 }} \
         @media (prefers-color-scheme: dark) {{ text {{ fill: #ddd }} }}</style>\n\
         <text x=\"{LEFT}\" y=\"18\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for (row, (name, ratio)) in bars.iter().enumerate() {
        let y = TOP + ROW * row as f64;
        let (width, text_y) = (ratio * scale, y + ROW / 2.0 + 2.0);
        let class = if row == 0 { " class=\"ours\"" } else { "" };
        let (name, x, end) = (escaped(name), LEFT - 8.0, LEFT + width + 6.0);
        let _ = writeln!(
            svg,
            "<text x=\"{x}\" y=\"{text_y}\" text-anchor=\"end\">{name}</text>\
             <rect{class} x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"18\"/>\
             <text x=\"{end:.1}\" y=\"{text_y}\">{ratio:.2}</text>"
        );
    }
    let _ = writeln!(
        svg,
        "<line x1=\"{one:.1}\" y1=\"{TOP}\" x2=\"{one:.1}\" y2=\"{}\" stroke=\"#888\" \
         stroke-dasharray=\"3 3\"/>\n</svg>",
        height - 8.0
    );
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_has_its_name_and_figure() {
        let svg = bars("a < b", &[("one", 1.5), ("two", 1.0)]);
        assert!(svg.contains("a &lt; b") && svg.contains(">one<") && svg.contains(">1.50<"));
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.ends_with("</svg>\n"));
    }
}
