//! Fuzz targets: any bytes in, invariants asserted.

use super::{Proxy, Tunnel, TunnelError, bypasses};
use crate::fuzz::Cuts;

/// Proxies' answers: the first byte says what is spoken. However cut, the outcome is the same, it
/// is one line, and nothing after it is taken.
pub fn fuzz_tunnel(mut data: &[u8]) {
    const PROXIES: [&str; 4] =
        ["http://p", "http://u:p@p:80", "socks5h://p", "socks5h://user:pass@p"];
    let Some((&kind, rest)) = data.split_first() else { return };
    data = rest;
    let cuts = Cuts::take(&mut data);
    let proxy: Proxy = PROXIES[usize::from(kind) % 4].parse().expect("a proxy");
    let whole = talk(&proxy, &[data]);
    let cut = talk(&proxy, &cuts.pieces(data));
    assert_eq!(whole, cut);
    if let Err(error) = whole.result {
        assert!(!error.to_string().contains(['\r', '\n']));
    }
}

#[derive(Debug, PartialEq)]
struct Talk {
    result: Result<bool, TunnelError>,
    /// What was said to the proxy.
    said: Vec<u8>,
    /// What of the input belongs to the tunnel.
    rest: Vec<u8>,
}

fn talk(proxy: &Proxy, pieces: &[&[u8]]) -> Talk {
    let mut said = Vec::new();
    let mut tunnel = Tunnel::begin(proxy, "example.com", 80, &mut said).expect("it can be asked");
    let mut pieces = pieces.iter();
    for piece in &mut pieces {
        let mut input = *piece;
        match tunnel.receive(&mut input, &mut said) {
            Ok(false) => assert!(input.is_empty(), "all of it is taken"),
            result @ (Ok(true) | Err(_)) => {
                let mut rest = input.to_vec();
                pieces.for_each(|piece| rest.extend_from_slice(piece));
                // Where the input stands after an error means nothing.
                let rest = if result.is_ok() { rest } else { Vec::new() };
                return Talk { result, said, rest };
            }
        }
    }
    Talk { result: Ok(false), said, rest: Vec::new() }
}

/// URLs of proxies, and lists of exceptions: what is accepted reads back from its own text, and
/// every name is in a list of itself.
pub fn fuzz_proxy(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = bypasses(text, "www.example.com") | bypasses(text, "10.1.2.3") | bypasses(text, "::1");
    let Ok(proxy) = text.parse::<Proxy>() else { return };
    if proxy.to_string().len() <= crate::uri::MAX_URL {
        let again: Proxy = proxy.to_string().parse().expect("it reads its own text");
        assert_eq!(again, Proxy { userinfo: None, ..proxy.clone() });
    }
    if !proxy.host.contains([',', ' ', '\t']) && proxy.host.trim_matches('.') == proxy.host {
        assert!(bypasses(&proxy.host, &proxy.host), "{}", proxy.host);
    }
    let mut out = Vec::new();
    let _ = Tunnel::begin(&proxy, &proxy.host, proxy.port, &mut out); // too long for SOCKS, maybe
}
