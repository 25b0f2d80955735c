//! Compression.

use super::number::number;
use sockeye::DeflateOptions;

/// Compression of messages.
#[derive(Debug, clap::Args)]
pub(crate) struct DeflateArgs {
    /// Do not compress messages, even if the other end could (permessage-deflate, RFC 7692)
    #[arg(long)]
    no_deflate: bool,
    /// Let both ends keep their compression windows between messages, if the other end will:
    /// messages become smaller, and each connection needs some 50 KiB
    #[arg(long, conflicts_with = "no_deflate")]
    context_takeover: bool,
    /// Compress what is sent with a window of 2^BITS bytes, 8 to 15
    #[arg(long, default_value_t = DeflateOptions::default().window_bits, value_name = "BITS",
          conflicts_with = "no_deflate", value_parser = number(8..=15_u8))]
    window_bits: u8,
    /// Compress with so much memory, 1 to 9; less is faster and compresses less
    #[arg(long, default_value_t = DeflateOptions::default().memory_level, value_name = "LEVEL",
          conflicts_with = "no_deflate", value_parser = number(1..=9_u8))]
    memory_level: u8,
    /// Compress with so much effort, 1 to 9; less is faster and compresses less
    #[arg(long, default_value_t = DeflateOptions::default().level, value_name = "LEVEL",
          conflicts_with = "no_deflate", value_parser = number(1..=9_u8))]
    effort: u8,
}

impl DeflateArgs {
    /// How compression is negotiated, if at all.
    pub(crate) fn options(&self) -> Option<DeflateOptions> {
        let options = DeflateOptions {
            context_takeover: self.context_takeover,
            peer_context_takeover: self.context_takeover,
            window_bits: self.window_bits,
            memory_level: self.memory_level,
            level: self.effort,
            ..DeflateOptions::default()
        };
        (!self.no_deflate).then_some(options)
    }
}
