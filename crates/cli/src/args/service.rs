//! How a server lives on its machine.

use std::path::PathBuf;

/// How a server lives on its machine.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// Go on in the background; returns when it serves, or says why it does not. Needs --lock
    #[arg(long, requires = "lock")]
    pub(crate) daemonize: bool,
    /// Hold this file, which says the process id, so that there is one server only; it goes with
    /// the server
    #[arg(long, value_name = "PATH", visible_alias = "pid-file")]
    pub(crate) lock: Option<PathBuf>,
}
