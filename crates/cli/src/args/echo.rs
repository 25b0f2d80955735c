//! `sockeye echo`.

use super::{DeflateArgs, ListenArgs, LogArgs, OriginArgs, PeerArgs, ServerTlsArgs, ServiceArgs};

pub(super) const EXAMPLES: &str = "\
Ctrl-C or SIGTERM closes every connection with 1001; a second one ends at once. With --drain
the first takes its time, the second closes what is left with 1001, and a third ends at once.

Exit status: 0 ended by one signal, 1 could not listen, 2 wrong usage,
130 or 143 ended at once by SIGINT or SIGTERM.

Examples:
  sockeye echo --port 0 --origin any             any free port, pages of any site
  sockeye echo --tls-self-signed                 at wss://127.0.0.1:7681
  sockeye echo --listen unix:@echo               at a name without a file";

/// Options of `sockeye echo`.
#[derive(Debug, clap::Args)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    #[command(flatten)]
    pub(crate) tls: ServerTlsArgs,
    #[command(flatten)]
    pub(crate) service: ServiceArgs,
    #[command(flatten)]
    pub(crate) origin: OriginArgs,
    #[command(flatten)]
    pub(crate) peers: PeerArgs,
    #[command(flatten)]
    pub(crate) deflate: DeflateArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}
