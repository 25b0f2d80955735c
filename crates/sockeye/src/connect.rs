//! Opening connections: look-up, TCP connect, the client's half of the handshake.

use crate::conn::Phase;
use crate::handshake::PartialHead;
use crate::message::{By, Cause};
use crate::slots::{ConnId, Flags};
use crate::state::{ProtocolId, Registration, State};
use crate::tls::{self, ClientTls, TlsError, TlsName};
use crate::wheel::Deadline;
use sockeye_proto::BadExtension;
use sockeye_proto::handshake::{BadRequest, ClientHello, ClientRequest, Mismatch};
use sockeye_proto::http::HeadError;
use sockeye_proto::uri::{Url, UrlError};
use sockeye_sys::Address;
use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;
use std::{io, mem};

/// A connection to be opened.
///
/// ```
/// use sockeye::Connect;
///
/// let connect = Connect::to("ws://localhost:7681/chat")?.subprotocol("chat");
/// assert!(Connect::to("ftp://localhost/").is_err());
/// # Ok::<(), sockeye::ConnectError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Connect {
    url: Url,
    subprotocols: Vec<String>,
    origin: Option<String>,
    headers: Vec<(String, String)>,
    via: Option<Address>,
    tls: Option<ClientTls>,
}

impl Connect {
    /// To a `ws://` or `wss://` address.
    pub fn to(url: &str) -> Result<Self, ConnectError> {
        let url = Url::parse(url).map_err(ConnectError::Url)?;
        if url.secure && !tls::IS_BUILT {
            return Err(ConnectError::NoTls);
        }
        let (subprotocols, headers) = (Vec::new(), Vec::new());
        Ok(Self { url, subprotocols, origin: None, headers, via: None, tls: None })
    }

    /// Connects to this address instead of looking up the URL's host, which the request still
    /// names: a Unix socket, or one address of several.
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

    /// What a `wss://` address is connected to with; whom the platform believes, by default
    /// ([`ClientTls::platform`]).
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Offers a subprotocol; the first one offered is the favourite. Without any, none is asked
    /// for.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        self.subprotocols.push(name.into());
        self
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

    /// For a `wss://` address: whom to believe, and what name to expect.
    fn security(&self) -> Result<Option<(ClientTls, TlsName)>, TlsError> {
        if !self.url.secure {
            return Ok(None);
        }
        let tls = self.tls.clone().map_or_else(ClientTls::platform, Ok)?;
        Ok(Some((tls, TlsName::new(&self.url.host)?)))
    }

    fn hello(
        &self,
        nonce: [u8; 16],
        extensions: Option<&str>,
    ) -> Result<ClientHello, ConnectError> {
        let subprotocols: Vec<&str> = self.subprotocols.iter().map(String::as_str).collect();
        let headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let wanted = ClientRequest {
            subprotocols: &subprotocols,
            origin: self.origin.as_deref(),
            headers: &headers,
            extensions,
            ..ClientRequest::default()
        };
        ClientHello::to_url(nonce, &self.url, &wanted).map_err(ConnectError::Request)
    }
}

/// Which step of opening a connection failed, and how.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The address is no WebSocket URL.
    Url(UrlError),
    /// The address is `wss://`, and this build has no TLS.
    NoTls,
    /// A string of the request is not allowed in it.
    Request(BadRequest),
    /// The protocol is not registered with this context.
    NoSuchProtocol,
    /// [`Limits::connections`](crate::Limits::connections) are in use.
    TooManyConnections,
    /// The context is shutting down.
    ShuttingDown,
    /// The name could not be looked up.
    LookUp(io::Error),
    /// No address of the name could be connected to; what each said.
    Tcp(Vec<(Address, io::Error)>),
    /// This deadline passed before the connection was open.
    TimedOut(Duration),
    /// TLS could not be set up or agreed on.
    Tls(TlsError),
    /// The connection broke, or ended, before the server's answer was complete.
    Lost(io::Error),
    /// The server's answer is no HTTP.
    Head(HeadError),
    /// The server's answer is not the one the handshake asks for.
    Answer(Mismatch),
    /// The server's answer does not fit the extensions that were offered.
    Extension(BadExtension),
    /// Our protocol's [`upgrade`](crate::Protocol::upgrade) turned the answer down.
    Rejected(crate::Reject),
    /// The connection was aborted before it was open.
    Aborted,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => write!(f, "bad address: {error}"),
            Self::NoTls => f.write_str("bad address: wss:// needs TLS, which this build has not"),
            Self::Request(error) => write!(f, "bad request: {error}"),
            Self::NoSuchProtocol => f.write_str("the protocol is not registered"),
            Self::TooManyConnections => f.write_str("too many connections"),
            Self::ShuttingDown => f.write_str("the context is shutting down"),
            Self::LookUp(error) => write!(f, "name look-up failed: {error}"),
            Self::Tcp(tries) => {
                f.write_str("could not connect")?;
                for (i, (address, error)) in tries.iter().enumerate() {
                    write!(f, "{} to {address}: {error}", if i == 0 { "" } else { "," })?;
                }
                Ok(())
            }
            Self::Tls(error) => error.fmt(f),
            Self::TimedOut(after) => write!(f, "not connected within {after:?}"),
            Self::Lost(error) => write!(f, "connection lost during the handshake: {error}"),
            Self::Head(error) => write!(f, "the server's answer is no HTTP: {error}"),
            Self::Answer(mismatch) => write!(f, "the server refused the handshake: {mismatch}"),
            Self::Extension(error) => error.fmt(f),
            Self::Rejected(reject) => write!(f, "answer turned down: {reject}"),
            Self::Aborted => f.write_str("aborted"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Of a connection that ends before its answer is complete.
impl From<Cause> for ConnectError {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Tls(error) => Self::Tls(error),
            Cause::Broken(kind) => Self::Lost(kind.into()),
            Cause::Close
            | Cause::Violation(_)
            | Cause::Vanished
            | Cause::PongMissing(_)
            | Cause::Stalled(_)
            | Cause::CloseUnanswered(_)
            | Cause::QueueFull
            | Cause::Aborted => Self::Lost(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// A connection on its way to be opened.
pub(crate) struct Dial {
    pub(crate) hello: ClientHello,
    pub(crate) protocol: ProtocolId,
    host: String,
    target: String,
    security: Option<(ClientTls, TlsName)>,
    /// Addresses not tried yet.
    addresses: VecDeque<Address>,
    /// The address being tried.
    current: Option<Address>,
    tries: Vec<(Address, io::Error)>,
}

/// A client's handshake whose answer is awaited.
pub(crate) struct Answering {
    pub(crate) hello: ClientHello,
    pub(crate) protocol: ProtocolId,
    pub(crate) host: String,
    pub(crate) target: String,
    pub(crate) head: Option<Box<PartialHead>>,
}

impl State {
    /// Begins to open a connection.
    pub(crate) fn dial(
        &mut self,
        connect: &Connect,
        protocol: ProtocolId,
        registration: Option<&Registration>,
    ) -> Result<ConnId, ConnectError> {
        if registration.is_none() {
            return Err(ConnectError::NoSuchProtocol);
        }
        if self.stopping {
            return Err(ConnectError::ShuttingDown);
        }
        if self.limits.connections.is_some_and(|limit| self.slots.live() >= limit) {
            return Err(ConnectError::TooManyConnections);
        }
        let security = connect.security().map_err(ConnectError::Tls)?;
        let nonce = self.keys.next().map_err(ConnectError::Lost)?;
        let offer = self.deflate_options().map(|options| options.offer());
        let hello = connect.hello(nonce, offer.as_deref())?;
        let url = &connect.url;
        let dial = Dial {
            hello,
            protocol,
            host: url.host_header(),
            target: url.target.clone(),
            security,
            addresses: VecDeque::new(),
            current: None,
            tries: Vec::new(),
        };
        let id = self.insert(Phase::Dialing(Box::new(dial)), None);
        let slot = self.slots.at_mut(id.index);
        slot.flags.set(Flags::CLIENT);
        slot.protocol = protocol.0;
        self.arm(id, Deadline::Connect);
        let address = url.host.parse().ok().map(|ip| SocketAddr::new(ip, url.port).into());
        let started = match connect.via.clone().or(address) {
            Some(address) => {
                self.resolved(id, [address]);
                Ok(())
            }
            None => self.resolver.look_up(id, &url.host, url.port),
        };
        if let Err(error) = started {
            self.remove(id);
            return Err(ConnectError::LookUp(error));
        }
        Ok(id)
    }

    /// The addresses are known: tries them in order.
    pub(crate) fn resolved(&mut self, id: ConnId, addresses: impl IntoIterator<Item = Address>) {
        if let Some(dial) = self.dialing(id) {
            dial.addresses = addresses.into_iter().collect();
            self.try_next_address(id);
        }
    }

    /// Starts a TCP connect to the next address; without one left, the connection is doomed and
    /// [`dial_error`](Self::dial_error) tells why.
    fn try_next_address(&mut self, id: ConnId) {
        let latency = Rc::clone(&self.latency);
        loop {
            let Some(dial) = self.dialing(id) else { return };
            let Some(address) = dial.addresses.pop_front() else {
                return self.doom(id, By::Peer, crate::Cause::Broken(io::ErrorKind::NotConnected));
            };
            let connect = || sockeye_sys::connect(&address);
            match latency.call("connect", Some(id), connect) {
                // Both outcomes make the socket writable, which `connected` waits for.
                Ok((fd, _)) => {
                    self.lines.note_peer(id, &address);
                    self.tcp.apply(fd.as_fd());
                    if let Some(dial) = self.dialing(id) {
                        dial.current = Some(address);
                    }
                    self.set_fd(id, Some(fd));
                    return;
                }
                Err(error) => dial.tries.push((address, error)),
            }
        }
    }

    /// The socket has become writable: TCP is open and the request can go, or the next address is
    /// tried.
    pub(crate) fn connected(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get(id) else { return };
        let Some(fd) = slot.fd() else { return };
        let error = match sockeye_sys::take_error(fd) {
            Ok(None) => return self.send_request(id),
            Ok(Some(error)) | Err(error) => error,
        };
        self.set_fd(id, None);
        if let Some(dial) = self.dialing(id)
            && let Some(address) = dial.current.take()
        {
            dial.tries.push((address, error));
        }
        self.try_next_address(id);
    }

    fn send_request(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let Phase::Dialing(dial) = mem::replace(&mut slot.phase, Phase::Draining) else { return };
        let Dial { hello, protocol, host, target, security, .. } = *dial;
        let mut request = Vec::new();
        hello.write_to(&mut request);
        let answering = Answering { hello, protocol, host, target, head: None };
        slot.phase = Phase::Answer(Box::new(answering));
        self.arm(id, Deadline::Handshake);
        match security {
            None => self.put(id, &[], &request),
            Some((tls, name)) => {
                if let Err(error) = self.secure_client(id, &tls, name, request) {
                    self.doom(id, By::Us, Cause::Tls(error));
                }
            }
        }
        self.review(id);
    }

    /// Why a connection in `Dialing` came to nothing.
    pub(crate) fn dial_error(&mut self, id: ConnId) -> ConnectError {
        let tries = self.dialing(id).map(|dial| mem::take(&mut dial.tries)).unwrap_or_default();
        if tries.is_empty() {
            ConnectError::LookUp(io::Error::new(io::ErrorKind::NotFound, "no address"))
        } else {
            ConnectError::Tcp(tries)
        }
    }

    /// Replaces the descriptor of a connection; the old one is forgotten in good order.
    fn set_fd(&mut self, id: ConnId, fd: Option<OwnedFd>) {
        let announce = self.announce_forgets;
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let Some(old) = mem::replace(&mut slot.fd, fd)
            && slot.registered.take().is_some()
            && announce
        {
            self.forgotten.push_back(old);
        }
        self.review(id);
    }

    fn dialing(&mut self, id: ConnId) -> Option<&mut Dial> {
        match &mut self.slots.get_mut(id)?.phase {
            Phase::Dialing(dial) => Some(dial),
            Phase::Vacant { .. }
            | Phase::Answer(_)
            | Phase::Request(_)
            | Phase::Exchange(_)
            | Phase::Waiting(_)
            | Phase::WebSocket(_)
            | Phase::Draining => None,
        }
    }
}
