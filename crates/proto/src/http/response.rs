//! Heads of responses (RFC 9112 §4) and chunks, written so that no value can break out of its
//! line.

use std::error::Error;
use std::fmt;
use std::io::Write;

use super::syntax::{is_field_value, is_token, quoted};

/// What a server says to a client that waits before sending its body (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Ends a chunked body (RFC 9112 §7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How the client finds the end of the response's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// `Content-Length`. Also right in answer to `HEAD`, where the body then stays unsent.
    Length(u64),
    /// `Transfer-Encoding: chunked`; for clients of HTTP/1.1 only.
    Chunked,
    /// The connection closes after it.
    UntilClose,
    /// No field at all: for 304, and in answer to `HEAD` where the length is unknown.
    NoBody,
}

/// Appends status line, header fields and empty line; nothing at all where it is an error.
///
/// `Connection`, `Content-Length` and `Transfer-Encoding` follow from `framing` and `keep_alive`,
/// and are refused among `headers`. A response of status 1xx or 204 gets no field about a body
/// (RFC 9110 §8.6), and one with `Upgrade` says so in `Connection` (§7.8).
pub fn write_response_head<'h>(
    out: &mut Vec<u8>,
    status: u16,
    headers: impl IntoIterator<Item = (&'h str, &'h str)>,
    framing: ResponseFraming,
    keep_alive: bool,
    date: Option<&str>,
) -> Result<(), BadHeader> {
    let mut headers = headers.into_iter();
    let next = &mut || headers.next();
    undo_on_error(out, &mut |out| write_head(out, status, next, framing, keep_alive, date))
}

fn write_head<'h>(
    out: &mut Vec<u8>,
    status: u16,
    next_header: &mut dyn FnMut() -> Option<(&'h str, &'h str)>,
    framing: ResponseFraming,
    keep_alive: bool,
    date: Option<&str>,
) -> Result<(), BadHeader> {
    write_status_line(out, status)?;
    if let Some(date) = date {
        write_field(out, "Date", date)?;
    }
    let mut upgrade = false;
    while let Some((name, value)) = next_header() {
        refuse_reserved(name, &["Connection", "Content-Length", "Transfer-Encoding"])?;
        upgrade |= name.eq_ignore_ascii_case("Upgrade");
        write_field(out, name, value)?;
    }
    if status >= 200 && status != 204 {
        write_framing(out, framing);
    }
    if status >= 200 {
        let keep_alive = keep_alive && framing != ResponseFraming::UntilClose;
        write_connection(out, keep_alive, upgrade);
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends one chunk of a chunked body; an empty one is left out, since it would end the body.
pub fn write_chunk(out: &mut Vec<u8>, data: &[u8]) {
    if !data.is_empty() {
        append(out, format_args!("{:x}\r\n", data.len()));
        out.extend_from_slice(data);
        out.extend_from_slice(b"\r\n");
    }
}

/// Runs `write`, and takes back what it had appended where it fails.
pub(crate) fn undo_on_error(
    out: &mut Vec<u8>,
    write: &mut dyn FnMut(&mut Vec<u8>) -> Result<(), BadHeader>,
) -> Result<(), BadHeader> {
    let before = out.len();
    let result = write(out);
    if result.is_err() {
        out.truncate(before);
    }
    result
}

pub(crate) fn write_status_line(out: &mut Vec<u8>, status: u16) -> Result<(), BadHeader> {
    if !(100..=999).contains(&status) {
        return Err(BadHeader::Status(status));
    }
    let digit = |of: u16| b'0' + (status / of % 10) as u8;
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(&[digit(100), digit(10), digit(1), b' ']);
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends one field, if neither name nor value can be more than that.
pub(crate) fn write_field(out: &mut Vec<u8>, name: &str, value: &str) -> Result<(), BadHeader> {
    if !is_token(name.as_bytes()) {
        return Err(BadHeader::Name(name.into()));
    }
    if !is_field_value(value.as_bytes()) {
        return Err(BadHeader::Value { name: name.into(), value: value.into() });
    }
    for part in [name, ": ", value, "\r\n"] {
        out.extend_from_slice(part.as_bytes());
    }
    Ok(())
}

/// Refuses a field that this crate writes itself.
pub(crate) fn refuse_reserved(name: &str, reserved: &[&str]) -> Result<(), BadHeader> {
    if reserved.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(BadHeader::Reserved(name.into()));
    }
    Ok(())
}

fn write_framing(out: &mut Vec<u8>, framing: ResponseFraming) {
    match framing {
        ResponseFraming::Length(length) => {
            append(out, format_args!("Content-Length: {length}\r\n"));
        }
        ResponseFraming::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
        ResponseFraming::UntilClose | ResponseFraming::NoBody => {}
    }
}

/// Keep-alive is said aloud for the sake of HTTP/1.0 clients (RFC 9112 §9.3).
fn write_connection(out: &mut Vec<u8>, keep_alive: bool, upgrade: bool) {
    let persistence = if keep_alive { "keep-alive" } else { "close" };
    let upgrade = if upgrade { ", upgrade" } else { "" };
    append(out, format_args!("Connection: {persistence}{upgrade}\r\n"));
}

fn append(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a Vec does not fail");
}

/// A header the program gave that is not written, because it would not stay one header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadHeader {
    /// A status that has not three digits.
    Status(u16),
    /// A field name that is no token (RFC 9110 §5.1).
    Name(String),
    /// A field value with CR, LF, NUL or another control character (RFC 9110 §5.5).
    Value {
        /// The field.
        name: String,
        /// What it was to be.
        value: String,
    },
    /// A field that follows from other arguments.
    Reserved(String),
    /// A subprotocol that is no token (RFC 6455 §4.1).
    Subprotocol(String),
}

impl fmt::Display for BadHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status} is no three-digit status"),
            Self::Name(name) => write!(f, "{} is no header name", quoted(name.as_bytes())),
            Self::Value { name, value } => {
                let value = quoted(value.as_bytes());
                write!(f, "the value of {name} has a control character: {value}")
            }
            Self::Reserved(name) => write!(f, "{name} is written by the library"),
            Self::Subprotocol(name) => {
                write!(f, "{} is no subprotocol name", quoted(name.as_bytes()))
            }
        }
    }
}

impl Error for BadHeader {}

/// The phrase that goes with a status; empty for one without a name (RFC 9110 §15).
pub fn reason_phrase(status: u16) -> &'static str {
    PHRASES.iter().find(|(of, _)| *of == status).map_or("", |(_, phrase)| phrase)
}

/// Statuses and what they are called.
static PHRASES: [(u16, &str); 50] = [
    (100, "Continue"),
    (101, "Switching Protocols"),
    (103, "Early Hints"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (203, "Non-Authoritative Information"),
    (204, "No Content"),
    (205, "Reset Content"),
    (206, "Partial Content"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (303, "See Other"),
    (304, "Not Modified"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Content Too Large"),
    (414, "URI Too Long"),
    (415, "Unsupported Media Type"),
    (416, "Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Content"),
    (425, "Too Early"),
    (426, "Upgrade Required"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (451, "Unavailable For Legal Reasons"),
    (500, "Internal Server Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (504, "Gateway Timeout"),
    (505, "HTTP Version Not Supported"),
    (511, "Network Authentication Required"),
];
