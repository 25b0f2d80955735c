//! Certificates that are renewed while the server runs: on SIGHUP, and when their files change.

use crate::signals;
use sockeye::Context;
use sockeye::log::{Levels, emit};
use sockeye::tls::ServerTls;
use std::io;
use std::thread;
use std::time::Duration;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the files anew when there is reason to, from here to the end of the program.
pub(crate) fn begin(context: &mut Context, tls: &ServerTls) -> io::Result<()> {
    let hung_up = tls.clone();
    signals::on_hangup(context, move || reload(&hung_up))?;
    let tls = tls.clone();
    thread::Builder::new().name("renewal".into()).spawn(move || {
        loop {
            thread::sleep(LOOK);
            if tls.is_stale() {
                reload(&tls);
            }
        }
    })?;
    Ok(())
}

fn reload(tls: &ServerTls) {
    match tls.reload() {
        Ok(()) => emit(
            Levels::NOTICE,
            format_args!("certificate renewed, SHA-256 {}", fingerprint(&tls.sha256())),
        ),
        Err(why) => emit(Levels::ERR, format_args!("the old certificate stays: {why}")),
    }
}

/// As people compare them: `AB:CD:…`.
pub(crate) fn fingerprint(sha256: &[u8; 32]) -> String {
    let pairs: Vec<String> = sha256.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}
