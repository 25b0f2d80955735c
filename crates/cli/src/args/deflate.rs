//! Compression.

use sockeye::DeflateOptions;

/// Compression of messages.
#[derive(Debug, clap::Args)]
pub(crate) struct DeflateArgs {
    /// Do not compress messages, even if the other end could (permessage-deflate, RFC 7692)
    #[arg(long)]
    no_deflate: bool,
    /// Let both ends keep their compression windows between messages, if the other end will:
    /// messages become smaller, and each connection needs some 300 KiB
    #[arg(long, conflicts_with = "no_deflate")]
    context_takeover: bool,
}

impl DeflateArgs {
    /// How compression is negotiated, if at all.
    pub(crate) fn options(&self) -> Option<DeflateOptions> {
        let keep = self.context_takeover;
        let options = DeflateOptions {
            context_takeover: keep,
            peer_context_takeover: keep,
            ..DeflateOptions::default()
        };
        (!self.no_deflate).then_some(options)
    }
}
