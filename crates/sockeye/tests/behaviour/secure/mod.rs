//! TLS in either role: what goes through it, who is let in, and every way it can fail.

mod certs;
mod client;
mod hostile;
mod latency;
mod proxies;
mod relay;
mod server;

use crate::play::{Play, Trace};
use crate::site::Site;
use crate::world::{Mode, World};
use certs::{Authority, Issued};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use sockeye::Context;
use sockeye::tls::{ServerTls, ServerTlsBuilder};
use sockeye_testkit::Peer;
use std::rc::Rc;
use std::sync::Arc;

/// What believes a CA.
fn roots(ca: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).expect("PEM")).expect("a root");
    roots
}

/// A client that believes a CA, and shows a certificate if it has one.
fn believer(ca: &Authority, shows: Option<&Issued>) -> ClientConfig {
    let builder = ClientConfig::builder().with_root_certificates(roots(ca));
    match shows {
        None => builder.with_no_client_auth(),
        Some(shown) => {
            let chain = vec![CertificateDer::from(shown.der.clone())];
            let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("PEM");
            builder.with_client_auth_cert(chain, key).expect("they fit")
        }
    }
}

/// A server under TLS, and what its protocol has seen.
pub(crate) struct Secure {
    world: Rc<World>,
    trace: Trace,
    ca: Authority,
    tls: ServerTls,
}

impl Secure {
    /// An echo with a certificate for `localhost`.
    fn new(mode: Mode) -> Self {
        Self::with(mode, |builder, _| builder)
    }

    fn with(
        mode: Mode,
        settings: impl FnOnce(ServerTlsBuilder, &Authority) -> ServerTlsBuilder,
    ) -> Self {
        Self::playing(mode, settings, Play::new)
    }

    fn playing(
        mode: Mode,
        settings: impl FnOnce(ServerTlsBuilder, &Authority) -> ServerTlsBuilder,
        play: impl FnOnce(&Trace) -> Play,
    ) -> Self {
        let ca = Authority::new("Test CA");
        let issued = ca.issue(&["localhost"], "server");
        let builder = ServerTls::builder().certificate(issued.certificate());
        let tls = settings(builder, &ca).build().expect("TLS");
        let trace = Trace::default();
        let builder = Context::builder().protocol(play(&trace)).http(Site::new(&trace));
        Self { world: World::secure(mode, builder, &tls), trace, ca, tls }
    }

    /// An echo whose handshakes are made on threads of their own.
    fn with_workers(mode: Mode) -> Self {
        let ca = Authority::new("Test CA");
        let issued = ca.issue(&["localhost"], "server");
        let tls = ServerTls::builder().certificate(issued.certificate()).build().expect("TLS");
        let trace = Trace::default();
        let builder = Context::builder().protocol(Play::new(&trace)).tls_workers(2);
        Self { world: World::secure(mode, builder, &tls), trace, ca, tls }
    }

    /// A plain peer, whose bytes come under TLS.
    fn peer(&self) -> Peer {
        self.peer_with(believer(&self.ca, None))
    }

    fn peer_with(&self, config: ClientConfig) -> Peer {
        self.peer_asking("localhost", config)
    }

    /// The same, that asks for a name.
    fn peer_asking(&self, name: &str, config: ClientConfig) -> Peer {
        let relay = relay::to_tls(self.world.address, name, Arc::new(config));
        Peer::connect(relay, self.world.turns())
    }

    fn client(&self) -> Peer {
        let mut peer = self.peer();
        peer.upgrade("/", &[]);
        peer
    }
}
