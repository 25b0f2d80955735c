//! `sockeye bench`.

use super::number::number;
use super::time::time;
use super::{LogArgs, RequestArgs};
use sockeye::DeflateOptions;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Every connection keeps --depth messages on their way, and sends the next one when an echo has
come; with --rate it sends each when its time has come, and latencies count from that time, also
if the message had to wait for others (\"coordinated omission\"). To be in time it then waits
actively, which takes a whole processor. Messages are numbered and their content depends on the
number, so an echo that is wrong, missing or out of order is noticed, and fails the run.

Over wss:// every handshake is a full one: no session is resumed. A server at tcp:// gets the same
frames without a handshake, and must send these bytes back as they are: what is left of the time
when nobody speaks WebSocket.

Latencies are of the messages sent within the measured time, throughput is of the echoes that came
within it. Percentiles have three significant digits.

Exit status:
  0    every message was echoed, in order and as it was
  1    an echo was wrong, out of order or not there in time; or it could not connect; or a file or
       standard output could not be written
  2    wrong usage
  3    the server closed a connection with a code
  4    a connection was lost, or the server broke the protocol
  130  ended early by SIGINT (143: SIGTERM), with the result so far; a second one ends at once

Examples:
  sockeye bench ws://127.0.0.1:9001 --connections 20 --churn 0 --count 10000
  sockeye bench ws://127.0.0.1:9001 --connections 100 --depth 16 --size 1k --duration 3s
  sockeye bench ws://127.0.0.1:9001 --connections 50 --rate 5000 --duration 3s --text --json";

/// The longest message, in bytes.
const SIZE_MAX: usize = 64 << 20;

/// The most messages on their way at a time, of all connections: each is remembered.
const IN_FLIGHT_MAX: u64 = 16 << 20;

/// Options of `sockeye bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// Open this many connections
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = number(1..=1_000_000_u32))]
    pub(crate) connections: u32,
    /// Leave from these addresses of this machine, in turn, separated by commas: each has ports for
    /// about 28000 connections
    #[arg(long, value_name = "ADDRESS[,ADDRESS]", value_delimiter = ',', value_parser = source)]
    pub(crate) source: Vec<IpAddr>,
    /// Send messages of this many bytes; `k` and `M` behind a number count 1024 and 1024² of them
    #[arg(long, default_value = "32", value_name = "BYTES", value_parser = size)]
    pub(crate) size: usize,
    /// Keep so many messages on their way on each connection
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = number(1..=65_536_u32))]
    pub(crate) depth: u32,
    /// Measure for so long
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = some_time,
          conflicts_with = "count")]
    pub(crate) duration: Duration,
    /// Measure so many messages, however long it takes
    #[arg(long, value_name = "N", value_parser = number(1..=u64::MAX))]
    pub(crate) count: Option<u64>,
    /// Send for so long before what is measured; by default 1s, none with --count
    #[arg(long, value_name = "TIME", value_parser = time)]
    warm_up: Option<Duration>,
    /// Send so many messages per second, over all connections, and not as many as come back
    #[arg(long, value_name = "N", value_parser = number(1..=1_000_000_000_u64))]
    pub(crate) rate: Option<u64>,
    /// Send text in ASCII, and not binary messages
    #[arg(long, conflicts_with = "utf8")]
    text: bool,
    /// Send text that is mostly not ASCII
    #[arg(long)]
    utf8: bool,
    /// Send text such as records in JSON, which compresses as such text does
    #[arg(long, conflicts_with_all = ["text", "utf8"])]
    records: bool,
    /// Expect every message on every connection. The first one sends --depth messages, and the
    /// next ones when all have come everywhere; deliveries are counted
    #[arg(long, conflicts_with_all = ["rate", "count"])]
    pub(crate) broadcast: bool,
    /// Close a connection after so many echoes, and open another in its place. With 0 a connection
    /// ends as soon as it is open, without a Close frame, and handshakes are counted
    #[arg(long, value_name = "N", conflicts_with_all = ["rate", "broadcast"],
          value_parser = number(0..=u64::MAX))]
    pub(crate) churn: Option<u64>,
    /// Open so many connections more, on which nothing is sent
    #[arg(long, default_value_t = 0, value_name = "N", conflicts_with_all = ["broadcast", "churn"],
          value_parser = number(0..=1_000_000_u32))]
    pub(crate) idle: u32,
    /// Compress messages (permessage-deflate, RFC 7692); the server must agree
    #[arg(long, overrides_with = "no_deflate")]
    pub(crate) deflate: bool,
    /// Do not compress messages; this is the default
    #[arg(long)]
    no_deflate: bool,
    /// Let both ends keep their compression windows between messages
    #[arg(long, requires = "deflate")]
    context_takeover: bool,
    /// Give up when a connection, or an echo after the one before it, takes longer
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = some_time)]
    pub(crate) timeout: Duration,
    /// Print the result as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Write every sample that was measured to this file, as CSV; costs some speed
    #[arg(long, value_name = "FILE")]
    pub(crate) raw: Option<PathBuf>,
    /// Write a page with plots to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Also tell the processor time and the memory of this process, the server, if it is on this
    /// machine; may be given several times
    #[arg(long = "server-pid", value_name = "PID", value_parser = number(1..=u32::MAX))]
    pub(crate) server_pids: Vec<u32>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// What messages are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Matter {
    /// Pseudorandom bytes.
    Binary,
    /// Words in ASCII.
    Text,
    /// Text of characters that take two to four bytes.
    Utf8,
    /// Text such as records in JSON.
    Records,
}

impl BenchArgs {
    /// What messages are made of.
    pub(crate) fn matter(&self) -> Matter {
        match (self.text, self.utf8, self.records) {
            (_, _, true) => Matter::Records,
            (_, true, false) => Matter::Utf8,
            (true, false, false) => Matter::Text,
            (false, false, false) => Matter::Binary,
        }
    }

    /// How compression is offered, if at all.
    pub(crate) fn deflate_options(&self) -> Option<DeflateOptions> {
        let options = match self.context_takeover {
            true => DeflateOptions::with_context_takeover(),
            false => DeflateOptions::default(),
        };
        self.deflate.then_some(options)
    }

    /// All connections, idle ones included.
    pub(crate) fn all_connections(&self) -> u32 {
        self.connections.saturating_add(self.idle)
    }

    /// How long to send before what is measured.
    pub(crate) fn warm_up(&self) -> Duration {
        let default = if self.count.is_some() { Duration::ZERO } else { Duration::from_secs(1) };
        self.warm_up.unwrap_or(default)
    }

    /// The host and the port of `tcp://host:port`.
    pub(crate) fn raw_host(&self) -> Option<&str> {
        raw_host(&self.request.url)
    }

    /// The first option that is given and asks for what only a WebSocket has.
    fn for_websocket(&self) -> Option<&'static str> {
        let all = [
            ("--deflate", self.deflate),
            ("--broadcast", self.broadcast),
            ("--churn", self.churn.is_some()),
        ];
        let given = all.into_iter().find(|(_, given)| *given).map(|(name, _)| name);
        given.or_else(|| self.request.given())
    }

    /// What no single option can tell is wrong.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let (Some(_), Some(name)) = (self.raw_host(), self.for_websocket()) {
            return Err(format!(
                "{}: bytes go to tcp:// as they are, without a handshake, so there is nothing for \
                 {name} to do; leave it out, or take ws://",
                self.request.url
            ));
        }
        let in_flight = u64::from(self.all_connections()) * u64::from(self.depth);
        if in_flight > IN_FLIGHT_MAX {
            return Err(format!(
                "--connections {} with --depth {} is {in_flight} messages at a time; at most \
                 {IN_FLIGHT_MAX} can be remembered",
                self.all_connections(),
                self.depth
            ));
        }
        Ok(())
    }
}

/// Lets the argument be `tcp://host:port` too.
pub(super) fn with_target(url: clap::Arg) -> clap::Arg {
    url.value_parser(target).help(
        "Where to, as `ws://host:port/path`, or `wss://` for TLS; the port is 80, or 443, unless \
         given. Or `tcp://host:port`, which gets the same frames without a handshake and must \
         send these bytes back",
    )
}

const RAW: &str = "tcp://";

/// Text that is where messages may be sent.
pub(super) fn target(text: &str) -> Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let Some(host) = raw_host(text) else { return Ok(super::request::url(text)?) };
    let form = "tcp:// takes the form tcp://host:port, with no path behind it";
    let (name, port) = host.rsplit_once(':').ok_or(form)?;
    let is_name = !name.is_empty() && !name.contains(['/', '@', '?', '#', ' ']);
    let is_six = name.starts_with('[') && name.ends_with(']');
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok_and(|port| port > 0);
    let fits = is_port && is_name && (is_six || !name.contains(':'));
    if fits { Ok(text.to_owned()) } else { Err(form.into()) }
}

fn raw_host(url: &str) -> Option<&str> {
    let (scheme, host) = url.split_at_checked(RAW.len())?;
    scheme.eq_ignore_ascii_case(RAW).then_some(host)
}

fn source(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "it takes IP addresses with commas between, as in 127.0.0.2,127.0.0.3")
}

fn some_time(text: &str) -> Result<Duration, &'static str> {
    match time(text)? {
        Duration::ZERO => Err("it must be more than 0"),
        time => Ok(time),
    }
}

fn size(text: &str) -> Result<usize, &'static str> {
    const FORM: &str = "a size is a whole number of bytes up to 64M, as in 125, 16k or 1M";
    let (number, unit) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1 << 10),
        None => text.strip_suffix('M').map_or((text, 1), |number| (number, 1 << 20)),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let size = if digits { number.parse::<usize>().ok() } else { None };
    let size = size.and_then(|number| number.checked_mul(unit));
    size.filter(|&size| size <= SIZE_MAX).ok_or(FORM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_a_limit() {
        for (text, bytes) in [("0", 0), ("125", 125), ("16k", 16 << 10), ("64M", 64 << 20)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        let wrong = ["", "k", "+1", "-1", "1.5k", "1 k", "65M", "1G", "1kk", "67108865", "é"];
        for text in wrong.into_iter().chain(["99999999999999999999", "99999999999999999M"]) {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_alone_go_to_a_host_and_a_port() {
        for right in ["tcp://h:1", "TCP://127.0.0.1:65535", "tcp://[::1]:80"] {
            assert_eq!(target(right).unwrap(), right);
            assert_eq!(raw_host(right), Some(&right[6..]));
        }
        let wrong =
            ["", "h", "h:", ":1", "h:0", "h:65536", "h:+1", "h:1/", "h/x:1", "::1:80", "[::1]"];
        for wrong in wrong {
            assert!(target(&format!("tcp://{wrong}")).is_err(), "{wrong}");
        }
        assert_eq!(raw_host("ws://h:1"), None);
        assert_eq!(raw_host("tcp:/"), None);
        assert!(target("ws://h:1").is_ok() && target("tcp:h:1").is_err());
    }

    #[test]
    fn a_time_must_not_be_nothing() {
        assert_eq!(some_time("1s"), Ok(Duration::from_secs(1)));
        assert!(some_time("0ms").is_err());
    }
}
