//! The opening handshake of WebSocket over HTTP/1.1 (RFC 6455 §4), both sides, and the check of
//! a browser's origin.

mod client;
#[doc(hidden)]
pub mod fuzz;
mod origin;
mod server;

pub use client::{Accepted, BadRequest, ClientHello, ClientRequest, Mismatch};
pub use origin::{OriginPolicy, OriginRefused, OriginVerdict, host_is_listed, same_origin};
pub use server::{Refusal, UpgradeRequest, accept_key, upgrade_request, write_switching_protocols};

use crate::http::BadHeader;

/// Fields of the handshake that follow from other arguments.
fn refuse_handshake_field(name: &str) -> Result<(), BadHeader> {
    const RESERVED: [&str; 4] = ["Upgrade", "Connection", "Content-Length", "Transfer-Encoding"];
    const PREFIX: &str = "Sec-WebSocket-";
    let prefixed = name.get(..PREFIX.len()).is_some_and(|front| front.eq_ignore_ascii_case(PREFIX));
    if prefixed || RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(BadHeader::Reserved(name.into()));
    }
    Ok(())
}
