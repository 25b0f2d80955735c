//! Connecting, without waiting for it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::addr::SocketAddrArg;
use rustix::net::{AddressFamily, sockopt};

use super::address::Address;
use super::descriptor::stream_socket;
use super::options::set_nonblocking;
use super::source::Source;
use crate::fault::{self, Call};
use crate::wait::wait;

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
pub fn connect_from(address: &Address, source: Option<Source>) -> io::Result<(OwnedFd, Connect)> {
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
        source.bind(&socket, to)?;
    }
    fault::check(Call::Connect)?;
    match rustix::net::connect(&socket, &name) {
        Ok(()) => Ok((socket, Connect::Done)),
        // POSIX: an interrupted connect goes on as if it were non-blocking, and is not repeated.
        Err(Errno::INPROGRESS | Errno::INTR) => Ok((socket, Connect::InProgress)),
        Err(errno) => Err(errno.into()),
    }
}

/// Connects a new socket to `address` and waits for it, until `deadline`. The socket blocks. Less
/// code than std has for it.
///
/// # Errors
///
/// `TimedOut` at the deadline; else as [`connect`] and [`take_error`].
pub fn connect_until(address: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let (socket, progress) = connect(&Address::Ip(address))?;
    if progress == Connect::InProgress {
        if !wait(socket.as_fd(), PollFlags::OUT, Some(deadline))? {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "connection timed out"));
        }
        if let Some(error) = take_error(socket.as_fd())? {
            return Err(error);
        }
    }
    set_nonblocking(socket.as_fd(), false)?;
    Ok(socket.into())
}

/// Takes the error that is pending on a socket, such as the reason why its connect failed.
///
/// # Errors
///
/// If `fd` is not a socket.
pub fn take_error(fd: BorrowedFd<'_>) -> io::Result<Option<io::Error>> {
    Ok(sockopt::socket_error(fd)?.err().map(io::Error::from))
}

#[cfg(test)]
mod tests {
    use super::super::{ListenOptions, listen};
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn who_waits_learns_how_it_has_ended() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stream = connect_until(address, soon()).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), address);
        let flags = rustix::fs::fcntl_getfl(&stream).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK), "{flags:?}");
        drop(listener);
        let refused = connect_until(address, soon()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    #[cfg(target_os = "linux")] // elsewhere a full queue refuses
    fn who_waits_stops_at_the_deadline() {
        let options = ListenOptions { backlog: 1, ..ListenOptions::default() };
        let listener = listen(([127, 0, 0, 1], 0).into(), &options).unwrap();
        let address = super::super::local_addr(listener.as_fd()).unwrap().ip().unwrap();
        let mut queue = Vec::new();
        let late = loop {
            match connect_until(address, Instant::now()) {
                Ok(stream) => queue.push(stream),
                Err(error) => break error,
            }
            assert!(queue.len() < 64, "the queue does not fill");
        };
        assert_eq!(late.kind(), io::ErrorKind::TimedOut);
    }
}
