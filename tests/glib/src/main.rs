//! Sockeye as a guest of GLib's main loop, which is told of it by descriptors.
//!
//! It echoes messages; a second after `wait` it says `waited`, and to `flood` it answers with more
//! than sockets hold. Every line of standard input is answered with the number of dispatches so
//! far, and its end shuts the server down.
//!
//! - Without options each socket is a source of its own, and a timeout stands for the deadline.
//! - `--no-tick` leaves the deadline to the context's own descriptor.
//! - `--whole` makes one source of a context with a loop of its own.
#![forbid(unsafe_code)]

use glib::{ControlFlow, IOCondition, MainLoop, SourceId};
use sockeye::{
    Action, Change, Conn, Context, External, Handle, Handshake, Interest, Message, Protocol,
    Readiness, Reject, Turn,
};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// More than sockets hold, in bytes.
const FLOOD: usize = 8 << 20;

/// An echo with a timer.
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
        match message.as_text() {
            Some("wait") => {
                conn.set_timer(Duration::from_secs(1));
                Action::Continue
            }
            Some("flood") => conn.reply("x".repeat(FLOOD)),
            _ => conn.reply(message),
        }
    }

    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        conn.reply("waited")
    }
}

fn main() -> io::Result<()> {
    let option = std::env::args().nth(1);
    let (main, count) = (MainLoop::new(None, false), Rc::new(Cell::new(0)));
    let builder = Context::builder().protocol(Echo);
    let _host = match option.as_deref() {
        Some("--whole") => {
            let mut context = builder.build()?;
            println!("listening on ws://{}", context.listen("127.0.0.1:0")?);
            answer_lines(context.handle(), &count);
            one_source(context, &main, &count);
            None
        }
        option @ (None | Some("--no-tick")) => {
            let mut context = builder.build_external()?;
            println!("listening on ws://{}", context.listen("127.0.0.1:0")?);
            answer_lines(context.handle(), &count);
            Some(Host::begin(context, option.is_none(), &main, &count))
        }
        Some(other) => {
            return Err(io::Error::other(format!("no option {other}; --no-tick or --whole")));
        }
    };
    main.run();
    Ok(())
}

/// The context as one descriptor: readable exactly when `service` would do something.
fn one_source(mut context: Context, main: &MainLoop, count: &Rc<Cell<u64>>) {
    let (main, count) = (main.clone(), Rc::clone(count));
    let fd = context.as_fd().as_raw_fd();
    glib::source::unix_fd_add_local(fd, IOCondition::IN, move |_, _| {
        count.set(count.get() + 1);
        match context.service(Duration::ZERO) {
            Ok(Turn::Worked | Turn::Idle) => {}
            Err(error) => panic!("the loop failed: {error}"),
        }
        if context.is_finished() {
            main.quit();
            return ControlFlow::Break;
        }
        ControlFlow::Continue
    });
}

/// What GLib is told of a context, socket by socket.
struct Host {
    context: Context<External>,
    sources: HashMap<RawFd, SourceId>,
    /// The timeout that stands for the context's deadline, and that deadline; none are used with
    /// `--no-tick`.
    ticks: bool,
    timeout: Option<(SourceId, Instant)>,
    main: MainLoop,
    count: Rc<Cell<u64>>,
}

type Shared = Rc<RefCell<Host>>;

impl Host {
    fn begin(
        context: Context<External>,
        ticks: bool,
        main: &MainLoop,
        count: &Rc<Cell<u64>>,
    ) -> Shared {
        let (main, count) = (main.clone(), Rc::clone(count));
        let host = Self { context, sources: HashMap::new(), ticks, timeout: None, main, count };
        let host = Rc::new(RefCell::new(host));
        Self::after_call(&host);
        host
    }

    /// A source has been dispatched: one descriptor, one call.
    fn dispatched(host: &Shared, fd: RawFd, condition: IOCondition) -> ControlFlow {
        let readiness = Readiness {
            readable: condition.contains(IOCondition::IN),
            writable: condition.contains(IOCondition::OUT),
            hangup: condition.intersects(IOCondition::ERR | IOCondition::HUP | IOCondition::NVAL),
        };
        let result = host.borrow_mut().context.ready(fd, readiness);
        result.expect("the loop goes on");
        Self::after_call(host);
        // If it is to be watched no more, or otherwise, this source has been destroyed already.
        ControlFlow::Continue
    }

    /// Does what is owed to the context after every call.
    fn after_call(shared: &Shared) {
        let host = &mut *shared.borrow_mut();
        host.count.set(host.count.get() + 1);
        for change in host.context.changes() {
            let (Change::Watch(fd, _) | Change::Forget(fd)) = change;
            if let Some(source) = host.sources.remove(&fd) {
                source.remove();
            }
            if let Change::Watch(fd, interest) = change {
                let weak = Rc::downgrade(shared);
                let call = move |fd, condition| match weak.upgrade() {
                    Some(host) => Self::dispatched(&host, fd, condition),
                    None => ControlFlow::Break,
                };
                let source = glib::source::unix_fd_add_local(fd, conditions(interest), call);
                host.sources.insert(fd, source);
            }
        }
        host.set_timeout(shared);
        if host.context.is_finished() {
            host.main.quit();
        }
    }

    /// Calls `tick` when it is due.
    fn set_timeout(&mut self, shared: &Shared) {
        let deadline = self.context.deadline().filter(|_| self.ticks);
        if deadline == self.timeout.as_ref().map(|(_, at)| *at) {
            return;
        }
        if let Some((source, _)) = self.timeout.take() {
            source.remove();
        }
        let Some(at) = deadline else { return };
        let (weak, after) = (Rc::downgrade(shared), at.saturating_duration_since(Instant::now()));
        let source = glib::timeout_add_local_once(after, move || {
            let Some(host) = weak.upgrade() else { return };
            let mut this = host.borrow_mut();
            this.timeout = None; // it is gone with this call
            this.context.tick(Instant::now()).expect("the loop goes on");
            drop(this);
            Self::after_call(&host);
        });
        self.timeout = Some((source, at));
    }
}

fn conditions(interest: Interest) -> IOCondition {
    let mut conditions = IOCondition::ERR | IOCondition::HUP;
    conditions.set(IOCondition::IN, interest.is_readable());
    conditions.set(IOCondition::OUT, interest.is_writable());
    conditions
}

/// The loop's own business: standard input is a source among the others.
fn answer_lines(handle: Handle, count: &Rc<Cell<u64>>) {
    let (count, stdin) = (Rc::clone(count), io::stdin());
    let fd = stdin.as_raw_fd();
    let conditions = IOCondition::IN | IOCondition::HUP;
    glib::source::unix_fd_add_local(fd, conditions, move |_, _| {
        let mut buffer = [0; 4096];
        match stdin.lock().read(&mut buffer) {
            Ok(n) if n > 0 => {
                let lines = buffer[..n].iter().filter(|byte| **byte == b'\n').count();
                (0..lines).for_each(|_| println!("{}", count.get()));
                ControlFlow::Continue
            }
            _ => {
                handle.shutdown();
                ControlFlow::Break
            }
        }
    });
}
