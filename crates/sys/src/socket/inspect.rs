//! Sockets that come from elsewhere.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};

/// Makes sure that `fd` is a socket to accept stream connections from: TCP over IPv4 or IPv6, or
/// Unix.
///
/// # Errors
///
/// `InvalidInput`, with a text that says what it is instead.
pub fn check_listener(fd: BorrowedFd<'_>) -> io::Result<()> {
    let kind = match sockopt::socket_type(fd) {
        Ok(kind) => kind,
        Err(Errno::NOTSOCK) => return unfit("it is no socket"),
        Err(errno) => return Err(errno.into()),
    };
    if kind != SocketType::STREAM {
        let kind = match kind {
            SocketType::DGRAM => "a datagram socket",
            SocketType::SEQPACKET => "a sequential-packet socket",
            SocketType::RAW => "a raw socket",
            _ => "a socket of another type",
        };
        return unfit(format_args!("it is {kind}"));
    }
    if !is_known(sockopt::socket_domain(fd)?) {
        return unfit("it is a stream socket of a family other than IPv4, IPv6 and Unix");
    }
    if !sockopt::socket_acceptconn(fd)? {
        return unfit("it is a stream socket that does not listen");
    }
    Ok(())
}

fn is_known(family: AddressFamily) -> bool {
    [AddressFamily::INET, AddressFamily::INET6, AddressFamily::UNIX].contains(&family)
}

fn unfit(what: impl std::fmt::Display) -> io::Result<()> {
    let why = format!("{what}; needed is a stream socket that listens, TCP or Unix");
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}
