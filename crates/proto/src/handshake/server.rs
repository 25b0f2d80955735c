//! The server's side of the opening handshake (RFC 6455 §4.2).

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use super::refuse_handshake_field;
use crate::base64;
use crate::http::syntax::is_token;
use crate::http::{
    BadHeader, Framing, Headers, RequestHead, ResponseFraming, Version, response,
    write_response_head,
};
use crate::sha1;

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Reads a request as an opening handshake. `Ok(None)`: it is an ordinary request, it has no
/// `Upgrade: websocket`.
pub fn upgrade_request<'h, 'b>(
    head: &'h RequestHead<'b>,
) -> Result<Option<UpgradeRequest<'h, 'b>>, Refusal> {
    if !head.headers.contains_token("Upgrade", "websocket") {
        return Ok(None);
    }
    check_request(head)?;
    check_version(&head.headers)?;
    let key = only_text(&head.headers, "Sec-WebSocket-Key")?
        .filter(|key| base64::is_of_16_bytes(key)) // §4.2.1, item 5
        .ok_or_else(|| Refusal::bad_request("Sec-WebSocket-Key is not 16 bytes in base64."))?;
    let origin = only_text(&head.headers, "Origin")?;
    let mut protocols = head.headers.elements("Sec-WebSocket-Protocol");
    if !protocols.all(is_token) {
        return Err(Refusal::bad_request("Sec-WebSocket-Protocol is no list of tokens."));
    }
    Ok(Some(UpgradeRequest { head, key, origin }))
}

/// A request that is a valid opening handshake of version 13.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UpgradeRequest<'h, 'b> {
    /// The request it came in.
    pub head: &'h RequestHead<'b>,
    /// `Sec-WebSocket-Key`.
    pub key: &'b str,
    /// `Origin`: browsers send it always, others hardly ever.
    pub origin: Option<&'b str>,
}

impl<'h, 'b> UpgradeRequest<'h, 'b> {
    /// Host and port the client wants. It chose them itself: check before relying on them.
    pub fn host(&self) -> &'b str {
        self.head.host()
    }

    /// The subprotocols the client offers, its favourite first.
    pub fn subprotocols(&self) -> impl Iterator<Item = &'b str> + use<'h, 'b> {
        self.head.headers.list("Sec-WebSocket-Protocol")
    }

    /// The extensions the client offers, each with its parameters, its favourite first.
    pub fn extensions(&self) -> impl Iterator<Item = &'b str> + use<'h, 'b> {
        self.head.headers.list("Sec-WebSocket-Extensions")
    }
}

/// An opening handshake that is refused, and how to say so.
///
/// The connection must close after the answer: a client that did not wait for it may have sent
/// frames already, and they must not be read as the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// A sentence for people.
    pub reason: Cow<'static, str>,
    /// Fields that go with the status.
    pub headers: Vec<(&'static str, String)>,
    /// The request was HEAD, whose answer has no body (RFC 9110 §9.3.2).
    pub to_head: bool,
}

impl Refusal {
    /// Any status with a sentence that explains it.
    pub fn new(status: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason: reason.into(), headers: Vec::new(), to_head: false }
    }

    /// 426: only WebSocket will do (RFC 9110 §15.5.22).
    pub fn upgrade_to_websocket(reason: &'static str) -> Self {
        let headers = vec![("Upgrade", "websocket".to_owned())];
        Self { headers, ..Self::new(426, reason) }
    }

    fn bad_request(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, reason)
    }

    /// Appends the whole response, the sentence its body unless it answers HEAD; it closes the
    /// connection.
    pub fn write_to(&self, out: &mut Vec<u8>, date: Option<&str>) -> Result<(), BadHeader> {
        let mut headers: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.headers {
            headers.push((name, value));
        }
        headers.push(("Content-Type", "text/plain; charset=utf-8"));
        let length = ResponseFraming::Length(self.reason.len() as u64 + 1);
        write_response_head(out, self.status, headers, length, false, date)?;
        if !self.to_head {
            out.extend_from_slice(self.reason.as_bytes());
            out.push(b'\n');
        }
        Ok(())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, response::reason_phrase(self.status), self.reason)
    }
}

impl Error for Refusal {}

/// The value of `Sec-WebSocket-Accept` that answers a key (RFC 6455 §4.2.2, item 5.4).
pub fn accept_key(key: &str) -> [u8; 28] {
    let digest = sha1(&[key.as_bytes(), GUID].concat());
    let mut accept = [0; 28];
    base64::encode(&digest, &mut accept);
    accept
}

/// Appends the response that makes the connection a WebSocket (RFC 6455 §4.2.2, item 5); nothing
/// at all where it is an error. What belongs to the handshake is refused among `headers`.
pub fn write_switching_protocols<'x>(
    out: &mut Vec<u8>,
    key: &str,
    subprotocol: Option<&str>,
    extensions: Option<&str>,
    headers: impl IntoIterator<Item = (&'x str, &'x str)>,
) -> Result<(), BadHeader> {
    let mut headers = headers.into_iter();
    let next = &mut || headers.next();
    response::undo_on_error(out, &mut |out| write_101(out, key, subprotocol, extensions, next))
}

fn write_101<'x>(
    out: &mut Vec<u8>,
    key: &str,
    subprotocol: Option<&str>,
    extensions: Option<&str>,
    next_header: &mut dyn FnMut() -> Option<(&'x str, &'x str)>,
) -> Result<(), BadHeader> {
    response::write_status_line(out, 101)?;
    out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\n");
    out.extend_from_slice(b"Sec-WebSocket-Accept: ");
    out.extend_from_slice(&accept_key(key));
    out.extend_from_slice(b"\r\n");
    if let Some(subprotocol) = subprotocol {
        if !is_token(subprotocol.as_bytes()) {
            return Err(BadHeader::Subprotocol(subprotocol.into()));
        }
        response::write_field(out, "Sec-WebSocket-Protocol", subprotocol)?;
    }
    if let Some(extensions) = extensions.filter(|list| !list.is_empty()) {
        response::write_field(out, "Sec-WebSocket-Extensions", extensions)?;
    }
    while let Some((name, value)) = next_header() {
        refuse_handshake_field(name)?;
        response::write_field(out, name, value)?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// RFC 6455 §4.2.1, items 1, 3 and 4, and what must not come with a handshake.
fn check_request(head: &RequestHead<'_>) -> Result<(), Refusal> {
    let refuse = |reason: &'static str| Err(Refusal::bad_request(reason));
    if head.method != "GET" {
        return refuse("A WebSocket handshake is a GET request.");
    }
    if head.version != Version::Http11 {
        return refuse("A WebSocket handshake needs HTTP/1.1.");
    }
    if !head.headers.contains_token("Connection", "upgrade") {
        return refuse("Connection does not say upgrade. (Does a proxy remove it?)");
    }
    match head.framing() {
        Framing::None | Framing::Length(0) => Ok(()),
        Framing::Length(_) | Framing::Chunked => refuse("A WebSocket handshake has no body."),
    }
}

/// RFC 6455 §4.2.1, item 6, and §4.4; 426 names what would do instead (RFC 9110 §15.5.22).
fn check_version(headers: &Headers<'_>) -> Result<(), Refusal> {
    let mut refusal = match only_text(headers, "Sec-WebSocket-Version")? {
        Some("13") => return Ok(()),
        Some(_) => Refusal::upgrade_to_websocket("Only version 13 of WebSocket is spoken here."),
        None => Refusal::bad_request("Sec-WebSocket-Version is missing."),
    };
    refusal.headers.push(("Sec-WebSocket-Version", "13".to_owned()));
    Err(refusal)
}

/// The value of a field that may come once.
fn only_text<'b>(headers: &Headers<'b>, name: &'static str) -> Result<Option<&'b str>, Refusal> {
    let refuse = |what: &str| Refusal::bad_request(format!("{name} {what}."));
    let value = headers.only(name).map_err(|_| refuse("may be given once only"))?;
    value.map(|value| std::str::from_utf8(value).map_err(|_| refuse("is not UTF-8"))).transpose()
}
