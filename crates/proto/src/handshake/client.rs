//! The client's side of the opening handshake (RFC 6455 §4.1).

use std::error::Error;
use std::fmt;

use super::refuse_handshake_field;
use super::server::accept_key;
use crate::base64;
use crate::http::response::write_field;
use crate::http::syntax::{is_field_value, is_token, listed, quoted};
use crate::http::{BadHeader, Headers, ListItems, ResponseHead, Version};
use crate::uri::{Authority, Url};

/// What a client asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClientRequest<'a> {
    /// `Host`: [`Url::host_header`].
    pub host: &'a str,
    /// The request target: [`Url::target`].
    pub target: &'a str,
    /// Subprotocols offered, the favourite first; no two the same.
    pub subprotocols: &'a [&'a str],
    /// `Origin`: what browsers must send, and others need not.
    pub origin: Option<&'a str>,
    /// Extensions offered, as they go into `Sec-WebSocket-Extensions`.
    pub extensions: Option<&'a str>,
    /// Further fields: authorization, cookies, the name of the program.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A handshake begun: the request, and what is needed to check the response.
#[derive(Clone, Debug)]
pub struct ClientHello {
    key: [u8; 24],
    request: Vec<u8>,
    subprotocols: Vec<String>,
    extensions: Option<String>,
}

impl ClientHello {
    /// Makes the request. `nonce` is 16 random bytes, fresh for every connection (§4.1, item 7).
    /// No string is taken that could end its line or be read as anything but what it is.
    pub fn new(nonce: [u8; 16], wanted: &ClientRequest<'_>) -> Result<Self, BadRequest> {
        check_names(wanted)?;
        let mut key = [0; 24];
        base64::encode(&nonce, &mut key);
        let request = write_request(&key, wanted)?;
        let mut subprotocols = Vec::new();
        for name in wanted.subprotocols {
            subprotocols.push((*name).to_owned());
        }
        Ok(Self { key, request, subprotocols, extensions: wanted.extensions.map(Into::into) })
    }

    /// Like [`new`](Self::new), with host and target of a URL in place of those in `wanted`.
    pub fn to_url(
        nonce: [u8; 16],
        url: &Url,
        wanted: &ClientRequest<'_>,
    ) -> Result<Self, BadRequest> {
        let host = url.host_header();
        Self::new(nonce, &ClientRequest { host: &host, target: &url.target, ..*wanted })
    }

    /// `Sec-WebSocket-Key`.
    pub fn key(&self) -> &str {
        std::str::from_utf8(&self.key).expect("base64 is ASCII")
    }

    /// Appends the request.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.request);
    }

    /// Checks the server's response to the letter (§4.1, second list). With an error the
    /// connection must be dropped.
    pub fn check(&self, head: &ResponseHead<'_>) -> Result<Accepted, Mismatch> {
        if head.status != 101 {
            return Err(Mismatch::Status { status: head.status, reason: head.reason.into() });
        }
        if head.version != Version::Http11 {
            return Err(Mismatch::HttpVersion);
        }
        let headers = &head.headers;
        let mut upgrade = headers.elements("Upgrade");
        let is_websocket = |item: &[u8]| item.eq_ignore_ascii_case(b"websocket");
        if !upgrade.next().is_some_and(is_websocket) || upgrade.next().is_some() {
            return Err(Mismatch::Upgrade(shown(headers, "Upgrade")));
        }
        if !headers.contains_token("Connection", "upgrade") {
            return Err(Mismatch::Connection(shown(headers, "Connection")));
        }
        let expected = accept_key(self.key());
        if headers.only("Sec-WebSocket-Accept") != Ok(Some(&expected[..])) {
            return Err(Mismatch::Accept(shown(headers, "Sec-WebSocket-Accept")));
        }
        let extensions = self.check_extensions(headers)?;
        Ok(Accepted { subprotocol: self.check_subprotocol(headers)?, extensions })
    }

    /// Only what was offered may be accepted (§4.1, item 5).
    fn check_extensions(&self, headers: &Headers<'_>) -> Result<Option<String>, Mismatch> {
        const NAME: &str = "Sec-WebSocket-Extensions";
        let offered = || ListItems::new(self.extensions.as_deref().unwrap_or_default().as_bytes());
        let mut accepted: Option<String> = None;
        for element in headers.elements(NAME) {
            let was_offered =
                offered().any(|offer| extension_name(offer) == extension_name(element));
            let text = std::str::from_utf8(element).ok().filter(|_| was_offered);
            let text = text.ok_or_else(|| Mismatch::Extension(quoted(element)))?;
            let all = accepted.get_or_insert_default();
            all.push_str(if all.is_empty() { "" } else { ", " });
            all.push_str(text);
        }
        Ok(accepted)
    }

    /// At most one field (§11.3.4) with one of the names offered (§4.1, item 6).
    fn check_subprotocol(&self, headers: &Headers<'_>) -> Result<Option<String>, Mismatch> {
        const NAME: &str = "Sec-WebSocket-Protocol";
        let mismatch = || Mismatch::Subprotocol(shown(headers, NAME));
        let Some(value) = headers.only(NAME).map_err(|_| mismatch())? else { return Ok(None) };
        let chosen = self.subprotocols.iter().find(|offer| offer.as_bytes() == value);
        Ok(Some(chosen.ok_or_else(mismatch)?.clone()))
    }
}

/// What the server agreed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The subprotocol, one of those offered.
    pub subprotocol: Option<String>,
    /// The extensions with their parameters, all of names that were offered. Whether the
    /// parameters will do is for the extension to say.
    pub extensions: Option<String>,
}

fn check_names(wanted: &ClientRequest<'_>) -> Result<(), BadRequest> {
    if Authority::parse(wanted.host).is_none_or(|authority| authority.host.is_empty()) {
        return Err(BadRequest::Host(wanted.host.into()));
    }
    let is_target = wanted.target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    if !is_target || !wanted.target.starts_with('/') {
        return Err(BadRequest::Target(wanted.target.into()));
    }
    for (at, name) in wanted.subprotocols.iter().enumerate() {
        if !is_token(name.as_bytes()) || wanted.subprotocols[..at].contains(name) {
            return Err(BadRequest::Subprotocol((*name).into())); // §4.1, item 10
        }
    }
    Ok(())
}

fn write_request(key: &[u8], wanted: &ClientRequest<'_>) -> Result<Vec<u8>, BadRequest> {
    let mut out = Vec::with_capacity(256);
    for part in ["GET ", wanted.target, " HTTP/1.1\r\nHost: ", wanted.host, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
    out.extend_from_slice(key);
    out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n");
    if !wanted.subprotocols.is_empty() {
        write_field(&mut out, "Sec-WebSocket-Protocol", &listed(wanted.subprotocols))
            .map_err(BadRequest::Header)?;
    }
    if let Some(extensions) = wanted.extensions {
        let mut offers = ListItems::new(extensions.as_bytes()).peekable();
        let well_formed = is_field_value(extensions.as_bytes())
            && offers.peek().is_some()
            && offers.all(|offer| is_token(extension_name(offer)));
        if !well_formed {
            return Err(BadRequest::Extensions(extensions.into()));
        }
        write_field(&mut out, "Sec-WebSocket-Extensions", extensions)
            .map_err(BadRequest::Header)?;
    }
    if let Some(origin) = wanted.origin {
        if !origin.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(BadRequest::Origin(origin.into()));
        }
        write_field(&mut out, "Origin", origin).map_err(BadRequest::Header)?;
    }
    for &(name, value) in wanted.headers {
        let reserved = ["Host", "Origin"].iter().any(|own| name.eq_ignore_ascii_case(own));
        let checked = if reserved { Err(BadHeader::Reserved(name.into())) } else { Ok(()) };
        checked
            .and_then(|()| refuse_handshake_field(name))
            .and_then(|()| write_field(&mut out, name, value))
            .map_err(BadRequest::Header)?;
    }
    out.extend_from_slice(b"\r\n");
    Ok(out)
}

/// What stands before the parameters.
fn extension_name(element: &[u8]) -> &[u8] {
    element.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii()
}

/// All values of a field, for an error message.
fn shown(headers: &Headers<'_>, name: &str) -> String {
    let mut all = String::new();
    for value in headers.get_all(name).take(3) {
        all += if all.is_empty() { "" } else { " and " };
        all += &quoted(value);
    }
    if all.is_empty() { "nothing".into() } else { all }
}

/// A request that cannot be made, because one of its strings will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// No host with an optional port.
    Host(String),
    /// Not a path that starts with `/`, in visible ASCII and without `#`.
    Target(String),
    /// No token, or offered twice.
    Subprotocol(String),
    /// Not in visible ASCII.
    Origin(String),
    /// No list of extensions.
    Extensions(String),
    /// A further field that is malformed, or belongs to the handshake itself.
    Header(BadHeader),
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, text) = match self {
            Self::Host(text) => ("host", text),
            Self::Target(text) => ("request target", text),
            Self::Subprotocol(text) => ("subprotocol (or offered twice)", text),
            Self::Origin(text) => ("origin", text),
            Self::Extensions(text) => ("list of extensions", text),
            Self::Header(error) => return error.fmt(f),
        };
        write!(f, "{} is no {what}", quoted(text.as_bytes()))
    }
}

impl Error for BadRequest {}

/// A response that does not complete the handshake. The texts are what the server sent, made fit
/// for one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// Not 101: the server refused, or knows no WebSocket there.
    Status {
        /// The status.
        status: u16,
        /// Its reason phrase.
        reason: String,
    },
    /// 101 in HTTP/1.0, which has no such thing.
    HttpVersion,
    /// `Upgrade` is not `websocket`.
    Upgrade(String),
    /// `Connection` does not say `upgrade`.
    Connection(String),
    /// `Sec-WebSocket-Accept` does not answer the key: no WebSocket server, or a stale answer.
    Accept(String),
    /// A subprotocol that was not offered, or more than one.
    Subprotocol(String),
    /// An extension that was not offered.
    Extension(String),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wrong, sent) = match self {
            Self::Status { status, reason } => {
                let reason = quoted(reason.as_bytes());
                return write!(f, "the server answered {status} {reason}, not 101");
            }
            Self::HttpVersion => ("the server answered 101 in HTTP/1.0", ""),
            Self::Upgrade(sent) => ("Upgrade should be websocket, the server sent ", &**sent),
            Self::Connection(sent) => ("Connection should say upgrade, the server sent ", &**sent),
            Self::Accept(sent) => {
                ("Sec-WebSocket-Accept does not answer the key, the server sent ", &**sent)
            }
            Self::Subprotocol(sent) => {
                ("the server chose a subprotocol that was not offered: ", &**sent)
            }
            Self::Extension(sent) => {
                ("the server chose an extension that was not offered: ", &**sent)
            }
        };
        f.write_str(wrong)?;
        f.write_str(sent)
    }
}

impl Error for Mismatch {}
