//! Which proxy the environment names, by the rules of curl.

use std::net::IpAddr;

use crate::ip::parse_ip;

/// A variable of the environment that names a proxy, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The variable.
    pub variable: &'static str,
    /// Its value, never empty.
    pub value: String,
}

/// The proxy for connections to `host`, by variables that `get` looks up.
///
/// | for | variables, the first that is set counts |
/// |---|---|
/// | `ws://` | `http_proxy`, `all_proxy`, `ALL_PROXY` |
/// | `wss://` | `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY` |
/// | hosts to reach without one | `no_proxy`, `NO_PROXY`: see [`bypasses`] |
///
/// One that is set and empty says that there is no proxy. `HTTP_PROXY` does not count: in a CGI
/// program it is a header of the request.
/// ```
/// use sockeye_proto::proxy::from_environment;
///
/// let get = |name: &str| (name == "all_proxy").then(|| "socks5h://localhost".to_owned());
/// let choice = from_environment(false, "example.com", get).unwrap();
/// assert_eq!((choice.variable, choice.value.as_str()), ("all_proxy", "socks5h://localhost"));
/// ```
pub fn from_environment(
    secure: bool,
    host: &str,
    get: impl Fn(&str) -> Option<String>,
) -> Option<Choice> {
    const PLAIN: [&str; 3] = ["http_proxy", "all_proxy", "ALL_PROXY"];
    const SECURE: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
    let variables = if secure { &SECURE[..] } else { &PLAIN };
    let first = |names: &[&'static str]| {
        names.iter().find_map(|&variable| Some(Choice { variable, value: get(variable)? }))
    };
    let choice = first(variables).filter(|choice| !choice.value.is_empty())?;
    let exceptions = first(&["no_proxy", "NO_PROXY"]);
    let without = exceptions.is_some_and(|exceptions| bypasses(&exceptions.value, host));
    (!without).then_some(choice)
}

/// Whether `no_proxy` has a host in its list, which is separated by commas or spaces: a name with
/// all below it, with or without a dot in front; an IP address; or a range of them, as
/// `10.0.0.0/8`. A lone `*` has all.
/// ```
/// use sockeye_proto::proxy::bypasses;
///
/// assert!(bypasses("localhost,.example.com", "www.example.com"));
/// assert!(bypasses("192.168.0.0/16", "192.168.1.9"));
/// assert!(!bypasses("example.com", "badexample.com"));
/// ```
pub fn bypasses(no_proxy: &str, host: &str) -> bool {
    if no_proxy.trim_ascii() == "*" {
        return true;
    }
    let mut entries = no_proxy.split([',', ' ', '\t']).filter(|entry| !entry.is_empty());
    match parse_ip(host) {
        Some(address) => entries.any(|entry| has_address(entry, address)),
        None => entries.any(|entry| has_name(entry, host)),
    }
}

fn has_name(entry: &str, host: &str) -> bool {
    let entry = entry.strip_prefix('.').unwrap_or(entry);
    let (entry, host) = (without_dot(entry), without_dot(host));
    let Some(start) = host.len().checked_sub(entry.len()) else { return false };
    let (before, end) = host.as_bytes().split_at(start);
    !entry.is_empty()
        && end.eq_ignore_ascii_case(entry.as_bytes())
        && matches!(before.last(), None | Some(b'.'))
}

fn without_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

fn has_address(entry: &str, address: IpAddr) -> bool {
    let (network, bits) = match entry.split_once('/') {
        Some((network, bits)) => match bits.parse::<u32>() {
            Ok(bits) => (network, Some(bits)),
            Err(_) => return false,
        },
        None => (entry, None),
    };
    let network = network.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(network);
    let same = |a: u128, b: u128, width: u32| {
        let bits = bits.unwrap_or(width);
        bits <= width && (a ^ b).checked_shr(width - bits).unwrap_or(0) == 0
    };
    match (parse_ip(network), address) {
        (Some(IpAddr::V4(a)), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (Some(IpAddr::V6(a)), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        (Some(_) | None, _) => false,
    }
}
