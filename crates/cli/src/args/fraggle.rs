//! `sockeye fraggle`.

use super::number::number;
use super::request::url;
use super::{ClientTlsArgs, DeflateArgs, ListenArgs, LogArgs, OriginArgs, PeerArgs};
use super::{ServerTlsArgs, ServiceArgs};

pub(super) const EXAMPLES: &str = "\
The server sends each client messages without end, each of 1 to 1024 fragments of 1 to 8000
random bytes, and after each one of 4 bytes: the sum of its bytes, the high byte first. The
client takes the fragments as they come, adds up what they hold, and compares.

Exit status of the client: 0 every sum was right, 1 one was not, or the connection failed or
ended early, 2 wrong usage, 130 or 143 ended by SIGINT or SIGTERM. That of the server: as of echo.

Examples:
  sockeye fraggle --port 9002                    the server
  sockeye fraggle ws://127.0.0.1:9002            the client: one message
  sockeye fraggle ws://127.0.0.1:9002 --count 50 --no-deflate";

/// Options of `sockeye fraggle`.
#[derive(Debug, clap::Args)]
pub(crate) struct FraggleArgs {
    /// Check what this server sends, as `ws://host:port/path`; without it, be the server
    #[arg(value_parser = url, conflicts_with_all = ["ListenArgs", "ServiceArgs", "ServerTlsArgs"])]
    pub(crate) url: Option<String>,
    /// Check N messages
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1,
        requires = "url",
        value_parser = number(1..=u64::MAX)
    )]
    pub(crate) count: u64,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(flatten)]
    pub(crate) origin: OriginArgs,
    #[command(flatten)]
    pub(crate) peers: PeerArgs,
    #[command(flatten)]
    pub(crate) deflate: DeflateArgs,
    /// Of the server.
    #[command(flatten)]
    pub(crate) tls: ServerTlsArgs,
    /// Of the client.
    #[command(flatten)]
    pub(crate) client_tls: ClientTlsArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
