//! The client's half: whom it believes.

use super::certs::{Authority, Issued, Twist, self_signed};
use super::relay;
use crate::play::{Play, Trace};
use crate::world::{Mode, World, in_every_mode};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use sockeye::tls::{ClientTls, ClientTlsBuilder, TlsErrorKind};
use sockeye::{Connect, ConnectError, Context, Key};
use sockeye_testkit::{Frame, Peer, accept_upgrade};
use std::cell::RefCell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

/// Of TLS or not, and what it says.
type Failure = (Option<TlsErrorKind>, String);

/// A context that connects, and a server under TLS that is not ours.
struct Clients {
    world: Rc<World>,
    key: Key<Play>,
    trace: Trace,
    listener: TcpListener,
    at: SocketAddr,
    failure: Rc<RefCell<Option<Failure>>>,
}

pub(super) fn server_config(shown: &Issued, clients: Option<&Authority>) -> ServerConfig {
    let chain = vec![CertificateDer::from(shown.der.clone())];
    let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes()).expect("PEM");
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let verifier = WebPkiClientVerifier::builder(Arc::new(super::roots(ca))).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    builder.with_single_cert(chain, key).expect("they fit")
}

impl Clients {
    fn new(mode: Mode, shown: &Issued) -> Self {
        Self::of(mode, server_config(shown, None))
    }

    fn of(mode: Mode, config: ServerConfig) -> Self {
        let (trace, failure) = (Trace::default(), Rc::new(RefCell::new(None)));
        let (seen, upgraded) = (Rc::clone(&failure), trace.clone());
        let play = Play::new(&trace)
            .on_upgrade(move |hello| {
                let tls = hello.tls().expect("it is under TLS");
                let peer = tls.peer.expect("a server has a certificate");
                let how = if tls.resumed { " resumed" } else { "" };
                upgraded.note(format!("{} {}{how}", tls.version, peer.subject()));
                Ok(())
            })
            .on_failure(move |_, _, error| {
                let kind = if let ConnectError::Tls(tls) = error { Some(tls.kind()) } else { None };
                *seen.borrow_mut() = Some((kind, error.to_string()));
            });
        let mut builder = Context::builder();
        let key = builder.register(play);
        let world = World::new(mode, builder);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let at = relay::from_tls(listener.local_addr().expect("an address"), Arc::new(config));
        Self { world, key, trace, listener, at, failure }
    }

    fn dial(&self, host: &str, tls: ClientTlsBuilder) {
        self.dial_with(host, tls.build().expect("TLS"));
    }

    fn dial_with(&self, host: &str, tls: ClientTls) {
        let url = format!("wss://{host}:{}/", self.at.port());
        let connect = Connect::to(&url).expect("an address").tls(tls);
        let begun = self.world.connections(|all| all.connect(&connect, self.key.id()));
        begun.expect("it begins");
    }

    fn succeeds(&self, host: &str, tls: ClientTlsBuilder) {
        self.succeeds_with(host, &tls.build().expect("TLS"));
    }

    fn succeeds_with(&self, host: &str, tls: &ClientTls) {
        self.dial_with(host, tls.clone());
        let mut server = Peer::accept(&self.listener, self.world.turns());
        accept_upgrade(&mut server);
        server.send_frame(&Frame::text("hello"));
        server.expect_text("hello");
        server.close(1000, "");
        self.world.until_connections(0);
    }

    #[track_caller]
    fn fails(&self, host: &str, tls: ClientTlsBuilder) -> (TlsErrorKind, String) {
        self.dial(host, tls);
        self.world.until("the failure", || self.failure.borrow().is_some());
        let (kind, text) = self.failure.take().expect("it is there");
        self.world.until_connections(0);
        (kind.unwrap_or_else(|| panic!("no error of TLS: {text}")), text)
    }
}

fn believes(ca: &Authority) -> ClientTlsBuilder {
    ClientTls::builder().ca_pem(ca.pem())
}

#[test]
fn sessions_are_resumed_unless_every_handshake_shall_be_a_full_one() {
    let ca = Authority::new("Test CA");
    for (tls, second) in [
        (believes(&ca), "TLSv1.3 CN=server resumed"),
        (believes(&ca).no_resumption(), "TLSv1.3 CN=server"),
    ] {
        let clients = Clients::new(Mode::BuiltIn, &ca.issue(&["localhost"], "server"));
        let tls = tls.build().expect("TLS");
        for _ in 0..2 {
            clients.succeeds_with("localhost", &tls);
        }
        let noted = clients.trace.take();
        let upgrades: Vec<_> = noted.iter().filter(|line| line.starts_with("TLS")).collect();
        assert_eq!(upgrades, ["TLSv1.3 CN=server", second]);
    }
}

#[test]
fn a_server_of_a_known_ca_is_connected_to() {
    in_every_mode(|mode| {
        let ca = Authority::new("Test CA");
        let clients = Clients::new(mode, &ca.issue(&["localhost", "127.0.0.1"], "server"));
        clients.succeeds("localhost", believes(&ca));
        clients.succeeds("127.0.0.1", believes(&ca));
        assert_eq!(clients.trace.take()[0], "TLSv1.3 CN=server");
        let known = clients.trace.count("open");
        assert_eq!(known, 0, "taken above");
    });
}

#[test]
fn tls_begins_over_a_socket_that_is_connected_already() {
    in_every_mode(|mode| {
        let ca = Authority::new("Test CA");
        let clients = Clients::new(mode, &ca.issue(&["localhost"], "server"));
        clients.dial("localhost", believes(&ca));
        let mut first = Peer::accept(&clients.listener, clients.world.turns());
        accept_upgrade(&mut first);
        let tls = believes(&ca).build().expect("TLS");
        let connect = Connect::to("wss://localhost/").expect("an address").tls(tls);
        let stream = TcpStream::connect(clients.at).expect("a connection");
        let key = clients.key.id();
        let begun = clients.world.connections(|all| all.connect_over(stream.into(), &connect, key));
        begun.expect("it begins");
        first.send_frame(&Frame::text("another's turn")); // what has begun is not its output
        first.expect_text("another's turn");
        let mut second = Peer::accept(&clients.listener, clients.world.turns());
        accept_upgrade(&mut second);
        for peer in [&mut second, &mut first] {
            peer.send_frame(&Frame::text("hello"));
            peer.expect_text("hello");
        }
    });
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let ca = Authority::new("Test CA");
    let other = Authority::new("Other CA");
    let good = ca.issue(&["a.example", "b.example"], "server");
    let clients = Clients::new(Mode::BuiltIn, &good);
    assert_eq!(
        clients.fails("localhost", believes(&ca)),
        (
            TlsErrorKind::WrongName,
            "the server's certificate (CN=server) is for a.example, b.example, not for localhost"
                .to_owned()
        )
    );
    assert_eq!(
        clients.fails("localhost", believes(&other)),
        (
            TlsErrorKind::UnknownIssuer,
            "the server's certificate (CN=server) is signed by an unknown issuer (CN=Test CA)"
                .to_owned()
        )
    );
    let expired = ca.issue_twisted(&["localhost"], "server", Twist::Expired);
    let clients = Clients::new(Mode::BuiltIn, &expired);
    assert_eq!(
        clients.fails("localhost", believes(&ca)),
        (
            TlsErrorKind::NotInForce,
            "the server's certificate (CN=server) expired on Mon, 03 Feb 2020 00:00:00 GMT"
                .to_owned()
        )
    );
    let early = ca.issue_twisted(&["localhost"], "server", Twist::NotYet);
    let clients = Clients::new(Mode::BuiltIn, &early);
    let (kind, text) = clients.fails("localhost", believes(&ca));
    assert_eq!(kind, TlsErrorKind::NotInForce);
    assert!(text.contains("is not valid before Sun, 01 Jan 2090 00:00:00 GMT, and it"), "{text}");
}

#[test]
fn self_signed_certificates_are_accepted_only_where_that_is_said() {
    let accept = || ClientTls::builder().accept_self_signed();
    for twist in [Twist::None, Twist::MayIssue] {
        let own = self_signed(&["localhost"], "own", twist);
        let clients = Clients::new(Mode::BuiltIn, &own);
        clients.succeeds("localhost", accept());
        clients.succeeds("localhost", ClientTls::builder().ca_pem(own.pem.clone()));
        let (kind, text) = clients.fails("localhost", believes(&Authority::new("Test CA")));
        assert_eq!(kind, TlsErrorKind::SelfSigned);
        assert!(text.contains("(CN=own) is signed by itself"), "{text}");
        let (kind, _) = clients.fails("127.0.0.1", accept());
        assert_eq!(kind, TlsErrorKind::WrongName);
    }
    let old = self_signed(&["localhost"], "old", Twist::Expired);
    let (kind, _) = Clients::new(Mode::BuiltIn, &old).fails("localhost", accept());
    assert_eq!(kind, TlsErrorKind::NotInForce);
    // Signed by someone else is not signed by itself, even if that someone has the same name.
    let issued = Authority::new("twin").issue(&["localhost"], "twin");
    let (kind, _) = Clients::new(Mode::BuiltIn, &issued).fails("localhost", accept());
    assert_eq!(kind, TlsErrorKind::UnknownIssuer);
}

#[test]
fn a_pinned_key_decides_alone_but_for_name_and_dates() {
    let ca = Authority::new("Test CA");
    let good = ca.issue(&["localhost"], "server");
    let clients = Clients::new(Mode::BuiltIn, &good);
    let (kind, text) = clients.fails("localhost", believes(&ca).pinned_key([7; 32]));
    assert_eq!(kind, TlsErrorKind::BadCertificate);
    assert!(text.contains("another public key than the one pinned"), "{text}");
    let pin = pin_of(&good);
    clients.succeeds("localhost", ClientTls::builder().pinned_key([7; 32]).pinned_key(pin));
    let (kind, _) = clients.fails("127.0.0.1", ClientTls::builder().pinned_key(pin));
    assert_eq!(kind, TlsErrorKind::WrongName);
}

/// By the library's own account of a certificate, which the program prints too.
fn pin_of(issued: &Issued) -> [u8; 32] {
    let clients = Clients::new(Mode::BuiltIn, issued);
    let ca = ClientTls::builder().ca_pem(issued.pem.clone());
    clients.dial("localhost", ca);
    let mut server = Peer::accept(&clients.listener, clients.world.turns());
    server.expect_head();
    clients.world.connections(|all| {
        let id = all.all()[0];
        all.tls(id).expect("under TLS").peer.expect("a certificate").key_sha256()
    })
}

#[test]
fn a_client_shows_its_certificate_to_servers_that_ask() {
    let ca = Authority::new("Test CA");
    let config = server_config(&ca.issue(&["localhost"], "server"), Some(&ca));
    let clients = Clients::of(Mode::BuiltIn, config);
    let alice = ca.issue(&[], "alice");
    clients.succeeds("localhost", believes(&ca).certificate(alice.certificate()));
    let (kind, text) = clients.fails("localhost", believes(&ca));
    assert_eq!(kind, TlsErrorKind::Refused);
    assert!(text.contains("it requires a certificate of us"), "{text}");
    let mallory = Authority::new("Other CA").issue(&[], "alice");
    let shows = believes(&ca).certificate(mallory.certificate());
    let (kind, text) = clients.fails("localhost", shows);
    assert_eq!(kind, TlsErrorKind::Refused);
    assert!(text.contains("it does not know the issuer of our certificate"), "{text}");
}

#[test]
fn a_plain_server_is_told_from_one_that_speaks_tls() {
    let ca = Authority::new("Test CA");
    let clients = Clients::new(Mode::BuiltIn, &ca.issue(&["localhost"], "server"));
    let plain = clients.listener.local_addr().expect("an address");
    let url = format!("wss://{plain}/");
    let tls = believes(&ca).build().expect("TLS");
    let connect = Connect::to(&url).expect("an address").tls(tls);
    let begun = clients.world.connections(|all| all.connect(&connect, clients.key.id()));
    begun.expect("it begins");
    let mut server = Peer::accept(&clients.listener, clients.world.turns());
    server.send("HTTP/1.1 400 Bad Request\r\n\r\n");
    clients.world.until("the failure", || clients.failure.borrow().is_some());
    let (kind, text) = clients.failure.take().expect("it is there");
    assert_eq!(kind, Some(TlsErrorKind::Protocol));
    assert!(text.contains("what the server sent is no TLS"), "{text}");
}

#[test]
fn a_server_that_never_answers_runs_into_the_deadline() {
    let ca = Authority::new("Test CA");
    let clients = Clients::new(Mode::BuiltIn, &ca.issue(&["localhost"], "server"));
    let silent = clients.listener.local_addr().expect("an address");
    let tls = believes(&ca).build().expect("TLS");
    let connect = Connect::to(&format!("wss://{silent}/")).expect("an address").tls(tls);
    let begun = clients.world.connections(|all| all.connect(&connect, clients.key.id()));
    begun.expect("it begins");
    let mut server = Peer::accept(&clients.listener, clients.world.turns());
    server.expect_bytes(100); // of the ClientHello
    clients.world.wind(std::time::Duration::from_secs(11));
    let (_, text) = clients.failure.take().expect("the deadline");
    assert_eq!(text, "TLS was not agreed on within 10s");
}

#[test]
fn bad_settings_are_said_when_they_are_made() {
    let no_name = Connect::to("wss://a_b..c/").map(drop);
    let issued = Authority::new("Test CA").issue(&["localhost"], "server");
    let error = ClientTls::builder().ca_pem(issued.key.clone()).build().expect_err("no CA");
    assert!(error.to_string().contains("has no certificate"), "{error}");
    let error = ClientTls::builder().ca_file("/nonexistent.pem").build().expect_err("no file");
    assert!(error.to_string().contains("cannot read the CA /nonexistent.pem"), "{error}");
    drop(no_name); // whether a URL may say so is for URLs to say
}
