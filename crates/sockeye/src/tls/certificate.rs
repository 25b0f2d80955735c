//! A certificate of our own with its key, and which of several a client gets to see.

use super::{TlsError, der, hint, pem::Source};
use crate::log::note;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// A certificate, the chain to its issuer, and its private key: where they are, or their PEM.
///
/// Files are read when a [`ServerTls`](super::ServerTls) or [`ClientTls`](super::ClientTls) is
/// built, and again when it is reloaded.
#[derive(Clone, Debug)]
pub struct Certificate {
    chain: Source,
    key: Source,
}

impl Certificate {
    /// From files in PEM: the chain, the certificate itself first, and the key. Both may be in one
    /// file.
    pub fn from_files(chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { chain: Source::File(chain.into()), key: Source::File(key.into()) }
    }

    /// From PEM at hand.
    pub fn from_pem(chain: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        Self { chain: Source::Bytes(chain.into()), key: Source::Bytes(key.into()) }
    }

    /// The files it comes from.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        [&self.chain, &self.key].into_iter().filter_map(Source::path)
    }

    /// Reads it: the chain and the key, which belong together.
    pub(crate) fn read(&self, provider: &CryptoProvider) -> Result<Read, TlsError> {
        let chain = self.chain.certificates("certificate")?;
        let key = self.key.key()?;
        let signing = provider.key_provider.load_private_key(key.clone_key()).map_err(|_| {
            TlsError::settings(format!(
                "the private key {} is of a kind that TLS cannot sign with; RSA from 2048 bits, \
                 ECDSA on P-256 or P-384, and Ed25519 can",
                self.key
            ))
        })?;
        let certified = CertifiedKey::new(chain.clone(), signing);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(self.mismatch(&chain, &certified)),
        }
        Ok(Read { chain, key, certified: Arc::new(certified) })
    }

    /// The key does not belong to the first certificate; to another in the chain, maybe.
    fn mismatch(&self, chain: &[CertificateDer<'static>], certified: &CertifiedKey) -> TlsError {
        let belongs = |one: &CertificateDer<'static>| {
            let alone = CertifiedKey::new(vec![one.clone()], Arc::clone(&certified.key));
            alone.keys_match().is_ok()
        };
        match chain.iter().position(belongs) {
            Some(index) => TlsError::settings(format!(
                "the certificate {}: the private key belongs to certificate {}, which must come \
                 first",
                self.chain,
                index + 1
            )),
            None => TlsError::settings(format!(
                "the private key {} does not belong to the certificate {}",
                self.key, self.chain
            )),
        }
    }

    /// Whether it is in force now; else why not, as a sentence.
    pub(crate) fn in_force(&self, read: &Read) -> Result<(), TlsError> {
        let Some(parts) = der::Parts::of(&read.chain[0]) else { return Ok(()) };
        let now = SystemTime::now();
        let (what, when) = if now > parts.not_after {
            ("expired on", parts.not_after)
        } else if now < parts.not_before {
            ("is not valid before", parts.not_before)
        } else {
            return Ok(());
        };
        let when = hint::date(when);
        Err(TlsError::settings(format!("the certificate {} {what} {when}", self.chain)))
    }
}

/// A [`Certificate`] that has been read.
pub(crate) struct Read {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    certified: Arc<CertifiedKey>,
}

/// The certificates of a server, by the names in them.
#[derive(Debug)]
pub(crate) struct ByName {
    /// For clients that ask for no name, or for one that no certificate has.
    default: Arc<CertifiedKey>,
    /// Names in lower case, wildcards as `*.example.com`.
    names: HashMap<String, Arc<CertifiedKey>>,
}

impl ByName {
    /// The first is the default; of several with the same name, the first too.
    pub(crate) fn new(all: &[Read]) -> Option<Self> {
        let default = Arc::clone(&all.first()?.certified);
        let mut names = HashMap::new();
        for read in all {
            let Ok(leaf) = webpki::EndEntityCert::try_from(&read.chain[0]) else { continue };
            for name in leaf.valid_dns_names() {
                let certified = Arc::clone(&read.certified);
                names.entry(name.to_ascii_lowercase()).or_insert(certified);
            }
        }
        Some(Self { default, names })
    }

    fn find(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let name = name.to_ascii_lowercase();
        self.names.get(&name).or_else(|| {
            // A wildcard stands for one label (RFC 6125 §6.4.3).
            let (_, parent) = name.split_once('.')?;
            self.names.get(&format!("*.{parent}"))
        })
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let asked = hello.server_name();
        hint::server_name(asked);
        let found = asked.and_then(|name| {
            let found = self.find(name);
            if found.is_none() && self.names.len() > 1 {
                note!(DEBUG, "no certificate is for {name:?}: the first one is shown");
            }
            found
        });
        Some(Arc::clone(found.unwrap_or(&self.default)))
    }
}
