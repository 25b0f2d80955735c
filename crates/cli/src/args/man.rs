//! `sockeye man`.

use std::path::PathBuf;

/// Options of `sockeye man`.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Where to write the pages; the directory is made if there is none
    #[arg(value_name = "DIRECTORY")]
    pub(crate) directory: PathBuf,
}
