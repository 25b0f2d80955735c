//! Proxies, the client's side: which one to take, and how to ask it for a tunnel: HTTP `CONNECT`
//! (RFC 9110 §9.3.6) and SOCKS 5 (RFC 1928, RFC 1929).

mod environment;
#[doc(hidden)]
pub mod fuzz;
mod http;
mod socks;
mod tunnel;
mod url;

pub use environment::{Choice, bypasses, from_environment};
pub use tunnel::{BadTunnel, Tunnel, TunnelError};
pub use url::{BadProxy, Proxy, ProxyKind};
