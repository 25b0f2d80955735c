//! Sockets that are made non-blocking and closed on exec right after birth, by fcntl(2). A process
//! forked by another thread in between inherits them.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::{FdFlags, Result, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketAddrAny, SocketType, acceptfrom, socket};

/// A stream socket.
pub(super) fn stream_socket(family: AddressFamily) -> Result<OwnedFd> {
    prepared(socket(family, SocketType::STREAM, None)?)
}

/// A datagram socket between processes of this machine.
pub(crate) fn local_datagram_socket() -> Result<OwnedFd> {
    prepared(socket(AddressFamily::UNIX, SocketType::DGRAM, None)?)
}

/// The next connection, and its peer if it has an address.
pub(super) fn accept_from(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>)> {
    let (accepted, peer) = acceptfrom(listener)?;
    Ok((prepared(accepted)?, peer))
}

fn prepared(fd: OwnedFd) -> Result<OwnedFd> {
    fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
    ioctl_fionbio(&fd, true)?;
    // These have no MSG_NOSIGNAL: the socket itself is told not to raise SIGPIPE.
    #[cfg(target_vendor = "apple")]
    rustix::net::sockopt::set_socket_nosigpipe(&fd, true)?;
    Ok(fd)
}
