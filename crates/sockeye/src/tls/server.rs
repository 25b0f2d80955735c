//! What a server's listener speaks TLS with.

use super::certificate::{ByName, Certificate, Read};
use super::pem::Source;
use super::suites::Choice;
use super::verify::ClientVerifier;
use super::{CipherList, Tls13Suites, TlsError};
use crate::log::note;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::Ticketer;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, ServerSessionMemoryCache, StoresServerSessions,
};
use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::SystemTime;

/// Sessions of clients of TLS 1.2 that take no tickets, remembered for resumption.
const SESSIONS: usize = 256;

/// What a listener speaks TLS with; cheap to clone, and all clones are the same one. Certificates
/// can be replaced at any time, from any thread, without touching open connections.
///
/// ```no_run
/// use sockeye::Context;
/// use sockeye::tls::ServerTls;
///
/// let tls = ServerTls::from_files("chain.pem", "key.pem")?;
/// let mut context = Context::builder().build()?;
/// context.listen_tls("0.0.0.0:443", &tls)?;
/// std::thread::spawn(move || {
///     // whenever the files have been renewed:
///     if let Err(why) = tls.reload() {
///         eprintln!("the old certificate stays: {why}");
///     }
/// });
/// context.run()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerTls {
    shared: Arc<Shared>,
}

struct Shared {
    choice: Choice,
    provider: Arc<CryptoProvider>,
    clients: Clients,
    state: RwLock<Current>,
}

/// What a reload replaces.
#[derive(Clone)]
struct Current {
    certificates: Vec<Certificate>,
    /// Of the first one.
    sha256: [u8; 32],
    config: Arc<ServerConfig>,
    /// The files as they were when they were read.
    stamps: Vec<(PathBuf, Option<Stamp>)>,
}

/// What changes when a file does.
type Stamp = (Option<SystemTime>, u64, u64);

/// Whether clients show certificates, and who may have issued them.
#[derive(Clone, Debug, Default)]
enum Clients {
    #[default]
    NotAsked,
    Optional(Source),
    Required(Source),
}

/// Puts a [`ServerTls`] together.
#[derive(Clone, Debug, Default)]
pub struct ServerTlsBuilder {
    certificates: Vec<Certificate>,
    clients: Clients,
    choice: Choice,
}

impl ServerTlsBuilder {
    /// Adds a certificate. A client gets the one for the name it asks for (SNI); the first one if
    /// it asks for none, or for one that none is for.
    pub fn certificate(mut self, certificate: Certificate) -> Self {
        self.certificates.push(certificate);
        self
    }

    /// Demands of every client a certificate that one of the CAs in this PEM file has issued.
    pub fn require_clients(mut self, ca_file: impl Into<PathBuf>) -> Self {
        self.clients = Clients::Required(Source::File(ca_file.into()));
        self
    }

    /// Like [`require_clients`](Self::require_clients), with PEM at hand.
    pub fn require_clients_pem(mut self, ca: impl Into<Vec<u8>>) -> Self {
        self.clients = Clients::Required(Source::Bytes(ca.into()));
        self
    }

    /// Asks clients for a certificate, and admits those that have none; those whose certificate is
    /// not good are refused.
    pub fn ask_clients(mut self, ca_file: impl Into<PathBuf>) -> Self {
        self.clients = Clients::Optional(Source::File(ca_file.into()));
        self
    }

    /// Like [`ask_clients`](Self::ask_clients), with PEM at hand.
    pub fn ask_clients_pem(mut self, ca: impl Into<Vec<u8>>) -> Self {
        self.clients = Clients::Optional(Source::Bytes(ca.into()));
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

    /// Reads the files. A certificate that has expired is warned about, and served.
    pub fn build(self) -> Result<ServerTls, TlsError> {
        let Self { certificates, clients, choice } = self;
        let provider = choice.provider();
        let all = read_all(&certificates, &provider, |error| {
            note!(WARN, "{error}: clients will refuse it");
            Ok(())
        })?;
        let stamps = stamps(&certificates, &clients);
        let sessions = Sessions::new()?;
        let config = config(&choice, &provider, &clients, &all, sessions)?;
        let state = RwLock::new(Current {
            sha256: first_sha256(&all),
            certificates,
            config: Arc::new(config),
            stamps,
        });
        Ok(ServerTls { shared: Arc::new(Shared { choice, provider, clients, state }) })
    }
}

impl ServerTls {
    /// Begins to put one together.
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::default()
    }

    /// With one certificate from files in PEM, and all else as it is by default.
    pub fn from_files(
        chain: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        Self::builder().certificate(Certificate::from_files(chain, key)).build()
    }

    /// Reads all files anew. Connections made from now on see what they say now; if anything is
    /// wrong, an expired certificate included, nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        let certificates = self.current().certificates;
        // First: what changes while it is read will be noticed.
        let stamps = stamps(&certificates, &self.shared.clients);
        self.lock().stamps = stamps;
        self.replace(certificates)
    }

    /// Replaces all certificates; the CA of clients' certificates is read anew too. If anything is
    /// wrong, nothing changes.
    pub fn replace(&self, certificates: Vec<Certificate>) -> Result<(), TlsError> {
        let Shared { choice, provider, clients, .. } = &*self.shared;
        let stamps = stamps(&certificates, clients);
        let all = read_all(&certificates, provider, Err)?;
        let sessions = match clients {
            Clients::NotAsked => Sessions::of(&self.config()),
            // Who was let in by the old CA must show a certificate to the new one.
            Clients::Optional(_) | Clients::Required(_) => Sessions::new()?,
        };
        let config = Arc::new(config(choice, provider, clients, &all, sessions)?);
        *self.lock() = Current { sha256: first_sha256(&all), certificates, config, stamps };
        Ok(())
    }

    /// Whether any of its files has changed since it was last read or tried to be read. Asks the
    /// file system, so not for every connection.
    pub fn is_stale(&self) -> bool {
        self.current().stamps.iter().any(|(path, stamp)| stamp_of(path) != *stamp)
    }

    /// SHA-256 of its first certificate, for people to compare.
    pub fn sha256(&self) -> [u8; 32] {
        self.current().sha256
    }

    /// What the next connection is made with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let current = self.shared.state.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current.config)
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Current> {
        self.shared.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Current {
        self.shared.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("certificates", &self.current().certificates)
            .field("clients", &self.shared.clients)
            .finish_non_exhaustive()
    }
}

/// What sessions are resumed by. It never goes from one `ServerTls` to another.
struct Sessions {
    /// With a key of its own, rotated every six hours and good for twelve.
    tickets: Arc<dyn ProducesTickets>,
    remembered: Arc<dyn StoresServerSessions>,
}

impl Sessions {
    fn new() -> Result<Self, TlsError> {
        let tickets = Ticketer::new()
            .map_err(|error| TlsError::settings(format!("no key for tickets: {error}")))?;
        Ok(Self { tickets, remembered: ServerSessionMemoryCache::new(SESSIONS) })
    }

    fn of(config: &ServerConfig) -> Self {
        let tickets = Arc::clone(&config.ticketer);
        Self { tickets, remembered: Arc::clone(&config.session_storage) }
    }
}

fn read_all(
    certificates: &[Certificate],
    provider: &CryptoProvider,
    not_in_force: impl Fn(TlsError) -> Result<(), TlsError>,
) -> Result<Vec<Read>, TlsError> {
    certificates
        .iter()
        .map(|certificate| {
            let read = certificate.read(provider)?;
            certificate.in_force(&read).or_else(&not_in_force)?;
            Ok(read)
        })
        .collect()
}

fn config(
    choice: &Choice,
    provider: &Arc<CryptoProvider>,
    clients: &Clients,
    all: &[Read],
    sessions: Sessions,
) -> Result<ServerConfig, TlsError> {
    let Some(by_name) = ByName::new(all) else {
        return Err(TlsError::settings("a server needs a certificate and its key"));
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(choice.versions())
        .map_err(|error| TlsError::settings(error.to_string()))?;
    let builder = match clients {
        Clients::NotAsked => builder.with_no_client_auth(),
        Clients::Optional(ca) => {
            builder.with_client_cert_verifier(ClientVerifier::new(ca, false, provider)?)
        }
        Clients::Required(ca) => {
            builder.with_client_cert_verifier(ClientVerifier::new(ca, true, provider)?)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::new(by_name));
    config.alpn_protocols = vec![super::HTTP.to_vec()];
    config.ignore_client_order = true; // the list says which is best (manual, SSL)
    config.ticketer = sessions.tickets;
    config.session_storage =
        if choice.tls13_only { Arc::new(NoServerSessionStorage {}) } else { sessions.remembered };
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn first_sha256(all: &[Read]) -> [u8; 32] {
    all.first().map_or([0; 32], |read| super::peer::sha256(&read.chain[0]))
}

fn stamps(certificates: &[Certificate], clients: &Clients) -> Vec<(PathBuf, Option<Stamp>)> {
    let ca = match clients {
        Clients::NotAsked => None,
        Clients::Optional(ca) | Clients::Required(ca) => ca.path(),
    };
    let files = certificates.iter().flat_map(Certificate::files).chain(ca);
    files.map(|path| (path.to_owned(), stamp_of(path))).collect()
}

fn stamp_of(path: &std::path::Path) -> Option<Stamp> {
    use std::os::unix::fs::MetadataExt;

    let metadata = fs::metadata(path).ok()?;
    Some((metadata.modified().ok(), metadata.len(), metadata.ino()))
}
