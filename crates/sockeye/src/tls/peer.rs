//! What a peer's certificate says.

use super::{PeerCertificate, der};
use rustls::pki_types::CertificateDer;

impl PeerCertificate {
    /// Whom it is about, as `O=Example, CN=alice`.
    pub fn subject(&self) -> String {
        self.with(|leaf| der::name(leaf.subject())).unwrap_or_default()
    }

    /// Who signed it.
    pub fn issuer(&self) -> String {
        self.with(|leaf| der::name(leaf.issuer())).unwrap_or_default()
    }

    /// The common name of its subject.
    pub fn common_name(&self) -> Option<String> {
        self.with(|leaf| der::common_name(leaf.subject())).flatten()
    }

    /// The DNS names it is for.
    pub fn dns_names(&self) -> Vec<String> {
        self.with(|leaf| leaf.valid_dns_names().map(str::to_owned).collect()).unwrap_or_default()
    }

    /// SHA-256 of all of it.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(&self.chain()[0])
    }

    /// SHA-256 of its public key (SubjectPublicKeyInfo), which stays the same when a certificate
    /// is renewed for the same key: what
    /// [`ClientTlsBuilder::pinned_key`](super::ClientTlsBuilder::pinned_key) takes.
    pub fn key_sha256(&self) -> [u8; 32] {
        // It was parsed when it was verified.
        self.with(|leaf| sha256(&leaf.subject_public_key_info())).unwrap_or_default()
    }

    fn with<R>(&self, read: impl FnOnce(webpki::EndEntityCert<'_>) -> R) -> Option<R> {
        let der = CertificateDer::from(self.chain()[0].as_slice());
        webpki::EndEntityCert::try_from(&der).ok().map(read)
    }
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut digest = [0; 32];
    digest.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref());
    digest
}
