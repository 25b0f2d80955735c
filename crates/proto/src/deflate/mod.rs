//! permessage-deflate (RFC 7692): negotiation, compressing, inflating.
//!
//! Without context takeover, which is the default, connections keep nothing between messages:
//! all of them share one [`Deflaters`] and one [`Inflaters`].
//!
//! ```text
//! message ──► matcher ──► block ──► huffman, header ──► bits
//!             finds what  literals  codes, and how      the frame's
//!             came before, matches  they are told       payload
//!             ╰──────────── encoder ─────────────────────────╯
//! ```

mod bits;
mod block;
mod codec;
mod encoder;
#[cfg(feature = "zlib")]
pub(crate) mod fuzz;
mod header;
mod huffman;
mod inflate; // with zlib, for its fuzz target and its tests
mod inflater;
mod matcher;
mod negotiate;
#[cfg(feature = "zlib")]
mod zlib;

pub use codec::{Deflater, Deflaters, History};
pub use inflater::Inflaters;
pub use negotiate::{BadExtension, DeflateAgreed, DeflateOptions};

pub(crate) use inflater::{InflateError, Inflater};

#[cfg(not(feature = "zlib"))]
use inflate::Inflate;
#[cfg(feature = "zlib")]
use zlib::Inflate;

/// What is no DEFLATE stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Corrupt;
