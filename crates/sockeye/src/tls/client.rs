//! What a client speaks TLS with.

use super::certificate::Certificate;
use super::pem::Source;
use super::suites::Choice;
use super::verify::{ServerVerifier, roots};
use super::{CipherList, Tls13Suites, TlsError};
use crate::log::note;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Servers whose sessions are remembered for resumption, by each [`ClientTls`].
const SESSIONS: usize = 64;

/// What a client speaks TLS with: whom it believes, and who it says it is. Cheap to clone.
///
/// The name in the address is always sent (SNI) and always checked.
///
/// ```no_run
/// use sockeye::Connect;
/// use sockeye::tls::ClientTls;
///
/// let tls = ClientTls::builder().ca_file("ca.pem").build()?;
/// let connect = Connect::to("wss://localhost:7681/")?.tls(tls);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

/// Puts a [`ClientTls`] together.
#[derive(Clone, Debug, Default)]
pub struct ClientTlsBuilder {
    ca: Vec<Source>,
    pins: Vec<[u8; 32]>,
    self_signed: bool,
    certificate: Option<Certificate>,
    choice: Choice,
    no_resumption: bool,
}

impl ClientTlsBuilder {
    /// Believes the CAs in this PEM file, and not the platform's. A server may also show one of
    /// these certificates itself. May be given several times.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca.push(Source::File(path.into()));
        self
    }

    /// Like [`ca_file`](Self::ca_file), with PEM at hand.
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca.push(Source::Bytes(pem.into()));
        self
    }

    /// Believes a server that has this public key, whoever issued its certificate, and no other:
    /// SHA-256 of its SubjectPublicKeyInfo, as
    /// [`PeerCertificate::key_sha256`](super::PeerCertificate::key_sha256) gives it. Name and
    /// dates are checked all the same. May be given several times.
    pub fn pinned_key(mut self, sha256: [u8; 32]) -> Self {
        self.pins.push(sha256);
        self
    }

    /// Believes, beside all else, a certificate that signed itself (manual, `ssl_connection == 2`),
    /// and nothing more than that: name and dates are checked all the same, and one that someone
    /// else signed needs an issuer that is known. Anyone can make such a certificate: use
    /// [`pinned_key`](Self::pinned_key) to know whose it is.
    pub fn accept_self_signed(mut self) -> Self {
        self.self_signed = true;
        self
    }

    /// Shows this certificate to servers that ask for one.
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificate = Some(certificate);
        self
    }

    /// Sets the suites of TLS 1.2; all that are safe by default.
    pub fn ciphers(mut self, list: CipherList) -> Self {
        self.choice.ciphers = list;
        self
    }

    /// Sets the suites of TLS 1.3; all by default.
    pub fn tls13_suites(mut self, suites: Tls13Suites) -> Self {
        self.choice.tls13_suites = suites;
        self
    }

    /// Speaks TLS 1.3 only. By default TLS 1.2 is spoken too.
    pub fn tls13_only(mut self) -> Self {
        self.choice.tls13_only = true;
        self
    }

    #[cfg(feature = "fuzzing")]
    pub(crate) fn tls12_only(mut self) -> Self {
        self.choice.tls12_only = true;
        self
    }

    /// Makes every handshake a full one. By default sessions are resumed, which takes both ends
    /// less work, and lets whoever listens recognise a client that comes again over TLS 1.2.
    pub fn no_resumption(mut self) -> Self {
        self.no_resumption = true;
        self
    }

    /// Reads the files, or the platform's roots.
    pub fn build(self) -> Result<ClientTls, TlsError> {
        let Self { ca, pins, self_signed, certificate, choice, no_resumption } = self;
        let provider = choice.provider();
        let (mut store, mut known) = (RootCertStore::empty(), Vec::new());
        for source in &ca {
            let (these, all) = roots(source)?;
            store.roots.extend(these.roots);
            known.extend(all);
        }
        if ca.is_empty() && pins.is_empty() {
            store = platform_roots();
            if store.is_empty() && !self_signed {
                return Err(TlsError::settings(
                    "the platform has no trusted roots; install its ca-certificates, or name a \
                     CA file",
                ));
            }
        }
        let chains = chains(store, &provider)?;
        let verifier =
            ServerVerifier { provider: Arc::clone(&provider), chains, known, pins, self_signed };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(choice.versions())
            .map_err(|error| TlsError::settings(error.to_string()))?
            .dangerous() // every way of not verifying is in `ServerVerifier`, by name
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let read = certificate.read(&provider)?;
                certificate
                    .in_force(&read)
                    .unwrap_or_else(|error| note!(WARN, "{error}: servers will refuse it"));
                builder
                    .with_client_auth_cert(read.chain, read.key)
                    .map_err(|error| TlsError::settings(error.to_string()))?
            }
        };
        config.alpn_protocols = vec![super::HTTP.to_vec()];
        config.resumption = match no_resumption {
            true => Resumption::disabled(),
            false => Resumption::in_memory_sessions(SESSIONS),
        };
        Ok(ClientTls { config: Arc::new(config) })
    }
}

impl ClientTls {
    /// Begins to put one together.
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    /// Believes whom the platform believes: what `wss://` connections use by default. The roots
    /// are read once, with the first use.
    pub fn platform() -> Result<Self, TlsError> {
        static PLATFORM: Mutex<Option<ClientTls>> = Mutex::new(None);
        let mut platform = PLATFORM.lock().unwrap_or_else(PoisonError::into_inner);
        match &*platform {
            Some(tls) => Ok(tls.clone()),
            None => Ok(platform.insert(Self::builder().build()?).clone()),
        }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls")
    }
}

/// The platform's roots, as far as they can be read: some stores have entries that are none.
fn platform_roots() -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        note!(WARN, "the platform's trusted roots: {error}");
    }
    let mut store = RootCertStore::empty();
    let (_, ignored) = store.add_parsable_certificates(loaded.certs);
    if ignored > 0 {
        note!(INFO, "the platform's trusted roots: {ignored} are none");
    }
    store
}

fn chains(
    store: RootCertStore,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<WebPkiServerVerifier>>, TlsError> {
    if store.is_empty() {
        return Ok(None);
    }
    let provider = Arc::clone(provider);
    WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map(Some)
        .map_err(|error| TlsError::settings(error.to_string()))
}
