//! TLS: `wss` and `https`, on either end.

pub(crate) mod cipher_list;
mod obsolete;

pub use cipher_list::{BadCipherList, CipherList, Suite, Tls13Suite, Tls13Suites};
