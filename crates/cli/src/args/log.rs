//! What is logged, and where to.

use sockeye::log::Levels;

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
