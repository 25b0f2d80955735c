//! Running in the background (manual, "Daemonization").

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_sys::{Detached, LockFile, forks};

/// Goes on as a daemon that holds the lock file at `path`: [`LockFile::acquire`] and
/// [`Daemonize`] with its defaults.
///
/// Returns in the daemon only. The process that has called waits until [`Daemon::ready`], and ends
/// with status 0; or prints why the daemon is not ready, and ends with status 1.
///
/// Call it at the start of `main`, before other threads run and before a
/// [`Context`](crate::Context) is built:
///
/// ```no_run
/// # use sockeye::{Context, log};
/// fn main() -> std::io::Result<()> {
///     let mut daemon = sockeye::daemonize("/run/chat.lock")?;
///     log::set_emitter(log::Syslog::new("chat")); // standard error leads nowhere from here on
///     let mut context = Context::builder().build()?;
///     context.listen("127.0.0.1:7681")?;
///     daemon.ready()?;
///     context.run()
/// } // the lock file goes with `daemon`
/// ```
///
/// # Errors
///
/// In the calling process, those of [`LockFile::acquire`] and [`Daemonize::start`].
pub fn daemonize(path: impl AsRef<Path>) -> io::Result<Daemon> {
    Daemonize::new(LockFile::acquire(path.as_ref())?).start()
}

/// How to become a daemon.
#[derive(Debug)]
#[must_use = "nothing happens until `start`"]
pub struct Daemonize {
    lock: LockFile,
    patience: Duration,
}

impl Daemonize {
    /// How long the daemon may take to be ready by default: 60 s.
    pub const PATIENCE: Duration = Duration::from_secs(60);

    /// With this lock, which the daemon takes over.
    pub fn new(lock: LockFile) -> Self {
        Self { lock, patience: Self::PATIENCE }
    }

    /// How long the daemon may take to be [ready](Daemon::ready); 60 s by default. After that the
    /// waiting process reports failure, and `ready` fails.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Forks twice and returns in the daemon: without a terminal, in a session that it does not
    /// lead, at `/`, with standard input at `/dev/null`, an umask of at least 022, and ignoring
    /// SIGHUP. Standard output and standard error follow when it is ready.
    ///
    /// # Errors
    ///
    /// In the calling process: if a [`Context`](crate::Context) exists or other threads run (as
    /// far as the system can tell), or the system does not let it fork. What goes wrong later the
    /// waiting process reports.
    pub fn start(self) -> io::Result<Daemon> {
        // What is buffered must not be written by both.
        let _ = io::stdout().flush();
        self.start_unflushed()
    }

    /// The same for the C library, where nothing is written by Rust's standard output.
    #[doc(hidden)]
    pub fn start_unflushed(self) -> io::Result<Daemon> {
        let contexts = CONTEXTS.load(Ordering::Relaxed);
        if contexts > 0 {
            return Err(io::Error::other(format!(
                "{contexts} of this process's contexts would stay behind: become a daemon before \
                 the first one is built"
            )));
        }
        let Self { mut lock, patience } = self;
        let mut link = sockeye_sys::detach(patience)?;
        if let Err(error) = lock.inherit() {
            drop(lock);
            link.fail(&error);
            return Err(error);
        }
        Ok(Daemon { lock, link })
    }
}

/// A daemon's hold on its lock file, and on the process that waits for it to be ready. Dropping it
/// removes the file.
#[derive(Debug)]
#[must_use = "dropping it gives the lock up"]
pub struct Daemon {
    /// Before the link: whoever is told of the end may start another at once.
    lock: LockFile,
    link: Detached,
}

impl Daemon {
    /// Lets the process that started this one end with status 0, and points standard output and
    /// standard error at `/dev/null`. A second call does nothing.
    ///
    /// # Errors
    ///
    /// If that process waits no longer. It has reported a failure, so this one should end.
    pub fn ready(&mut self) -> io::Result<()> {
        self.link.ready()
    }

    /// Gives the lock up, and lets the process that started this one print `why` and end with
    /// status 1; ending this one is for the caller to do. Whether it could be told: after
    /// [`ready`](Self::ready) it cannot.
    pub fn fail(self, why: impl Display) -> bool {
        let Self { lock, mut link } = self;
        drop(lock);
        link.fail(why)
    }

    /// The lock file.
    pub fn lock(&self) -> &LockFile {
        &self.lock
    }
}

/// How many contexts there are in this process.
static CONTEXTS: AtomicUsize = AtomicUsize::new(0);

/// The process that a context lives in; counts it there.
pub(crate) struct Home {
    forks: u32,
}

impl Home {
    pub(crate) fn here() -> Self {
        CONTEXTS.fetch_add(1, Ordering::Relaxed);
        Self { forks: forks() }
    }

    /// Refuses if this is another process by now.
    pub(crate) fn check(&self) -> io::Result<()> {
        if self.forks == forks() {
            return Ok(());
        }
        Err(io::Error::other(
            "this context was built before a fork and serves in the parent only: build one here",
        ))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        CONTEXTS.fetch_sub(1, Ordering::Relaxed);
    }
}
