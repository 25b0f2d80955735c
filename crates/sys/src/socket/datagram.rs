//! Datagrams to a daemon on this machine.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::net::SocketAddrUnix;

use super::descriptor;
use crate::error::retry;

/// A socket whose [`send`](crate::send) delivers a datagram each to the socket at `path`.
///
/// # Errors
///
/// `NotFound` or `ConnectionRefused` if nobody listens there; else what the path has met.
pub fn connect_datagram(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let fd = descriptor::local_datagram_socket()?;
    retry(|| Ok(rustix::net::connect(&fd, &address)?))?;
    Ok(fd)
}
