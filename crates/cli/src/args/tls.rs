//! TLS, of servers and of clients.

use crate::ending::{Ending, FAILED, MISUSED};
use sockeye::tls::{Certificate, CipherList, ClientTls, ClientTlsBuilder, ServerTls, TlsError};
use std::net::IpAddr;
use std::path::{Path, PathBuf, absolute};

/// TLS of a server.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct ServerTlsArgs {
    /// Speak TLS, with the certificate in this PEM file, its chain behind it. When the file
    /// changes, and on SIGHUP, it is read anew
    #[arg(long, value_name = "FILE", conflicts_with = "tls_self_signed")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM, without a passphrase; if it is not in the same file
    #[arg(long, value_name = "FILE", conflicts_with = "tls_self_signed")]
    tls_key: Option<PathBuf>,
    /// Speak TLS, with a certificate made for this run and signed by itself
    #[arg(long)]
    tls_self_signed: bool,
    /// Admit only clients with a certificate of a CA in this PEM file
    #[arg(long, value_name = "FILE")]
    tls_client_ca: Option<PathBuf>,
    /// Offer these cipher suites in TLS 1.2, as a list of OpenSSL's, such as HIGH:!aRSA
    #[arg(long, value_name = "LIST")]
    tls_ciphers: Option<CipherList>,
}

impl ServerTlsArgs {
    /// What to listen with, if TLS is asked for; else how the program ends.
    pub(crate) fn server(&self, at: &[IpAddr]) -> Result<Option<ServerTls>, Ending> {
        let certificate = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), key) => from_files(cert, key.as_ref().unwrap_or(cert)),
            (None, Some(_)) => return Err(needs("--tls-key", "--tls-cert")),
            (None, None) if self.tls_self_signed => self_signed(at).map_err(failed)?,
            (None, None) if self.tls_client_ca.is_some() => {
                return Err(needs("--tls-client-ca", "--tls-cert or --tls-self-signed"));
            }
            (None, None) if self.tls_ciphers.is_some() => {
                return Err(needs("--tls-ciphers", "--tls-cert or --tls-self-signed"));
            }
            (None, None) => return Ok(None),
        };
        let mut builder = ServerTls::builder().certificate(certificate);
        if let Some(ca) = &self.tls_client_ca {
            builder = builder.require_clients(lasting(ca));
        }
        if let Some(list) = &self.tls_ciphers {
            builder = builder.ciphers(list.clone());
        }
        builder.build().map(Some).map_err(|error| failed(error.to_string()))
    }
}

fn needs(option: &str, other: &str) -> Ending {
    Ending::with(MISUSED, format!("{option} needs {other} beside it; see 'sockeye help serve'"))
}

fn failed(why: String) -> Ending {
    Ending::with(FAILED, why)
}

fn from_files(cert: &Path, key: &Path) -> Certificate {
    Certificate::from_files(lasting(cert), lasting(key))
}

/// A path that stays right when the program changes its directory, as in the background.
fn lasting(path: &Path) -> PathBuf {
    absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// For this machine under its usual names, and for the addresses listened at.
fn self_signed(at: &[IpAddr]) -> Result<Certificate, String> {
    let why = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    let other = at.iter().filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    names.extend(other.map(ToString::to_string));
    let key = rcgen::KeyPair::generate().map_err(why)?;
    let mut params = rcgen::CertificateParams::new(names).map_err(why)?;
    params.distinguished_name.push(rcgen::DnType::CommonName, "sockeye (self-signed)");
    let certificate = params.self_signed(&key).map_err(why)?;
    Ok(Certificate::from_pem(certificate.pem(), key.serialize_pem()))
}

/// TLS of a client.
#[derive(Debug, clap::Args)]
pub(crate) struct ClientTlsArgs {
    /// For wss://, trust the CAs in this PEM file, and not the system's
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// For wss://, accept a certificate that is signed by itself too; its name and dates are
    /// checked all the same
    #[arg(long)]
    insecure: bool,
    /// For wss://, show the server the certificate in this PEM file
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// The certificate's private key, in PEM; if it is not in the same file
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl ClientTlsArgs {
    /// The first of these options that is given.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let Self { ca, insecure, cert, key } = self;
        let all = [("--ca", ca.is_some()), ("--insecure", *insecure)];
        let all = all.into_iter().chain([("--cert", cert.is_some()), ("--key", key.is_some())]);
        all.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }

    /// What to connect with, if anything is said of it.
    pub(crate) fn client(&self) -> Result<Option<ClientTls>, TlsError> {
        if self.given().is_none() {
            return Ok(None);
        }
        self.builder().build().map(Some)
    }

    /// What to connect with so that every handshake is a full one.
    pub(crate) fn client_afresh(&self) -> Result<ClientTls, TlsError> {
        self.builder().no_resumption().build()
    }

    fn builder(&self) -> ClientTlsBuilder {
        let Self { ca, insecure, cert, key } = self;
        let mut builder = ClientTls::builder();
        if let Some(ca) = ca {
            builder = builder.ca_file(ca);
        }
        if *insecure {
            builder = builder.accept_self_signed();
        }
        // One for both, as it is said of the one that lacks something.
        if let (Some(cert), Some(key)) =
            (cert.as_ref().or(key.as_ref()), key.as_ref().or(cert.as_ref()))
        {
            builder = builder.certificate(Certificate::from_files(cert, key));
        }
        builder
    }
}
