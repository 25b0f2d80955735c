//! Whose page a browser's handshake comes from (RFC 6455 §10.2, RFC 6454).
//!
//! Browsers open WebSockets to any host, cookies included, without asking: the server must look
//! at `Origin` itself, or any page acts in its visitors' name.

use std::error::Error;
use std::fmt;

use crate::http::syntax::quoted;
use crate::uri::{Authority, default_port, is_secure, split_scheme};

/// Which origins may connect. A client that sends no `Origin` is no browser, and always may.
///
/// With DNS rebinding an attacker's page names the attacker's host in both `Origin` and `Host`:
/// where that matters, check `Host` with [`host_is_listed`], or use [`List`](Self::List).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OriginPolicy {
    /// Pages of the host and port that `Host` names.
    #[default]
    SameHost,
    /// Pages of any site.
    Any,
    /// Pages of these origins, and of no others. As browsers write them: `https://example.com`,
    /// with a port where it is not the scheme's own; `null` and other schemes literally.
    List(Vec<String>),
}

impl OriginPolicy {
    /// Checks the value of `Origin`, if there is one, against the policy.
    pub fn check(&self, origin: Option<&str>, host: &str) -> Result<(), OriginRefused> {
        let Some(origin) = origin else { return Ok(()) };
        let admitted = match self {
            Self::SameHost => same_origin(origin, host) == OriginVerdict::Same,
            Self::Any => true,
            Self::List(allowed) => allowed.iter().any(|entry| equal_origins(entry, origin)),
        };
        if admitted {
            return Ok(());
        }
        Err(OriginRefused { origin: origin.into(), host: host.into() })
    }
}

/// A handshake refused because of its origin; answer 403.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginRefused {
    /// What `Origin` said.
    pub origin: String,
    /// What `Host` said.
    pub host: String,
}

impl fmt::Display for OriginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (origin, host) = (quoted(self.origin.as_bytes()), quoted(self.host.as_bytes()));
        write!(f, "Origin {origin} may not connect to host {host}")
    }
}

impl Error for OriginRefused {}

/// How `Origin` and `Host` relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginVerdict {
    /// Same host, same port.
    Same,
    /// The opaque origin: a sandboxed frame, a local file. Never the same as anything.
    Null,
    /// Not `scheme://host[:port]` of a scheme with a known port, or `Host` is no host.
    Malformed,
    /// Another host.
    OtherHost,
    /// The same host, another port.
    OtherPort,
}

/// Compares the value of `Origin` with that of `Host`: hosts without case, IPv6 addresses by
/// value, a missing port as the one the origin's scheme has by itself (80 or 443).
pub fn same_origin(origin: &str, host: &str) -> OriginVerdict {
    if origin.eq_ignore_ascii_case("null") {
        return OriginVerdict::Null;
    }
    let (Some((secure, page)), Some(here)) = (parse_origin(origin), Authority::parse(host)) else {
        return OriginVerdict::Malformed;
    };
    let port = |authority: &Authority<'_>| authority.port.unwrap_or(default_port(secure));
    if here.host.is_empty() {
        OriginVerdict::Malformed
    } else if !page.same_host(&here) {
        OriginVerdict::OtherHost
    } else if port(&page) != port(&here) {
        OriginVerdict::OtherPort
    } else {
        OriginVerdict::Same
    }
}

/// Whether `Host` is one of those the program answers for. An entry without a port admits every
/// port. Against DNS rebinding: a page may choose its own name, but not this list.
pub fn host_is_listed<'a>(host: &str, allowed: impl IntoIterator<Item = &'a str>) -> bool {
    let Some(host) = Authority::parse(host) else { return false };
    allowed.into_iter().filter_map(Authority::parse).any(|entry| {
        !entry.host.is_empty()
            && entry.same_host(&host)
            && (entry.port.is_none() || entry.port == host.port)
    })
}

/// `scheme "://" host [":" port]` and nothing more (RFC 6454 §7). Whether the scheme is a secure
/// one, and the rest.
fn parse_origin(origin: &str) -> Option<(bool, Authority<'_>)> {
    let (scheme, authority) = split_scheme(origin)?;
    let authority = Authority::parse(authority)?; // no path, no user information
    if authority.host.is_empty() { None } else { Some((is_secure(scheme)?, authority)) }
}

fn equal_origins(entry: &str, origin: &str) -> bool {
    match (parse_origin(entry), parse_origin(origin)) {
        (Some((a_secure, a)), Some((b_secure, b))) => {
            let port =
                |authority: Authority<'_>, secure| authority.port.unwrap_or(default_port(secure));
            a_secure == b_secure && a.same_host(&b) && port(a, a_secure) == port(b, b_secure)
        }
        (None, None) => entry.eq_ignore_ascii_case(origin),
        (Some(_), None) | (None, Some(_)) => false,
    }
}
