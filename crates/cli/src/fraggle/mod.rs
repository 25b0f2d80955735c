//! `sockeye fraggle`: random fragments in one message, checked by sum; server and client.

mod check;
mod random;
mod spam;

use crate::args::FraggleArgs;
use crate::ending::{Ending, FAILED, MISUSED};
use crate::server::Serves;
use crate::{logging, server, signals};
use check::Check;
use sockeye::log::Levels;
use sockeye::{Connect, ConnectError, Context, Limits};
use spam::Spam;
use std::cell::OnceCell;
use std::io;
use std::rc::Rc;

/// The subprotocol of both ends.
const NAME: &str = "fraggle-protocol";

/// Checks what the server sends that the command line names, or else is that server.
pub(crate) fn run(args: &FraggleArgs) -> Ending {
    match &args.url {
        None => serve(args),
        Some(url) => {
            logging::begin(&args.log, Levels::ERR | Levels::WARN);
            let failed = |error| Ending::with(FAILED, format!("the loop failed: {error}"));
            check(args, url).unwrap_or_else(failed)
        }
    }
}

fn serve(args: &FraggleArgs) -> Ending {
    if let Some(option) = args.client_tls.given() {
        let why = format!(
            "{option} is of the client, which needs the address of a server; \
                           see 'sockeye help fraggle'"
        );
        return Ending::with(MISUSED, why);
    }
    if let Err(misused) = logging::begin_server(&args.log, &args.service) {
        return misused;
    }
    let limits = args.service.limited(Limits::default());
    let builder = args.peers.apply(Context::builder(), limits);
    let builder = builder.origins(args.origin.policy.clone());
    let builder = builder.protocol(Spam::new()).compression(args.deflate.options());
    server::run(builder, &args.listen, &args.tls, &args.service, Serves::Messages)
}

fn check(args: &FraggleArgs, url: &str) -> io::Result<Ending> {
    let ending = Rc::new(OnceCell::new());
    let builder = args.peers.apply(Context::builder(), Limits::default());
    let mut builder = builder.compression(args.deflate.options());
    let check = builder.register(Check::new(args.count, url, Rc::clone(&ending)));
    let mut context = builder.build()?;
    signals::on_first(&mut context, move |signal, connections| {
        let said = format!("ended by {}", signals::name(signal));
        let _ = connections.post(check, Ending::by_signal(signal, said)); // or it has ended
    })?;
    let begun = connect_to(args, url).and_then(|to| context.connections().connect(&to, check.id()));
    if let Err(error) = begun {
        return Ok(Ending::with(FAILED, format!("{url}: {error}")));
    }
    while !context.connections().is_empty() {
        context.service(None)?;
    }
    Ok(ending.get().cloned().unwrap_or_else(Ending::success))
}

fn connect_to(args: &FraggleArgs, url: &str) -> Result<Connect, ConnectError> {
    let connect = Connect::to(url)?.subprotocol(NAME);
    Ok(match args.client_tls.client().map_err(ConnectError::Tls)? {
        Some(tls) => connect.tls(tls),
        None => connect,
    })
}

/// `sum` with every byte added to it.
fn add(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, &byte| sum.wrapping_add(byte.into()))
}
