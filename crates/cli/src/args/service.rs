//! How a server lives on its machine.

use super::number::number;
use sockeye::{Identity, Limits, group_id, user_id};
use std::io;
use std::path::PathBuf;

/// How a server lives on its machine.
#[derive(Debug, clap::Args)]
pub(crate) struct ServiceArgs {
    /// Go on in the background; returns when it serves, or says why it does not. Needs --lock
    #[arg(long, requires = "lock")]
    pub(crate) daemonize: bool,
    /// Hold this file, which says the process id, so that there is one server only; at its end it
    /// removes it, or empties it where its --user may not
    #[arg(long, value_name = "PATH", visible_alias = "pid-file")]
    pub(crate) lock: Option<PathBuf>,
    /// Once it listens, become this user for good
    #[arg(long, value_name = "NAME", value_parser = known_user)]
    user: Option<String>,
    /// The group to become with --user, instead of the user's own
    #[arg(long, value_name = "NAME", requires = "user", value_parser = known_group)]
    group: Option<String>,
    /// Take N connections at a time; by default, and at most, what `ulimit -n` leaves. More wait
    #[arg(long, value_name = "N", value_parser = number(1..=u32::MAX as usize))]
    max_connections: Option<usize>,
}

impl ServiceArgs {
    /// These limits, with that of the connections.
    pub(crate) fn limited(&self, limits: Limits) -> Limits {
        Limits { connections: self.max_connections, ..limits }
    }

    /// Whom to become.
    pub(crate) fn identity(&self) -> io::Result<Option<Identity>> {
        let look_up = |user| Identity::look_up(user, self.group.as_deref());
        self.user.as_deref().map(look_up).transpose()
    }
}

fn known_user(name: &str) -> io::Result<String> {
    user_id(name).map(|_| name.to_owned())
}

fn known_group(name: &str) -> io::Result<String> {
    group_id(name).map(|_| name.to_owned())
}
