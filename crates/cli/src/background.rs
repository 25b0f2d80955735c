//! The lock file, and going on in the background.

use crate::args::ServiceArgs;
use crate::ending::{Ending, FAILED};
use sockeye::log::{self, Levels};
use sockeye::{Daemon, Daemonize, LockFile};
use std::io;

/// What the server holds while it lives; dropping it removes the lock file.
pub(crate) enum Hold {
    /// Nothing.
    Nothing,
    /// A lock file, in the foreground.
    Lock { _lock: LockFile },
    /// A lock file, in the background.
    Daemon(Daemon),
}

impl Hold {
    /// Takes the lock and goes to the background, if the command line says so. From here on it is
    /// the server that runs; who started it waits for [`ready`](Self::ready).
    pub(crate) fn take(args: &ServiceArgs) -> Result<Self, Ending> {
        let Some(path) = &args.lock else { return Ok(Self::Nothing) };
        let failed = |error: io::Error| Ending::with(FAILED, format!("cannot start: {error}"));
        let lock = LockFile::acquire(path).map_err(failed)?;
        if !args.daemonize {
            return Ok(Self::Lock { _lock: lock });
        }
        Daemonize::new(lock).start().map(Self::Daemon).map_err(failed)
    }

    /// The server serves.
    pub(crate) fn ready(&mut self) -> io::Result<()> {
        match self {
            Self::Nothing | Self::Lock { .. } => Ok(()),
            Self::Daemon(daemon) => daemon.ready(),
        }
    }

    /// The server has ended. If somebody still waits for it to be ready, it is they who say why
    /// it is not; later on only the log can.
    pub(crate) fn release(self, ending: Ending) -> Ending {
        match self {
            Self::Nothing | Self::Lock { .. } => ending,
            Self::Daemon(daemon) => ending.told_by(|sentence| {
                let told = daemon.fail(sentence);
                if !told {
                    log::emit(Levels::ERR, format_args!("{sentence}"));
                }
                told
            }),
        }
    }
}
