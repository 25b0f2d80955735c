//! The result, for people at a terminal.

use super::result::{Class, Outcome, Process};
use std::fmt::{self, Display};

/// The longest bar, in characters.
const BAR: usize = 40;

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (window, latency, messages) = (&self.window, &self.latency, &self.messages);
        let counted = self.options.counted;
        let (handshakes, unit) = (counted == "handshakes", self.unit());
        let (came, way) =
            if counted == "deliveries" { ("delivered", "out") } else { ("echoed", "each way") };
        writeln!(f, "{}: {}", self.url, self.options)?;
        if !self.complete {
            writeln!(f, "ended early")?;
        }
        writeln!(
            f,
            "\n{:<12} {} {counted} in {:.3} s: {} {unit}/s{}",
            "throughput",
            Grouped(window.echoes),
            window.seconds,
            Grouped(window.echoes_per_second.round() as u64),
            if handshakes {
                String::new()
            } else {
                format!(", {:.2} MB/s {way}", window.bytes_per_second / 1e6)
            }
        )?;
        writeln!(
            f,
            "{unit:<12} {} {}, {} {}, warm-up included; every one was right",
            Grouped(messages.sent),
            if handshakes { "begun" } else { "sent" },
            Grouped(messages.echoed),
            if handshakes { "done" } else { came },
        )?;
        if messages.behind > 0 {
            writeln!(
                f,
                "{:<12} the rate asked for {} more; there was no room or time to send them",
                "",
                Grouped(messages.behind)
            )?;
        }
        self.fmt_processes(f)?;
        let since = if latency.corrected { ", from when messages were due" } else { "" };
        writeln!(f, "{:<12} {} samples{since}", "latency", Grouped(latency.samples))?;
        for (name, ns) in [
            ("min", latency.min_ns),
            ("mean", latency.mean_ns as u64),
            ("p50", latency.p50_ns),
            ("p90", latency.p90_ns),
            ("p99", latency.p99_ns),
            ("p99.9", latency.p99_9_ns),
            ("max", latency.max_ns),
        ] {
            writeln!(f, "  {name:<10} {:>10}", Time(ns).to_string())?;
        }
        writeln!(f)?;
        let most = self.histogram.iter().map(|class| class.count).max().unwrap_or(0);
        self.histogram.iter().try_for_each(|class| fmt_class(f, class, most))
    }
}

impl Outcome {
    fn unit(&self) -> &'static str {
        if self.options.counted == "handshakes" { "handshakes" } else { "messages" }
    }

    fn fmt_processes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |process: &Process| 100.0 * process.cpu_seconds / self.window.seconds;
        for server in &self.servers {
            writeln!(
                f,
                "{:<12} process {}: {:.2} s of processor time ({:.2} s user, {:.2} s system), \
                 {:.0} %",
                "server",
                server.pid,
                server.cpu_seconds,
                server.user_seconds,
                server.system_seconds,
                share(server)
            )?;
            if let (Some(before), Some(at_end)) =
                (server.resident_bytes_before, server.resident_bytes)
            {
                writeln!(
                    f,
                    "{:<12} {} KiB resident before the first connection, {} KiB at the end",
                    "",
                    Grouped(before >> 10),
                    Grouped(at_end >> 10)
                )?;
            }
        }
        if let Some(efficiency) = self.echoes_per_server_cpu_second {
            let per_second = Grouped(efficiency.round() as u64);
            writeln!(f, "{:<12} {per_second} {} per second of processor time", "", self.unit())?;
        }
        let client = &self.client;
        writeln!(
            f,
            "{:<12} {:.2} s of processor time, {:.0} %",
            "bench",
            client.cpu_seconds,
            share(client)
        )
    }
}

fn fmt_class(f: &mut fmt::Formatter<'_>, class: &Class, most: u64) -> fmt::Result {
    let up_to =
        if class.to_ns == u64::MAX { "longer".into() } else { Time(class.to_ns).to_string() };
    let length = (class.count as f64 / most.max(1) as f64 * BAR as f64).ceil() as usize;
    let bar = "#".repeat(length);
    writeln!(f, "  ≤ {up_to:>8} {bar:<BAR$} {}", Grouped(class.count))
}

impl Display for super::result::Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: u32| if count == 1 { "" } else { "s" };
        write!(
            f,
            "{} connection{}, {} message{} of {} bytes on {} way at a time, {}",
            Grouped(self.connections.into()),
            plural(self.connections),
            self.depth,
            plural(self.depth),
            Grouped(self.size as u64),
            if self.depth == 1 { "its" } else { "their" },
            self.matter,
        )?;
        if let Some(rate) = self.rate {
            write!(f, ", {} messages/s", Grouped(rate))?;
        }
        f.write_str(if self.compressed { ", compressed" } else { "" })?;
        if let Some(churn) = self.churn {
            write!(f, ", replaced after {}", Grouped(churn))?;
        }
        if self.idle > 0 {
            write!(f, ", beside {} that are idle", Grouped(self.idle.into()))?;
        }
        Ok(())
    }
}

/// A number with a comma between thousands.
pub(super) struct Grouped(pub(super) u64);

impl Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
        for (i, digit) in digits.chars().enumerate() {
            if i > 0 && (digits.len() - i).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// Nanoseconds, in the unit that makes them short.
pub(super) struct Time(pub(super) u64);

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0 as f64;
        let (number, unit) = match self.0 {
            0..1_000 => return write!(f, "{} ns", self.0),
            1_000..1_000_000 => (ns / 1e3, "µs"),
            1_000_000..1_000_000_000 => (ns / 1e6, "ms"),
            _ => (ns / 1e9, "s"),
        };
        let digits = if number < 9.995 { 2 } else { usize::from(number < 99.95) };
        write!(f, "{number:.digits$} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_times_have_units() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1234567, "1,234,567")] {
            assert_eq!(Grouped(number).to_string(), text);
        }
        for (ns, text) in [
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (12_340, "12.3 µs"),
            (150_000_000, "150 ms"),
            (9_999_999_999, "10.0 s"),
        ] {
            assert_eq!(Time(ns).to_string(), text);
        }
    }
}
