//! What both servers do alike: listen, say so, serve until a signal asks for the end.

use crate::args::{ListenArgs, ServiceArgs};
use crate::background::Hold;
use crate::ending::{Ending, FAILED};
use crate::signals;
use sockeye::{Builder, Connections, Context};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// Serves what `builder` puts together; `url` is what is printed of the address.
pub(crate) fn run(
    builder: Builder,
    at: &ListenArgs,
    service: &ServiceArgs,
    url: impl FnOnce(SocketAddr) -> String,
) -> Ending {
    let mut hold = match Hold::take(service) {
        Ok(hold) => hold,
        Err(ending) => return ending,
    };
    let ending = serve(builder, at, &mut hold, url);
    hold.release(ending)
}

fn serve(
    builder: Builder,
    at: &ListenArgs,
    hold: &mut Hold,
    url: impl FnOnce(SocketAddr) -> String,
) -> Ending {
    let mut context = match builder.build() {
        Ok(context) => context,
        Err(error) => return Ending::with(FAILED, format!("cannot start: {error}")),
    };
    let wanted = SocketAddr::new(at.bind, at.port);
    let address = match context.listen(wanted) {
        Ok(address) => address,
        Err(error) => return Ending::with(FAILED, cannot_listen(wanted, &error)),
    };
    if let Err(error) = end_on_signals(&mut context, at.drain) {
        return Ending::with(FAILED, format!("cannot handle signals: {error}"));
    }
    if let Err(error) = announce(&url(address)) {
        return Ending::of_stdout(&error);
    }
    if let Err(error) = hold.ready() {
        return Ending::with(FAILED, format!("cannot go on: {error}"));
    }
    match context.run() {
        Ok(()) => Ending::success(),
        Err(error) => Ending::with(FAILED, format!("the loop failed: {error}")),
    }
}

fn end_on_signals(context: &mut Context, drain: Option<Duration>) -> io::Result<()> {
    let shut_down = |_, connections: Connections<'_>| connections.handle().shutdown();
    match drain {
        None => signals::on_first(context, shut_down),
        Some(over) => signals::on_two(
            context,
            move |_, connections| connections.handle().drain(over),
            shut_down,
        ),
    }
}

/// The one line on stdout, by which others learn the port.
fn announce(url: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {url}")?;
    stdout.flush()
}

/// What to do about errors whose remedy is known.
const REMEDIES: [(io::ErrorKind, &str); 3] = [
    (io::ErrorKind::AddrInUse, "choose another port with --port"),
    (io::ErrorKind::AddrNotAvailable, "choose an address of this machine with --bind"),
    (io::ErrorKind::PermissionDenied, "choose a port from 1024 up with --port"),
];

fn cannot_listen(address: SocketAddr, error: &io::Error) -> String {
    let remedy = REMEDIES.iter().find(|(kind, _)| *kind == error.kind());
    let remedy = remedy.map_or("try other --bind and --port", |(_, remedy)| remedy);
    format!("cannot listen on {address}: {}; {remedy}", plain(error))
}

/// The system's own words: the library puts the address before them, which is said already.
fn plain(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|context| context.source());
    inner.map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_to_listen_names_the_address_and_the_option() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let error = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(
            cannot_listen(address, &error),
            "cannot listen on 127.0.0.1:80: permission denied; \
             choose a port from 1024 up with --port"
        );
    }
}
