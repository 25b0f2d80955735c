//! The address that a connection leaves from.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use super::address::Numeric;

/// One of the machine's own addresses, for connections to leave from.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    address: IpAddr,
    /// By a pointer, so that programs that leave this to the system have nothing of it.
    bind: fn(&OwnedFd, IpAddr, &SocketAddr) -> io::Result<()>,
}

impl Source {
    /// This address.
    pub fn new(address: IpAddr) -> Self {
        Self { address, bind }
    }

    /// Binds a socket that will be connected to `to`.
    pub(super) fn bind(self, socket: &OwnedFd, to: &SocketAddr) -> io::Result<()> {
        (self.bind)(socket, self.address, to)
    }
}

/// Binds a socket that will be connected to `to`, leaving the port to the system.
fn bind(socket: &OwnedFd, source: IpAddr, to: &SocketAddr) -> io::Result<()> {
    let shown = Numeric(source);
    if source.is_ipv4() != to.is_ipv4() {
        let why = format!("{shown}, which it was to leave from, is of another family");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let explained = |error: io::Error| {
        io::Error::new(error.kind(), format!("it cannot leave from {shown}: {error}"))
    };
    choose_port_late(socket).map_err(explained)?;
    let here = SocketAddr::new(source, 0);
    rustix::net::bind(socket, &here).map_err(|errno| explained(errno.into()))
}

/// The port is chosen when the socket is connected: then it must differ only from those of other
/// connections to the same place, and not from all ports in use at `source`.
#[cfg(target_os = "linux")]
fn choose_port_late(socket: &OwnedFd) -> io::Result<()> {
    use nix::sys::socket::{setsockopt, sockopt};
    Ok(setsockopt(socket, sockopt::IpBindAddressNoPort, &true)?)
}

#[cfg(not(target_os = "linux"))]
fn choose_port_late(_: &OwnedFd) -> io::Result<()> {
    Ok(())
}
