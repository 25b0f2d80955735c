//! TLS: `wss` and `https`, on either end.
//!
//! | to | look at |
//! |---|---|
//! | listen | [`ServerTls`], [`Context::listen_tls`](crate::Context::listen_tls) |
//! | connect | [`ClientTls`], [`Connect::tls`](crate::Connect::tls) |
//! | see who is there | [`TlsInfo`], [`Handshake::tls`](crate::Handshake::tls) |
//! | choose suites | [`CipherList`], [`Tls13Suites`] |
//!
//! The protocol itself is rustls's, driven through its unbuffered interface: what rustls calls by
//! name stays in this module.

pub(crate) mod cipher_list;
mod error;
mod info;
mod obsolete;

#[cfg(feature = "tls")]
mod certificate;
#[cfg(feature = "tls")]
mod client;
#[cfg(feature = "tls")]
pub(crate) mod der;
#[cfg(feature = "tls")]
mod describe;
#[cfg(feature = "tls")]
mod hint;
#[cfg(feature = "tls")]
mod link;
#[cfg(not(feature = "tls"))]
mod off;
#[cfg(feature = "tls")]
mod peer;
#[cfg(feature = "tls")]
pub(crate) mod pem;
#[cfg(feature = "tls")]
mod server;
#[cfg(feature = "tls")]
mod suites;
#[cfg(feature = "tls")]
mod verify;
#[cfg(feature = "tls")]
mod worker;

#[cfg(feature = "tls")]
pub use certificate::Certificate;
#[cfg(feature = "tls")]
pub use client::{ClientTls, ClientTlsBuilder};
#[cfg(feature = "tls")]
pub(crate) use link::{HANDSHAKE_MAX, Link, RECORD_MAX, Taken, TlsName};
#[cfg(feature = "tls")]
pub use server::{ServerTls, ServerTlsBuilder};
#[cfg(feature = "tls")]
pub(crate) use worker::{Done, Workers};

/// A link where it is kept.
#[cfg(feature = "tls")]
pub(crate) type Held = Box<Link>;

/// Why a connection under TLS is lost.
#[cfg(feature = "tls")]
pub(crate) type Failure = Box<TlsError>;

#[cfg(not(feature = "tls"))]
pub use off::{Certificate, ClientTls, ClientTlsBuilder, ServerTls, ServerTlsBuilder};
#[cfg(not(feature = "tls"))]
pub(crate) use off::{
    Done, Failure, HANDSHAKE_MAX, Held, Link, RECORD_MAX, Taken, TlsName, Workers,
};

pub use cipher_list::{BadCipherList, CipherList, Suite, Tls13Suite, Tls13Suites};
pub use error::{TlsError, TlsErrorKind};
pub use info::{PeerCertificate, TlsInfo};

/// Whether this build has TLS.
pub(crate) const IS_BUILT: bool = cfg!(feature = "tls");

/// What ALPN calls HTTP/1.1, the protocol that WebSocket handshakes are made in (RFC 7301 §6).
#[cfg(feature = "tls")]
const HTTP: &[u8] = b"http/1.1";
