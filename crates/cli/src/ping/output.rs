//! What is printed.

use super::tally::Tally;
use crate::args::PingArgs;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Standard output.
pub(super) struct Output {
    url: String,
    size: usize,
    timeout: Duration,
    style: Style,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// A line for each reply.
    Lines,
    /// A dot for each ping, taken back with the reply.
    Dots,
    /// Nothing but the statistics.
    Quiet,
}

impl Output {
    pub(super) fn new(args: &PingArgs) -> Self {
        let style = match (args.quiet, args.flood) {
            (true, _) => Style::Quiet,
            (false, true) if io::stdout().is_terminal() => Style::Dots,
            (false, true) => Style::Quiet,
            (false, false) => Style::Lines,
        };
        let (url, size, timeout) = (args.request.url.clone(), args.size, args.timeout);
        Self { url, size, timeout, style }
    }

    pub(super) fn begin(&self, peer: &str) -> io::Result<()> {
        line(&format!("PING {} ({peer}): {} bytes of payload", self.url, self.size))
    }

    pub(super) fn sent(&self) -> io::Result<()> {
        self.dot(".")
    }

    /// `remark` says what is odd about the reply, if anything.
    pub(super) fn reply(
        &self,
        peer: &str,
        seq: u64,
        after: Option<Duration>,
        remark: &str,
    ) -> io::Result<()> {
        if self.style != Style::Lines {
            return if after.is_some() { self.dot("\u{8} \u{8}") } else { Ok(()) };
        }
        let time = after.map_or_else(String::new, |after| format!(" time={} ms", short(after)));
        line(&format!("{} bytes from {peer}: seq={seq}{time}{remark}", self.size))
    }

    pub(super) fn no_reply(&self, seq: u64) -> io::Result<()> {
        match self.style {
            Style::Lines => line(&format!("no reply to seq={seq} within {:?}", self.timeout)),
            Style::Dots | Style::Quiet => Ok(()), // the dot stays
        }
    }

    pub(super) fn statistics(&self, tally: &Tally) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        if self.style == Style::Lines || self.style == Style::Dots {
            writeln!(stdout)?;
        }
        writeln!(stdout, "--- {} ping statistics ---\n{tally}", self.url)?;
        stdout.flush()
    }

    fn dot(&self, text: &str) -> io::Result<()> {
        if self.style != Style::Dots {
            return Ok(());
        }
        let mut stdout = io::stdout().lock();
        write!(stdout, "{text}")?;
        stdout.flush()
    }
}

/// Each line leaves at once, whatever standard output is.
fn line(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// Milliseconds, with three significant digits or whole microseconds.
fn short(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    let digits = match ms {
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{ms:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (us, text) in
            [(45, "0.045"), (999, "0.999"), (1234, "1.23"), (12_345, "12.3"), (1_234_567, "1235")]
        {
            assert_eq!(short(Duration::from_micros(us)), text);
        }
    }
}
