//! Asking a proxy for a tunnel, whatever it speaks.

use std::error::Error;
use std::fmt;

use super::url::Proxy;
use crate::http::HeadError;
use crate::http::syntax::quoted;

/// A tunnel that is being asked for. Bytes in, bytes out; the caller owns the socket and the time.
/// ```
/// use sockeye_proto::proxy::Tunnel;
///
/// let (proxy, mut out) = ("http://proxy:3128".parse()?, Vec::new());
/// let mut tunnel = Tunnel::begin(&proxy, "example.com", 80, &mut out)?;
/// assert!(out.starts_with(b"CONNECT example.com:80 HTTP/1.1\r\n"));
/// let mut input = &b"HTTP/1.1 200 OK\r\n\r\nwhat the server says"[..];
/// assert!(tunnel.receive(&mut input, &mut out)?);
/// assert_eq!(input, b"what the server says");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Tunnel(Box<dyn Asking>);

/// What is spoken with the proxy.
pub(super) trait Asking: Send + Sync {
    /// As [`Tunnel::receive`].
    fn receive(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, TunnelError>;
}

impl Tunnel {
    /// Writes what goes to the proxy first. `host` is a name or an IP address without brackets.
    pub fn begin(
        proxy: &Proxy,
        host: &str,
        port: u16,
        out: &mut Vec<u8>,
    ) -> Result<Self, BadTunnel> {
        if host.is_empty() || !host.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadTunnel::Host);
        }
        (proxy.kind.begin)(proxy, host, port, out).map(Self)
    }

    /// Takes the next piece of what the proxy says, and puts what it is told next at the end of
    /// `out`. `true`: the tunnel is open, and what is left of `input` comes from the other end.
    /// After that, and after an error, it is of no further use.
    pub fn receive(&mut self, input: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, TunnelError> {
        self.0.receive(input, out)
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tunnel") // the password is nobody's business
    }
}

/// A tunnel that cannot be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadTunnel {
    /// The host is too long for SOCKS, 255 bytes, or no host.
    Host,
    /// SOCKS takes a name and a password of 1 to 255 bytes each.
    Login,
}

impl fmt::Display for BadTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "the proxy cannot be told this host: SOCKS takes 1 to 255 ASCII bytes",
            Self::Login => "SOCKS takes a user name and a password of 1 to 255 bytes each",
        })
    }
}

impl Error for BadTunnel {}

/// Why a proxy gives no tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TunnelError {
    /// Its answer is no HTTP.
    Head(HeadError),
    /// Its answer is not 2xx.
    Status {
        /// The status.
        status: u16,
        /// Its reason phrase.
        reason: String,
        /// How to log in, as the proxy says it, made fit for one line.
        challenge: Option<String>,
    },
    /// Its answer is no SOCKS 5: it has this byte where the version should be.
    NotSocks(u8),
    /// It accepts no way to log in that was offered.
    NoLogin {
        /// Whether name and password were.
        offered: bool,
    },
    /// It chose a way to log in that was not offered.
    Method(u8),
    /// It refused name and password.
    LoginRefused,
    /// It could not or would not connect, for this reason (RFC 1928 §6).
    Reply(u8),
    /// The address in its reply is of no kind that there is.
    AddressKind(u8),
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head(error) => write!(f, "its answer is no HTTP: {error}"),
            Self::Status { status, reason, challenge } => {
                write!(f, "it answered {status} {}", quoted(reason.as_bytes()))?;
                match challenge {
                    Some(how) => write!(f, " and wants name and password: {how}"),
                    None => Ok(()),
                }
            }
            Self::NotSocks(byte) => {
                write!(f, "its answer is no SOCKS 5: it has 0x{byte:02x} first")
            }
            Self::NoLogin { offered: false } => f.write_str("it wants name and password"),
            Self::NoLogin { offered: true } => {
                f.write_str("it accepts no login by name and password")
            }
            Self::Method(method) => {
                write!(f, "it wants a login of kind {method}, which was not offered")
            }
            Self::LoginRefused => f.write_str("it refused name and password"),
            Self::Reply(code) => f.write_str(&reply(*code)),
            Self::AddressKind(kind) => write!(f, "its reply has an address of unknown kind {kind}"),
        }
    }
}

impl Error for TunnelError {}

/// RFC 1928 §6.
fn reply(code: u8) -> String {
    let known = match code {
        1 => "it failed in general",
        2 => "its rules do not allow it",
        3 => "it found the network unreachable",
        4 => "it found the host unreachable",
        5 => "it found the connection refused",
        6 => "it found the time to live expired",
        7 => "it knows no CONNECT",
        8 => "it knows no addresses of this kind",
        _ => return format!("it gave the unknown reason {code}"),
    };
    format!("{known} (SOCKS reply {code})")
}
