//! `sockeye connect`.

use super::number::number;
use super::time::time;
use super::{DeflateArgs, LogArgs, PeerArgs, RequestArgs, StepArgs};

use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Each line of standard input is sent as one message, without its newline; each message that
comes is printed as one line. At the end of standard input a Ping goes behind the last line. When
it has been answered, and nothing more has come for the time of --linger, the connection is closed
with 1000; a server that does not answer it has 5s. With --count it is closed after so many messages
instead, and with 0 for --linger as soon as the Ping is answered, which is after the echo of every
line.

On a terminal lines are edited, earlier ones come back with Up, Ctrl-R or in the next session, and
what comes is printed above the line, with escapes for all that the terminal would obey. Ctrl-D ends
it. Lines that begin with a slash are commands: /help tells of them. Up to 1000 lines are kept in
$XDG_STATE_HOME/sockeye/history (~/.local/state, unless set); none that begins with a blank.

With --reconnect a connection that fails or is lost is opened again, later each time, unless the
server said that it should not be: with a close code other than 1001 or 1011 to 1014, or a status
other than 408, 425, 429, 500, 502, 503 or 504. Lines that the server has not confirmed, by its
answer to a ping, are sent once more.

Exit status:
  0    closed with 1000, or without a code; or --count messages have come
  1    could not connect; or standard output could not be written
  2    wrong usage; or a line of standard input cannot be sent
  3    the server closed with another code
  4    the connection was lost, or the server broke the protocol
  130  ended by SIGINT (143: SIGTERM), after closing with 1000; a second one ends at once

Examples:
  echo hello | sockeye connect ws://127.0.0.1:9001 --linger 0
  sockeye connect ws://127.0.0.1:7681 --subprotocol dumb-increment-protocol --count 20
  sockeye connect ws://127.0.0.1:9001 --origin http://127.0.0.1:9001 --header 'Cookie: a=b'";

/// Options of `sockeye connect`.
#[derive(Debug, clap::Args)]
pub(crate) struct ConnectArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// Tell on stderr of each step to the connection, when it was done, and of the headers
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Lay JSON out for reading, in colours on a terminal (unless NO_COLOR is set)
    #[arg(long)]
    pub(crate) json: bool,
    /// Show binary messages in hexadecimal, as `hexdump -C` does
    #[arg(long)]
    pub(crate) hex: bool,
    /// On a terminal, neither read nor write the history of lines
    #[arg(long)]
    pub(crate) no_history: bool,
    /// Send binary messages instead of text
    #[arg(long)]
    pub(crate) binary: bool,
    /// Close after N messages have come, and not at the end of standard input
    #[arg(long, value_name = "N", value_parser = number(1..=u64::MAX))]
    pub(crate) count: Option<u64>,
    /// After the end of standard input, and when the server has it all, close once nothing has come
    /// for so long
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) linger: Duration,
    /// Connect again when the connection fails or is lost
    #[arg(long)]
    pub(crate) reconnect: bool,
    /// Wait no longer than this before connecting again
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = time)]
    pub(crate) reconnect_delay: Duration,
    #[command(flatten)]
    pub(crate) steps: StepArgs,
    #[command(flatten)]
    pub(crate) peers: PeerArgs,
    #[command(flatten)]
    pub(crate) deflate: DeflateArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
