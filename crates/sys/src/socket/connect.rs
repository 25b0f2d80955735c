//! Connecting, without waiting for it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{AddressFamily, sockopt};

use super::address::Address;
use super::descriptor::stream_socket;
use super::source;
use crate::fault::{self, Call};

/// How far a connect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// The socket is connected.
    Done,
    /// It goes on; when the socket is writable it has ended, and [`take_error`] tells how.
    InProgress,
}

/// Starts to connect a new socket to `address`.
///
/// # Errors
///
/// If there can be no socket, or it is known at once that it cannot be connected; at a Unix socket
/// `WouldBlock` means that its queue is full.
pub fn connect(address: &Address) -> io::Result<(OwnedFd, Connect)> {
    connect_from(address, None)
}

/// Like [`connect`], from this one of the machine's own addresses if that is said; to a Unix
/// socket it is not looked at.
///
/// # Errors
///
/// Also if `source` is not this machine's, or of another family than `address`.
pub fn connect_from(address: &Address, source: Option<IpAddr>) -> io::Result<(OwnedFd, Connect)> {
    fault::check(Call::Socket)?;
    let (family, name) = match address {
        Address::Ip(address @ SocketAddr::V4(_)) => (AddressFamily::INET, address.as_any()),
        Address::Ip(address @ SocketAddr::V6(_)) => (AddressFamily::INET6, address.as_any()),
        Address::Path(_) | Address::Abstract(_) | Address::Unnamed => {
            (AddressFamily::UNIX, address.to_unix()?.as_any())
        }
    };
    let socket = stream_socket(family)?;
    if let (Address::Ip(to), Some(source)) = (address, source) {
        source::bind(&socket, source, to)?;
    }
    fault::check(Call::Connect)?;
    match rustix::net::connect(&socket, &name) {
        Ok(()) => Ok((socket, Connect::Done)),
        // POSIX: an interrupted connect goes on as if it were non-blocking, and is not repeated.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, Connect::InProgress)),
        Err(errno) => Err(errno.into()),
    }
}

/// Takes the error that is pending on a socket, such as the reason why its connect failed.
///
/// # Errors
///
/// If `fd` is not a socket.
pub fn take_error(fd: BorrowedFd<'_>) -> io::Result<Option<io::Error>> {
    Ok(sockopt::socket_error(fd)?.err().map(io::Error::from))
}
