//! TLS of the program: both of its ends, its certificates and their renewal, its sentences.

use crate::run::{Program, Server, command, run};
use crate::scratch::Scratch;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustix::process::Signal;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStderr, Stdio};

/// A CA, and files of what it has issued.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a CA") }
    }

    /// Writes `NAME.pem` and `NAME.key` for this machine.
    fn issue(&self, files: &Scratch, name: &str) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::write(files.path(&format!("{name}.key")), key.serialize_pem()).expect("a file");
        fs::write(files.path(&format!("{name}.pem")), certificate.pem()).expect("a file");
    }

    /// Writes its own certificate to `ca.pem`.
    fn publish(&self, files: &Scratch) {
        fs::write(files.path("ca.pem"), self.issuer.pem()).expect("a file");
    }
}

/// `sockeye connect`, which says a word and waits for its echo: status, stdout, stderr.
fn connect(server: &Server, options: &[&str]) -> (Option<i32>, String, String) {
    let url = format!("wss://{}", server.address);
    let args = [&["connect", &url, "--count", "1"], options].concat();
    let mut program = Program::spawn(command(&args));
    program.say(b"hello\n");
    program.say_no_more();
    let mut said = String::new();
    program.stdout().read_to_string(&mut said).expect("text");
    let (status, complaint) = program.verdict();
    (status, said, complaint)
}

const ECHOED: (Option<i32>, &str, &str) = (Some(0), "hello\n", "");

fn as_str((status, said, complaint): &(Option<i32>, String, String)) -> (Option<i32>, &str, &str) {
    (*status, said, complaint)
}

#[test]
fn a_self_signed_certificate_is_made_and_accepted_where_that_is_asked_for() {
    let server = Server::start(&["echo", "--tls-self-signed"], "wss");
    assert_eq!(as_str(&connect(&server, &["--insecure"])), ECHOED);
    let (status, _, complaint) = connect(&server, &[]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("is signed by itself"), "{complaint}");
}

#[test]
fn the_fingerprint_that_is_printed_is_that_of_the_certificate() {
    let (files, ca) = (Scratch::new(), Authority::new("CA"));
    ca.issue(&files, "server");
    let (pem, key) = (files.name("server.pem"), files.name("server.key"));
    let args = ["serve", "--tls-cert", &pem, "--tls-key", &key, "--port", "0"];
    let mut program = Program::start(&args);
    let mut stdout = program.stdout();
    let (mut first, mut second) = (String::new(), String::new());
    stdout.read_line(&mut first).and_then(|_| stdout.read_line(&mut second)).expect("text");
    assert!(first.starts_with("listening on https://127.0.0.1:"), "{first}");
    let openssl = ["x509", "-noout", "-fingerprint", "-sha256", "-in", &pem];
    let Ok(theirs) = std::process::Command::new("openssl").args(openssl).output() else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "openssl is missing");
        return println!("skipped: openssl is missing");
    };
    let theirs = String::from_utf8(theirs.stdout).expect("text");
    let (_, theirs) = theirs.split_once('=').expect("name=value");
    assert_eq!(second, format!("certificate SHA-256 {theirs}"));
}

#[test]
fn certificates_of_a_ca_are_asked_for_in_both_directions() {
    let (files, ca) = (Scratch::new(), Authority::new("CA"));
    ca.publish(&files);
    ["server", "alice"].iter().for_each(|name| ca.issue(&files, name));
    Authority::new("Another CA").issue(&files, "mallory");
    let name = |file: &str| files.name(file);
    let ca = name("ca.pem");
    let server = Server::start(
        &[
            "echo",
            "--tls-cert",
            &name("server.pem"),
            "--tls-key",
            &name("server.key"),
            "--tls-client-ca",
            &ca,
        ],
        "wss",
    );
    let of = |who: &str| (name(&format!("{who}.pem")), name(&format!("{who}.key")));
    let (cert, key) = of("alice");
    let alice = ["--ca", &ca, "--cert", &cert, "--key", &key];
    assert_eq!(as_str(&connect(&server, &alice)), ECHOED);
    let (status, _, complaint) = connect(&server, &["--ca", &ca]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("it requires a certificate of us"), "{complaint}");
    let (cert, key) = of("mallory");
    let (status, _, complaint) = connect(&server, &["--ca", &ca, "--cert", &cert, "--key", &key]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("it does not know the issuer of our certificate"), "{complaint}");
    let (status, _, complaint) = connect(&server, &["--insecure"]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("is signed by an unknown issuer (CN=CA)"), "{complaint}");
}

#[test]
fn plain_clients_are_shown_the_way() {
    let server = Server::start(&["serve", "--tls-self-signed"], "https");
    let url = format!("ws://{}", server.address);
    let (status, _, complaint) = run(&["connect", &url]);
    assert_eq!(status, Some(1));
    assert!(complaint.contains("400"), "{complaint}");
}

/// What a server logs, line by line.
struct Log(BufReader<ChildStderr>);

impl Log {
    /// The next line that has this in it.
    fn until(&mut self, what: &str) -> String {
        loop {
            let mut line = String::new();
            let length = self.0.read_line(&mut line).expect("text");
            assert_ne!(length, 0, "the log ended before {what:?}");
            if line.contains(what) {
                return line;
            }
        }
    }
}

#[test]
fn certificates_are_renewed_on_sighup_and_when_their_files_change() {
    let files = Scratch::new();
    let (old, new) = (Authority::new("Old CA"), Authority::new("New CA"));
    old.publish(&files);
    old.issue(&files, "server");
    let (pem, key) = (files.name("server.pem"), files.name("server.key"));
    let ca = files.name("ca.pem");
    let mut command = command(&["echo", "--tls-cert", &pem, "--tls-key", &key, "--port", "0"]);
    command.stderr(Stdio::piped());
    let mut program = Program::spawn(command);
    let mut line = String::new();
    program.stdout().read_line(&mut line).expect("text");
    let address = crate::run::address_in(&line, "wss");
    let mut log = Log(BufReader::new(program.stderr()));
    let server = Server { program, address };
    assert_eq!(as_str(&connect(&server, &["--ca", &ca])), ECHOED);

    // A connection from before lives through all of it.
    let url = format!("wss://{address}");
    let mut before = Program::start(&["connect", &url, "--ca", &ca]);
    let mut heard = before.stdout();
    let mut round = |word: &str| {
        before.say(format!("{word}\n").as_bytes());
        let mut line = String::new();
        heard.read_line(&mut line).expect("text");
        assert_eq!(line, format!("{word}\n"));
    };
    round("before");

    fs::write(&pem, "no certificate").expect("a file");
    server.program.signal(Signal::HUP);
    let line = log.until("the old certificate stays");
    assert!(line.contains(&format!("{pem} has no certificate")), "{line}");
    assert_eq!(as_str(&connect(&server, &["--ca", &ca])), ECHOED);

    new.publish(&files);
    new.issue(&files, "server"); // the key first, which does not fit the old certificate
    log.until("certificate renewed"); // by itself
    assert_eq!(as_str(&connect(&server, &["--ca", &ca])), ECHOED);
    round("after");
    server.program.signal(Signal::HUP);
    log.until("certificate renewed");
    round("once more");
}

#[test]
fn what_is_wrong_with_options_and_files_is_said_in_one_sentence() {
    let (files, ca) = (Scratch::new(), Authority::new("CA"));
    ["one", "two"].iter().for_each(|name| ca.issue(&files, name));
    let name = |file: &str| files.name(file);
    let (one, two) = (name("one.pem"), name("two.key"));
    let missing = name("missing.pem");
    let cases: [(&[&str], i32, String); 8] = [
        (&["serve", "--tls-key", &two], 2, "--tls-key needs --tls-cert beside it".into()),
        (
            &["serve", "--tls-client-ca", &one],
            2,
            "--tls-client-ca needs --tls-cert or --tls-self-signed beside it".into(),
        ),
        (
            &["echo", "--tls-cert", &one, "--tls-self-signed"],
            2,
            "'--tls-cert <FILE>' does not go with '--tls-self-signed'".into(),
        ),
        (
            &["echo", "--tls-self-signed", "--tls-ciphers", "HIGH:FOO"],
            2,
            "'--tls-ciphers <LIST>' cannot be 'HIGH:FOO': cipher list: \"FOO\" is no".into(),
        ),
        (
            &["echo", "--tls-cert", &one, "--tls-key", &two],
            1,
            format!("the private key {two} does not belong to the certificate {one}"),
        ),
        (&["echo", "--tls-cert", &one], 1, format!("the private key {one} has no key")),
        (
            &["echo", "--tls-cert", &missing],
            1,
            format!("cannot read the certificate {missing}: No such file"),
        ),
        (
            &["connect", "wss://127.0.0.1:1", "--ca", &missing],
            1,
            format!("cannot read the CA {missing}: No such file"),
        ),
    ];
    for (args, status, sentence) in cases {
        let (ended, said, complaint) = run(args);
        assert_eq!((ended, said.as_str()), (Some(status), ""), "{args:?}: {complaint}");
        assert!(complaint.contains(&sentence), "{complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
    }
}
