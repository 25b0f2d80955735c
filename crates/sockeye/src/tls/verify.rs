//! Whom to believe: the checks of the peer's certificate.

use super::hint::{self, Shown};
use super::pem::Source;
use super::{TlsError, der};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};
use std::sync::Arc;
use std::time::Duration;

/// Whom a client believes.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    pub(crate) provider: Arc<CryptoProvider>,
    /// Chains to these roots; `None` if there are none.
    pub(crate) chains: Option<Arc<WebPkiServerVerifier>>,
    /// Certificates that are believed as they are: those in a CA file, which a server may show
    /// itself.
    pub(crate) known: Vec<CertificateDer<'static>>,
    /// SHA-256 of public keys. If there are any, they decide alone.
    pub(crate) pins: Vec<[u8; 32]>,
    /// Certificates that signed themselves are believed.
    pub(crate) self_signed: bool,
}

impl ServerVerifier {
    /// Whether the certificate is believed without an issuer.
    fn is_believed(&self, leaf: &CertificateDer<'_>) -> bool {
        self.known.iter().any(|known| known == leaf)
            || (self.self_signed && is_self_signed(leaf, &self.provider))
    }

    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if !self.pins.is_empty() {
            self.pin_fits(leaf)?;
            return check_alone(leaf, name, now);
        }
        let chain = match &self.chains {
            Some(chains) => chains.verify_server_cert(leaf, intermediates, name, ocsp, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        match chain {
            Ok(verified) => Ok(verified),
            Err(_) if self.is_believed(leaf) => check_alone(leaf, name, now),
            // A certificate of a CA's kind that signed itself says something else otherwise.
            Err(_) if is_self_signed(leaf, &self.provider) => {
                Err(CertificateError::UnknownIssuer.into())
            }
            Err(error) => Err(error),
        }
    }

    fn pin_fits(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        let parsed = webpki::EndEntityCert::try_from(leaf)
            .map_err(|_| Error::from(CertificateError::BadEncoding))?;
        let key = parsed.subject_public_key_info();
        let digest = ring::digest::digest(&ring::digest::SHA256, &key);
        let fits = self.pins.iter().any(|pin| pin == digest.as_ref());
        fits.then_some(()).ok_or(CertificateError::ApplicationVerificationFailure.into())
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let result = self.verify(leaf, intermediates, name, ocsp, now);
        result.inspect_err(|_| note_certificate(leaf, &self.provider))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The checks that do not depend on an issuer: the dates and the name.
fn check_alone(
    leaf: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
) -> Result<ServerCertVerified, Error> {
    let parts = der::Parts::of(leaf).ok_or(CertificateError::BadEncoding)?;
    let since = |time: std::time::SystemTime| {
        let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        UnixTime::since_unix_epoch(since)
    };
    let (not_before, not_after) = (since(parts.not_before), since(parts.not_after));
    if now < not_before {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now > not_after {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
    Ok(ServerCertVerified::assertion())
}

/// Whether a certificate names itself as its issuer and is signed by its own key.
pub(crate) fn is_self_signed(leaf: &CertificateDer<'_>, provider: &CryptoProvider) -> bool {
    let (Ok(parsed), Some(parts)) = (webpki::EndEntityCert::try_from(leaf), der::Parts::of(leaf))
    else {
        return false;
    };
    let algorithms = provider.signature_verification_algorithms.all;
    parsed.issuer() == parsed.subject()
        && algorithms
            .iter()
            .filter(|algorithm| algorithm.signature_alg_id().as_ref() == parts.algorithm)
            .any(|algorithm| {
                parsed.verify_signature(*algorithm, parts.signed, parts.signature).is_ok()
            })
}

/// For the message that says why it is not accepted.
fn note_certificate(leaf: &CertificateDer<'_>, provider: &CryptoProvider) {
    if let Ok(parsed) = webpki::EndEntityCert::try_from(leaf) {
        let (subject, issuer) = (der::name(parsed.subject()), der::name(parsed.issuer()));
        hint::certificate(Shown { subject, issuer, self_signed: is_self_signed(leaf, provider) });
    }
}

/// The certificates in a CA file, as roots.
pub(crate) fn roots(
    source: &Source,
) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), TlsError> {
    let all = source.certificates("CA")?;
    let mut store = RootCertStore::empty();
    for (index, one) in all.iter().enumerate() {
        store.add(one.clone()).map_err(|error| {
            let nth = index + 1;
            TlsError::settings(format!("the CA {source}: certificate {nth} is no root: {error}"))
        })?;
    }
    Ok((store, all))
}

/// Whom a server believes: chains to its CA, and what is not accepted is noted for the message.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    provider: Arc<CryptoProvider>,
    chains: Arc<dyn ClientCertVerifier>,
}

impl ClientVerifier {
    pub(crate) fn new(
        ca: &Source,
        required: bool,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<Self>, TlsError> {
        let (store, _) = roots(ca)?;
        let provider = Arc::clone(provider);
        let store = Arc::new(store);
        let builder = WebPkiClientVerifier::builder_with_provider(store, Arc::clone(&provider));
        let builder = if required { builder } else { builder.allow_unauthenticated() };
        let chains =
            builder.build().map_err(|error| TlsError::settings(format!("the CA {ca}: {error}")))?;
        Ok(Arc::new(Self { provider, chains }))
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.chains.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.chains.verify_client_cert(leaf, intermediates, now).map_err(|error| {
            note_certificate(leaf, &self.provider);
            // A certificate of a CA's kind that signed itself says something else otherwise.
            match is_self_signed(leaf, &self.provider) {
                true => CertificateError::UnknownIssuer.into(),
                false => error,
            }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}
