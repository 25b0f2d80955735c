//! A relay between the suite, which speaks plain, and our ends under TLS: `socat`, which is not
//! ours and uses OpenSSL.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::place::Place;
use crate::run::{Background, run};
use crate::tools::Trouble;

/// What socat logs, and behind it the address, if port 0 was asked for.
const LISTENING: &str = "listening on AF=2 ";
/// How long it may take to say so.
const START: Duration = Duration::from_secs(60);

/// Where the certificate and its key lie, in one file.
pub(super) fn certificate(place: &Place) -> PathBuf {
    place.target.join("autobahn").join("tls.pem")
}

/// Looks for socat, and makes the certificate.
pub(super) fn install(place: &Place) -> Result<(), Trouble> {
    for program in ["socat", "openssl"] {
        let mut command = Command::new(program);
        let flag = if program == "socat" { "-V" } else { "version" };
        command.arg(flag).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            return Err(Trouble::Lacking(format!("needs {program}: apt install {program}")));
        }
    }
    let file = certificate(place);
    let failed = |error: std::io::Error| Trouble::Failed(format!("{}: {error}", file.display()));
    fs::create_dir_all(place.target.join("autobahn")).map_err(failed)?;
    let (key, cert) = (file.with_extension("key"), file.with_extension("cert"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args(["-nodes", "-days", "2", "-subj", "/CN=localhost"]);
    openssl.args(["-addext", "subjectAltName=DNS:localhost", "-keyout"]).arg(&key);
    openssl.arg("-out").arg(&cert);
    run(openssl, START, false).map_err(Trouble::Failed)?;
    let both = [fs::read(&cert).map_err(failed)?, fs::read(&key).map_err(failed)?].concat();
    fs::write(&file, both).map_err(failed)
}

/// Takes plain connections to a server of ours; its own address.
pub(super) fn to_tls(certificate: &Path, server: &str) -> Result<(Background, String), String> {
    let (host, port) = server.rsplit_once(':').ok_or("an address has a port")?;
    let certificate = certificate.display();
    start(
        "TCP-LISTEN:0,bind=127.0.0.1,fork,nodelay",
        &format!("OPENSSL:{host}:{port},cafile={certificate},commonname=localhost,nodelay"),
    )
}

/// Takes connections under TLS to a server of the suite's; its own port.
pub(super) fn from_tls(certificate: &Path, server: &str) -> Result<(Background, String), String> {
    let certificate = certificate.display();
    let listen =
        format!("OPENSSL-LISTEN:0,bind=127.0.0.1,fork,cert={certificate},verify=0,nodelay");
    let (relay, address) = start(&listen, &format!("TCP:{server},nodelay"))?;
    let port = address.rsplit(':').next().unwrap_or_default().to_owned();
    Ok((relay, port))
}

fn start(from: &str, to: &str) -> Result<(Background, String), String> {
    let mut socat = Command::new("socat");
    // What one side has said last goes out for so long after the other has ended.
    socat.args(["-d", "-d", "-t", "5", from, to]);
    let mut relay = Background::start(socat)?;
    let address = relay.announced(LISTENING, START)?;
    Ok((relay, address))
}
