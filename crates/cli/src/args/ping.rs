//! `sockeye ping`.

use super::number::number;
use super::time::time;
use super::{LogArgs, RequestArgs};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
A reply counts if it comes within --timeout. With --mirror the messages begin as the probes of the
page do, so that they are not kept for newcomers, and messages of others are ignored.

Exit status:
  0  there was a reply
  1  there was none
  2  could not connect, the connection was lost, or wrong usage

SIGINT (Ctrl-C) and SIGTERM end it, with the statistics and a status as above; a second one ends
it at once with 130 or 143, as does one while it connects.

Examples:
  sockeye ping ws://127.0.0.1:9001 -c 3 -i 0.2
  sockeye ping ws://127.0.0.1:7681 --mirror -c 3 -s 1000
  sockeye ping ws://127.0.0.1:9001 -f -c 1000";

/// The longest payload of a Ping (RFC 6455 §5.5), and the shortest that holds its number.
const PING_SIZES: (usize, usize) = (8, 125);
/// The same for messages through the mirror, which also say whose they are.
const MIRROR_SIZES: (usize, usize) = (18, 4096);

/// Options of `sockeye ping`.
#[derive(Debug, clap::Args)]
pub(crate) struct PingArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// Stop after so many
    #[arg(short, long, value_name = "N", value_parser = number(1..=u64::MAX))]
    pub(crate) count: Option<u64>,
    /// Send one every so often, as in 200ms or 0.2 seconds
    #[arg(short, long, default_value = "1s", value_name = "TIME", value_parser = interval)]
    pub(crate) interval: Duration,
    /// Send so many bytes: 8 to 125, or 18 to 4096 with --mirror
    #[arg(short, long, default_value_t = 64, value_name = "BYTES",
          value_parser = number(8..=4096_usize))]
    pub(crate) size: usize,
    /// Print the statistics only
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Send the next one as soon as a reply comes, and a hundred per second at least; on a
    /// terminal, a dot for each one sent goes with its reply
    #[arg(short, long, conflicts_with = "interval")]
    pub(crate) flood: bool,
    /// Wait so long for each reply
    #[arg(short = 'W', long, default_value = "5s", value_name = "TIME", value_parser = interval)]
    pub(crate) timeout: Duration,
    /// Send messages through the mirror of `sockeye serve`, and no Pings
    #[arg(long, conflicts_with = "subprotocol")]
    pub(crate) mirror: bool,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

impl PingArgs {
    /// What no single option can tell is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        let ((least, most), what) = match self.mirror {
            true => (MIRROR_SIZES, "a message through the mirror"),
            false => (PING_SIZES, "a Ping"),
        };
        if (least..=most).contains(&self.size) {
            return Ok(());
        }
        Err(format!("--size {}: {what} takes {least} to {most} bytes", self.size))
    }
}

/// Reads a time, also as seconds with a decimal point.
fn interval(text: &str) -> Result<Duration, &'static str> {
    let decimal = text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = if decimal { text.parse().ok() } else { None };
    let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let read = seconds.map_or_else(|| time(text), Ok)?;
    if read < Duration::from_millis(1) {
        return Err("it must be 1ms or more");
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_times_or_seconds_with_a_point() {
        for (text, ms) in [("1", 1000), ("200ms", 200), ("0.2", 200), ("1.5", 1500), (".5", 500)] {
            assert_eq!(interval(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", ".", "0", "0.0001", "1.2.3", "-1", "-0.2", "1e3", "nan", "1.5s"] {
            assert!(interval(text).is_err(), "{text}");
        }
    }
}
