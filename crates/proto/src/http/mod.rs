//! HTTP/1.1 (RFC 9110, RFC 9112): heads and bodies in, response heads out.
//!
//! Strict on purpose: where a lenient reading and a strict one could disagree about where a
//! message ends, the message is refused. That disagreement is what request smuggling lives on.
//!
//! A server's turn: [`HeadScanner`] finds the end of the head in pieces as they arrive,
//! [`RequestHead::parse`] reads it, [`BodyReader`] reads what follows, and
//! [`write_response_head`] answers.

mod body;
mod date;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod head;
mod headers;
pub(crate) mod response;
mod scan;
pub(crate) mod syntax;

pub use body::{
    BodyError, BodyEvent, BodyReader, Framing, MAX_CHUNK_EXTENSION, MAX_CHUNK_EXTENSIONS,
    TRAILER_LIMITS,
};
pub use date::{date, parse_date};
pub use error::HeadError;
pub use head::{RequestHead, ResponseHead, Version};
pub use headers::{Header, Headers, ListItems};
pub use response::{
    BadHeader, CONTINUE, LAST_CHUNK, ResponseFraming, reason_phrase, write_chunk,
    write_response_head,
};
pub use scan::{HeadLimits, HeadScanner};
pub use syntax::listed;
