//! Where a proxy is, as URLs say it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use crate::http::syntax::quoted;
use crate::uri::{Authority, MAX_URL, parse_userinfo, split_scheme};

/// What is spoken with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP/1.1 with the method `CONNECT`.
    Http,
    /// The same under TLS, which the caller speaks: what is told and heard here is its plain bytes.
    Https,
    /// SOCKS 5. Names are looked up by the proxy, always: none leaves this machine.
    Socks5,
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
/// assert_eq!((proxy.kind, proxy.host.as_str(), proxy.port), (ProxyKind::Socks5, "::1", 9050));
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

/// The ports of proxies that name none.
const DEFAULT_PORT: u16 = 1080;
const SECURE_PORT: u16 = 443;

impl FromStr for Proxy {
    type Err = BadProxy;

    fn from_str(text: &str) -> Result<Self, BadProxy> {
        if text.len() > MAX_URL {
            return Err(BadProxy::TooLong);
        }
        let (scheme, rest) = split_scheme(text).unwrap_or(("http", text));
        let is = |name| scheme.eq_ignore_ascii_case(name);
        let kind = if is("http") {
            ProxyKind::Http
        } else if is("https") {
            ProxyKind::Https
        } else if is("socks5h") || is("socks5") {
            ProxyKind::Socks5
        } else {
            return Err(BadProxy::Scheme(quoted(scheme.as_bytes())));
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, host_port)) => (Some(userinfo), host_port),
            None => (None, authority),
        };
        let userinfo = userinfo.map(parse_userinfo).transpose().map_err(|_| BadProxy::Userinfo)?;
        let parsed = Authority::parse(host_port).ok_or(BadProxy::Host)?;
        if parsed.host.is_empty() || parsed.host.contains('%') || parsed.port == Some(0) {
            return Err(BadProxy::Host);
        }
        let default = if kind == ProxyKind::Https { SECURE_PORT } else { DEFAULT_PORT };
        let (host, port) = (parsed.host.to_ascii_lowercase(), parsed.port.unwrap_or(default));
        Ok(Self { kind, host, port, userinfo })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks5 => "socks5h",
        };
        write!(f, "{scheme}://{}:{}", bracketed(&self.host), self.port)
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
