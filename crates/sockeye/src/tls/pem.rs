//! Certificates and keys in PEM (RFC 7468), with the place of whatever is wrong.

use super::TlsError;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::fmt;
use std::path::{Path, PathBuf};

/// The longest file taken, in bytes.
const FILE_MAX: u64 = 4 << 20;

/// Where PEM comes from.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Bytes(_) => f.write_str("given as bytes"),
        }
    }
}

/// Without the bytes, which may be a key.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Source {
    fn read(&self, what: &str) -> Result<Vec<u8>, TlsError> {
        let path = match self {
            Self::Bytes(bytes) => return Ok(bytes.clone()),
            Self::File(path) => path,
        };
        read_file(path).map_err(|error| TlsError::unreadable(what, path, &error)).and_then(
            |bytes| match bytes.len() as u64 <= FILE_MAX {
                true => Ok(bytes),
                false => Err(TlsError::settings(format!(
                    "the {what} {self} is longer than {FILE_MAX} bytes: is it the right file?"
                ))),
            },
        )
    }

    /// The path, if it is a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Bytes(_) => None,
        }
    }

    /// All certificates in it, one at least, in their order.
    pub(crate) fn certificates(
        &self,
        what: &str,
    ) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let bytes = self.read(what)?;
        let mut certificates = Vec::new();
        for section in sections(&bytes) {
            let section = section.map_err(|line| self.cut_off(what, line))?;
            if section.label != "CERTIFICATE" {
                continue;
            }
            let nth = certificates.len() + 1;
            let der = CertificateDer::from_pem_slice(section.text)
                .ok()
                .filter(|der| webpki::EndEntityCert::try_from(der).is_ok());
            certificates.push(der.ok_or_else(|| {
                let line = section.line;
                TlsError::settings(format!(
                    "the {what} {self}: certificate {nth}, which begins in line {line}, is damaged"
                ))
            })?);
        }
        if certificates.is_empty() {
            let there = self.what_is_there(&bytes);
            return Err(TlsError::settings(format!(
                "the {what} {self} has no certificate (no line `-----BEGIN CERTIFICATE-----`)\
                 {there}"
            )));
        }
        Ok(certificates)
    }

    /// The private key in it.
    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let what = "private key";
        let bytes = self.read(what)?;
        for section in sections(&bytes) {
            let section = section.map_err(|line| self.cut_off(what, line))?;
            if section.label == "ENCRYPTED PRIVATE KEY" || section.is_encrypted() {
                return Err(TlsError::settings(format!(
                    "the private key {self} is encrypted; `openssl pkey -in FILE -out PLAIN` \
                     writes it without a passphrase"
                )));
            }
            if section.label.ends_with("PRIVATE KEY") {
                let line = section.line;
                return PrivateKeyDer::from_pem_slice(section.text).map_err(|_| {
                    TlsError::settings(format!(
                        "the private key {self}, which begins in line {line}, is damaged"
                    ))
                });
            }
        }
        let there = self.what_is_there(&bytes);
        Err(TlsError::settings(format!(
            "the private key {self} has no key (no line `-----BEGIN PRIVATE KEY-----`){there}"
        )))
    }

    fn cut_off(&self, what: &str, line: usize) -> TlsError {
        TlsError::settings(format!(
            "the {what} {self}: what begins in line {line} has no end; is the file cut off?"
        ))
    }

    /// What else was found, for someone who took the wrong file.
    fn what_is_there(&self, bytes: &[u8]) -> String {
        let mut labels: Vec<&str> =
            sections(bytes).filter_map(|section| Some(section.ok()?.label)).collect();
        labels.dedup();
        if !labels.is_empty() {
            return format!("; it has: {}", labels.join(", "));
        }
        match bytes.first() {
            None => "; it is empty".to_owned(),
            Some(0x30) => {
                "; it may be DER: `openssl x509 -inform DER` or `openssl pkey -inform DER` \
                 makes PEM of it"
                    .to_owned()
            }
            Some(_) => String::new(),
        }
    }
}

/// Reads no more than one byte above the bound.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;

    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// One `-----BEGIN LABEL-----` to `-----END LABEL-----`.
struct Section<'p> {
    label: &'p str,
    /// Of the `BEGIN`, counted from 1.
    line: usize,
    /// From `BEGIN` to `END`, both included.
    text: &'p [u8],
}

impl Section<'_> {
    /// The way of keys that OpenSSL wrote before PKCS #8.
    fn is_encrypted(&self) -> bool {
        self.text.windows(10).any(|window| window == b"Proc-Type:")
    }
}

/// The sections of a file; `Err` is the line of one that does not end.
fn sections(bytes: &[u8]) -> impl Iterator<Item = Result<Section<'_>, usize>> {
    let mut lines = lines(bytes);
    std::iter::from_fn(move || {
        let (line, start, label) = lines.by_ref().find_map(|(line, start, text)| {
            let label = text.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
            Some((line, start, std::str::from_utf8(label).ok()?))
        })?;
        let end = lines.by_ref().find_map(|(_, start, text)| {
            let ends = text.strip_prefix(b"-----END ").is_some();
            ends.then_some(start + text.len())
        });
        Some(match end {
            Some(end) => Ok(Section { label, line, text: &bytes[start..end] }),
            None => Err(line),
        })
    })
}

/// Number, offset and text of each line, the text without white space at its end.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, usize, &[u8])> {
    let mut offset = 0;
    bytes.split(|&byte| byte == b'\n').enumerate().map(move |(index, line)| {
        let start = offset;
        offset += line.len() + 1;
        (index + 1, start, line.trim_ascii_end())
    })
}

/// Fuzz target: any bytes are taken for a file of certificates, and for a key.
#[cfg(feature = "fuzzing")]
pub(crate) fn fuzz(data: &[u8]) {
    let source = Source::Bytes(data.to_vec());
    if let Err(error) = source.certificates("certificate") {
        assert!(!error.to_string().is_empty());
    }
    let _ = source.key();
    for section in sections(data).flatten() {
        assert!(section.text.starts_with(b"-----BEGIN ") && section.line > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn certificates(text: &str) -> Result<usize, String> {
        let source = Source::Bytes(text.as_bytes().to_vec());
        source.certificates("certificate").map(|all| all.len()).map_err(|e| e.to_string())
    }

    fn key(text: &str) -> Result<(), String> {
        let source = Source::Bytes(text.as_bytes().to_vec());
        source.key().map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_chain_is_read_whatever_stands_between_and_however_lines_end() {
        let (cert, secret) = pair();
        let mixed = format!("subject=CN=a\n{cert}\n# note\n{secret}{}", cert.replace('\n', "\r\n"));
        assert_eq!(certificates(&mixed), Ok(2));
        assert_eq!(key(&mixed), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let (cert, secret) = pair();
        let damaged = format!("{cert}{}", cert.replacen("MII", "MIJ", 1));
        let line = cert.lines().count() + 1;
        assert_eq!(
            certificates(&damaged).unwrap_err(),
            format!(
                "the certificate given as bytes: certificate 2, which begins in line {line}, is \
                 damaged"
            )
        );
        let cut = &cert[..cert.len() / 2];
        assert!(certificates(cut).unwrap_err().contains("line 1 has no end; is the file cut off?"));
        assert!(certificates(&secret).unwrap_err().ends_with("; it has: PRIVATE KEY"));
        assert!(certificates("").unwrap_err().ends_with("; it is empty"));
        assert!(certificates("0\u{2}").unwrap_err().contains("it may be DER"));
        assert!(key(&cert).unwrap_err().ends_with("; it has: CERTIFICATE"));
        let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n\
                   -----END RSA PRIVATE KEY-----\n";
        assert!(key(old).unwrap_err().contains("is encrypted; `openssl pkey"));
        let new = old.replace("RSA PRIVATE", "ENCRYPTED PRIVATE").replace("Proc-Type: 4,", "");
        assert!(key(&new).unwrap_err().contains("is encrypted; `openssl pkey"));
        let bad = secret.replace("MI", "\u{1}");
        assert!(key(&bad).unwrap_err().contains("begins in line 1, is damaged"));
    }

    #[test]
    fn a_file_that_is_not_there_or_too_long_is_named() {
        let missing = Source::File("/nonexistent/a.pem".into());
        let error = missing.certificates("certificate").unwrap_err().to_string();
        let expected = "cannot read the certificate /nonexistent/a.pem: No such file or directory";
        assert!(error.starts_with(expected), "{error}");
        let endless = Source::File("/dev/zero".into());
        let error = endless.key().unwrap_err().to_string();
        assert!(error.contains("/dev/zero is longer than 4194304 bytes"), "{error}");
    }
}
