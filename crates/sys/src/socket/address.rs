//! The addresses of a socket's two ends.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::BorrowedFd;

use rustix::net::{SocketAddrAny, getpeername, getsockname};

/// What stands for the address of a socket that is not an Internet one, such as a Unix socket.
const UNSPECIFIED: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0));

/// The address of this end; `0.0.0.0:0` for a socket of another kind than IPv4 and IPv6.
///
/// # Errors
///
/// If `fd` is not a socket.
pub fn local_addr(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    Ok(inet(Some(getsockname(fd)?)))
}

/// The address of the other end; `0.0.0.0:0` for a socket of another kind than IPv4 and IPv6.
///
/// # Errors
///
/// `NotConnected` if there is no other end, or not any more.
pub fn peer_addr(fd: BorrowedFd<'_>) -> io::Result<SocketAddr> {
    Ok(inet(getpeername(fd)?))
}

pub(super) fn inet(address: Option<SocketAddrAny>) -> SocketAddr {
    address.and_then(|address| address.try_into().ok()).unwrap_or(UNSPECIFIED)
}
