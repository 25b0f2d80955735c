//! Accepting connections.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::address::Address;
use super::descriptor::accept_from;
use crate::error::retry;
use crate::fault::{self, Call};

/// Whether an accepted socket has the TCP options of the one that listens (`TCP_NODELAY`,
/// keepalive and its times, `TCP_USER_TIMEOUT`), so that no connection need be told of them:
/// Linux copies them with the rest of the socket. Of other systems it is not relied on.
pub const ACCEPT_INHERITS_OPTIONS: bool =
    cfg!(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)));

/// Takes the next connection that waits at `listener`, and the address of its peer.
///
/// # Errors
///
/// [`AcceptFailure::of`] tells what to do about each.
pub fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
    let (socket, peer) = retry(|| {
        fault::check(Call::Accept)?;
        Ok(accept_from(listener)?)
    })?;
    Ok((socket, Address::from_any(peer)))
}

/// What an error of [`accept`] means for whoever accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// No connection waits: wait for the listener to become readable.
    Empty,
    /// The connection that waited has failed: take the next one.
    Gone,
    /// No descriptor or memory is left. The connection still waits and the listener stays readable,
    /// so stop watching it until something is freed.
    Exhausted,
    /// The listener itself does not work.
    Broken,
}

impl AcceptFailure {
    /// Sorts an error of [`accept`].
    pub fn of(error: &io::Error) -> Self {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Self::Exhausted,
            // Linux hands errors that are pending on the new connection to whoever accepts it; a
            // firewall's refusal (PERM) is one of them.
            Some(
                Errno::PROTO
                | Errno::PERM
                | Errno::NETDOWN
                | Errno::NETUNREACH
                | Errno::HOSTDOWN
                | Errno::HOSTUNREACH
                | Errno::NOPROTOOPT
                | Errno::TIMEDOUT,
            ) => Self::Gone,
            Some(_) | None => Self::of_kind(error.kind()),
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the standard library adds kinds")]
    fn of_kind(kind: io::ErrorKind) -> Self {
        match kind {
            io::ErrorKind::WouldBlock => Self::Empty,
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => Self::Gone,
            io::ErrorKind::OutOfMemory => Self::Exhausted,
            _ => Self::Broken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_sorted_by_what_to_do() {
        let of = |errno: Errno| AcceptFailure::of(&errno.into());
        assert_eq!(of(Errno::AGAIN), AcceptFailure::Empty);
        assert_eq!(of(Errno::CONNABORTED), AcceptFailure::Gone);
        assert_eq!(of(Errno::PROTO), AcceptFailure::Gone);
        assert_eq!(of(Errno::MFILE), AcceptFailure::Exhausted);
        assert_eq!(of(Errno::NFILE), AcceptFailure::Exhausted);
        assert_eq!(of(Errno::NOBUFS), AcceptFailure::Exhausted);
        assert_eq!(of(Errno::BADF), AcceptFailure::Broken);
        assert_eq!(of(Errno::INVAL), AcceptFailure::Broken);
        assert_eq!(AcceptFailure::of(&io::ErrorKind::WouldBlock.into()), AcceptFailure::Empty);
    }
}
