//! The way to a server: addresses, a proxy, and how long each step may take.

use super::time::time;
use sockeye::tls::ClientTls;
use sockeye::{Connect, ConnectError, Limits, Proxy};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The way to the server.
#[derive(Debug, clap::Args)]
pub(crate) struct WayArgs {
    /// Go through this proxy: `http://host:port`, `https://host:port` or `socks5h://host:port`,
    /// with `user:password@` before the host if it asks for that; or `none`. Without it the
    /// environment counts, as for curl: http_proxy, https_proxy, all_proxy and no_proxy
    #[arg(long, value_name = "URL", value_parser = proxy)]
    proxy: Option<Via>,
    /// For a proxy at https://, trust the CAs in this PEM file, and not the system's
    #[arg(long, value_name = "FILE")]
    proxy_ca: Option<PathBuf>,
    /// Take these for the addresses of a host at a port instead of looking it up; may be given
    /// several times
    #[arg(long, value_name = "HOST:PORT:ADDRESS[,ADDRESS]", value_parser = known)]
    resolve: Vec<Known>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Via {
    Proxy(Proxy),
    Nothing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    host: String,
    port: u16,
    addresses: Vec<IpAddr>,
}

impl WayArgs {
    /// The first of these options that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        match self {
            Self { proxy: Some(_), .. } => Some("--proxy"),
            Self { proxy_ca: Some(_), .. } => Some("--proxy-ca"),
            Self { resolve, .. } => (!resolve.is_empty()).then_some("--resolve"),
        }
    }

    /// Goes this way.
    pub(crate) fn apply(&self, connect: Connect) -> Result<Connect, ConnectError> {
        let mut connect = match &self.proxy {
            Some(Via::Proxy(proxy)) => connect.proxy(proxy.clone()),
            Some(Via::Nothing) => connect,
            None => connect.proxy_from_env()?,
        };
        if let Some(ca) = &self.proxy_ca {
            let tls = ClientTls::builder().ca_file(ca).build().map_err(ConnectError::Tls)?;
            connect = connect.proxy_tls(tls);
        }
        for Known { host, port, addresses } in &self.resolve {
            connect = connect.resolve(host, *port, addresses.iter().copied());
        }
        Ok(connect)
    }
}

/// How long each step to an open connection may take.
#[derive(Debug, clap::Args)]
pub(crate) struct StepArgs {
    /// Give up if there is no connection by then, look-up included
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = time)]
    connect_timeout: Duration,
    /// Give up if a proxy that was connected to has given no tunnel by then
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = time)]
    proxy_timeout: Duration,
    /// Give up if the server has not answered the handshake by then, TLS included
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = time)]
    handshake_timeout: Duration,
}

impl StepArgs {
    /// With these deadlines.
    pub(crate) fn limits(&self, limits: Limits) -> Limits {
        let (connect, proxy) = (self.connect_timeout, self.proxy_timeout);
        Limits { connect, proxy, handshake: self.handshake_timeout, ..limits }
    }
}

fn proxy(text: &str) -> Result<Via, sockeye::BadProxy> {
    if text == "none" { Ok(Via::Nothing) } else { text.parse().map(Via::Proxy) }
}

fn known(text: &str) -> Result<Known, &'static str> {
    const FORM: &str = "it takes the form HOST:PORT:ADDRESS, as in example.com:80:127.0.0.1,[::1]";
    let bare = |text: &str| text.trim_start_matches('[').trim_end_matches(']').to_owned();
    let host_end =
        if text.starts_with('[') { text.find("]:").map(|at| at + 1) } else { text.find(':') };
    let (host, rest) = text.split_at(host_end.ok_or(FORM)?);
    let (port, addresses) = rest[1..].split_once(':').ok_or(FORM)?;
    let port = port.parse().ok().filter(|&port| port > 0).ok_or(FORM)?;
    let addresses: Result<Vec<IpAddr>, _> =
        addresses.split(',').map(|address| bare(address).parse()).collect();
    let addresses = addresses.map_err(|_| FORM)?;
    if host.is_empty() { Err(FORM) } else { Ok(Known { host: bare(host), port, addresses }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_addresses_have_a_host_and_a_port() {
        let six_and_four = Known {
            host: "a.b".into(),
            port: 80,
            addresses: vec!["::1".parse().unwrap(), "127.0.0.1".parse().unwrap()],
        };
        assert_eq!(known("a.b:80:::1,127.0.0.1"), Ok(six_and_four.clone()));
        assert_eq!(known("a.b:80:[::1],127.0.0.1"), Ok(six_and_four));
        assert_eq!(known("[::2]:80:::1").map(|known| known.host), Ok("::2".to_owned()));
        for wrong in
            ["", "a", "a:80", "a:0:::1", "a:x:::1", "a:80:", "a:80:b", ":80:::1", "a:80:::1,"]
        {
            assert!(known(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_proxy_can_be_none() {
        assert_eq!(proxy("none"), Ok(Via::Nothing));
        assert!(matches!(proxy("socks5h://h"), Ok(Via::Proxy(_))));
        assert!(proxy("ftp://h").is_err());
    }
}
