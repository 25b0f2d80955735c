//! The command line.

use clap::{Parser, Subcommand};
use sockeye::log::Levels;
use sockeye::{Connect, DeflateOptions, OriginPolicy};
use std::net::IpAddr;

const EXAMPLES: &str = "\
Examples:
  sockeye serve                                  a page to draw on, at http://127.0.0.1:7681/
  sockeye echo --port 9001                       an echo server at ws://127.0.0.1:9001
  sockeye connect ws://127.0.0.1:9001            talk to it, line by line
  sockeye help connect                           all about one command";

const SERVE_EXAMPLES: &str = "\
Ctrl-C or SIGTERM closes every connection with 1001; a second one ends at once.

Exit status: 0 ended by one signal, 1 could not listen, 2 wrong usage,
130 or 143 ended by a second SIGINT or SIGTERM.

Examples:
  sockeye serve
  sockeye serve --port 8080 --bind 0.0.0.0       for other machines too
  sockeye serve --log err,warn,notice,info       a line per connection on stderr
  sockeye serve -d 15                            the same, as the manual numbers the levels";

const ECHO_EXAMPLES: &str = "\
Ctrl-C or SIGTERM closes every connection with 1001; a second one ends at once.

Exit status: 0 ended by one signal, 1 could not listen, 2 wrong usage,
130 or 143 ended by a second SIGINT or SIGTERM.

Examples:
  sockeye echo
  sockeye echo --port 0                          any free port; stdout says which
  sockeye echo --origin any                      for pages of all sites
  sockeye echo --origin https://example.com      for pages of this site";

const CONNECT_EXAMPLES: &str = "\
Each line of standard input is sent as one message, without its newline; each message that
comes is printed as one line. At the end of standard input the connection is closed with 1000,
and what has not come by then is not waited for: use --count to wait for answers.

Exit status:
  0    closed with 1000, or without a code; or --count messages have come
  1    could not connect; or standard output could not be written
  2    wrong usage; or a line of standard input cannot be sent
  3    the server closed with another code
  4    the connection was lost, or the server broke the protocol
  130  ended by SIGINT (143: SIGTERM), after closing with 1000; a second one ends at once

Examples:
  sockeye connect ws://127.0.0.1:7681
  echo hello | sockeye connect ws://127.0.0.1:9001 --count 1
  sockeye connect ws://127.0.0.1:7681 --subprotocol dumb-increment-protocol --count 20
  sockeye connect ws://example.com/chat --origin http://example.com --header 'Cookie: a=b'";

/// WebSocket servers and a client: a drawing board to try, an echo, a terminal.
#[derive(Debug, Parser)]
#[command(name = "sockeye", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a page with a shared drawing board, a counter and live connections.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(ServeArgs),
    /// Send every message back where it came from.
    #[command(after_help = ECHO_EXAMPLES)]
    Echo(EchoArgs),
    /// Talk to a server: lines in, lines out.
    #[command(after_help = CONNECT_EXAMPLES)]
    Connect(ConnectArgs),
}

/// Options of `sockeye serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) deflate: DeflateArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Options of `sockeye echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// Whose pages may connect: `any`, `same-host`, or one origin. Clients that are no browsers
    /// always may
    #[arg(long, default_value = "same-host", value_name = "ORIGIN", value_parser = origin_policy)]
    pub(crate) origin: OriginPolicy,
    #[command(flatten)]
    pub(crate) deflate: DeflateArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Options of `sockeye connect`.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectArgs {
    /// Where to, as `ws://host:port/path`; the port is 80 unless given
    #[arg(value_parser = url)]
    pub(crate) url: String,
    /// Offer this subprotocol; give it several times to offer several, the favourite first
    #[arg(long, value_name = "NAME")]
    pub(crate) subprotocol: Vec<String>,
    /// Send binary messages instead of text
    #[arg(long)]
    pub(crate) binary: bool,
    /// Close after N messages have come, and not at the end of standard input
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Send this Origin, as a browser would
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
    /// Add a header to the request; may be given several times
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) deflate: DeflateArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// Where a server listens.
#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// The TCP port; 0 for any that is free
    #[arg(long, default_value_t = 7681)]
    pub(crate) port: u16,
    /// The IP address; 0.0.0.0 or :: for all of this machine
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS")]
    pub(crate) bind: IpAddr,
}

/// Compression of messages.
#[derive(Debug, clap::Args)]
pub(crate) struct DeflateArgs {
    /// Do not compress messages, even if the other end could (permessage-deflate, RFC 7692)
    #[arg(long)]
    no_deflate: bool,
}

impl DeflateArgs {
    /// How compression is negotiated, if at all.
    pub(crate) fn options(&self) -> Option<DeflateOptions> {
        (!self.no_deflate).then(DeflateOptions::default)
    }
}

/// What is logged on stderr.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Log these levels: err, warn, notice, info, debug, parser, header, ext, client, latency,
    /// all, none; several with commas between
    #[arg(long, value_name = "LEVELS")]
    pub(crate) log: Option<Levels>,
    /// Log the levels whose bits are set: 1 for err, 2 for warn, 4 for notice, 8 for info and so
    /// on
    #[arg(short, value_name = "NUMBER", value_parser = level_bits, conflicts_with = "log")]
    pub(crate) debug: Option<Levels>,
}

fn level_bits(text: &str) -> Result<Levels, std::num::ParseIntError> {
    text.parse().map(Levels::from_bits)
}

fn url(text: &str) -> Result<String, sockeye::ConnectError> {
    Connect::to(text).map(|_| text.to_owned())
}

fn origin_policy(text: &str) -> Result<OriginPolicy, &'static str> {
    match text {
        "any" => Ok(OriginPolicy::Any),
        "same-host" => Ok(OriginPolicy::SameHost),
        _ if text == "null" || text.contains("://") => {
            Ok(OriginPolicy::List(vec![text.to_owned()]))
        }
        _ => Err("it is neither `any` nor `same-host` nor an origin such as https://example.com"),
    }
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err("it is not of the form `Name: value`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_put_together_right() {
        Args::command().debug_assert();
    }

    #[test]
    fn headers_are_cut_at_the_first_colon() {
        let expected = ("Referer".to_owned(), "http://a/".to_owned());
        assert_eq!(header("Referer:  http://a/ "), Ok(expected));
        assert!(header("no colon").is_err());
        assert!(header(": no name").is_err());
    }

    #[test]
    fn origins_are_checked_for_their_form() {
        assert_eq!(origin_policy("any"), Ok(OriginPolicy::Any));
        assert!(
            matches!(origin_policy("http://a:1"), Ok(OriginPolicy::List(list)) if list.len() == 1)
        );
        assert!(origin_policy("example.com").is_err());
    }
}
