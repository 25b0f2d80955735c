//! Messages by WebSocket connections.

use super::fault::Fault;
use super::load::Load;
use super::result::Wire;
use super::run::Run;
use super::{Carrier, Order, RECEIVE_BUFFER, failed};
use crate::args::BenchArgs;
use crate::ending::Ending;
use crate::signals;
use sockeye::{Connect, Context, Key, Limits};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

/// How long the closing handshakes may take at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// Messages up to this many bytes are looked at as a whole.
const WHOLE_MAX: usize = 8 << 10;

/// A context, and the protocol of its connections.
struct WebSocket<const WHOLE: bool> {
    context: Context,
    load: Key<Load<WHOLE>>,
}

pub(super) fn new(
    args: &BenchArgs,
    run: &Rc<RefCell<Run>>,
    stopped: &Rc<Cell<i32>>,
) -> Result<Box<dyn Carrier>, Ending> {
    let to = args.request.connect_afresh().map_err(|error| {
        Fault::Connect { connection: 0, of: 1, error: Box::new(error) }.ending(&args.request.url)
    })?;
    // What is inflated is looked at as it comes.
    Ok(if args.size <= WHOLE_MAX && !args.deflate {
        Box::new(WebSocket::<true>::new(args, to, run, stopped).map_err(failed)?)
    } else {
        Box::new(WebSocket::<false>::new(args, to, run, stopped).map_err(failed)?)
    })
}

impl<const WHOLE: bool> WebSocket<WHOLE> {
    fn new(
        args: &BenchArgs,
        to: Connect,
        run: &Rc<RefCell<Run>>,
        stopped: &Rc<Cell<i32>>,
    ) -> io::Result<Self> {
        let limits = Limits {
            connect: args.timeout,
            proxy: args.timeout,
            handshake: args.timeout,
            close_within: args.timeout.min(CLOSE_WITHIN),
            fragments: u32::MAX,
            // What is sent without looking for room is what one read has asked for.
            queue_bytes: usize::MAX,
            // What is late is looked for here.
            ping_after: Duration::MAX,
            ..Limits::default()
        };
        let mut builder = Context::builder()
            .limits(limits)
            .receive_buffer(RECEIVE_BUFFER)
            // Text is compared with what was sent.
            .check_utf8(false)
            .compression(args.deflate_options());
        let to = match &args.source[..] {
            [] => vec![to],
            sources => sources.iter().map(|&source| to.clone().source(source)).collect(),
        };
        let load = Load::new(Rc::clone(run), to, args);
        let load = builder.register(load);
        let mut context = builder.build()?;
        let signalled = Rc::clone(stopped);
        signals::on_first(&mut context, move |signal, connections| {
            signalled.set(signal);
            let _ = connections.post(load, Order::Stop); // or there is no room, and it ends later
        })?;
        Ok(Self { context, load })
    }
}

impl<const WHOLE: bool> Carrier for WebSocket<WHOLE> {
    fn room(&mut self) -> usize {
        self.context.connections().limit()
    }

    fn open(&mut self) -> usize {
        self.context.connections().count(self.load.id())
    }

    fn order(&mut self, order: Order) {
        let _ = self.context.handle().post(self.load, order); // the box is ours, and has room
    }

    fn turn(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.context.service(timeout).map(drop)
    }

    fn wire(&mut self) -> Wire {
        let connections = self.context.connections();
        let all = connections.of(self.load.id()).filter_map(|id| connections.info(id));
        let none = Wire { sent: 0, received: 0 };
        all.fold(none, |wire, info| Wire {
            sent: wire.sent + info.bytes_out,
            received: wire.received + info.bytes_in,
        })
    }

    fn is_empty(&mut self) -> bool {
        self.context.connections().is_empty()
    }
}
