//! The opening handshake: routing, the application's verdict, the answer.

use crate::conn::{Phase, Ws};
use crate::lent::Connections;
use crate::slots::{ConnId, Flags};
use crate::state::{Core, ProtocolId, State};
use crate::tls::TlsInfo;
use crate::wheel::Deadline;
use sockeye_proto::handshake::{
    OriginPolicy, OriginVerdict, Refusal, UpgradeRequest, same_origin, write_switching_protocols,
};
use sockeye_proto::http::{BadHeader, HeadScanner, Headers, listed};
use sockeye_proto::{DeflateAgreed, Role};
use sockeye_sys::Address;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::IpAddr;

/// A request or response head that has come in part.
#[derive(Default)]
pub(crate) struct PartialHead {
    pub(crate) scanner: HeadScanner,
    pub(crate) bytes: Vec<u8>,
}

/// A whole head, and what has looked at it.
pub(crate) type Scanned<'b> = (Cow<'b, [u8]>, HeadScanner);

/// An opening handshake, lent to [`upgrade`](crate::Protocol::upgrade): the last sight of the
/// headers (manual, "Header availability").
pub struct Handshake<'h> {
    pub(crate) role: Role,
    pub(crate) id: ConnId,
    pub(crate) protocol: ProtocolId,
    pub(crate) target: &'h str,
    pub(crate) host: &'h str,
    pub(crate) headers: &'h Headers<'h>,
    pub(crate) subprotocol: Option<&'h str>,
    pub(crate) connections: Connections<'h>,
    /// What the application adds to a server's answer.
    pub(crate) answer: RefCell<Vec<(String, String)>>,
    /// Whether messages will be compressed.
    pub(crate) compressed: Cell<bool>,
}

impl<'h> Handshake<'h> {
    /// Which end this is. A client sees the server's headers, a server the client's.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The name the connection will have.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// The registration that the handshake was routed to.
    pub fn protocol(&self) -> ProtocolId {
        self.protocol
    }

    /// The request target as it came, or went.
    pub fn target(&self) -> &'h str {
        self.target
    }

    /// The request target up to the query, not decoded; on a client that of its own request.
    pub fn path(&self) -> &'h str {
        self.target.split_once('?').map_or(self.target, |(path, _)| path)
    }

    /// What follows the `?`, not decoded.
    pub fn query(&self) -> Option<&'h str> {
        self.target.split_once('?').map(|(_, query)| query)
    }

    /// The host and port that the client asked for, as in `Host`.
    pub fn host(&self) -> &'h str {
        self.host
    }

    /// A header's value, if it is there once and is visible ASCII: of the request, and on a client
    /// of the answer.
    pub fn header(&self, name: &str) -> Option<&'h str> {
        self.headers.get_str(name)
    }

    /// All headers.
    pub fn headers(&self) -> &'h Headers<'h> {
        self.headers
    }

    /// The subprotocol both ends agree on, if any.
    pub fn subprotocol(&self) -> Option<&'h str> {
        self.subprotocol
    }

    /// The peer's address.
    pub fn peer(&self) -> Option<Address> {
        self.connections.peer(self.id)
    }

    /// What is known of its TLS, the verified identity of the peer included; `None` if it is
    /// plain.
    pub fn tls(&self) -> Option<TlsInfo> {
        self.connections.tls(self.id)
    }

    /// All connections.
    pub fn connections(&self) -> Connections<'h> {
        self.connections
    }

    /// Whether messages of this connection will be compressed (permessage-deflate, RFC 7692).
    pub fn is_compressed(&self) -> bool {
        self.compressed.get()
    }

    /// On a server, does without the compression that the client offers and this end would agree
    /// to. A client's handshake has been answered: there it does nothing.
    pub fn decline_compression(&self) {
        self.compressed.set(self.compressed.get() && self.role == Role::Client);
    }

    /// Adds a header to the server's answer, as `Set-Cookie`. Refuses what would break the head,
    /// and what the handshake itself uses. A client's handshake has been answered: there it does
    /// nothing.
    pub fn add_header(&self, name: &str, value: &str) -> Result<(), BadHeader> {
        write_switching_protocols(&mut Vec::new(), "", None, None, [(name, value)])?;
        self.answer.borrow_mut().push((name.to_owned(), value.to_owned()));
        Ok(())
    }
}

impl fmt::Debug for Handshake<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handshake({} for {:?})", self.id, self.target)
    }
}

/// A handshake that the application turns down, with the HTTP answer it gets.
///
/// ```
/// use sockeye::Reject;
///
/// let reject = Reject::new(401, "log in first").header("WWW-Authenticate", "Basic");
/// assert_eq!(reject.to_string(), "401 Unauthorized: log in first");
/// ```
#[derive(Clone, Debug)]
pub struct Reject {
    refusal: Refusal,
    later: bool,
}

impl Reject {
    /// An answer of this status, 300 to 599 (others become 403), with a sentence that says why.
    pub fn new(status: u16, why: impl Into<Cow<'static, str>>) -> Self {
        let status = if (300..600).contains(&status) { status } else { 403 };
        Self { refusal: Refusal::new(status, why), later: false }
    }

    /// Not a rejection yet: the answer comes by [`Connections::accept`] or
    /// [`Connections::reject`], within [`Limits::handshake`](crate::Limits::handshake). If the
    /// client leaves before, or its FIN comes, or time runs out,
    /// [`upgrade_abandoned`](crate::Protocol::upgrade_abandoned) tells. On a client it is a
    /// rejection.
    pub fn later() -> Self {
        Self { later: true, ..Self::new(503, "There was no answer in time.") }
    }

    pub(crate) fn is_later(&self) -> bool {
        self.later
    }

    /// Adds a header to the answer.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.refusal.headers.push((name, value.into()));
        self
    }

    pub(crate) fn into_refusal(self) -> Refusal {
        self.refusal
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl std::error::Error for Reject {}

/// Which handshakes a registration takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Those that offer its name, on any path; without an offer, the first registration of this
    /// kind takes it.
    Name,
    /// Those for this path. Its name is agreed on if it is offered.
    Path(String),
    /// Those without an offer, in place of the first by name.
    Unnamed,
    /// Those that no other takes, with whatever subprotocol the client likes best.
    Any,
}

/// Where handshakes go.
pub(crate) struct Router {
    /// By registration: its name and what it takes.
    pub(crate) routes: Vec<(String, Route)>,
    pub(crate) origins: OriginPolicy,
    pub(crate) proxies: Proxies,
}

/// Peers whose word on the host that the browser asked for is taken.
#[derive(Default)]
pub(crate) struct Proxies {
    pub(crate) ips: Vec<IpAddr>,
    /// Those that come by Unix sockets.
    pub(crate) unix: bool,
}

impl Proxies {
    fn trusts(&self, peer: &Address) -> bool {
        match peer.ip() {
            Some(address) => self.ips.contains(&address.ip()),
            None => self.unix,
        }
    }
}

impl Router {
    /// The registration for a handshake, and the subprotocol agreed on.
    pub(crate) fn route<'b>(
        &self,
        upgrade: &UpgradeRequest<'_, 'b>,
        peer: impl FnOnce() -> Option<Address>,
    ) -> Result<(ProtocolId, Option<&'b str>), Refusal> {
        self.check_origin(upgrade, peer)?;
        let path = upgrade.head.path();
        if let Some(found) = self.find(&|_, route| matches!(route, Route::Path(p) if p == path)) {
            let name = &self.routes[usize::from(found.0)].0;
            return Ok((found, upgrade.subprotocols().find(|offer| offer == name)));
        }
        let mut first_offer = None;
        for offer in upgrade.subprotocols() {
            let by_name = |name: &str, route: &Route| *route == Route::Name && name == offer;
            if let Some(found) = self.find(&by_name) {
                return Ok((found, Some(offer)));
            }
            first_offer = first_offer.or(Some(offer));
        }
        let of = |wanted: Route| self.find(&|_, route| *route == wanted);
        let unoffered = |wanted| if first_offer.is_none() { of(wanted) } else { None };
        if let Some(found) = unoffered(Route::Unnamed) {
            return Ok((found, None));
        }
        if let Some(found) = of(Route::Any) {
            return Ok((found, first_offer));
        }
        if let Some(found) = unoffered(Route::Name) {
            return Ok((found, None));
        }
        Err(match first_offer {
            None => Refusal::new(404, format!("There is no WebSocket at {path}.")),
            Some(_) => Refusal::new(400, self.unknown_subprotocol()),
        })
    }

    /// A browser's page may connect to its own host, or as the policy says. Behind a proxy that
    /// is trusted, `X-Forwarded-Host` says which host the browser asked for, and a `Host` that has
    /// lost its port is that of any.
    fn check_origin(
        &self,
        upgrade: &UpgradeRequest<'_, '_>,
        peer: impl FnOnce() -> Option<Address>,
    ) -> Result<(), Refusal> {
        let Err(refused) = self.origins.check(upgrade.origin, upgrade.host()) else {
            return Ok(());
        };
        let trusted = || peer().is_some_and(|peer| self.proxies.trusts(&peer));
        if (self.proxies.unix || !self.proxies.ips.is_empty()) && trusted() {
            let mut forwarded = upgrade.head.headers.list("X-Forwarded-Host");
            let host = forwarded.next().unwrap_or(upgrade.host());
            if self.origins.check(upgrade.origin, host).is_ok()
                || self.differs_by_lost_port(upgrade.origin, host)
            {
                return Ok(());
            }
        }
        let how = "the server's origin policy (Builder::origins, --origin) can admit it";
        Err(Refusal::new(403, format!("{refused}; {how}.")))
    }

    fn differs_by_lost_port(&self, origin: Option<&str>, host: &str) -> bool {
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        self.origins == OriginPolicy::SameHost
            && !has_port
            && origin.is_some_and(|origin| same_origin(origin, host) == OriginVerdict::OtherPort)
    }

    fn find(&self, takes: &dyn Fn(&str, &Route) -> bool) -> Option<ProtocolId> {
        let found = self.routes.iter().position(|(name, route)| takes(name, route));
        found.map(|index| ProtocolId(index as u16))
    }

    fn unknown_subprotocol(&self) -> String {
        let by_name = self.routes.iter().filter(|(_, route)| *route == Route::Name);
        let names: Vec<&str> = by_name.map(|(name, _)| name.as_str()).collect();
        let names = listed(&names);
        format!("None of the subprotocols offered is known; there are: {names}.")
    }
}

/// A handshake whose answer the application has put off.
pub(crate) struct Waiting {
    pub(crate) protocol: ProtocolId,
    pub(crate) deflate: Option<DeflateAgreed>,
    /// The answer that accepts it.
    pub(crate) answer: Vec<u8>,
}

impl Core {
    /// Makes the connection an open WebSocket whose session is in place.
    pub(crate) fn establish(
        &self,
        id: ConnId,
        protocol: ProtocolId,
        session: u32,
        deflate: Option<DeflateAgreed>,
    ) {
        let mut state = self.state.borrow_mut();
        let Some(slot) = state.slots.get_mut(id) else { return };
        let ws = Ws::new(deflate);
        slot.flags.set(Flags::SESSION);
        if ws.deflates() {
            slot.flags.set(Flags::DEFLATES);
        }
        slot.phase = Phase::WebSocket(ws);
        slot.session = session;
        state.join_members(id, protocol.0);
        state.arm(id, Deadline::Idle);
        state.review(id);
    }
}

impl State {
    /// Collects a head. `Ok(None)`: more is needed. Else the whole head, in `input` if all of it
    /// came in this read, and what has looked at it; what of `input` follows it stays.
    pub(crate) fn collect_head<'b>(
        &mut self,
        partial: &mut Option<Box<PartialHead>>,
        input: &mut &'b mut [u8],
    ) -> Result<Option<Scanned<'b>>, sockeye_proto::http::HeadError> {
        let limits = self.head_limits();
        let mut scanner = partial.as_ref().map_or_else(HeadScanner::default, |p| p.scanner);
        let Some(end) = scanner.feed(input, &limits)? else {
            let head = partial.get_or_insert_default();
            head.scanner = scanner;
            head.bytes.extend_from_slice(input);
            *input = &mut [];
            return Ok(None);
        };
        let (front, rest) = std::mem::take(input).split_at_mut(end);
        *input = rest;
        let head = match partial.take() {
            Some(mut head) => {
                head.bytes.extend_from_slice(front);
                Cow::Owned(head.bytes)
            }
            None => Cow::Borrowed(&*front),
        };
        Ok(Some((head, scanner)))
    }

    pub(crate) fn head_limits(&self) -> sockeye_proto::http::HeadLimits {
        sockeye_proto::http::HeadLimits {
            bytes: self.limits.head_bytes,
            headers: self.limits.headers,
        }
    }
}
