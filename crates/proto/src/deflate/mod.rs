//! permessage-deflate (RFC 7692): negotiation, compressing, inflating.
//!
//! Without context takeover, which is the default, connections keep nothing between messages:
//! all of them share one [`Deflaters`] and one [`Inflaters`].

mod codec;
mod negotiate;

pub use codec::{Deflater, Deflaters, History, Inflaters};
pub use negotiate::{BadExtension, DeflateAgreed, DeflateOptions};

pub(crate) use codec::{InflateError, Inflater};
