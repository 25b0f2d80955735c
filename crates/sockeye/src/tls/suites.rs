//! From our names of cipher suites to the provider that has just these.

use super::{CipherList, Suite, Tls13Suite, Tls13Suites};
use crate::log::note;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// What a connection may be made with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) ciphers: CipherList,
    pub(crate) tls13_suites: Tls13Suites,
    pub(crate) tls13_only: bool,
    /// For fuzzing what only older ends speak.
    #[cfg(feature = "fuzzing")]
    pub(crate) tls12_only: bool,
}

impl Choice {
    /// The provider with these suites, the suites of TLS 1.3 first.
    pub(crate) fn provider(&self) -> Arc<CryptoProvider> {
        self.warn();
        let new = self.tls13_suites.suites().iter().map(|&suite| tls13(suite));
        let old = self.ciphers.suites().iter().map(|&suite| tls12(suite));
        Arc::new(CryptoProvider { cipher_suites: new.chain(old).collect(), ..default_provider() })
    }

    pub(crate) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: &[&SupportedProtocolVersion] =
            &[&rustls::version::TLS13, &rustls::version::TLS12];
        #[cfg(feature = "fuzzing")]
        if self.tls12_only {
            return &BOTH[1..];
        }
        if self.tls13_only { &BOTH[..1] } else { BOTH }
    }

    /// Warns about obsolete names, about each once in the life of the process.
    fn warn(&self) {
        static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let all = self.ciphers.obsolete().iter().chain(self.tls13_suites.obsolete());
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&str> =
            all.filter(|name| warned.insert((*name).clone())).map(String::as_str).collect();
        if !new.is_empty() {
            note!(WARN, "cipher list: obsolete and left out: {}", new.join(", "));
        }
    }
}

fn tls12(suite: Suite) -> SupportedCipherSuite {
    match suite {
        Suite::EcdheEcdsaAes256Gcm => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        Suite::EcdheRsaAes256Gcm => cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        Suite::EcdheEcdsaChaCha20 => cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        Suite::EcdheRsaChaCha20 => cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        Suite::EcdheEcdsaAes128Gcm => cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        Suite::EcdheRsaAes128Gcm => cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    }
}

fn tls13(suite: Tls13Suite) -> SupportedCipherSuite {
    match suite {
        Tls13Suite::Aes256Gcm => cipher_suite::TLS13_AES_256_GCM_SHA384,
        Tls13Suite::ChaCha20 => cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        Tls13Suite::Aes128Gcm => cipher_suite::TLS13_AES_128_GCM_SHA256,
    }
}
