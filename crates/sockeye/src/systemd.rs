//! Being a service of systemd, or of a service manager that speaks like it: sockets that it hands
//! over, readiness, the watchdog.
//!
//! ```no_run
//! use sockeye::{Context, systemd};
//!
//! let mut builder = Context::builder();
//! if let Some(every) = systemd::watchdog()? {
//!     // A loop that hangs does not beat, and is ended by the service manager.
//!     builder = builder.heartbeat(every / 2, || {
//!         let _ = systemd::beat();
//!     });
//! }
//! let mut context = builder.build()?;
//! for socket in systemd::sockets()? {
//!     context.listen_on(socket.into_fd())?;
//! }
//! systemd::notify("READY=1\nSTATUS=serving")?;
//! context.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```

use sockeye_sys::HandedOver;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// How long [`notify`] waits for the service manager to take a message: 5 s.
pub const NOTIFY_PATIENCE: Duration = Duration::from_secs(5);

/// A listening socket that the service manager has handed over.
#[derive(Debug)]
pub struct Socket {
    name: String,
    fd: OwnedFd,
}

impl Socket {
    /// Its name in the socket unit (`FileDescriptorName=`), by default that of the unit.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The socket, for [`Context::listen_on`](crate::Context::listen_on).
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Takes the sockets that were handed over to this process (`LISTEN_FDS`, `LISTEN_PID`,
/// `LISTEN_FDNAMES`), in order; none if it was not started that way, and none a second time.
/// Before [`daemonize`](crate::daemonize), if both are wanted: the process number counts.
///
/// # Errors
///
/// `InvalidInput` if one is no stream socket that listens, TCP or Unix, naming its number, its
/// name and what it is: in the socket unit that takes `ListenStream=` and `Accept=no`.
/// `InvalidData` if the environment does not say what is true.
pub fn sockets() -> io::Result<Vec<Socket>> {
    sockeye_sys::handed_over()?.into_iter().map(checked).collect()
}

fn checked(socket: HandedOver) -> io::Result<Socket> {
    let HandedOver { name, number, fd, .. } = socket;
    sockeye_sys::check_listener(fd.as_fd()).map_err(|error| {
        let why = format!(
            "descriptor {number} ({name}) handed over by the service manager: {error}; \
             the socket unit should say ListenStream= and Accept=no"
        );
        io::Error::new(error.kind(), why)
    })?;
    Ok(Socket { name, fd })
}

/// Tells the service manager something (`NOTIFY_SOCKET`, sd_notify(3)): `READY=1`, `STOPPING=1`,
/// `STATUS=a line for people`; several with newlines between. Whether there is one. Waits at most
/// [`NOTIFY_PATIENCE`] for it.
///
/// # Errors
///
/// If `NOTIFY_SOCKET` is no address of a Unix socket (from `/`, or a name after `@`), or it does
/// not take the message.
pub fn notify(state: &str) -> io::Result<bool> {
    sockeye_sys::notify(state, NOTIFY_PATIENCE)
}

/// Like [`notify`], without waiting: for callbacks, which the loop waits for.
///
/// # Errors
///
/// As [`notify`]; `WouldBlock` if it does not take the message now.
pub fn notify_now(state: &str) -> io::Result<bool> {
    sockeye_sys::notify(state, Duration::ZERO)
}

/// Tells the service manager that this process is alive (`WATCHDOG=1`), without waiting for it.
/// Whether there is one.
///
/// # Errors
///
/// As [`notify_now`].
pub fn beat() -> io::Result<bool> {
    notify_now("WATCHDOG=1")
}

/// How often the service manager wants to hear of this process at least (`WATCHDOG_USEC`,
/// `WATCHDOG_PID`); none if it does not watch it. [`beat`] twice in that time, from
/// [`Builder::heartbeat`](crate::Builder::heartbeat).
///
/// # Errors
///
/// If what the environment says is no number.
pub fn watchdog() -> io::Result<Option<Duration>> {
    sockeye_sys::watchdog()
}
