//! Sockets that listen.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, bind, sockopt};

use super::address::Address;
use super::descriptor::stream_socket;
use crate::error::context;
use crate::fault::{self, Call};

/// How to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenOptions {
    /// How many connections may wait to be accepted. The system caps it (`somaxconn` on Linux).
    pub backlog: u32,
    /// Whether other sockets may listen at the same IP address, to share its connections.
    pub reuse_port: bool,
    /// Whether an IPv6 address takes IPv4 connections too, which `[::]` then does. Set or unset on
    /// every system, whatever its default is.
    pub dual_stack: bool,
}

impl ListenOptions {
    /// The backlog by default: that of Linux's own cap, enough for a burst of connections.
    pub const DEFAULT_BACKLOG: u32 = 4096;
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self { backlog: Self::DEFAULT_BACKLOG, reuse_port: false, dual_stack: false }
    }
}

/// Listens at `addr`; port 0 lets the system choose one. An address that a closed listener has
/// just left can be taken again.
///
/// # Errors
///
/// With `addr` in the text: `AddrInUse`, `AddrNotAvailable`, `PermissionDenied`, and whatever else
/// the system says.
pub fn listen(addr: SocketAddr, options: &ListenOptions) -> io::Result<OwnedFd> {
    listen_prepared(addr, options, |_| {})
}

/// The same, with a socket that `prepare` has told its options before a connection can come: see
/// [`ACCEPT_INHERITS_OPTIONS`](super::ACCEPT_INHERITS_OPTIONS).
///
/// # Errors
///
/// Those of [`listen`].
pub fn listen_prepared(
    addr: SocketAddr,
    options: &ListenOptions,
    prepare: impl FnOnce(BorrowedFd<'_>),
) -> io::Result<OwnedFd> {
    open(addr, options, prepare)
        .map_err(|error| context(format_args!("listen on {}", Address::from(addr)), error))
}

fn open(
    addr: SocketAddr,
    options: &ListenOptions,
    prepare: impl FnOnce(BorrowedFd<'_>),
) -> io::Result<OwnedFd> {
    fault::check(Call::Socket)?;
    let socket = match addr {
        SocketAddr::V4(_) => stream_socket(AddressFamily::INET)?,
        SocketAddr::V6(_) => {
            let socket = stream_socket(AddressFamily::INET6)?;
            sockopt::set_ipv6_v6only(&socket, !options.dual_stack)?;
            socket
        }
    };
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if options.reuse_port {
        sockopt::set_socket_reuseport(&socket, true)?;
    }
    bind(&socket, &addr)?;
    prepare(socket.as_fd());
    fault::check(Call::Listen)?;
    rustix::net::listen(&socket, i32::try_from(options.backlog).unwrap_or(i32::MAX))?;
    Ok(socket)
}
