//! Options of a connection's socket.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::net::sockopt;

/// Whether small writes leave at once (true) or are held back to be gathered.
///
/// # Errors
///
/// If `fd` is not a TCP socket.
pub fn set_nodelay(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(fd, on)?)
}

/// Makes closing this socket break the connection off at once (RST), dropping what was not sent.
///
/// # Errors
///
/// If `fd` is not a socket.
pub fn set_linger_zero(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(fd, Some(Duration::ZERO))?)
}

/// Makes a descriptor that came from elsewhere non-blocking, or blocking again.
///
/// # Errors
///
/// If the system cannot do it; none is known for a socket.
pub fn set_nonblocking(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    Ok(rustix::io::ioctl_fionbio(fd, on)?)
}
