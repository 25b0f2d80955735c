//! `ws:` and `wss:` URLs (RFC 6455 §3), and the `host:port` that URLs, `Host` and `Origin` share.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use crate::ip::parse_v6;

/// The longest URL taken, in bytes.
pub const MAX_URL: usize = 8192;

/// Where a client connects to and what it asks for there.
///
/// [`Display`](fmt::Display) and `Debug` leave the user's name and password out.
/// ```
/// use sockeye_proto::uri::Url;
///
/// let url = Url::parse("wss://[::1]:7681/chat?room=1").unwrap();
/// assert_eq!((url.secure, url.host.as_str(), url.port), (true, "::1", 7681));
/// assert_eq!((url.host_header().as_str(), url.target.as_str()), ("[::1]:7681", "/chat?room=1"));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether TLS is wanted: `wss`, and `https` as another name for it.
    pub secure: bool,
    /// Host name in lower case, or an IP address; an IPv6 address is without its brackets.
    pub host: String,
    /// The port, the scheme's own (80 or 443) where none is named.
    pub port: u16,
    /// Path and query, as they go into the request line; starts with `/`.
    pub target: String,
    /// User name and password, percent-decoded.
    pub userinfo: Option<(String, String)>,
}

impl Url {
    /// Reads an absolute URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        if text.len() > MAX_URL {
            return Err(UrlError::TooLong);
        }
        if let Some(at) = text.bytes().position(|byte| !is_url_byte(byte)) {
            return Err(UrlError::Character { at });
        }
        let (scheme, rest) = split_scheme(text).ok_or(UrlError::Scheme)?;
        let secure = is_secure(scheme).ok_or(UrlError::Scheme)?;
        if rest.contains('#') {
            return Err(UrlError::Fragment); // RFC 6455 §3
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, host_port) = match authority.split_once('@') {
            Some((userinfo, host_port)) => (Some(parse_userinfo(userinfo)?), host_port),
            None => (None, authority),
        };
        let authority = Authority::parse(host_port).ok_or(UrlError::Host)?;
        if authority.host.is_empty() || authority.host.contains('%') || authority.port == Some(0) {
            return Err(UrlError::Host);
        }
        Ok(Self {
            secure,
            host: authority.host.to_ascii_lowercase(),
            port: authority.port.unwrap_or(default_port(secure)),
            target: if target.starts_with('/') { target.into() } else { format!("/{target}") },
            userinfo,
        })
    }

    /// The `Host` field: brackets around IPv6, the port only where it is not the scheme's own.
    pub fn host_header(&self) -> String {
        let host = if self.host.contains(':') {
            Cow::Owned(format!("[{}]", self.host))
        } else {
            Cow::Borrowed(self.host.as_str())
        };
        if self.port == default_port(self.secure) {
            host.into_owned()
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.host_header(), self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let withheld = self.userinfo.as_ref().map_or("", |_| ", userinfo withheld");
        write!(f, "Url({self}{withheld})")
    }
}

/// Why a text is not taken as a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// Longer than [`MAX_URL`].
    TooLong,
    /// A space, control, non-ASCII or other character that must be percent-encoded.
    Character {
        /// Its offset in bytes.
        at: usize,
    },
    /// None of `ws://`, `wss://`, `http://`, `https://` in front.
    Scheme,
    /// A `#`: a WebSocket URL has no fragment (RFC 6455 §3).
    Fragment,
    /// User name or password is malformed.
    Userinfo,
    /// Host or port is missing or malformed.
    Host,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the URL is longer than {MAX_URL} bytes"),
            Self::Character { at } => {
                write!(f, "the character at byte {at} of the URL must be percent-encoded")
            }
            Self::Scheme => f.write_str("the URL must start with ws:// or wss://"),
            Self::Fragment => f.write_str("a WebSocket URL may not have a fragment (#)"),
            Self::Userinfo => f.write_str("user name or password in the URL is malformed"),
            Self::Host => f.write_str("host or port in the URL is missing or malformed"),
        }
    }
}

impl Error for UrlError {}

/// The port a scheme has by itself.
pub(crate) fn default_port(secure: bool) -> u16 {
    if secure { 443 } else { 80 }
}

/// What stands before and behind `://`.
pub(crate) fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    Some((scheme, rest.strip_prefix("//")?))
}

/// Whether a scheme means TLS; `None` for one that is not ours. HTTP's names are taken as well.
pub(crate) fn is_secure(scheme: &str) -> Option<bool> {
    let is = |name| scheme.eq_ignore_ascii_case(name);
    match (is("ws") || is("http"), is("wss") || is("https")) {
        (true, _) => Some(false),
        (_, true) => Some(true),
        (false, false) => None,
    }
}

/// `host[:port]` (RFC 3986 §3.2), without user information.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority<'a> {
    /// A name or IPv4 address, maybe empty; or an IPv6 address without its brackets.
    pub(crate) host: &'a str,
    /// `None` where none is named, also for `host:` (RFC 3986 §3.2.3).
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = if let Some(bracketed) = text.strip_prefix('[') {
            let (address, rest) = bracketed.split_once(']')?;
            parse_v6(address)?;
            (address, if rest.is_empty() { "" } else { rest.strip_prefix(':')? })
        } else {
            let (host, port) = text.split_once(':').unwrap_or((text, ""));
            host.bytes().all(is_host_byte).then_some(())?;
            (host, port)
        };
        port.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?; // `parse` takes a sign
        let port = if port.is_empty() { None } else { Some(port.parse().ok()?) };
        Some(Self { host, port })
    }

    /// Same host, whatever the ports: names without case, IPv6 addresses by value.
    pub(crate) fn same_host(&self, other: &Authority<'_>) -> bool {
        if let (Some(a), Some(b)) = (parse_v6(self.host), parse_v6(other.host)) {
            return a == b;
        }
        self.host.eq_ignore_ascii_case(other.host)
    }
}

/// `reg-name` of RFC 3986 §3.2.2, but for the comma: it only comes from two hosts made one list.
fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte)
}

/// What may stand in a URL unencoded: visible ASCII, less what software reads in two ways.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
}

pub(crate) fn parse_userinfo(text: &str) -> Result<(String, String), UrlError> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let decode = |text| percent_decode(text).ok_or(UrlError::Userinfo);
    let (user, password) = (decode(user)?, decode(password)?);
    // RFC 7617 §2: a colon would move the border between the two, a control character ends a line.
    let ends_line = |text: &str| text.contains(char::is_control);
    if user.contains(':') || ends_line(&user) || ends_line(&password) {
        return Err(UrlError::Userinfo);
    }
    Ok((user, password))
}

fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            (high * 16 + low) as u8 // two hexadecimal digits
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}
