//! The result as a page: one file, with its plots inside, that asks for nothing elsewhere.

mod curve;
mod frame;
mod histogram;
mod throughput;

use super::result::{Outcome, Process};
use super::terminal::{Grouped, Time};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

/// The whole page.
pub(super) fn page(outcome: &Outcome) -> serde_json::Result<String> {
    // In a script element, only its end could be mistaken.
    let json = serde_json::to_string_pretty(outcome)?.replace("</", "<\\/");
    let url = escape(&outcome.url);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>sockeye bench {url}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <h1>{url}</h1>\n<p>{}{}</p>\n",
        outcome.options,
        if outcome.complete { "" } else { "; ended early" },
    );
    page += &figures(outcome);
    for (title, plot) in [
        ("Latencies", histogram::plot(&outcome.histogram)),
        ("Latency by percentile", curve::plot(&outcome.percentiles)),
        ("Messages per second over time", throughput::plot(&outcome.throughput)),
    ] {
        let _ = write!(page, "<section>\n<h2>{title}</h2>\n{plot}</section>\n"); // to a String
    }
    let _ = write!(
        page,
        "<footer>sockeye {}</footer>\n</main>\n\
         <script type=\"application/json\" id=\"result\">\n{json}\n</script>\n</body>\n</html>\n",
        outcome.sockeye
    );
    Ok(page)
}

/// The table of figures.
fn figures(outcome: &Outcome) -> String {
    let (window, latency, messages) = (&outcome.window, &outcome.latency, &outcome.messages);
    let mut rows: Vec<(&str, String)> = vec![
        ("messages per second", Grouped(window.echoes_per_second.round() as u64).to_string()),
        ("MB per second, each way", format!("{:.2}", window.bytes_per_second / 1e6)),
        ("measured", format!("{} echoes in {:.3} s", Grouped(window.echoes), window.seconds)),
        ("sent in all", Grouped(messages.sent).to_string()),
        ("echoed in all", Grouped(messages.echoed).to_string()),
    ];
    if messages.behind > 0 {
        rows.push(("asked for and not sent", Grouped(messages.behind).to_string()));
    }
    for (name, ns) in [
        ("shortest latency", latency.min_ns),
        ("mean latency", latency.mean_ns as u64),
        ("p50", latency.p50_ns),
        ("p90", latency.p90_ns),
        ("p99", latency.p99_ns),
        ("p99.9", latency.p99_9_ns),
        ("longest latency", latency.max_ns),
    ] {
        rows.push((name, Time(ns).to_string()));
    }
    let process =
        |p: &Process| format!("{:.2} s user, {:.2} s system", p.user_seconds, p.system_seconds);
    rows.extend(outcome.servers.iter().map(|p| ("processor time of the server", process(p))));
    if let Some(efficiency) = outcome.echoes_per_server_cpu_second {
        let per_second = Grouped(efficiency.round() as u64).to_string();
        rows.push(("messages per second of it", per_second));
    }
    rows.push(("processor time of the bench", process(&outcome.client)));
    let row = |(name, value)| format!("<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>\n");
    let rows: String = rows.into_iter().map(row).collect();
    let note = if latency.corrected {
        "<p>Latencies count from when messages were due at the rate asked for.</p>\n"
    } else {
        ""
    };
    format!("<table id=\"figures\">\n{rows}</table>\n{note}")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("a&<b>\"c"), "a&amp;&lt;b&gt;&quot;c");
    }
}
