//! `sockeye ping`: how long it takes to a server and back.

mod output;
mod pinger;
mod tally;

use crate::args::PingArgs;
use crate::ending::{Ending, MISUSED};
use crate::{logging, signals};
use output::Output;
use pinger::Pinger;
use sockeye::log::Levels;
use sockeye::{Connect, Context, Limits};
use std::cell::OnceCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// The status of anything that is no ping without a reply, as with the system's ping.
pub(crate) const OTHER: u8 = 2;

/// The mirror's name as a subprotocol.
const MIRROR: &str = "lws-mirror-protocol";

/// How long the closing handshake may take at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Pings until there were enough, or a signal comes.
pub(crate) fn run(args: &PingArgs) -> Ending {
    logging::begin(&args.log, Levels::ERR | Levels::WARN);
    if let Err(why) = args.check() {
        return Ending::with(MISUSED, why);
    }
    let url = &args.request.url;
    match args.request.connect() {
        Ok(to) if args.mirror => ping(args, to.subprotocol(MIRROR)),
        Ok(to) => ping(args, to),
        Err(error) => return Ending::with(OTHER, format!("{url}: {error}")),
    }
    .unwrap_or_else(|error| Ending::with(OTHER, format!("the loop failed: {error}")))
}

fn ping(args: &PingArgs, to: Connect) -> io::Result<Ending> {
    let ending = Rc::new(OnceCell::new());
    let limits = Limits {
        fragments: u32::MAX,
        // What is pinged is told here, and when it does not answer.
        ping_after: Duration::MAX,
        close_within: CLOSE_WITHIN,
        ..Limits::default()
    };
    let mut builder = Context::builder().limits(limits).compression(None);
    let pinger = builder.register(Pinger::new(args, Output::new(args), Rc::clone(&ending)));
    let mut context = builder.build()?;
    signals::on_first(&mut context, move |signal, connections| {
        let _ = connections.post(pinger, signal); // or it has ended
    })?;
    if let Err(error) = context.connections().connect(&to, pinger.id()) {
        return Ok(Ending::with(OTHER, format!("{}: {error}", args.request.url)));
    }
    while !context.connections().is_empty() {
        context.service(None)?;
    }
    // Set with the last connection's end, if not before.
    Ok(ending.get().cloned().unwrap_or_else(Ending::success))
}
