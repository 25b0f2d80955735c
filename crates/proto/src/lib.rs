//! WebSocket (RFC 6455) and HTTP/1.1 (RFC 9112) as pure state machines.
//!
//! Bytes in, events out. Nothing here opens a socket, reads a clock or writes a log: the caller
//! owns all three, which is why every rule of the protocol can be tested by feeding slices.
//!
//! | to do | look at |
//! |---|---|
//! | read frames and messages | [`Reader`], one per connection; it gives [`Event`]s |
//! | write frames | [`push_frame`], [`FrameHeader::encode`] |
//! | compress | [`DeflateOptions`], [`Deflaters`] |
//! | read and write HTTP heads and bodies | [`http`] |
//! | open a WebSocket, either role | [`handshake`] |
//! | ask a proxy for a tunnel | [`proxy`] |
//! | take a `ws://` address apart | [`uri`] |
//!
//! ```
//! use sockeye_proto::{Event, Inflaters, Reader, Role, Rules};
//!
//! let rules = Rules::new(Role::Client);
//! let (mut reader, mut inflaters) = (Reader::new(), Inflaters::new());
//! let mut bytes = *b"\x81\x05hello\x89\x00";
//! let mut input = &mut bytes[..];
//! match reader.next(&rules, &mut inflaters, &mut input).unwrap() {
//!     Event::Message { payload, .. } => assert_eq!(&*payload, b"hello"),
//!     other => panic!("{other:?}"),
//! }
//! assert!(matches!(reader.next(&rules, &mut inflaters, &mut input), Ok(Event::Ping(_))));
//! assert!(matches!(reader.next(&rules, &mut inflaters, &mut input), Ok(Event::NeedMore)));
//! ```
#![forbid(unsafe_code)]

mod base64;
mod close;
mod deflate;
mod event;
mod frame;
#[doc(hidden)]
pub mod fuzz;
pub mod handshake;
pub mod http;
mod ip;
pub mod proxy;
mod reader;
mod sha1;
pub mod uri;
mod utf8;

pub use close::{CloseCode, CloseFrame};
pub use deflate::{
    BadExtension, DeflateAgreed, DeflateOptions, Deflater, Deflaters, History, Inflaters,
};
pub use event::{Event, MessageKind, Payload, Role, Rules, Violation, WholeMessage};
pub use frame::{FrameHeader, HEADER_MAX, Opcode, RSV1, push_frame};
pub use ip::parse_ip;
pub use reader::Reader;
pub use sha1::sha1;
pub use sockeye_mask::{apply_mask, copy_masked};
pub use utf8::{InvalidUtf8, Utf8, as_text};
