//! The application's side of HTTP: requests that are not WebSocket handshakes.

use crate::conn::Phase;
use crate::lent::Connections;
use crate::message::Action;
use crate::slots::{ConnId, Flags, NIL};
use crate::state::{Core, State};
use crate::tls::TlsInfo;
use crate::wheel::Deadline;
use bytes::Bytes;
use sockeye_proto::http::{BodyReader, CONTINUE, Headers, RequestHead, Version};
use sockeye_sys::Address;
use std::borrow::Cow;
use std::fmt;

/// What a context does with HTTP requests; the manual's `LWS_CALLBACK_HTTP` and its companions.
///
/// ```
/// use sockeye::{Answer, Context, Http, HttpConn, Request, Response};
///
/// struct Hello;
///
/// impl Http for Hello {
///     type Session = ();
///
///     fn request(&mut self, _: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer {
///         match request.path() {
///             "/" => Response::text("hello\n").into(),
///             _ => Response::not_found().into(),
///         }
///     }
/// }
///
/// let context = Context::builder().http(Hello).build()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Http: 'static {
    /// What each connection has of its own, from its first request to its end or its upgrade.
    type Session: Default + 'static;

    /// A request came; its body, if any, has not been read.
    fn request(&mut self, conn: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer;

    /// A piece of the request's body, after [`Answer::Body`]. What is returned with the `last`
    /// piece, which may be empty, must not be [`Answer::Body`] again.
    fn body(&mut self, conn: &mut HttpConn<'_, Self>, piece: &[u8], last: bool) -> Answer {
        let _ = (conn, piece, last);
        Response::new(500).into()
    }

    /// The socket can take more of a [streamed](Response::stream) response, or data was asked
    /// for with [`HttpConn::request_writable`].
    fn writable(&mut self, conn: &mut HttpConn<'_, Self>, permit: BodyPermit<'_>) -> Action {
        let _ = conn;
        permit.finish();
        Action::Continue
    }

    /// The timer set by [`Connections::set_timer`] ran out.
    fn timer(&mut self, conn: &mut HttpConn<'_, Self>) -> Action {
        let _ = conn;
        Action::Continue
    }

    /// The last byte of a response was handed to the socket (manual,
    /// `LWS_CALLBACK_HTTP_FILE_COMPLETION`).
    fn sent(&mut self, conn: &mut HttpConn<'_, Self>) -> Action {
        let _ = conn;
        Action::Continue
    }

    /// The connection ended, or became a WebSocket.
    fn closed(&mut self, connections: Connections<'_>, id: ConnId, session: Self::Session) {
        let _ = (connections, id, session);
    }
}

/// What to do about a request.
#[derive(Debug)]
pub enum Answer {
    /// This is the answer.
    Respond(Response),
    /// Read the body first; it goes to [`Http::body`].
    Body,
    /// The answer comes later, by [`Connections::respond`], within
    /// [`Limits::exchange`](crate::Limits::exchange). A client that leaves before ends the
    /// connection: [`Http::closed`] tells. One that only says no more, by `shutdown` or `nc -N`,
    /// still gets the answer, as its last. A FIN looks the same of both; so what comes upon it is
    /// `100 Continue`, which clients pass over (RFC 9110 §15.2.1), and to which the system of one
    /// that has left says so. HTTP/1.0 has no such thing: there the answer itself finds out.
    Later,
    /// The answer is written by hand, with [`Connections::send_raw`], in the handler's own time
    /// and under no deadline; what the peer sends next is read as a request as soon as nothing of
    /// the answer waits and no [`writable`](Http::writable) is asked for.
    Raw,
    /// End the connection once what was sent by hand has left.
    End,
    /// End the connection without an answer.
    Abort,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Respond(response)
    }
}

/// A request, while the callback that it is handed to runs.
pub struct Request<'r> {
    pub(crate) head: &'r RequestHead<'r>,
}

impl<'r> Request<'r> {
    /// The method, as `GET`.
    pub fn method(&self) -> &'r str {
        self.head.method
    }

    /// The request target as it came.
    pub fn target(&self) -> &'r str {
        self.head.target
    }

    /// The request target up to the query, not decoded.
    pub fn path(&self) -> &'r str {
        self.head.path()
    }

    /// What follows the `?`, not decoded.
    pub fn query(&self) -> Option<&'r str> {
        self.head.query()
    }

    /// A header's value, if it is there once and is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&'r str> {
        self.head.headers.get_str(name)
    }

    /// All headers.
    pub fn headers(&self) -> &'r Headers<'r> {
        &self.head.headers
    }

    /// Whether the client lets the connection carry another request after this one (RFC 9112
    /// §9.3).
    pub fn keeps_alive(&self) -> bool {
        self.head.keep_alive()
    }
}

/// An answer: status, headers, and a body that is at hand or will be streamed.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    pub(crate) body: ResponseBody,
}

#[derive(Clone, Debug)]
pub(crate) enum ResponseBody {
    Whole(Bytes),
    Stream { len: Option<u64> },
}

impl Response {
    /// An empty answer with this status, 200 to 599. Others become 500.
    pub fn new(status: u16) -> Self {
        let status = if (200..600).contains(&status) { status } else { 500 };
        Self { status, headers: Vec::new(), body: ResponseBody::Whole(Bytes::new()) }
    }

    /// 200 with plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(200)
            .header("Content-Type", "text/plain; charset=utf-8")
            .body(text.into().into_bytes())
    }

    /// 404 with a line of plain text.
    pub fn not_found() -> Self {
        Self { status: 404, ..Self::text("404 Not Found\n") }
    }

    /// Adds a header. A name or value that would break the head turns the answer into a 500.
    pub fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = ResponseBody::Whole(body.into());
        self
    }

    /// The body will be sent by [`Http::writable`], `len` bytes if that is known.
    pub fn stream(mut self, len: Option<u64>) -> Self {
        self.body = ResponseBody::Stream { len };
        self
    }
}

/// The connection of a request, while a callback about it runs.
pub struct HttpConn<'c, H: Http + ?Sized> {
    /// What this connection has of its own.
    pub session: &'c mut H::Session,
    connections: Connections<'c>,
    id: ConnId,
}

impl<'c, H: Http + ?Sized> HttpConn<'c, H> {
    pub(crate) fn new(core: &'c Core, id: ConnId, session: &'c mut H::Session) -> Self {
        Self { session, connections: Connections::new(core), id }
    }

    pub(crate) fn body_permit(&self) -> BodyPermit<'c> {
        BodyPermit { core: self.connections.core, id: self.id }
    }

    /// The name of this connection, which may be kept.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// All connections.
    pub fn connections(&self) -> Connections<'c> {
        self.connections
    }

    /// Asks for a [`writable`](Http::writable) callback.
    pub fn request_writable(&mut self) {
        self.connections.request_writable(self.id);
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
}

/// Evidence that the socket can take more of a response's body.
#[must_use = "a permit that is dropped sends nothing"]
pub struct BodyPermit<'c> {
    core: &'c Core,
    id: ConnId,
}

impl<'c> BodyPermit<'c> {
    /// Sends a piece of the body; what goes over a length announced before is cut off. Gives the
    /// permit back unless the socket is choked now or the body is complete.
    pub fn send(self, piece: &[u8]) -> Option<Self> {
        let more = self.core.state.borrow_mut().send_body(self.id, piece);
        more.then_some(self)
    }

    /// Ends the body. One that is shorter than announced ends the connection with it.
    pub fn finish(self) {
        self.core.state.borrow_mut().finish_body(self.id);
    }
}

impl fmt::Debug for BodyPermit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BodyPermit({})", self.id)
    }
}

/// A request that is being answered.
pub(crate) struct Exchange {
    pub(crate) body: BodyReader,
    /// The handler asked for the body, and it has not ended.
    pub(crate) wants_body: bool,
    /// Nothing of the request is left unread.
    pub(crate) body_done: bool,
    pub(crate) is_head: bool,
    pub(crate) http10: bool,
    pub(crate) keep_alive: bool,
    /// The client says no more, and may still listen.
    pub(crate) half_closed: bool,
    pub(crate) reply: Reply,
}

/// How far the answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The handler has not answered yet.
    Awaited,
    /// The head is out; this many bytes of the body are to come.
    Sized(u64),
    /// The head is out; the body goes in chunks, until `finish`.
    Chunked,
    /// The head is out; the body ends with the connection.
    UntilClose,
    /// All of it is out or in the tail.
    Done,
    /// The handler writes it by hand.
    Raw,
}

impl Exchange {
    pub(crate) fn reads_body(&self) -> bool {
        self.wants_body && !self.body_done
    }

    /// Whether the whole request is there and its answer was put off: input is read, and kept, only
    /// so that the client's leaving is noticed.
    pub(crate) fn is_put_off(&self) -> bool {
        self.reply == Reply::Awaited && self.body_done
    }

    /// Whether the next request may be read beside this answer, which is written by hand.
    pub(crate) fn takes_next(&self, queued: usize, flags: Flags) -> bool {
        self.reply == Reply::Raw && queued == 0 && !flags.has(Flags::WANTS)
    }

    pub(crate) fn is_http10(version: Version) -> bool {
        matches!(version, Version::Http10)
    }
}

impl State {
    pub(crate) fn exchange(&mut self, id: ConnId) -> Option<&mut Exchange> {
        let Phase::Exchange(exchange) = &mut self.slots.get_mut(id)?.phase else { return None };
        Some(exchange)
    }

    pub(crate) fn is_exchange(&self, id: ConnId) -> bool {
        self.slots.get(id).is_some_and(|slot| {
            let begun = match slot.phase {
                Phase::Exchange(_) => true,
                Phase::Request(_) => slot.session != NIL, // between two requests
                Phase::Vacant { .. }
                | Phase::Dialing(_)
                | Phase::Attempt { .. }
                | Phase::Tunnel(_)
                | Phase::Answer(_)
                | Phase::Waiting(_)
                | Phase::WebSocket(_)
                | Phase::Draining => false,
            };
            begun && !slot.flags.has(Flags::DOOMED)
        })
    }

    /// The client's FIN has come while its answer is put off. It may have left, or still listen:
    /// what is sent now means nothing to the latter, and the former's system answers it with a
    /// reset, which ends the connection. `false` if no answer is put off.
    pub(crate) fn half_closed(&mut self, id: ConnId) -> bool {
        let Some(exchange) = self.exchange(id).filter(|exchange| exchange.is_put_off()) else {
            return false;
        };
        let first = !std::mem::replace(&mut exchange.half_closed, true); // TLS may end before TCP
        exchange.keep_alive = false;
        if first && !exchange.http10 {
            self.put(id, &[], CONTINUE);
        }
        self.review(id);
        true
    }

    /// The handler answers by hand: no deadline, and reading may go on.
    pub(crate) fn answer_raw(&mut self, id: ConnId) {
        let Some(exchange) = self.exchange(id) else { return };
        if exchange.reply == Reply::Awaited {
            exchange.reply = Reply::Raw;
            self.wheel.disarm(&mut self.slots, id.index);
            self.look_again(id);
        }
    }

    /// A request may have waited for the end of an answer that is written by hand.
    pub(crate) fn resume_after_raw(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get(id) else { return };
        if let Phase::Exchange(exchange) = &slot.phase
            && exchange.takes_next(slot.queued(), slot.flags)
        {
            self.resume(id);
        }
    }

    /// Whether the answer is written by hand and nothing of it is under way; then what comes is
    /// the next request, and the connection is made to read it so.
    pub(crate) fn takes_request_after_raw(&mut self, id: ConnId) -> bool {
        let Some(slot) = self.slots.get_mut(id) else { return false };
        let Phase::Exchange(exchange) = &slot.phase else { return false };
        if !exchange.takes_next(slot.queued(), slot.flags) {
            return false;
        }
        slot.phase = Phase::Request(None);
        self.arm(id, Deadline::Handshake);
        true
    }

    /// Whether a body is being streamed and the last piece has not been taken whole.
    pub(crate) fn is_choked_stream(&mut self, id: ConnId) -> bool {
        let streams = self.exchange(id).is_some_and(|exchange| match exchange.reply {
            Reply::Sized(_) | Reply::Chunked | Reply::UntilClose => true,
            Reply::Awaited | Reply::Done | Reply::Raw => false,
        });
        streams && self.slots.get(id).is_some_and(|slot| slot.queued() > 0)
    }

    /// Sends a piece of a streamed body; whether more may follow now.
    fn send_body(&mut self, id: ConnId, piece: &[u8]) -> bool {
        let now = self.millis();
        if let Some(slot) = self.slots.get_mut(id) {
            slot.stamp = now; // the permit says that all before has been taken: that is progress
        }
        let Some(exchange) = self.exchange(id) else { return false };
        match exchange.reply {
            Reply::Awaited | Reply::Done | Reply::Raw => return false,
            _ if piece.is_empty() => {}
            Reply::Sized(left) => {
                let piece = &piece[..piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
                let left = left - piece.len() as u64;
                exchange.reply = if left == 0 { Reply::Done } else { Reply::Sized(left) };
                self.put(id, &[], piece);
            }
            Reply::Chunked => {
                let size = format!("{:x}\r\n", piece.len());
                self.put(id, size.as_bytes(), piece);
                self.put(id, &[], b"\r\n");
            }
            Reply::UntilClose => self.put(id, &[], piece),
        }
        let done = self.exchange(id).is_none_or(|exchange| exchange.reply == Reply::Done);
        !done && self.slots.get(id).is_some_and(|slot| slot.queued() == 0)
    }

    /// Ends a streamed body.
    fn finish_body(&mut self, id: ConnId) {
        let Some(exchange) = self.exchange(id) else { return };
        let reply = std::mem::replace(&mut exchange.reply, Reply::Done);
        match reply {
            Reply::Chunked => self.put(id, &[], sockeye_proto::http::LAST_CHUNK),
            Reply::Sized(_) | Reply::UntilClose => exchange.keep_alive = false,
            Reply::Awaited | Reply::Raw => exchange.reply = reply,
            Reply::Done => {}
        }
    }
}
