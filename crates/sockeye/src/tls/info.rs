//! What is known of a connection's TLS.

/// What is known of a connection's TLS, once the handshake is done.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TlsInfo {
    /// `TLSv1.3` or `TLSv1.2`.
    pub version: &'static str,
    /// The cipher suite, as the registry of TLS names it.
    pub cipher: String,
    /// On a server, the name that the client asked for (SNI).
    pub server_name: Option<String>,
    /// The protocol agreed on by ALPN, if the peer spoke of it.
    pub alpn: Option<String>,
    /// Whether an earlier session was resumed.
    pub resumed: bool,
    /// The peer's certificate, verified: the identity of a client that has shown one, or of the
    /// server.
    pub peer: Option<PeerCertificate>,
}

/// The certificate that a peer has shown and proved to be its own, after it was verified.
#[derive(Clone, PartialEq, Eq)]
pub struct PeerCertificate {
    /// As it was sent, the peer's own first; never empty.
    chain: Vec<Vec<u8>>,
}

impl std::fmt::Debug for PeerCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeerCertificate({})", self.subject())
    }
}

impl PeerCertificate {
    /// `None` if there is none.
    #[cfg_attr(not(feature = "tls"), allow(dead_code))]
    pub(crate) fn new(chain: Vec<Vec<u8>>) -> Option<Self> {
        (!chain.is_empty()).then_some(Self { chain })
    }

    /// In DER, the peer's own certificate first, then those of its issuers as it sent them.
    pub fn chain(&self) -> &[Vec<u8>] {
        &self.chain
    }
}
