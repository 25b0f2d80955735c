//! Options of a connection's socket.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::net::sockopt;

/// When TCP itself looks whether a silent peer is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// After so long a silence it sends a probe. Systems count whole seconds: rounded up.
    pub time: Duration,
    /// So long it waits before the next probe. Systems count whole seconds: rounded up.
    pub interval: Duration,
    /// After so many unanswered probes the connection has failed.
    pub probes: u32,
}

/// Whether small writes leave at once (true) or are held back to be gathered.
///
/// # Errors
///
/// If `fd` is not a TCP socket.
pub fn set_nodelay(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    Ok(sockopt::set_tcp_nodelay(fd, on)?)
}

/// Turns TCP's keep-alive probes on or off. Where a system has no times of its own for each
/// socket, they are those of the system.
///
/// # Errors
///
/// If `fd` is not a TCP socket, or a value is out of the system's range: none takes zero, and
/// Linux takes at most 32,767 seconds and 127 probes.
pub fn set_keepalive(fd: BorrowedFd<'_>, keep_alive: Option<&KeepAlive>) -> io::Result<()> {
    if let Some(keep_alive) = keep_alive {
        set_keepalive_times(fd, keep_alive)?;
    }
    Ok(sockopt::set_socket_keepalive(fd, keep_alive.is_some())?)
}

#[cfg(not(target_os = "openbsd"))]
fn set_keepalive_times(fd: BorrowedFd<'_>, keep_alive: &KeepAlive) -> io::Result<()> {
    sockopt::set_tcp_keepidle(fd, keep_alive.time)?;
    sockopt::set_tcp_keepintvl(fd, keep_alive.interval)?;
    Ok(sockopt::set_tcp_keepcnt(fd, keep_alive.probes)?)
}

#[cfg(target_os = "openbsd")]
fn set_keepalive_times(_: BorrowedFd<'_>, _: &KeepAlive) -> io::Result<()> {
    Ok(())
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
