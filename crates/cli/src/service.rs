//! What a service manager, if one has started the server, hands over and is told.

use sockeye::Builder;
use sockeye::log::{self, Levels};
use sockeye::systemd::{self, Socket};
use std::io;

/// The sockets that were handed over.
pub(crate) fn sockets() -> io::Result<Vec<Socket>> {
    systemd::sockets()
}

/// Lets the loop show that it turns, if that is watched.
pub(crate) fn watched(builder: Builder) -> io::Result<Builder> {
    Ok(match systemd::watchdog()? {
        // Twice in the time, as is the custom: one beat may be late.
        Some(every) => builder.heartbeat(every / 2, || told(systemd::beat())),
        None => builder,
    })
}

/// The server serves at these addresses.
pub(crate) fn ready(addresses: &[String]) {
    let pid = std::process::id();
    let at = addresses.join(", ");
    told(systemd::notify(&format!("READY=1\nMAINPID={pid}\nSTATUS=Listening on {at}")));
}

/// The server closes its connections.
pub(crate) fn stopping() {
    told(systemd::notify_now("STOPPING=1\nSTATUS=Closing connections"));
}

/// A service manager that cannot be told is worth a line, and no more.
fn told(result: io::Result<bool>) {
    if let Err(error) = result {
        log::emit(Levels::WARN, format_args!("{error}"));
    }
}
