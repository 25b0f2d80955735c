//! Heads of requests and responses, read whole and checked in full.

use super::body::Framing;
use super::error::HeadError;
use super::headers::{Headers, ListItems};
use super::scan::{HeadLimits, HeadScanner};
use super::syntax::{is_token, is_value_byte, parse_decimal, trim_ows};
use crate::uri::{Authority, is_secure, split_scheme};

/// The versions of HTTP that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
}

/// The head of a request (RFC 9112 §3), borrowed from the bytes it came in.
///
/// That it exists says: exactly one head was given; its lines end in CRLF, none is folded; `Host`
/// came once and is a host; how the body is delimited is beyond doubt ([`framing`](Self::framing)).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestHead<'b> {
    /// The method, case kept: methods are compared exactly (RFC 9110 §9.1).
    pub method: &'b str,
    /// The request target as it came; visible ASCII in one of the four forms of RFC 9112 §3.2.
    pub target: &'b str,
    /// The version of the request line.
    pub version: Version,
    /// The header fields.
    pub headers: Headers<'b>,
    host: &'b str,
    framing: Framing,
}

impl<'b> RequestHead<'b> {
    /// Reads one whole head, as [`HeadScanner`] delimits it.
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        Self::read(head, scan_whole(head, limits)?, false)
    }

    /// Like [`parse`](Self::parse), but also takes what servers took before RFC 7230: HTTP/1.1
    /// without `Host`, and a target that is in none of the four forms, in visible ASCII.
    pub fn parse_lenient(head: &'b [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        Self::read(head, scan_whole(head, limits)?, true)
    }

    /// Like [`parse`](Self::parse), or like [`parse_lenient`](Self::parse_lenient), of bytes that
    /// `scanner` has just been fed, all of them and no others: what it has checked is not checked
    /// once more.
    ///
    /// ```
    /// use sockeye_proto::http::{HeadLimits, HeadScanner, RequestHead};
    ///
    /// let (mut scanner, limits) = (HeadScanner::default(), HeadLimits::default());
    /// let bytes = b"GET /chat HTTP/1.1\r\nHost: a\r\n\r\nand what follows";
    /// let end = scanner.feed(bytes, &limits).unwrap().unwrap();
    /// let head = RequestHead::parse_scanned(&bytes[..end], &scanner, false).unwrap();
    /// assert_eq!(head.path(), "/chat");
    /// ```
    pub fn parse_scanned(
        head: &'b [u8],
        scanner: &HeadScanner,
        lenient: bool,
    ) -> Result<Self, HeadError> {
        if !scanner.has_seen(head.len()) {
            return Err(HeadError::NotOneHead { at: scanner.seen().min(head.len()) });
        }
        Self::read(head, scanner.headers(), lenient)
    }

    fn read(head: &'b [u8], count: usize, lenient: bool) -> Result<Self, HeadError> {
        let mut fields = vec![httparse::EMPTY_HEADER; count];
        let mut request = httparse::Request::new(&mut fields);
        let end = request.parse(head).map_err(|error| explain(error, head))?;
        expect_end(end, head)?;
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(HeadError::FirstLine);
        };
        let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        let authority = match check_target(method, target) {
            Err(HeadError::Target) if lenient && is_visible(target) => None,
            checked => checked?,
        };
        let headers = Headers::new(fields);
        let host = match check_host(&headers, version) {
            Err(HeadError::MissingHost) if lenient => "",
            checked => checked?,
        };
        let framing = check_framing(&headers, version)?;
        // RFC 9112 §3.2.2: the authority in an absolute-form target replaces `Host`.
        let host = authority.unwrap_or(host);
        Ok(Self { method, target, version, headers, host, framing })
    }

    /// The path, without the query. `*` for `OPTIONS *`; empty for `CONNECT`.
    pub fn path(&self) -> &'b str {
        let origin_form = self.origin_form();
        let path = match memchr::memchr(b'?', origin_form.as_bytes()) {
            Some(at) => &origin_form[..at],
            None => origin_form,
        };
        if path.is_empty() && self.method != "CONNECT" { "/" } else { path }
    }

    /// What follows the first `?` of the target.
    pub fn query(&self) -> Option<&'b str> {
        self.origin_form().split_once('?').map(|(_, query)| query)
    }

    /// Host and port the request is for: the authority of an absolute-form target, else `Host`.
    /// Empty where HTTP/1.0 gave neither.
    pub fn host(&self) -> &'b str {
        self.host
    }

    /// How the body is delimited.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the connection may carry another request after this one (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        keep_alive(self.version, &self.headers)
    }

    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 §10.1.1).
    pub fn expects_continue(&self) -> bool {
        self.version == Version::Http11 && self.headers.contains_token("Expect", "100-continue")
    }

    /// The target without scheme and authority; empty for `CONNECT`.
    fn origin_form(&self) -> &'b str {
        if self.target.starts_with(['/', '*']) {
            return self.target;
        }
        let Some((_, after)) = split_scheme(self.target) else {
            // Only a lenient reading lets others than CONNECT come here.
            return if self.method == "CONNECT" { "" } else { self.target };
        };
        &after[after.find(['/', '?']).unwrap_or(after.len())..]
    }
}

/// The head of a response (RFC 9112 §4), borrowed from the bytes it came in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'b> {
    /// The status, three digits.
    pub status: u16,
    /// The reason phrase; empty where it was not ASCII.
    pub reason: &'b str,
    /// The version of the status line.
    pub version: Version,
    /// The header fields.
    pub headers: Headers<'b>,
}

impl<'b> ResponseHead<'b> {
    /// Reads one whole head, as [`HeadScanner`] delimits it.
    pub fn parse(head: &'b [u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        let count = scan_whole(head, limits)?;
        if head.starts_with(b"\r") {
            return Err(HeadError::FirstLine); // empty lines are tolerated before requests only
        }
        let mut fields = vec![httparse::EMPTY_HEADER; count];
        let mut response = httparse::Response::new(&mut fields);
        let end = response.parse(head).map_err(|error| explain(error, head))?;
        expect_end(end, head)?;
        let (Some(status @ 100..), Some(minor)) = (response.code, response.version) else {
            return Err(HeadError::FirstLine);
        };
        let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
        let reason = response.reason.unwrap_or_default();
        Ok(Self { status, reason, version, headers: Headers::new(fields) })
    }

    /// Whether the connection may carry another request after this response (RFC 9112 §9.3).
    pub fn keep_alive(&self) -> bool {
        keep_alive(self.version, &self.headers)
    }
}

fn keep_alive(version: Version, headers: &Headers<'_>) -> bool {
    let asked = |option| headers.contains_token("Connection", option);
    !asked("close") && (version == Version::Http11 || asked("keep-alive"))
}

/// Checks what the scanner checks, and says how many fields there are.
fn scan_whole(head: &[u8], limits: &HeadLimits) -> Result<usize, HeadError> {
    let mut scanner = HeadScanner::default();
    match scanner.feed(head, limits)? {
        Some(end) if end == head.len() => Ok(scanner.headers()),
        Some(end) => Err(HeadError::NotOneHead { at: end }),
        None => Err(HeadError::NotOneHead { at: head.len() }),
    }
}

/// Two parsers must agree about where the head ends.
fn expect_end(end: httparse::Status<usize>, head: &[u8]) -> Result<(), HeadError> {
    match end {
        httparse::Status::Complete(end) if end == head.len() => Ok(()),
        httparse::Status::Complete(at) => Err(HeadError::NotOneHead { at }),
        httparse::Status::Partial => Err(HeadError::NotOneHead { at: head.len() }),
    }
}

/// The target is in the form its method allows (RFC 9112 §3.2). Gives the authority of an
/// absolute-form one.
fn check_target<'b>(method: &str, target: &'b str) -> Result<Option<&'b str>, HeadError> {
    if !is_visible(target) {
        return Err(HeadError::Target);
    }
    if method == "CONNECT" {
        let authority = Authority::parse(target).ok_or(HeadError::Target)?;
        let complete = !authority.host.is_empty() && authority.port.is_some();
        return if complete { Ok(None) } else { Err(HeadError::Target) };
    }
    if target.starts_with('/') || (target == "*" && method == "OPTIONS") {
        return Ok(None);
    }
    let (scheme, rest) = split_scheme(target).ok_or(HeadError::Target)?;
    is_secure(scheme).ok_or(HeadError::Target)?;
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    let parsed = Authority::parse(authority).ok_or(HeadError::Target)?;
    if parsed.host.is_empty() { Err(HeadError::Target) } else { Ok(Some(authority)) }
}

fn is_visible(target: &str) -> bool {
    target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
}

/// RFC 9112 §3.2: once in HTTP/1.1, never twice, and a host. Empty is a host.
fn check_host<'b>(headers: &Headers<'b>, version: Version) -> Result<&'b str, HeadError> {
    match headers.only("Host").map_err(|_| HeadError::Duplicate("Host"))? {
        Some(value) => {
            let host = std::str::from_utf8(value).map_err(|_| HeadError::Host)?;
            Authority::parse(host).map(|_| host).ok_or(HeadError::Host)
        }
        None if version == Version::Http10 => Ok(""),
        None => Err(HeadError::MissingHost),
    }
}

/// RFC 9112 §6: how the body is delimited, where there is one way only to read it.
fn check_framing(headers: &Headers<'_>, version: Version) -> Result<Framing, HeadError> {
    let length = headers
        .only("Content-Length")
        .map_err(|_| HeadError::Duplicate("Content-Length"))?
        .map(|value| parse_decimal(value).ok_or(HeadError::ContentLength))
        .transpose()?;
    let coding =
        headers.only("Transfer-Encoding").map_err(|_| HeadError::Duplicate("Transfer-Encoding"))?;
    match (length, coding) {
        (None, None) => Ok(Framing::None),
        (Some(length), None) => Ok(Framing::Length(length)),
        (Some(_), Some(_)) => Err(HeadError::LengthAndCoding),
        (None, Some(_)) if version == Version::Http10 => Err(HeadError::CodingInHttp10),
        (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        (None, Some(coding)) => Err(blame_coding(coding)),
    }
}

/// A coding we do not know, or a list that delimits nothing (RFC 9112 §6.3)?
fn blame_coding(coding: &[u8]) -> HeadError {
    let is_chunked = |item: &[u8]| item.eq_ignore_ascii_case(b"chunked");
    let mut items = ListItems::new(coding).peekable();
    let mut well_formed = items.peek().is_some();
    while let Some(item) = items.next() {
        let last = items.peek().is_none();
        well_formed &= is_token(item) && (last || !is_chunked(item));
    }
    let only_chunked = ListItems::new(coding).all(is_chunked);
    if well_formed && !only_chunked {
        HeadError::UnknownCoding
    } else {
        HeadError::TransferEncoding
    }
}

/// Says what was wrong, and where, with a head whose line ends the scanner has passed.
fn explain(error: httparse::Error, head: &[u8]) -> HeadError {
    match error {
        httparse::Error::Version => blame_version(head),
        httparse::Error::Token | httparse::Error::Status => HeadError::FirstLine,
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::NewLine
        | httparse::Error::TooManyHeaders => blame_header(head).unwrap_or(HeadError::FirstLine),
    }
}

/// A version we do not speak, or no version at all?
fn blame_version(head: &[u8]) -> HeadError {
    let first = lines(head).map(|(_, line)| line).find(|line| !line.is_empty());
    let mut words = first.unwrap_or_default().split(|&byte| byte == b' ');
    let version = match [words.next(), words.next(), words.next(), words.next()] {
        [Some(version), ..] if version.starts_with(b"HTTP/") => version, // a response's
        [_, _, Some(version), None] => version,
        _ => b"",
    };
    let names_one = matches!(version, [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
        if major.is_ascii_digit() && minor.is_ascii_digit());
    if names_one { HeadError::UnsupportedVersion } else { HeadError::FirstLine }
}

fn blame_header(head: &[u8]) -> Option<HeadError> {
    let mut is_behind_the_first = false;
    for (at, line) in lines(head) {
        if is_behind_the_first && let Some(error) = blame_header_line(at, line) {
            return Some(error);
        }
        is_behind_the_first |= !line.is_empty();
    }
    None
}

fn blame_header_line(at: usize, line: &[u8]) -> Option<HeadError> {
    if line.is_empty() {
        return None; // the end of the head
    }
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return Some(HeadError::NoColon { at });
    };
    let (name, value) = line.split_at(colon);
    let trimmed = trim_ows(name);
    if is_token(trimmed) && trimmed.len() < name.len() {
        return Some(HeadError::SpaceBeforeColon { at: at + trimmed.len() });
    }
    if !is_token(name) {
        return Some(HeadError::HeaderName { at });
    }
    let control = value.iter().position(|&byte| !is_value_byte(byte))?;
    Some(HeadError::HeaderValue { at: at + colon + control })
}

/// The lines of a head, each with its offset.
fn lines(head: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    head.split_inclusive(|&byte| byte == b'\n').scan(0, |next, line| {
        let at = *next;
        *next += line.len();
        Some((at, line.strip_suffix(b"\r\n").unwrap_or(line)))
    })
}
