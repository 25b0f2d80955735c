//! What can go wrong with TLS, as sentences a person can act on.

use std::fmt;

/// Why TLS cannot be set up, or why a connection was not made or has ended.
///
/// It displays as a sentence: which file, which line, expired when, which name was expected and
/// which were offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsError {
    kind: TlsErrorKind,
    text: String,
}

/// What kind of thing went wrong, for programs that decide by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsErrorKind {
    /// This build has no TLS: the feature `tls` is off.
    NotBuilt,
    /// A file cannot be read, or a certificate, key or setting is not what it must be.
    Settings,
    /// The peer's certificate is not signed by anyone we trust.
    UnknownIssuer,
    /// The peer's certificate is signed by itself, and that is not accepted.
    SelfSigned,
    /// The peer's certificate is for other names.
    WrongName,
    /// The peer's certificate has expired, or is not valid yet.
    NotInForce,
    /// The peer's certificate, or the lack of one, is not accepted for another reason.
    BadCertificate,
    /// The peer refused us, by an alert.
    Refused,
    /// Both ends have no version, suite or protocol in common.
    NothingInCommon,
    /// What the peer sent is no TLS, or not as it must be.
    Protocol,
}

impl TlsError {
    pub(crate) fn new(kind: TlsErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// A file, certificate, key or setting is not what it must be.
    pub(crate) fn settings(text: impl Into<String>) -> Self {
        Self::new(TlsErrorKind::Settings, text)
    }

    /// A file that cannot be read.
    #[cfg(feature = "tls")]
    pub(crate) fn unreadable(what: &str, path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::settings(format!("cannot read the {what} {}: {error}", path.display()))
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> TlsErrorKind {
        self.kind
    }
}

#[cfg(feature = "tls")]
impl From<super::Failure> for TlsError {
    fn from(failure: super::Failure) -> Self {
        *failure
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for TlsError {}

impl From<TlsError> for std::io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, error)
    }
}

impl From<super::BadCipherList> for TlsError {
    fn from(error: super::BadCipherList) -> Self {
        Self::settings(error.to_string())
    }
}
