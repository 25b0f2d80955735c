//! Sockets that are born non-blocking and closed on exec, by flags: socket(2) and accept4(2).

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Result;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, acceptfrom_with, socket_with,
};

/// A stream socket.
pub(super) fn stream_socket(family: AddressFamily) -> Result<OwnedFd> {
    socket_with(family, SocketType::STREAM, flags(), None)
}

/// A datagram socket between processes of this machine.
pub(crate) fn local_datagram_socket() -> Result<OwnedFd> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags(), None)
}

/// The next connection, and its peer if it has an address.
pub(super) fn accept_from(listener: BorrowedFd<'_>) -> Result<(OwnedFd, Option<SocketAddrAny>)> {
    acceptfrom_with(listener, flags())
}

fn flags() -> SocketFlags {
    SocketFlags::NONBLOCK | SocketFlags::CLOEXEC
}
