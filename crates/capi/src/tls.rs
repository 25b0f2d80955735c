//! TLS (manual, "SSL"): the members of the creation info, and the callbacks named after OpenSSL as
//! far as they can mean something without its types.

use crate::abi::{DISABLE_OS_CA_CERTS, Info, PeerCertificate, REQUIRE_CLIENT_CERT};
use crate::context::Ctx;
use crate::level::{Level, Reason};
use crate::log::say;
use crate::wsi::Wsi;
use sockeye::Connections;
use sockeye::tls::{Certificate, CipherList, ClientTls, ClientTlsBuilder, ServerTls};
use std::cell::RefCell;
use std::ffi::{CStr, CString, OsStr, c_char};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::ptr::{null, null_mut};
use std::rc::Rc;

/// What the creation info says of TLS.
pub(crate) struct Wanted {
    /// Chain and key; only both together.
    files: Option<(PathBuf, PathBuf)>,
    ca: Option<PathBuf>,
    ciphers: Option<CipherList>,
    /// Clients must show a certificate.
    requires_clients: bool,
    /// The platform's CAs are not to be believed.
    disables_platform: bool,
}

/// A path of C's.
///
/// # Safety
///
/// NULL, or a string.
unsafe fn path(text: *const c_char) -> Option<PathBuf> {
    if text.is_null() {
        return None;
    }
    // SAFETY: by the caller's word.
    let text = unsafe { CStr::from_ptr(text) };
    Some(PathBuf::from(OsStr::from_bytes(text.to_bytes())))
}

impl Wanted {
    /// # Safety
    ///
    /// The members that are paths or lists are NULL or strings.
    pub(crate) unsafe fn read(info: &Info, level: Level) -> Result<Self, String> {
        // SAFETY: by the caller's word.
        let (chain, key, ca, list) = unsafe {
            (
                path(info.ssl_cert_filepath),
                path(info.ssl_private_key_filepath),
                path(info.ssl_ca_filepath),
                path(info.ssl_cipher_list),
            )
        };
        let files = match (chain, key) {
            (Some(chain), Some(key)) => Some((chain, key)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                say!(
                    WARN,
                    "TLS needs both a certificate and its key; there is one of them: no TLS"
                );
                None
            }
        };
        if files.is_some() && !cfg!(feature = "tls") {
            return Err("this library was built without TLS: give no certificate and key".into());
        }
        // Without TLS there is nothing to choose from.
        let list = list.filter(|_| cfg!(feature = "tls"));
        let ciphers = list.map(|list| ciphers(&list.to_string_lossy())).transpose()?;
        let requires_clients = info.options & REQUIRE_CLIENT_CERT != 0;
        let disables_platform = level >= Level::V130 && info.options & DISABLE_OS_CA_CERTS != 0;
        Ok(Self { files, ca, ciphers, requires_clients, disables_platform })
    }

    /// Whether a context that listens does so under TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.files.is_some()
    }

    /// What a listener speaks TLS with, if it does. Asks the program for more CAs.
    pub(crate) fn server(&self, ctx: &Ctx) -> Result<Option<ServerTls>, String> {
        let files = self.files.as_ref().filter(|_| cfg!(feature = "tls"));
        let Some((chain, key)) = files else { return Ok(None) };
        let mut builder = ServerTls::builder().certificate(Certificate::from_files(chain, key));
        if let Some(list) = &self.ciphers {
            builder = builder.ciphers(list.clone());
        }
        if self.requires_clients {
            let more = ctx.ask_for_cas(Reason::OpensslLoadExtraServerVerifyCerts);
            let mut pem = Vec::new();
            for file in self.ca.iter().chain(&more) {
                check_ca(file)?;
                pem.extend(read("CA", file)?);
                pem.push(b'\n');
            }
            if pem.is_empty() {
                return Err("clients must show certificates, but no CA is named that issues \
                            them: set ssl_ca_filepath"
                    .into());
            }
            builder = builder.require_clients_pem(pem);
        }
        builder.build().map(Some).map_err(|error| error.to_string())
    }

    /// What connections to servers speak TLS with. A context that does not listen asks the program
    /// for more CAs, and shows servers that want it its own certificate. That a CA cannot be read
    /// is an error only once there is such a connection.
    pub(crate) fn clients(&self, ctx: &Ctx, listens: bool) -> Result<Clients, String> {
        let mut builder = ClientTls::builder();
        if !cfg!(feature = "tls") {
            return Ok(Clients { builder, trouble: None, built: RefCell::default() });
        }
        let mut more = None;
        if !listens {
            more = ctx.ask_for_cas(Reason::OpensslLoadExtraClientVerifyCerts);
        }
        let mut trouble = None;
        if self.disables_platform && self.ca.is_none() && more.is_none() {
            let why = "LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS, and no CA is named: nobody is \
                       believed; set ssl_ca_filepath";
            trouble = Some(why.to_owned());
        }
        for file in self.ca.iter().chain(&more) {
            builder = builder.ca_file(file);
            trouble = trouble.or(check_ca(file).err());
        }
        if let Some(list) = &self.ciphers {
            builder = builder.ciphers(list.clone());
        }
        if let Some((chain, key)) = self.files.as_ref().filter(|_| !listens) {
            builder = builder.certificate(Certificate::from_files(chain, key));
        }
        let clients = Clients { builder, trouble, built: RefCell::default() };
        let names_files = self.ca.is_some() || more.is_some() || self.files.is_some();
        if names_files && !listens {
            clients.read_files()?;
        }
        Ok(clients)
    }
}

fn ciphers(list: &str) -> Result<CipherList, String> {
    let list: CipherList = list.parse().map_err(|error| format!("ssl_cipher_list: {error}"))?;
    if !list.obsolete().is_empty() {
        let obsolete = list.obsolete().join(", ");
        say!(WARN, "ssl_cipher_list: {obsolete} are not to be had any more, and left out");
    }
    Ok(list)
}

fn read(what: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read the {what} {}: {error}", path.display()))
}

/// Sees to it that what is wrong with a file of CAs is said with its name.
fn check_ca(file: &Path) -> Result<(), String> {
    let tls = ClientTls::builder().ca_file(file).build();
    tls.map(drop).map_err(|error| error.to_string())
}

/// What a context's connections to servers speak TLS with. The platform's CAs take a while to read
/// and are read only for the first connection that needs them.
pub(crate) struct Clients {
    builder: ClientTlsBuilder,
    /// Why there is no knowing whom to believe.
    trouble: Option<String>,
    /// For certificates of known issuers only, and for those that signed themselves as well.
    built: RefCell<[Option<ClientTls>; 2]>,
}

impl Clients {
    /// As `ssl_connection` says: 2 is for certificates that signed themselves, too.
    pub(crate) fn tls(&self, ssl_connection: i32) -> Result<ClientTls, String> {
        if !cfg!(feature = "tls") {
            return Err("libwebsockets not configured for ssl".into());
        }
        if let Some(trouble) = &self.trouble {
            return Err(trouble.clone());
        }
        let self_signed = ssl_connection == 2;
        let built = &mut self.built.borrow_mut()[usize::from(self_signed)];
        if let Some(tls) = built {
            return Ok(tls.clone());
        }
        let mut builder = self.builder.clone();
        if self_signed {
            builder = builder.accept_self_signed();
        }
        let tls = builder.build().map_err(|error| error.to_string())?;
        Ok(built.insert(tls).clone())
    }

    /// Reads the files when the context is made: what is wrong is said then, and what becomes of
    /// them later makes no difference.
    fn read_files(&self) -> Result<(), String> {
        match &self.trouble {
            Some(trouble) => {
                say!(ERR, "{trouble}; there will be no connections under TLS");
                Ok(())
            }
            None => self.tls(1).and(self.tls(2)).map(drop),
        }
    }
}

impl Ctx {
    /// OPENSSL_LOAD_EXTRA_…_VERIFY_CERTS: the program may name a file of further CAs by setting the
    /// `const char *` that `in` points to. `user`, once an `SSL_CTX *`, is NULL.
    fn ask_for_cas(&self, reason: Reason) -> Option<PathBuf> {
        let mut file: *const c_char = null();
        self.call(0, None, reason, null_mut(), ((&raw mut file).cast(), 0));
        // SAFETY: the header says that it is to be left NULL, or set to a string.
        unsafe { path(file) }
    }

    /// OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION: whether the program lets in a client whose
    /// certificate has been verified. Asked once for each connection, before its first request.
    pub(crate) fn admits_client(&self, wsi: &Rc<Wsi>, connections: Connections<'_>) -> bool {
        if !cfg!(feature = "tls") || !self.requires_clients || wsi.is_vetted.replace(true) {
            return true;
        }
        let peer = wsi.conn.get().and_then(|conn| connections.tls(conn)?.peer);
        let Some(peer) = peer else { return false }; // TLS would not have let it through
        let text = |text: String| CString::new(text.replace('\0', "\\0")).unwrap_or_default();
        let (subject, issuer) = (text(peer.subject()), text(peer.issuer()));
        let common_name = peer.common_name().map(text);
        let der = &peer.chain()[0];
        let mut certificate = PeerCertificate {
            subject: subject.as_ptr(),
            issuer: issuer.as_ptr(),
            common_name: common_name.as_ref().map_or_else(null, |name| name.as_ptr()),
            der: der.as_ptr(),
            der_len: der.len(),
            sha256: peer.sha256(),
        };
        let reason = Reason::OpensslPerformClientCertVerification;
        let verified = 1; // where OpenSSL says whether it would accept
        let input = ((&raw mut certificate).cast(), verified);
        let admitted = self.call(0, Some(wsi), reason, null_mut(), input) == 0;
        if !admitted {
            say!(WARN, "User code denied the certificate of {}", peer.subject());
        }
        admitted
    }
}
