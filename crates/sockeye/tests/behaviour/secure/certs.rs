//! Certificates made for a test: a CA, and what it has issued.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use sockeye::tls::Certificate;

/// A CA.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM and DER.
#[derive(Clone)]
pub(crate) struct Issued {
    pub(crate) pem: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

impl Issued {
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_pem(self.pem.clone(), self.key.clone())
    }
}

/// What is out of the ordinary in a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    Expired,
    NotYet,
    /// Of the kind `openssl req -x509` makes: it may sign others.
    MayIssue,
}

fn params(names: &[&str], common_name: &str, twist: Twist) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    match twist {
        Twist::None => {}
        Twist::Expired => {
            params.not_before = date_time_ymd(2019, 1, 1);
            params.not_after = date_time_ymd(2020, 2, 3);
        }
        Twist::NotYet => params.not_before = date_time_ymd(2090, 1, 1),
        Twist::MayIssue => params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
    }
    params
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = params(&[], name, Twist::MayIssue);
        params.extended_key_usages.clear();
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a CA") }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn issue(&self, names: &[&str], common_name: &str) -> Issued {
        self.issue_twisted(names, common_name, Twist::None)
    }

    pub(crate) fn issue_twisted(&self, names: &[&str], common_name: &str, twist: Twist) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let params = params(names, common_name, twist);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let der = certificate.der().to_vec();
        Issued { pem: certificate.pem(), key: key.serialize_pem(), der }
    }
}

/// A certificate that signs itself.
pub(crate) fn self_signed(names: &[&str], common_name: &str, twist: Twist) -> Issued {
    let key = KeyPair::generate().expect("a key");
    let certificate = params(names, common_name, twist).self_signed(&key).expect("a certificate");
    let der = certificate.der().to_vec();
    Issued { pem: certificate.pem(), key: key.serialize_pem(), der }
}
