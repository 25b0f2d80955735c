//! Where a context listens (manual, `struct lws_context_creation_info`: `port` and `iface`).

use crate::tcp::TcpOptions;
use crate::tls::ServerTls;
use sockeye_sys::{Address, ListenOptions, SocketFile, SocketFileOptions};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

/// A place to listen at, for [`Context::listen_at`](crate::Context::listen_at).
///
/// ```no_run
/// use sockeye::{Context, Listen};
///
/// let mut context = Context::builder().build()?;
/// context.listen_at(&Listen::at("[::1]:7681".parse::<std::net::SocketAddr>().unwrap()))?;
/// context.listen_at(&Listen::tcp(([127, 0, 0, 1], 7681)))?;
/// context.listen_at(&Listen::interface("lo", 7682))?;
/// context.listen_at(&Listen::unix("/run/chat.sock").mode(0o660))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is listened at by `Context::listen_at`"]
pub struct Listen {
    place: Arc<dyn Place>,
    options: ListenOptions,
    file: SocketFileOptions,
    tls: Option<ServerTls>,
}

/// What can be listened at: a trait, so that a program carries the kinds that it uses.
trait Place: Send + Sync {
    fn open(&self, listen: &Listen, tcp: &TcpOptions) -> io::Result<Vec<Opened>>;

    /// As people write it. Its `Debug`, for which a `SocketAddr`'s own is long.
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl fmt::Debug for dyn Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f)
    }
}

impl Place for SocketAddr {
    fn open(&self, listen: &Listen, tcp: &TcpOptions) -> io::Result<Vec<Opened>> {
        open_all(&[*self], &listen.options, tcp)
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Address::from(*self))
    }
}

struct Interface {
    name: String,
    port: u16,
}

impl Place for Interface {
    fn open(&self, listen: &Listen, tcp: &TcpOptions) -> io::Result<Vec<Opened>> {
        let addresses = sockeye_sys::interface_addresses(&self.name, self.port)?;
        open_all(&addresses, &listen.options, tcp)
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)
    }
}

/// The address of a Unix socket.
struct Unix(Address);

impl Place for Unix {
    fn open(&self, listen: &Listen, _: &TcpOptions) -> io::Result<Vec<Opened>> {
        let (fd, file) = if let Address::Path(path) = &self.0 {
            let (fd, file) = sockeye_sys::listen_unix(path, &listen.file, &listen.options)?;
            (fd, Some(file))
        } else if let Address::Abstract(name) = &self.0 {
            (sockeye_sys::listen_abstract(name, &listen.options)?, None)
        } else {
            let why = format!("listen on {}: it has no name that others could find", self.0);
            return Err(io::Error::new(ErrorKind::InvalidInput, why));
        };
        Ok(vec![Opened { fd, file }])
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// How often a port is chosen anew that is free at the first of several addresses only.
const PORTS: usize = 16;

impl Listen {
    /// At an address: IP and port, where port 0 lets the system choose one, or a Unix socket's,
    /// whose path counts from the working directory of this moment.
    pub fn at(address: impl Into<Address>) -> Self {
        let mut address = address.into();
        if let Address::Ip(address) = address {
            return Self::tcp(address);
        }
        if let Address::Path(path) = &mut address
            && let Ok(absolute) = sockeye_sys::absolute(path)
        {
            *path = absolute;
        }
        Self::new(Arc::new(Unix(address)))
    }

    /// At an IP address and port; port 0 lets the system choose one. A program that listens by this
    /// and [`interface`](Self::interface) only carries nothing of Unix sockets' files.
    pub fn tcp(address: impl Into<SocketAddr>) -> Self {
        Self::new(Arc::new(address.into()))
    }

    /// At each of the IPv4 and IPv6 addresses that a network interface has now, by its name, as
    /// `lo` or `eth0`. With port 0 the system chooses one, the same for all.
    pub fn interface(name: impl Into<String>, port: u16) -> Self {
        Self::new(Arc::new(Interface { name: name.into(), port }))
    }

    /// At a Unix socket with a path. A socket that is there already is removed if nobody listens
    /// at it, and nothing else ever is; it is removed again with the context.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::at(Address::Path(path.into()))
    }

    /// At a Unix socket with an abstract name (Linux), to which every process of this machine
    /// may connect: look at who does, by [`Connections::peer_credentials`] or in the accept filter.
    ///
    /// [`Connections::peer_credentials`]: crate::Connections::peer_credentials
    pub fn abstract_name(name: impl Into<Vec<u8>>) -> Self {
        Self::at(Address::Abstract(name.into()))
    }

    /// Listens for TLS: what [`Context::listen_tls`](crate::Context::listen_tls) does, at any kind
    /// of place.
    pub fn tls(mut self, tls: &ServerTls) -> Self {
        self.tls = Some(tls.clone());
        self
    }

    pub(crate) fn security(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// How many connections may wait to be accepted; 4096 by default. The system caps it
    /// (`somaxconn` on Linux).
    pub fn backlog(mut self, connections: u32) -> Self {
        self.options.backlog = connections;
        self
    }

    /// Whether other sockets may listen at the same IP address and share its connections
    /// (`SO_REUSEPORT`); not by default.
    pub fn reuse_port(mut self, yes: bool) -> Self {
        self.options.reuse_port = yes;
        self
    }

    /// Whether an IPv6 address takes IPv6 connections only (`IPV6_V6ONLY`); it does by default, on
    /// every system. With `false`, `[::]` takes IPv4 as well, and its peers' addresses look like
    /// `[::ffff:127.0.0.1]`.
    pub fn v6_only(mut self, yes: bool) -> Self {
        self.options.dual_stack = !yes;
        self
    }

    /// The permissions of a Unix socket's file, as `0o660`; without it 0777 less the umask. Who
    /// may write to it may connect.
    pub fn mode(mut self, mode: u32) -> Self {
        self.file.mode = Some(mode);
        self
    }

    /// The user that a Unix socket's file belongs to, by number.
    pub fn owner(mut self, uid: u32) -> Self {
        self.file.owner = Some(uid);
        self
    }

    /// The group that a Unix socket's file belongs to, by number.
    pub fn group(mut self, gid: u32) -> Self {
        self.file.group = Some(gid);
        self
    }

    fn new(place: Arc<dyn Place>) -> Self {
        let (options, file) = (ListenOptions::default(), SocketFileOptions::default());
        Self { place, options, file, tls: None }
    }

    /// Makes the sockets.
    pub(crate) fn open(&self, tcp: &TcpOptions) -> io::Result<Vec<Opened>> {
        self.place.open(self, tcp)
    }
}

/// A socket that listens.
pub(crate) struct Opened {
    /// Before the socket, as it must go first.
    pub(crate) file: Option<SocketFile>,
    pub(crate) fd: OwnedFd,
}

/// Listens at all of `addresses`. What port 0 becomes at the first, it is at the others.
pub(crate) fn open_all(
    addresses: &[SocketAddr],
    options: &ListenOptions,
    tcp: &TcpOptions,
) -> io::Result<Vec<Opened>> {
    let mut tries = 1..PORTS;
    loop {
        match open_once(addresses, options, tcp) {
            Err((error, true)) if error.kind() == ErrorKind::AddrInUse => {
                tries.next().ok_or(error)?;
            }
            result => return result.map_err(|(error, _)| error),
        }
    }
}

/// The same, once; of an error also whether another port could do better.
fn open_once(
    addresses: &[SocketAddr],
    options: &ListenOptions,
    tcp: &TcpOptions,
) -> Result<Vec<Opened>, (io::Error, bool)> {
    let mut opened: Vec<Opened> = Vec::new();
    let mut chosen = None;
    for &address in addresses {
        let mut address = address;
        if let (0, Some(port)) = (address.port(), chosen) {
            address.set_port(port);
        }
        let fd = sockeye_sys::listen_prepared(address, options, |fd| tcp.prepare(fd))
            .map_err(|error| (error, chosen.is_some()))?;
        if address.port() == 0 {
            let at = sockeye_sys::local_addr(fd.as_fd()).map_err(|error| (error, false))?;
            chosen = at.ip().map(|at| at.port());
        }
        opened.push(Opened { fd, file: None });
    }
    Ok(opened)
}
