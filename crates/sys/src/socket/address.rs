//! The addresses of a socket's two ends.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::str::FromStr;

use rustix::net::{SocketAddrAny, SocketAddrUnix, getpeername, getsockname};

/// Where one end of a connection is, or a listener.
///
/// Its text is what the program's options take: `127.0.0.1:80`, `[::1]:80`, `unix:/run/x.sock`,
/// `unix:@name`.
///
/// ```
/// use sockeye_sys::Address;
///
/// let address: Address = "unix:@chat".parse()?;
/// assert_eq!(address, Address::Abstract(b"chat".to_vec()));
/// assert_eq!(address.ip(), None);
/// assert_eq!("[::1]:80".parse::<Address>()?.to_string(), "[::1]:80");
/// # Ok::<(), sockeye_sys::BadAddress>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// IPv4 or IPv6, and a TCP port.
    Ip(SocketAddr),
    /// A Unix socket at a path.
    Path(PathBuf),
    /// A Unix socket with a name in Linux's own name space, which no file stands for.
    Abstract(Vec<u8>),
    /// A Unix socket without a name, as most clients have.
    Unnamed,
}

impl Address {
    /// The IP address and port, if it has any.
    pub fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Path(_) | Self::Abstract(_) | Self::Unnamed => None,
        }
    }

    /// Whether it is that of a Unix socket.
    pub fn is_unix(&self) -> bool {
        self.ip().is_none()
    }

    /// As the kernel takes it.
    pub(crate) fn to_unix(&self) -> io::Result<SocketAddrUnix> {
        let address = match self {
            Self::Path(path) => SocketAddrUnix::new(path.as_path()),
            Self::Abstract(name) => abstract_address(name),
            Self::Unnamed | Self::Ip(_) => return Err(io::ErrorKind::InvalidInput.into()),
        };
        address.map_err(|errno| match errno {
            rustix::io::Errno::NAMETOOLONG => {
                let why = "it is longer than the system allows, about 100 bytes";
                io::Error::new(io::ErrorKind::InvalidInput, why)
            }
            errno => errno.into(),
        })
    }

    pub(super) fn from_any(address: Option<SocketAddrAny>) -> Self {
        let Some(address) = address else { return Self::Unnamed };
        if let Ok(address) = SocketAddr::try_from(address.clone()) {
            return Self::Ip(address);
        }
        let Ok(unix) = SocketAddrUnix::try_from(address) else { return Self::Unnamed };
        match (unix.path_bytes(), abstract_name(&unix)) {
            (Some(path), _) => Self::Path(std::ffi::OsStr::from_bytes(path).into()),
            (None, Some(name)) if !name.is_empty() => Self::Abstract(name),
            (None, _) => Self::Unnamed,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

/// An IP address, shown as its own `Display` does, in a fifth of the code.
pub(super) struct Numeric(pub(super) IpAddr);

impl fmt::Display for Numeric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let v6 = match self.0 {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                return write!(f, "{a}.{b}.{c}.{d}");
            }
            IpAddr::V6(v6) => v6,
        };
        if let Some(v4) = v6.to_ipv4_mapped() {
            return write!(f, "::ffff:{}", Self(v4.into()));
        }
        let groups = v6.segments();
        let (begin, end) = longest_zeros(v6);
        for (at, group) in groups.iter().enumerate() {
            if at == begin && end > begin {
                f.write_str("::")?;
            }
            if !(begin..end).contains(&at) {
                let colon = if at == 0 || at == end { "" } else { ":" };
                write!(f, "{colon}{group:x}")?;
            }
        }
        Ok(())
    }
}

/// The groups that `::` stands for: the first of the longest runs of zeros, of two at least
/// (RFC 5952 §4.2). Without one, none behind the last.
fn longest_zeros(address: Ipv6Addr) -> (usize, usize) {
    let groups = address.segments();
    let (mut begin, mut end) = (groups.len(), groups.len());
    let mut longest = 1;
    for at in 0..groups.len() {
        let zeros = groups[at..].iter().take_while(|group| **group == 0).count();
        if zeros > longest {
            (begin, end, longest) = (at, at + zeros, zeros);
        }
    }
    (begin, end)
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(SocketAddr::V4(v4)) => {
                write!(f, "{}:{}", Numeric((*v4.ip()).into()), v4.port())
            }
            Self::Ip(SocketAddr::V6(v6)) => {
                let (ip, port) = (Numeric((*v6.ip()).into()), v6.port());
                match v6.scope_id() {
                    0 => write!(f, "[{ip}]:{port}"),
                    scope => write!(f, "[{ip}%{scope}]:{port}"),
                }
            }
            Self::Path(path) => write!(f, "unix:{}", path.to_string_lossy()),
            Self::Abstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
            Self::Unnamed => f.write_str("unix:"),
        }
    }
}

/// A text that is no [`Address`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadAddress(());

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it is none of these: 127.0.0.1:7681, [::1]:7681, unix:/path/to/socket, unix:@name",
        )
    }
}

impl std::error::Error for BadAddress {}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        match text.strip_prefix("unix:").map(|name| (name, name.strip_prefix('@'))) {
            Some((_, Some(name))) if !name.is_empty() => Ok(Self::Abstract(name.into())),
            Some((path, None)) if !path.is_empty() && !path.contains('\0') => {
                Ok(Self::Path(path.into()))
            }
            Some(_) => Err(BadAddress(())),
            None => text.parse().map(Self::Ip).map_err(|_| BadAddress(())),
        }
    }
}

/// The address of this end.
///
/// # Errors
///
/// If `fd` is not a socket.
pub fn local_addr(fd: BorrowedFd<'_>) -> io::Result<Address> {
    Ok(Address::from_any(Some(getsockname(fd)?)))
}

/// The address of the other end.
///
/// # Errors
///
/// `NotConnected` if there is no other end, or not any more.
pub fn peer_addr(fd: BorrowedFd<'_>) -> io::Result<Address> {
    Ok(Address::from_any(getpeername(fd)?))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &[u8]) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(address: &SocketAddrUnix) -> Option<Vec<u8>> {
    address.abstract_name().map(<[u8]>::to_vec)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(_: &[u8]) -> rustix::io::Result<SocketAddrUnix> {
    Err(rustix::io::Errno::OPNOTSUPP)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_: &SocketAddrUnix) -> Option<Vec<u8>> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddrV6;

    #[test]
    fn ip_addresses_are_shown_as_std_shows_them() {
        for zeros in 0..256_u16 {
            let groups: [u16; 8] =
                std::array::from_fn(|at| if zeros >> at & 1 == 1 { 0 } else { 0xa0 });
            for scope in [0, 3] {
                let v6 = SocketAddrV6::new(Ipv6Addr::from(groups), 80, 0, scope);
                assert_eq!(Address::Ip(v6.into()).to_string(), v6.to_string());
            }
        }
        for text in ["127.0.0.1:80", "[::ffff:192.0.2.1]:1", "[::1.2.3.4]:5", "[2001:db8::1]:443"] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(Address::Ip(address).to_string(), address.to_string());
        }
    }

    #[test]
    fn addresses_are_their_texts_and_back() {
        for text in ["127.0.0.1:80", "[::1]:7681", "unix:/run/x.sock", "unix:x", "unix:@a"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!(Address::Abstract(b"\0\xff".to_vec()).to_string(), r"unix:@\x00\xff");
        for wrong in ["", "unix:", "unix:@", "127.0.0.1", "localhost:80", "/run/x", "[::1]"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
