//! `sockeye echo`: every message goes back where it came from.

use crate::args::EchoArgs;
use crate::ending::Ending;
use crate::server::Serves;
use crate::{logging, server};
use sockeye::{Action, Conn, Context, Handshake, Limits, Message, Protocol, Reject};

/// The longest message echoed, in bytes.
const MESSAGE_BYTES: u64 = 64 << 20;

/// Echoes until a signal comes.
pub(crate) fn run(args: &EchoArgs) -> Ending {
    if let Err(misused) = logging::begin_server(&args.log, &args.service) {
        return misused;
    }
    let limits = Limits { message_bytes: MESSAGE_BYTES, fragments: u32::MAX, ..Limits::default() };
    let builder = args.peers.apply(Context::builder(), args.service.limited(limits));
    let builder = builder
        .protocol_for_any(Echo)
        .origins(args.origin.policy.clone())
        .compression(args.deflate.options());
    server::run(builder, &args.listen, &args.tls, &args.service, Serves::Messages)
}

struct Echo;

impl Protocol for Echo {
    type Session = ();
    type Notice = ();

    fn name(&self) -> &str {
        "echo"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        conn.reply(message)
    }
}
