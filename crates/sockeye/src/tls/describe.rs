//! From rustls's errors to sentences.
#![allow(clippy::wildcard_enum_match_arm)] // they are rustls's enums, and grow

use super::hint::{self, Shown};
use super::{TlsError, TlsErrorKind};
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use std::time::{Duration, UNIX_EPOCH};

/// What went wrong on a connection, from where we stand.
/// `shown` is the certificate that was not accepted.
pub(crate) fn describe(error: &Error, we_are_client: bool, shown: Option<Shown>) -> TlsError {
    let peer = if we_are_client { "server" } else { "client" };
    let new = |kind, text: String| TlsError::new(kind, text);
    match error {
        Error::InvalidCertificate(why) => certificate(why, peer, shown),
        Error::NoCertificatesPresented => new(
            TlsErrorKind::BadCertificate,
            "the client showed no certificate, and one is required".into(),
        ),
        Error::AlertReceived(alert) => new(TlsErrorKind::Refused, refused(*alert, peer)),
        Error::NoApplicationProtocol => new(
            TlsErrorKind::NothingInCommon,
            format!("the {peer} speaks no HTTP/1.1 over TLS (ALPN)"),
        ),
        Error::PeerIncompatible(why) => new(TlsErrorKind::NothingInCommon, incompatible(why, peer)),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => new(
            TlsErrorKind::Protocol,
            format!("what the {peer} sent is no TLS (is it plain, or another protocol?)"),
        ),
        Error::InvalidMessage(why) => new(
            TlsErrorKind::Protocol,
            format!("the {peer} sent a TLS message that is malformed: {why:?}"),
        ),
        Error::InappropriateMessage { expect_types, got_type } => new(
            TlsErrorKind::Protocol,
            format!("the {peer} sent {got_type:?} where one of {expect_types:?} belongs"),
        ),
        Error::InappropriateHandshakeMessage { expect_types, got_type } => new(
            TlsErrorKind::Protocol,
            format!("the {peer} sent {got_type:?} where one of {expect_types:?} belongs"),
        ),
        Error::DecryptError => {
            new(TlsErrorKind::Protocol, format!("a record of the {peer} cannot be decrypted"))
        }
        Error::PeerSentOversizedRecord => {
            new(TlsErrorKind::Protocol, format!("a record of the {peer} is longer than TLS allows"))
        }
        Error::PeerMisbehaved(why) => {
            new(TlsErrorKind::Protocol, format!("the {peer} broke the rules of TLS: {why:?}"))
        }
        other => new(TlsErrorKind::Protocol, format!("TLS with the {peer} failed: {other}")),
    }
}

fn certificate(error: &CertificateError, peer: &str, seen: Option<Shown>) -> TlsError {
    let whose = match &seen {
        Some(Shown { subject, .. }) if !subject.is_empty() => {
            format!("the {peer}'s certificate ({subject})")
        }
        Some(_) | None => format!("the {peer}'s certificate"),
    };
    let (kind, what) = match error {
        CertificateError::Expired => (TlsErrorKind::NotInForce, "has expired".to_owned()),
        CertificateError::ExpiredContext { not_after, .. } => {
            (TlsErrorKind::NotInForce, format!("expired on {}", date(*not_after)))
        }
        CertificateError::NotValidYet => (TlsErrorKind::NotInForce, "is not valid yet".to_owned()),
        CertificateError::NotValidYetContext { time, not_before } => {
            let (from, now) = (date(*not_before), date(*time));
            (TlsErrorKind::NotInForce, format!("is not valid before {from}, and it is {now} here"))
        }
        CertificateError::NotValidForName => {
            (TlsErrorKind::WrongName, "is for another name".to_owned())
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().map(|name| plain_name(name)).collect();
            let offered = match presented.as_slice() {
                [] => "no name at all".to_owned(),
                names => names.join(", "),
            };
            (TlsErrorKind::WrongName, format!("is for {offered}, not for {}", expected.to_str()))
        }
        CertificateError::UnknownIssuer => match seen {
            Some(Shown { self_signed: true, .. }) => (
                TlsErrorKind::SelfSigned,
                "is signed by itself: it must be named as a CA, or self-signed ones accepted"
                    .to_owned(),
            ),
            Some(Shown { issuer, .. }) if !issuer.is_empty() => {
                (TlsErrorKind::UnknownIssuer, format!("is signed by an unknown issuer ({issuer})"))
            }
            Some(_) | None => {
                (TlsErrorKind::UnknownIssuer, "is signed by an unknown issuer".to_owned())
            }
        },
        CertificateError::ApplicationVerificationFailure => {
            (TlsErrorKind::BadCertificate, "has another public key than the one pinned".to_owned())
        }
        CertificateError::BadSignature => {
            (TlsErrorKind::BadCertificate, "has a wrong signature, or the handshake has".to_owned())
        }
        CertificateError::BadEncoding => (TlsErrorKind::BadCertificate, "is malformed".to_owned()),
        CertificateError::InvalidPurposeContext { required, .. } => {
            (TlsErrorKind::BadCertificate, format!("is not meant for {required}"))
        }
        other => (TlsErrorKind::BadCertificate, format!("is not accepted: {other}")),
    };
    TlsError::new(kind, format!("{whose} {what}"))
}

/// webpki writes `DnsName("example.com")` and `IpAddress(127.0.0.1)`.
fn plain_name(name: &str) -> &str {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

fn refused(alert: AlertDescription, peer: &str) -> String {
    let why = match alert {
        AlertDescription::CertificateRequired => "it requires a certificate of us",
        AlertDescription::UnknownCA => "it does not know the issuer of our certificate",
        AlertDescription::BadCertificate => "it takes our certificate for a bad one",
        AlertDescription::CertificateExpired => "it says that our certificate has expired",
        AlertDescription::CertificateUnknown => "it does not accept our certificate",
        AlertDescription::CertificateRevoked => "it says that our certificate was revoked",
        AlertDescription::AccessDenied => "it denies us access",
        AlertDescription::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3 with us",
        AlertDescription::HandshakeFailure => "it found no cipher suite or the like in common",
        AlertDescription::NoApplicationProtocol => "it speaks no HTTP/1.1 over TLS (ALPN)",
        AlertDescription::UnrecognisedName => "it does not know the name it was asked for",
        AlertDescription::InternalError => "something is wrong on its side",
        AlertDescription::UserCanceled => "its user cancelled the handshake",
        _ => return format!("the {peer} ended TLS with the alert {alert:?}"),
    };
    format!("the {peer} refused: {why} (alert {alert:?})")
}

fn incompatible(error: &PeerIncompatible, peer: &str) -> String {
    match error {
        PeerIncompatible::Tls12NotOffered
        | PeerIncompatible::Tls12NotOfferedOrEnabled
        | PeerIncompatible::ServerDoesNotSupportTls12Or13
        | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
        | PeerIncompatible::SupportedVersionsExtensionRequired => {
            format!("the {peer} speaks no version of TLS that we do ({error:?})")
        }
        PeerIncompatible::NoCipherSuitesInCommon => {
            format!("the {peer} has no cipher suite in common with us")
        }
        other => format!("the {peer} and we have not enough in common: {other:?}"),
    }
}

fn date(time: UnixTime) -> String {
    hint::date(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
}
