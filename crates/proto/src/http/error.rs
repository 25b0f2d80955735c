//! What can be wrong with a head, and the status that says so.

use std::error::Error;
use std::fmt;

/// A head that is refused: by whom it was sent is at fault, and the connection should close after
/// the answer, because where the next message starts is no longer certain.
///
/// `at` is an offset in bytes from the start of the head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadError {
    /// The head is longer than [`HeadLimits::bytes`](super::HeadLimits::bytes).
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The first line alone fills [`HeadLimits::bytes`](super::HeadLimits::bytes).
    FirstLineTooLong {
        /// The limit.
        limit: usize,
    },
    /// There are more fields than [`HeadLimits::headers`](super::HeadLimits::headers).
    TooManyHeaders {
        /// The limit.
        limit: usize,
    },
    /// LF without CR (RFC 9112 §2.2 allows refusing it).
    BareLf {
        /// Where the LF is.
        at: usize,
    },
    /// CR without LF (RFC 9112 §2.2).
    BareCr {
        /// Where the byte is that should have been LF.
        at: usize,
    },
    /// A zero byte (RFC 9110 §5.5).
    Nul {
        /// Where it is.
        at: usize,
    },
    /// More empty lines before the first line than are tolerated (RFC 9112 §2.2).
    BlankLines,
    /// The bytes are not one whole head: they end too early, or go on after its end.
    NotOneHead {
        /// Where the head ended, or the bytes did.
        at: usize,
    },
    /// The first line is not `method SP target SP version` or `version SP status SP reason`.
    FirstLine,
    /// The request target is in none of the four forms (RFC 9112 §3.2).
    Target,
    /// An HTTP version other than 1.0 and 1.1.
    UnsupportedVersion,
    /// A field continued on a second line (RFC 9112 §5.2).
    FoldedLine {
        /// Where the line starts.
        at: usize,
    },
    /// Whitespace between field name and colon (RFC 9112 §5.1).
    SpaceBeforeColon {
        /// Where the whitespace is.
        at: usize,
    },
    /// A field line without a colon.
    NoColon {
        /// Where the line starts.
        at: usize,
    },
    /// A field name that is no token (RFC 9110 §5.1).
    HeaderName {
        /// Where the name starts.
        at: usize,
    },
    /// A control character in a field value (RFC 9110 §5.5).
    HeaderValue {
        /// Where it is.
        at: usize,
    },
    /// A field that may come once came twice.
    Duplicate(&'static str),
    /// HTTP/1.1 without `Host` (RFC 9112 §3.2).
    MissingHost,
    /// `Host` is no host with an optional port (RFC 9112 §3.2).
    Host,
    /// `Content-Length` is no decimal number, or does not fit (RFC 9112 §6.3).
    ContentLength,
    /// `Content-Length` together with `Transfer-Encoding` (RFC 9112 §6.1).
    LengthAndCoding,
    /// `Transfer-Encoding` is malformed, or `chunked` is not its last coding (RFC 9112 §6.3).
    TransferEncoding,
    /// `Transfer-Encoding` in an HTTP/1.0 message (RFC 9112 §6.1).
    CodingInHttp10,
    /// A transfer coding other than `chunked` (RFC 9112 §6.1).
    UnknownCoding,
}

impl HeadError {
    /// The status a server answers with.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLong { .. } | Self::TooManyHeaders { .. } => 431,
            Self::FirstLineTooLong { .. } => 414,
            Self::UnsupportedVersion => 505,
            Self::UnknownCoding => 501,
            Self::BareLf { .. }
            | Self::BareCr { .. }
            | Self::Nul { .. }
            | Self::BlankLines
            | Self::NotOneHead { .. }
            | Self::FirstLine
            | Self::Target
            | Self::FoldedLine { .. }
            | Self::SpaceBeforeColon { .. }
            | Self::NoColon { .. }
            | Self::HeaderName { .. }
            | Self::HeaderValue { .. }
            | Self::Duplicate(_)
            | Self::MissingHost
            | Self::Host
            | Self::ContentLength
            | Self::LengthAndCoding
            | Self::TransferEncoding
            | Self::CodingInHttp10 => 400,
        }
    }
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, number, behind) = match self {
            Self::TooLong { limit } => ("the head is longer than ", Some(limit), " bytes"),
            Self::FirstLineTooLong { limit } => {
                ("the first line is longer than ", Some(limit), " bytes")
            }
            Self::TooManyHeaders { limit } => ("more than ", Some(limit), " header fields"),
            Self::BareLf { at } => ("LF without CR at byte ", Some(at), ""),
            Self::BareCr { at } => ("CR without LF before byte ", Some(at), ""),
            Self::Nul { at } => ("zero byte at byte ", Some(at), ""),
            Self::BlankLines => ("too many empty lines before the first line", None, ""),
            Self::NotOneHead { at } => ("not one whole head: it ends at byte ", Some(at), ""),
            Self::FirstLine => ("the first line is malformed", None, ""),
            Self::Target => ("the request target is malformed", None, ""),
            Self::UnsupportedVersion => ("only HTTP/1.0 and HTTP/1.1 are spoken here", None, ""),
            Self::FoldedLine { at } => ("folded header line at byte ", Some(at), ""),
            Self::SpaceBeforeColon { at } => ("space before the colon at byte ", Some(at), ""),
            Self::NoColon { at } => ("header line without a colon at byte ", Some(at), ""),
            Self::HeaderName { at } => ("malformed header name at byte ", Some(at), ""),
            Self::HeaderValue { at } => ("control character in a header at byte ", Some(at), ""),
            Self::Duplicate(name) => (*name, None, " may be given once only"),
            Self::MissingHost => ("Host is missing", None, ""),
            Self::Host => ("Host is no host name with an optional port", None, ""),
            Self::ContentLength => ("Content-Length is no number that fits", None, ""),
            Self::LengthAndCoding => ("both Content-Length and Transfer-Encoding", None, ""),
            Self::TransferEncoding => ("Transfer-Encoding is malformed", None, ""),
            Self::CodingInHttp10 => ("Transfer-Encoding in an HTTP/1.0 message", None, ""),
            Self::UnknownCoding => ("Transfer-Encoding other than chunked", None, ""),
        };
        f.write_str(text)?;
        if let Some(number) = number {
            number.fmt(f)?;
        }
        f.write_str(behind)
    }
}

impl Error for HeadError {}
