//! `sockeye connect`: lines go out as messages, messages come in as lines.

mod command;
mod end;
mod input;
mod json;
mod outbox;
mod output;
mod show;
mod source;
mod steps;
mod talk;
mod terminal;
mod typing;

use crate::args::ConnectArgs;
use crate::ending::{Ending, FAILED, MISUSED};
use crate::{logging, signals};
use output::Output;
use sockeye::log::Levels;
use sockeye::{Connect, ConnectError, Context, Limits, Reconnect};
use source::{Source, Typed};
use std::cell::{OnceCell, RefCell};
use std::io;
use std::rc::Rc;
use talk::{Order, Talk};
use terminal::Terminal;

/// The longest message taken, and the longest line sent, in bytes.
const MESSAGE_BYTES: u32 = 64 << 20;

/// Talks until one side has had enough.
pub(crate) fn run(args: &ConnectArgs) -> Ending {
    logging::begin(&args.log, Levels::ERR | Levels::WARN);
    match hold(args) {
        Ok(ending) => ending,
        Err(error) => Ending::with(FAILED, format!("the loop failed: {error}")),
    }
}

/// Runs the loop for one connection, to its end.
fn hold(args: &ConnectArgs) -> io::Result<Ending> {
    let ending = Rc::new(OnceCell::new());
    let limits =
        Limits { message_bytes: MESSAGE_BYTES.into(), fragments: u32::MAX, ..Limits::default() };
    let limits = args.steps.limits(limits);
    let builder = args.peers.apply(Context::builder(), limits);
    let mut builder = builder.compression(args.deflate.options());
    let typed = Terminal::is_there().then(|| Rc::new(RefCell::new(Typed::default())));
    let (feeder, lines) = input::channel();
    let source = match &typed {
        Some(typed) => Source::Typed(Rc::clone(typed)),
        None => Source::Piped(lines),
    };
    let output = Rc::new(RefCell::new(Output::new(args)));
    if args.verbose {
        steps::tell(output.borrow().remarks());
    }
    let talk = builder.register(Talk::new(args, source, Rc::clone(&output), Rc::clone(&ending)));
    let mut context = builder.build()?;
    let handle = context.handle();
    let shown = Rc::clone(&output);
    signals::on_first(&mut context, move |signal, connections| {
        shown.borrow_mut().leave(); // the next signal may be the end
        let _ = connections.post(talk, Order::End(interrupted(signal))); // or it has ended already
    })?;
    let begun = connect(args).and_then(|to| context.connections().connect(&to, talk.id()));
    if let Err(error) = begun {
        return Ok(could_not_connect(&args.request.url, &error));
    }
    match typed {
        Some(typed) => typing::begin(&mut context, talk, typed, &output, !args.no_history)?,
        None => feeder.start(move || handle.request_writable_all(talk).is_ok())?,
    }
    let mut broken = None;
    loop {
        context.service(None)?;
        // Once a turn and not once a message: a burst of short ones leaves in few writes.
        if let Err(error) = output.borrow_mut().flush() {
            let ending = broken.insert(Ending::of_stdout(&error));
            let order = Order::End(ending.clone());
            let _ = context.connections().post(talk, order); // or it has ended already
        }
        if let Some(ending) = ending.get()
            && context.connections().is_empty()
        {
            output.borrow_mut().leave();
            return Ok(broken.unwrap_or_else(|| ending.clone()));
        }
    }
}

fn connect(args: &ConnectArgs) -> Result<Connect, ConnectError> {
    let connect = args.request.connect()?;
    if !args.reconnect {
        return Ok(connect);
    }
    let (longest, default) = (args.reconnect_delay, Reconnect::default());
    Ok(connect.reconnect(Reconnect { first: default.first.min(longest), longest, ..default }))
}

fn could_not_connect(url: &str, error: &ConnectError) -> Ending {
    let misused = matches!(
        error,
        ConnectError::Url(_)
            | ConnectError::Request(_)
            | ConnectError::BadProxy { .. }
            | ConnectError::BadTunnel(_)
    );
    Ending::with(if misused { MISUSED } else { FAILED }, format!("{url}: {error}"))
}

fn interrupted(signal: i32) -> Ending {
    Ending::by_signal(signal, format!("ended by {}", signals::name(signal)))
}
