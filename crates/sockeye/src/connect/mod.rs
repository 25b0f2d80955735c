//! Opening connections: what is asked for, and the steps to it.
//!
//! ```text
//! Dialing ── look-up, a race of TCP connects ──▶ (Tunnel, by a proxy) ──▶ Answer (TLS inside)
//! ```

mod answer;
mod dial;
mod error;
mod link;
mod race;
mod reconnect;
mod tunnel;

pub(crate) use answer::Answering;
pub(crate) use dial::Dial;
pub use error::{ConnectError, HttpAnswer, Step};
pub(crate) use link::Links;
use link::Policy;
pub use link::{LinkId, LinkUp, Outage, Retry, Why};
pub use reconnect::{Jitter, Reconnect};
pub(crate) use tunnel::Asked;

use crate::state::ProtocolId;
use crate::tls::{self, ClientTls, TlsError, TlsName};
use sockeye_proto::handshake::{ClientHello, ClientRequest};
use sockeye_proto::proxy::{Proxy, ProxyKind, from_environment};
use sockeye_proto::uri::Url;
use sockeye_sys::{Address, Source};
use std::net::{IpAddr, SocketAddr};

/// A connection to be opened.
///
/// ```
/// use sockeye::Connect;
///
/// let connect = Connect::to("ws://localhost:7681/chat")?.subprotocol("chat");
/// assert!(Connect::to("ftp://localhost/").is_err());
/// # Ok::<(), sockeye::ConnectError>(())
/// ```
///
/// The host's name is looked up on a thread of the context's. Its addresses are tried by RFC 8305:
/// IPv6 and IPv4 in turn, each [`Limits::attempt_delay`](crate::Limits::attempt_delay) after the
/// one before or as soon as that has failed; the first that opens is taken, the others are
/// closed.
#[derive(Clone, Debug)]
pub struct Connect {
    url: Url,
    subprotocols: Vec<String>,
    /// Which protocol the subprotocols of this name are spoken by.
    spoken_by: Vec<(String, ProtocolId)>,
    origin: Option<String>,
    headers: Vec<(String, String)>,
    host: Option<String>,
    compression: bool,
    via: Option<Address>,
    known: Vec<(String, u16, Vec<SocketAddr>)>,
    source: Option<Source>,
    proxy: Option<Proxy>,
    policy: Option<Policy>,
    tls: Option<ClientTls>,
    proxy_tls: Option<ClientTls>,
}

impl Connect {
    /// To a `ws://` or `wss://` address.
    pub fn to(url: &str) -> Result<Self, ConnectError> {
        let url = Url::parse(url).map_err(ConnectError::Url)?;
        if url.secure && !tls::IS_BUILT {
            return Err(ConnectError::NoTls);
        }
        Ok(Self {
            url,
            subprotocols: Vec::new(),
            spoken_by: Vec::new(),
            origin: None,
            headers: Vec::new(),
            host: None,
            compression: true,
            via: None,
            known: Vec::new(),
            source: None,
            proxy: None,
            policy: None,
            tls: None,
            proxy_tls: None,
        })
    }

    /// Connects to this address instead of looking up a host, which the request still names: a
    /// Unix socket, or one address of several. With a [`proxy`](Self::proxy) it is the proxy's.
    ///
    /// ```
    /// use sockeye::{Address, Connect};
    ///
    /// let socket = Address::Path("/run/chat.sock".into());
    /// let connect = Connect::to("ws://localhost/chat")?.via(socket);
    /// # Ok::<(), sockeye::ConnectError>(())
    /// ```
    pub fn via(mut self, address: impl Into<Address>) -> Self {
        self.via = Some(address.into());
        self
    }

    /// Takes these for the addresses of a host at a port instead of looking it up, as curl's
    /// `--resolve` does; the host of the URL, or of the proxy. They are tried as if they had been
    /// looked up.
    ///
    /// ```
    /// use sockeye::Connect;
    ///
    /// let addresses = ["2001:db8::1".parse()?, "192.0.2.1".parse()?];
    /// let connect = Connect::to("ws://chat.example/")?.resolve("chat.example", 80, addresses);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(
        mut self,
        host: &str,
        port: u16,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        let addresses = addresses.into_iter().map(|ip| SocketAddr::new(ip, port)).collect();
        self.known.push((host.to_ascii_lowercase(), port, addresses));
        self
    }

    /// Leaves from this address, one of the machine's own, instead of one that the system chooses.
    /// Each has ports for about 28,000 connections to the same place. Addresses of the other
    /// family then cannot be connected to; Unix sockets do not heed it.
    ///
    /// ```
    /// use sockeye::Connect;
    ///
    /// let connect = Connect::to("ws://127.0.0.1:7681/")?.source([127, 0, 0, 2]);
    /// # Ok::<(), sockeye::ConnectError>(())
    /// ```
    pub fn source(mut self, address: impl Into<IpAddr>) -> Self {
        self.source = Some(Source::new(address.into()));
        self
    }

    /// Goes through a proxy: HTTP `CONNECT`, plain or under TLS (`https://`), or SOCKS 5 with names
    /// looked up by the proxy. TLS with the proxy is [its own](Self::proxy_tls), and ends there: to
    /// a `wss://` address goes another, inside the tunnel.
    ///
    /// ```
    /// use sockeye::Connect;
    ///
    /// let proxy: sockeye::Proxy = "socks5h://user:password@proxy.example:1080".parse()?;
    /// let connect = Connect::to("ws://chat.example/")?.proxy(proxy);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn proxy(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.proxy = proxy.into();
        self
    }

    /// Goes through the proxy that the environment names for this address, if it names one, by
    /// curl's rules: `http_proxy` for `ws://`, `https_proxy` or `HTTPS_PROXY` for `wss://`, else
    /// `all_proxy` or `ALL_PROXY`, and none for what `no_proxy` or `NO_PROXY` lists.
    ///
    /// # Errors
    ///
    /// [`ConnectError::BadProxy`] with the variable's name.
    pub fn proxy_from_env(self) -> Result<Self, ConnectError> {
        let get = |name: &str| Some(std::env::var_os(name)?.to_string_lossy().into_owned());
        let Some(choice) = from_environment(self.url.secure, &self.url.host, get) else {
            return Ok(self.proxy(None));
        };
        let variable = choice.variable;
        let bad = |error| ConnectError::BadProxy { variable: Some(variable), error };
        let proxy: Proxy = choice.value.parse().map_err(bad)?;
        Ok(self.proxy(proxy))
    }

    /// What a `wss://` address is connected to with; whom the platform believes, by default
    /// ([`ClientTls::platform`]).
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What an `https://` proxy is connected to with; whom the platform believes, by default
    /// ([`ClientTls::platform`]). What [`tls`](Self::tls) sets is for the server alone: no proxy is
    /// shown a certificate that is meant for it.
    pub fn proxy_tls(mut self, tls: ClientTls) -> Self {
        self.proxy_tls = Some(tls);
        self
    }

    /// Offers a subprotocol; the first one offered is the favourite. Without any, none is asked
    /// for.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
    }

    /// Offers a subprotocol that is spoken by this protocol: if the server chooses it, the
    /// connection is that protocol's from `upgrade` on. If it chooses none, or one that was
    /// offered by [`subprotocol`](Self::subprotocol), the connection is the protocol's that it was
    /// [asked for](crate::Connections::connect), as are all failures.
    pub fn subprotocol_for(
        mut self,
        name: impl Into<String>,
        protocol: impl Into<ProtocolId>,
    ) -> Self {
        let name = name.into();
        self.spoken_by.push((name.clone(), protocol.into()));
        self.subprotocol(name)
    }

    /// Sends an `Origin`, as browsers do.
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Adds a header to the request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Names this host, with a port or without, in the request's `Host` instead of the URL's.
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Whether permessage-deflate is offered, if the context
    /// [has it](crate::Builder::compression); it is by default.
    pub fn compression(mut self, yes: bool) -> Self {
        self.compression = yes;
        self
    }

    /// Connects again by this policy when the connection has failed or been lost.
    ///
    /// ```
    /// use sockeye::{Connect, Reconnect};
    ///
    /// let policy = Reconnect { attempts: Some(20), ..Reconnect::default() };
    /// let connect = Connect::to("ws://chat.example/")?.reconnect(policy);
    /// # Ok::<(), sockeye::ConnectError>(())
    /// ```
    ///
    /// Each connection has an id and a session of its own; what they have in common is a link.
    /// [`link_up`](crate::Protocol::link_up) and [`link_down`](crate::Protocol::link_down) tell of
    /// it. It ends when the policy says so, when `link_down` does, and when the application closes
    /// or aborts the connection.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.policy = Some(Policy::new(policy));
        self
    }

    /// For a `wss://` address: whom to believe, and what name to expect.
    fn security(&self) -> Result<Option<(ClientTls, TlsName)>, TlsError> {
        if !self.url.secure {
            return Ok(None);
        }
        let tls = self.tls.clone().map_or_else(ClientTls::platform, Ok)?;
        Ok(Some((tls, TlsName::new(&self.url.host)?)))
    }

    /// The same for the proxy, if TLS is spoken with it.
    fn proxy_security(&self) -> Result<Option<(ClientTls, TlsName)>, ConnectError> {
        let Some(proxy) = self.proxy.as_ref().filter(|proxy| proxy.kind == ProxyKind::HTTPS) else {
            return Ok(None);
        };
        let tls = self.proxy_tls.clone().map_or_else(ClientTls::platform, Ok);
        let security = tls.and_then(|tls| Ok(Some((tls, TlsName::new(&proxy.host)?))));
        security.map_err(|error| ConnectError::Tls(error).of_proxy(proxy))
    }

    fn hello(
        &self,
        nonce: [u8; 16],
        extensions: Option<&str>,
    ) -> Result<ClientHello, ConnectError> {
        let (mut subprotocols, mut headers) = (Vec::new(), Vec::new());
        for name in &self.subprotocols {
            subprotocols.push(name.as_str());
        }
        for (name, value) in &self.headers {
            headers.push((name.as_str(), value.as_str()));
        }
        let wanted = ClientRequest {
            subprotocols: &subprotocols,
            origin: self.origin.as_deref(),
            headers: &headers,
            extensions: extensions.filter(|_| self.compression),
            ..ClientRequest::default()
        };
        let hello = match self.host.as_deref() {
            Some(host) => {
                let target = &self.url.target;
                ClientHello::new(nonce, &ClientRequest { host, target, ..wanted })
            }
            None => ClientHello::to_url(nonce, &self.url, &wanted),
        };
        hello.map_err(ConnectError::Request)
    }

    /// The host and port that TCP goes to.
    fn first_hop(&self) -> (&str, u16) {
        match &self.proxy {
            Some(proxy) => (&proxy.host, proxy.port),
            None => (&self.url.host, self.url.port),
        }
    }
}

/// What is asked of the server once there is a stream to it.
pub(crate) struct Ask {
    hello: ClientHello,
    /// The protocol of the connection, unless the subprotocol chosen is spoken by another.
    protocol: ProtocolId,
    spoken_by: Vec<(String, ProtocolId)>,
    host: String,
    target: String,
    security: Option<(ClientTls, TlsName)>,
}
