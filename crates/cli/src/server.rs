//! What both servers do alike: listen, say so, serve until a signal asks for the end.

use crate::args::{ListenArgs, ServerTlsArgs, ServiceArgs};
use crate::background::Hold;
use crate::ending::{Ending, FAILED};
use crate::{renewal, signals};
use sockeye::tls::ServerTls;
use sockeye::{Builder, Connections, Context};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// What a server is for, which decides what its address looks like.
#[derive(Clone, Copy)]
pub(crate) enum Serves {
    /// `http://…/`, for browsers.
    Pages,
    /// `ws://…`, for clients.
    Messages,
}

impl Serves {
    fn url(self, secure: bool, address: SocketAddr) -> String {
        match (self, secure) {
            (Self::Pages, false) => format!("http://{address}/"),
            (Self::Pages, true) => format!("https://{address}/"),
            (Self::Messages, false) => format!("ws://{address}"),
            (Self::Messages, true) => format!("wss://{address}"),
        }
    }
}

/// Serves what `builder` puts together.
pub(crate) fn run(
    builder: Builder,
    at: &ListenArgs,
    tls: &ServerTlsArgs,
    service: &ServiceArgs,
    serves: Serves,
) -> Ending {
    // First: what is wrong with files is said before anything is begun.
    let tls = match tls.server(at.bind) {
        Ok(tls) => tls,
        Err(ending) => return ending,
    };
    let mut hold = match Hold::take(service) {
        Ok(hold) => hold,
        Err(ending) => return ending,
    };
    let ending = serve(builder, at, tls.as_ref(), &mut hold, serves);
    hold.release(ending)
}

fn serve(
    builder: Builder,
    at: &ListenArgs,
    tls: Option<&ServerTls>,
    hold: &mut Hold,
    serves: Serves,
) -> Ending {
    let mut context = match builder.build() {
        Ok(context) => context,
        Err(error) => return Ending::with(FAILED, format!("cannot start: {error}")),
    };
    let wanted = SocketAddr::new(at.bind, at.port);
    let listening = match tls {
        None => context.listen(wanted),
        Some(tls) => context.listen_tls(wanted, tls),
    };
    let address = match listening {
        Ok(address) => address,
        Err(error) => return Ending::with(FAILED, cannot_listen(wanted, &error)),
    };
    let renewed = tls.map_or(Ok(()), |tls| renewal::begin(&mut context, tls));
    if let Err(error) = renewed.and_then(|()| end_on_signals(&mut context, at.drain)) {
        return Ending::with(FAILED, format!("cannot handle signals: {error}"));
    }
    if let Err(error) = announce(&serves.url(tls.is_some(), address), tls) {
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

/// The line on stdout by which others learn the port; and one by which people know the
/// certificate.
fn announce(url: &str, tls: Option<&ServerTls>) -> io::Result<()> {
    let mut lines = format!("listening on {url}\n");
    if let Some(tls) = tls {
        lines += &format!("certificate SHA-256 {}\n", renewal::fingerprint(&tls.sha256()));
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(lines.as_bytes())?; // in one, for who reads the first line only
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
