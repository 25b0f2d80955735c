//! Connecting, without waiting for it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, sockopt};

use super::descriptor::stream_socket;
use crate::fault::{self, Call};

/// How far a connect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// The socket is connected.
    Done,
    /// It goes on; when the socket is writable it has ended, and [`take_error`] tells how.
    InProgress,
}

/// Starts to connect a new socket to `addr`.
///
/// # Errors
///
/// If there can be no socket, or it is known at once that it cannot be connected.
pub fn connect(addr: SocketAddr) -> io::Result<(OwnedFd, Connect)> {
    fault::check(Call::Socket)?;
    let socket = stream_socket(match addr {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    })?;
    fault::check(Call::Connect)?;
    match rustix::net::connect(&socket, &addr) {
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
