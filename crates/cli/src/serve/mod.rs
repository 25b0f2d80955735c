//! `sockeye serve`: a page, and the three protocols of the manual's test server behind it.

mod bell;
mod counter;
mod history;
mod mirror;
mod page;
mod ring;
mod roster;
mod status;

use crate::args::ServeArgs;
use crate::ending::Ending;
use crate::server::Serves;
use crate::{logging, server};
use bell::Bell;
use counter::Counter;
use mirror::Mirror;
use page::Page;
use sockeye::{Builder, Context, Limits};
use status::Status;

/// The longest message taken, in bytes.
const MESSAGE_BYTES: u64 = 64 << 10;

/// Serves until a signal comes.
pub(crate) fn run(args: &ServeArgs) -> Ending {
    if let Err(misused) = logging::begin_server(&args.log, &args.service) {
        return misused;
    }
    server::run(builder(args), &args.listen, &args.tls, &args.service, Serves::Pages)
}

fn builder(args: &ServeArgs) -> Builder {
    let limits = Limits { message_bytes: MESSAGE_BYTES, ..Limits::default() };
    let builder = args.peers.apply(Context::builder(), args.service.limited(limits));
    let builder = builder.origins(args.origin.policy.clone());
    let builder = builder.compression(args.deflate.options());
    let mut builder = builder.http(Page::new());
    let bell = Bell::default();
    let counter = builder.register(Counter::new(bell.clone()));
    let mirror = builder.register(Mirror::new(bell.clone()));
    let status = builder.register(Status::new(bell.clone(), [counter.id(), mirror.id()]));
    bell.hang(status);
    builder
}
