//! Where each socket has no bound on retransmission of its own.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// Whether this system has it.
pub const HAS_USER_TIMEOUT: bool = false;

/// Fails the connection when what was sent stays unacknowledged for so long; not on this system.
///
/// # Errors
///
/// `Unsupported`, unless `timeout` is zero.
pub fn set_user_timeout(_: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    if timeout.is_zero() { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) }
}
