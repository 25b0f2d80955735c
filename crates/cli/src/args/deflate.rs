//! Compression.

use sockeye::DeflateOptions;

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
