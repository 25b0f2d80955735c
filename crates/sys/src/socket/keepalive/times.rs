//! Times for each socket.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::sockopt;

use super::TcpKeepalive;

pub(super) fn set_times(fd: BorrowedFd<'_>, keepalive: &TcpKeepalive) -> io::Result<()> {
    sockopt::set_tcp_keepidle(fd, keepalive.time)?;
    sockopt::set_tcp_keepintvl(fd, keepalive.interval)?;
    Ok(sockopt::set_tcp_keepcnt(fd, keepalive.probes)?)
}
