//! What both servers do alike: listen, say so, serve until a signal asks for the end.

use crate::args::{ListenArgs, Place, ServerTlsArgs, ServiceArgs};
use crate::background::Hold;
use crate::ending::{Ending, FAILED, MISUSED};
use crate::{renewal, service, signals};
use sockeye::systemd::Socket;
use sockeye::tls::ServerTls;
use sockeye::{Address, Builder, Connections, Context, Identity};
use std::io::{self, ErrorKind, Write};
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
    fn url(self, secure: bool, address: &Address) -> String {
        let Some(address) = address.ip() else { return address.to_string() };
        match (self, secure) {
            (Self::Pages, false) => format!("http://{address}/"),
            (Self::Pages, true) => format!("https://{address}/"),
            (Self::Messages, false) => format!("ws://{address}"),
            (Self::Messages, true) => format!("wss://{address}"),
        }
    }
}

/// Serves what `builder` puts together.
///
/// In this order: what is wrong with options and files is said before anything is begun; what is
/// handed over is taken while this is the process it was meant for; the lock before anything that
/// others could see; the user is changed when nothing more needs root.
pub(crate) fn run(
    builder: Builder,
    listen: &ListenArgs,
    tls: &ServerTlsArgs,
    args: &ServiceArgs,
    serves: Serves,
) -> Ending {
    match prepare(builder, listen, tls, args, serves) {
        Ok(begin) => begin.run(args, listen.drain),
        Err(ending) => ending,
    }
}

/// All that the options ask for, checked and not begun.
struct Begin {
    builder: Builder,
    sockets: Vec<Socket>,
    places: Vec<Place>,
    tls: Option<ServerTls>,
    identity: Option<Identity>,
    serves: Serves,
}

fn prepare(
    builder: Builder,
    listen: &ListenArgs,
    tls: &ServerTlsArgs,
    args: &ServiceArgs,
    serves: Serves,
) -> Result<Begin, Ending> {
    if let Some(why) = listen.misuse() {
        return Err(Ending::with(MISUSED, why));
    }
    let identity = args
        .identity()
        .map_err(|error| Ending::with(MISUSED, format!("--user: {error} with --group")))?;
    let tls = tls.server(&listen.ips())?;
    let sockets = service::sockets().map_err(|error| cannot_start(&error))?;
    let builder = service::watched(builder).map_err(|error| cannot_start(&error))?;
    let places = listen.places(!sockets.is_empty());
    Ok(Begin { builder, sockets, places, tls, identity, serves })
}

impl Begin {
    fn run(self, args: &ServiceArgs, drain: Option<Duration>) -> Ending {
        let mut hold = match Hold::take(args) {
            Ok(hold) => hold,
            Err(ending) => return ending,
        };
        let ending = match self.begin(drain) {
            Ok((context, lines)) => serve(context, &lines, &mut hold),
            Err(ending) => ending,
        };
        hold.release(ending)
    }

    /// Everything up to serving; the addresses, and other lines to be printed.
    fn begin(self, drain: Option<Duration>) -> Result<(Context, Lines), Ending> {
        let Self { builder, sockets, places, tls, identity, serves } = self;
        let mut context = builder.build().map_err(|error| cannot_start(&error))?;
        let mut at = Vec::new();
        for socket in sockets {
            let listening = match &tls {
                None => context.listen_on(socket.into_fd()),
                Some(tls) => context.listen_tls_on(socket.into_fd(), tls),
            };
            at.push(listening.map_err(|error| cannot_start(&error))?);
        }
        for mut place in places {
            if let Some(tls) = &tls {
                place.listen = place.listen.tls(tls);
            }
            let listening = context.listen_at(&place.listen);
            at.extend(listening.map_err(|error| cannot_listen(&place, &error))?);
        }
        if let Some(identity) = identity {
            identity.assume().map_err(|error| cannot_start(&error))?;
        }
        let renewed = tls.as_ref().map_or(Ok(()), |tls| renewal::begin(&mut context, tls));
        renewed
            .and_then(|()| end_on_signals(&mut context, drain))
            .map_err(|error| Ending::with(FAILED, format!("cannot handle signals: {error}")))?;
        let addresses = at.iter().map(|at| serves.url(tls.is_some(), at)).collect();
        let certificate = tls.map(|tls| renewal::fingerprint(&tls.sha256()));
        Ok((context, Lines { addresses, certificate }))
    }
}

/// What is said on stdout.
struct Lines {
    addresses: Vec<String>,
    certificate: Option<String>,
}

fn serve(mut context: Context, lines: &Lines, hold: &mut Hold) -> Ending {
    if let Err(error) = announce(lines) {
        return Ending::of_stdout(&error);
    }
    if let Err(error) = hold.ready() {
        return Ending::with(FAILED, format!("cannot go on: {error}"));
    }
    service::ready(&lines.addresses);
    match context.run() {
        Ok(()) => Ending::success(),
        Err(error) => Ending::with(FAILED, format!("the loop failed: {error}")),
    }
}

fn end_on_signals(context: &mut Context, drain: Option<Duration>) -> io::Result<()> {
    let shut_down = |_, connections: Connections<'_>| connections.handle().shutdown();
    match drain {
        None => signals::on_first(context, move |signal, connections| {
            shut_down(signal, connections);
            service::stopping();
        }),
        Some(over) => signals::on_two(
            context,
            move |_, connections| {
                connections.handle().drain(over);
                service::stopping();
            },
            shut_down,
        ),
    }
}

/// A line on stdout for each place, by which others learn the port; and one by which people know
/// the certificate.
fn announce(lines: &Lines) -> io::Result<()> {
    let mut text = String::new();
    for address in &lines.addresses {
        text += &format!("listening on {address}\n");
    }
    if let Some(certificate) = &lines.certificate {
        text += &format!("certificate SHA-256 {certificate}\n");
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?; // in one, for who reads the first line only
    stdout.flush()
}

fn cannot_start(error: &io::Error) -> Ending {
    Ending::with(FAILED, format!("cannot start: {error}"))
}

fn cannot_listen(place: &Place, error: &io::Error) -> Ending {
    let Place { name, options, .. } = place;
    let is_port = *options != "--listen" && error.kind() == ErrorKind::PermissionDenied;
    let remedy = if is_port { "choose a port from 1024 up with" } else { "choose another with" };
    Ending::with(FAILED, format!("cannot listen on {name}: {}; {remedy} {options}", plain(error)))
}

/// The system's own words: the library puts the address before them, which is said already.
fn plain(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|context| context.source());
    inner.map_or_else(|| error.to_string(), ToString::to_string)
}
