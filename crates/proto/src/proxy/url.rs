//! Where a proxy is, as URLs say it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::tunnel::{Asking, BadTunnel};
use super::{http, socks};
use crate::http::syntax::quoted;
use crate::uri::{Authority, MAX_URL, parse_userinfo, split_scheme};

/// Begins to ask a proxy for a tunnel to a host and port.
type Begin = fn(&Proxy, &str, u16, &mut Vec<u8>) -> Result<Box<dyn Asking>, BadTunnel>;

/// What is spoken with a proxy.
#[derive(Clone, Copy)]
pub struct ProxyKind {
    scheme: &'static str,
    /// The port of those that name none.
    port: u16,
    /// By a pointer, so that a program carries only what is spoken with the proxies it has.
    pub(super) begin: Begin,
}

impl ProxyKind {
    /// HTTP/1.1 with the method `CONNECT`.
    pub const HTTP: Self = Self { scheme: "http", port: 1080, begin: http::begin };
    /// The same under TLS, which the caller speaks: what is told and heard here is its plain bytes.
    pub const HTTPS: Self = Self { scheme: "https", port: 443, begin: http::begin };
    /// SOCKS 5. Names are looked up by the proxy, always: none leaves this machine.
    pub const SOCKS5: Self = Self { scheme: "socks5h", port: 1080, begin: socks::begin };
}

impl PartialEq for ProxyKind {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme
    }
}

impl Eq for ProxyKind {}

impl fmt::Debug for ProxyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.scheme)
    }
}

/// A proxy: `http://proxy:3128`, `https://proxy`, `socks5h://user:password@proxy`, or `proxy:3128`,
/// which is `http`. Without a port it is 443 for `https` and else 1080, as curl has it.
///
/// `socks5` is another name for `socks5h`. [`Display`](fmt::Display) and `Debug` leave name and
/// password out.
/// ```
/// use sockeye_proto::proxy::{Proxy, ProxyKind};
///
/// let proxy: Proxy = "socks5h://me:secret@[::1]:9050".parse()?;
/// assert_eq!((proxy.kind, proxy.host.as_str(), proxy.port), (ProxyKind::SOCKS5, "::1", 9050));
/// assert_eq!(proxy.to_string(), "socks5h://[::1]:9050");
/// # Ok::<(), sockeye_proto::proxy::BadProxy>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// What is spoken with it.
    pub kind: ProxyKind,
    /// Its name in lower case, or its IP address, without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User name and password, percent-decoded.
    pub userinfo: Option<(String, String)>,
}

impl FromStr for Proxy {
    type Err = BadProxy;

    fn from_str(text: &str) -> Result<Self, BadProxy> {
        let (scheme, authority) = split_scheme(text).unwrap_or(("http", text));
        let is = |name| scheme.eq_ignore_ascii_case(name);
        let kind = if is("http") {
            ProxyKind::HTTP
        } else if is("https") {
            ProxyKind::HTTPS
        } else if is("socks5h") || is("socks5") {
            ProxyKind::SOCKS5
        } else {
            return Err(BadProxy::Scheme(quoted(scheme.as_bytes())));
        };
        Self::at(kind, authority)
    }
}

impl Proxy {
    /// One that this is spoken with, `authority` being what stands behind the `://` of its URL.
    ///
    /// # Errors
    ///
    /// [`BadProxy::TooLong`], [`BadProxy::Userinfo`] and [`BadProxy::Host`].
    pub fn at(kind: ProxyKind, authority: &str) -> Result<Self, BadProxy> {
        if authority.len() > MAX_URL {
            return Err(BadProxy::TooLong);
        }
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        let userinfo = userinfo.map(parse_userinfo).transpose().map_err(|_| BadProxy::Userinfo)?;
        let parsed = Authority::parse(host_port).ok_or(BadProxy::Host)?;
        if parsed.host.is_empty() || parsed.host.contains('%') || parsed.port == Some(0) {
            return Err(BadProxy::Host);
        }
        let (host, port) = (parsed.host.to_ascii_lowercase(), parsed.port.unwrap_or(kind.port));
        Ok(Self { kind, host, port, userinfo })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}", self.kind.scheme, bracketed(&self.host), self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let withheld = self.userinfo.as_ref().map_or("", |_| ", userinfo withheld");
        write!(f, "Proxy({self}{withheld})")
    }
}

/// A host as it stands before a colon.
pub(super) fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

/// Why a text is not taken for a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadProxy {
    /// Longer than [`MAX_URL`].
    TooLong,
    /// Nothing that is spoken here.
    Scheme(String),
    /// User name or password is malformed.
    Userinfo,
    /// Host or port is missing or malformed.
    Host,
}

impl fmt::Display for BadProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the proxy's URL is longer than {MAX_URL} bytes"),
            Self::Scheme(scheme) => {
                let known = "http://, https:// or socks5h://";
                write!(f, "a proxy's URL starts with {known}, not with {scheme}")
            }
            Self::Userinfo => f.write_str("user name or password in the proxy's URL is malformed"),
            Self::Host => f.write_str("host or port in the proxy's URL is missing or malformed"),
        }
    }
}

impl Error for BadProxy {}
