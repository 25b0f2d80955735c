//! Where a client connects to, and what its request says.

use super::{ClientTlsArgs, WayArgs};
use sockeye::{Address, Connect, ConnectError};

/// Where to connect, and what the request says.
#[derive(Debug, clap::Args)]
pub(crate) struct RequestArgs {
    /// Where to, as `ws://host:port/path`, or `wss://` for TLS; the port is 80, or 443, unless
    /// given
    #[arg(value_parser = url)]
    pub(crate) url: String,
    /// Connect here instead of looking the host up: unix:/path/to/socket, unix:@name, or an IP
    /// address and port
    #[arg(long, value_name = "WHERE")]
    via: Option<Address>,
    /// Offer this subprotocol; give it several times to offer several, the favourite first
    #[arg(long, value_name = "NAME")]
    pub(crate) subprotocol: Vec<String>,
    /// Send this Origin, as a browser would
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Option<String>,
    /// Add a header to the request; may be given several times
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub(crate) headers: Vec<(String, String)>,
    #[command(flatten)]
    pub(crate) way: WayArgs,
    #[command(flatten)]
    pub(crate) tls: ClientTlsArgs,
}

impl RequestArgs {
    /// The first of the options that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let Self { url: _, via, subprotocol, origin, headers, way, tls } = self;
        let all = [
            ("--via", via.is_some()),
            ("--subprotocol", !subprotocol.is_empty()),
            ("--origin", origin.is_some()),
            ("--header", !headers.is_empty()),
        ];
        let given = all.into_iter().find(|(_, given)| *given).map(|(name, _)| name);
        given.or_else(|| way.given()).or_else(|| tls.given())
    }

    /// The connection that is asked for.
    pub(crate) fn connect(&self) -> Result<Connect, ConnectError> {
        let connect = self.without_tls()?;
        Ok(match self.tls.client().map_err(ConnectError::Tls)? {
            Some(tls) => connect.tls(tls),
            None => connect,
        })
    }

    /// The same, but no session of TLS is resumed.
    pub(crate) fn connect_afresh(&self) -> Result<Connect, ConnectError> {
        let connect = self.without_tls()?;
        match self.url.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("wss:")) {
            true => Ok(connect.tls(self.tls.client_afresh().map_err(ConnectError::Tls)?)),
            false => self.connect(),
        }
    }

    fn without_tls(&self) -> Result<Connect, ConnectError> {
        let mut connect = self.way.apply(Connect::to(&self.url)?)?;
        if let Some(address) = &self.via {
            connect = connect.via(address.clone());
        }
        for name in &self.subprotocol {
            connect = connect.subprotocol(name);
        }
        for (name, value) in &self.headers {
            connect = connect.header(name, value);
        }
        Ok(match &self.origin {
            Some(origin) => connect.origin(origin),
            None => connect,
        })
    }
}

/// Text that is the address of a server.
pub(super) fn url(text: &str) -> Result<String, ConnectError> {
    Connect::to(text).map(|_| text.to_owned())
}

fn header(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once(':') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.trim().to_owned())),
        _ => Err("it takes the form 'Name: value'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_cut_at_the_first_colon() {
        let expected = ("Referer".to_owned(), "http://a/".to_owned());
        assert_eq!(header("Referer:  http://a/ "), Ok(expected));
        assert!(header("no colon").is_err());
        assert!(header(": no name").is_err());
    }
}
