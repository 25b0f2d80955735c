//! What a build without TLS has in its place: the same names, of which no value can be had.

use super::{CipherList, PeerCertificate, Tls13Suites, TlsError, TlsErrorKind, TlsInfo};
use crate::handle::{Inbox, Letter};
use crate::slots::ConnId;
use crate::transport::Lost;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

/// What a listener speaks TLS with: nothing, in this build.
#[derive(Clone, Debug)]
pub struct ServerTls(Infallible);

/// What a client speaks TLS with: nothing, in this build.
#[derive(Clone, Debug)]
pub struct ClientTls(Infallible);

/// A certificate, the chain to its issuer, and its private key; of no use in this build.
#[derive(Clone, Debug)]
pub struct Certificate(());

/// Puts a [`ServerTls`] together; in this build that fails.
#[derive(Clone, Debug, Default)]
pub struct ServerTlsBuilder(());

/// Puts a [`ClientTls`] together; in this build that fails.
#[derive(Clone, Debug, Default)]
pub struct ClientTlsBuilder(());

fn not_built<T>() -> Result<T, TlsError> {
    Err(TlsError::new(TlsErrorKind::NotBuilt, "this build has no TLS (cargo feature `tls`)"))
}

#[allow(missing_docs)] // as in a build with TLS
impl Certificate {
    pub fn from_files(_: impl Into<PathBuf>, _: impl Into<PathBuf>) -> Self {
        Self(())
    }

    pub fn from_pem(_: impl Into<Vec<u8>>, _: impl Into<Vec<u8>>) -> Self {
        Self(())
    }
}

#[allow(missing_docs)] // as in a build with TLS
impl ServerTlsBuilder {
    pub fn certificate(self, _: Certificate) -> Self {
        self
    }

    pub fn require_clients(self, _: impl Into<PathBuf>) -> Self {
        self
    }

    pub fn require_clients_pem(self, _: impl Into<Vec<u8>>) -> Self {
        self
    }

    pub fn ask_clients(self, _: impl Into<PathBuf>) -> Self {
        self
    }

    pub fn ask_clients_pem(self, _: impl Into<Vec<u8>>) -> Self {
        self
    }

    pub fn ciphers(self, _: CipherList) -> Self {
        self
    }

    pub fn tls13_suites(self, _: Tls13Suites) -> Self {
        self
    }

    pub fn tls13_only(self) -> Self {
        self
    }

    pub fn build(self) -> Result<ServerTls, TlsError> {
        not_built()
    }
}

#[allow(missing_docs)] // as in a build with TLS
impl ServerTls {
    pub fn builder() -> ServerTlsBuilder {
        ServerTlsBuilder::default()
    }

    pub fn from_files(_: impl Into<PathBuf>, _: impl Into<PathBuf>) -> Result<Self, TlsError> {
        not_built()
    }

    pub fn reload(&self) -> Result<(), TlsError> {
        match self.0 {}
    }

    pub fn replace(&self, _: Vec<Certificate>) -> Result<(), TlsError> {
        match self.0 {}
    }

    pub fn is_stale(&self) -> bool {
        match self.0 {}
    }

    pub fn sha256(&self) -> [u8; 32] {
        match self.0 {}
    }
}

#[allow(missing_docs)] // as in a build with TLS
impl ClientTlsBuilder {
    pub fn ca_file(self, _: impl Into<PathBuf>) -> Self {
        self
    }

    pub fn ca_pem(self, _: impl Into<Vec<u8>>) -> Self {
        self
    }

    pub fn pinned_key(self, _: [u8; 32]) -> Self {
        self
    }

    pub fn accept_self_signed(self) -> Self {
        self
    }

    pub fn certificate(self, _: Certificate) -> Self {
        self
    }

    pub fn ciphers(self, _: CipherList) -> Self {
        self
    }

    pub fn tls13_suites(self, _: Tls13Suites) -> Self {
        self
    }

    pub fn tls13_only(self) -> Self {
        self
    }

    pub fn no_resumption(self) -> Self {
        self
    }

    pub fn build(self) -> Result<ClientTls, TlsError> {
        not_built()
    }
}

#[allow(missing_docs)] // as in a build with TLS
impl ClientTls {
    pub fn builder() -> ClientTlsBuilder {
        ClientTlsBuilder::default()
    }

    pub fn platform() -> Result<Self, TlsError> {
        not_built()
    }
}

#[allow(missing_docs)] // as in a build with TLS
impl PeerCertificate {
    pub fn subject(&self) -> String {
        String::new()
    }

    pub fn issuer(&self) -> String {
        String::new()
    }

    pub fn common_name(&self) -> Option<String> {
        None
    }

    pub fn dns_names(&self) -> Vec<String> {
        Vec::new()
    }

    pub fn sha256(&self) -> [u8; 32] {
        [0; 32]
    }

    pub fn key_sha256(&self) -> [u8; 32] {
        [0; 32]
    }
}

/// What would be said if there were a connection to say it of.
#[allow(dead_code)]
fn lost(failure: Failure) -> Lost {
    Lost::Tls(failure)
}

/// How a handshake would come back.
#[allow(dead_code)]
fn letter(id: ConnId, done: Done) -> Letter {
    Letter::Secured(id, done)
}

/// Threads that take handshakes: none.
pub(crate) struct Workers(Infallible);

/// What came of a handshake on one.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) link: Held,
    pub(crate) plain: Vec<u8>,
    pub(crate) out: Vec<u8>,
}

impl Workers {
    pub(crate) fn new(_: usize, _: &Arc<Inbox>) -> Option<Self> {
        None
    }

    pub(crate) fn hand_over(&mut self, _: ConnId, _: Held, _: Vec<u8>) -> Result<(), Held> {
        match self.0 {}
    }
}

pub(crate) const RECORD_MAX: usize = 0;
pub(crate) const HANDSHAKE_MAX: usize = 0;

/// The TLS of a connection: none has any.
#[derive(Debug)]
pub(crate) struct Link(Infallible);

/// A link where it is kept: without a box, so that the compiler sees that there is none.
pub(crate) type Held = Link;

/// Why a connection under TLS is lost: none is.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Infallible);

impl From<Failure> for TlsError {
    fn from(failure: Failure) -> Self {
        match failure.0 {}
    }
}

#[allow(dead_code)] // as in a build with TLS
pub(crate) enum Taken {
    Plain(usize),
    NoTls,
}

#[derive(Clone, Debug)]
pub(crate) struct TlsName(Infallible);

impl TlsName {
    pub(crate) fn new(_: &str) -> Result<Self, TlsError> {
        not_built()
    }
}

impl Link {
    pub(crate) fn server(tls: &ServerTls) -> Result<Self, TlsError> {
        match tls.0 {}
    }

    pub(crate) fn client(tls: &ClientTls, _: TlsName) -> Result<Self, TlsError> {
        match tls.0 {}
    }

    pub(crate) fn begin(&mut self, _: Vec<u8>, _: &mut Vec<u8>) {
        match self.0 {}
    }

    pub(crate) fn of_proxy(&mut self) {
        match self.0 {}
    }

    pub(crate) fn held(self) -> Held {
        self
    }

    pub(crate) fn inside(&mut self, _: Held) {
        match self.0 {}
    }

    pub(crate) fn kept_above(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn kept(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn take(&mut self, _: &mut [u8], _: &mut [u8], _: &mut Vec<u8>) -> Taken {
        match self.0 {}
    }

    pub(crate) fn is_heavy(&self, _: &mut [u8]) -> bool {
        match self.0 {}
    }

    pub(crate) fn take_end(&mut self) -> Option<Lost> {
        match self.0 {}
    }

    pub(crate) fn seal(&mut self, _: &[u8], _: &mut Vec<u8>) {
        match self.0 {}
    }

    pub(crate) fn close(&mut self, _: &mut Vec<u8>) {
        match self.0 {}
    }

    pub(crate) fn info(&self) -> Option<TlsInfo> {
        match self.0 {}
    }
}
