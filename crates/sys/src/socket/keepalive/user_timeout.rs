//! A bound on retransmission for each socket (RFC 5482): Linux and Fuchsia have it.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::net::sockopt;

/// Whether this system has it.
pub const HAS_USER_TIMEOUT: bool = true;

/// Fails the connection when what was sent stays unacknowledged, or the peer takes nothing more,
/// for so long (`TCP_USER_TIMEOUT`, tcp(7)). Rounded up to whole milliseconds; zero is the
/// system's own bound, which is a quarter of an hour or so.
///
/// # Errors
///
/// If `fd` is not a TCP socket; `InvalidInput` for more than 2³¹ − 1 milliseconds (24 days);
/// `Unsupported` where the system has no such option (all but Linux and Fuchsia).
pub fn set_user_timeout(fd: BorrowedFd<'_>, timeout: Duration) -> io::Result<()> {
    let millis = i32::try_from(timeout.as_nanos().div_ceil(1_000_000));
    let millis = millis.map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    Ok(sockopt::set_tcp_user_timeout(fd, millis.unsigned_abs())?)
}
