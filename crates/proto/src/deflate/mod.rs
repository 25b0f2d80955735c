//! permessage-deflate (RFC 7692): negotiation, compressing, inflating.
//!
//! Without context takeover, which is the default, connections keep nothing between messages:
//! all of them share one [`Deflaters`] and one [`Inflaters`].

mod codec;
#[cfg(any(not(feature = "zlib"), test))]
mod inflate;
mod negotiate;
#[cfg(feature = "zlib")]
mod zlib;

pub use codec::{Deflater, Deflaters, History, Inflaters};
pub use negotiate::{BadExtension, DeflateAgreed, DeflateOptions};

pub(crate) use codec::{InflateError, Inflater};

#[cfg(not(feature = "zlib"))]
use inflate::Inflate;
#[cfg(feature = "zlib")]
use zlib::Inflate;

/// What is no DEFLATE stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Corrupt;
