//! The client's protocol: what it does with lines and messages, and what its end means.

use super::end::{Goal, meaning};
use super::input::Supply;
use super::outbox::Outbox;
use super::output::Output;
use super::source::{Item, Source};
use crate::args::ConnectArgs;
use crate::ending::{Ending, FAILED, MISUSED};
use sockeye::{
    Action, By, Cause, CloseCode, Closed, Conn, ConnId, ConnectError, Connections, Handshake,
    Message, Outage, Permit, Protocol, Reject, Retry,
};
use std::cell::{OnceCell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What the Ping says that goes behind the last line.
const LAST: &[u8] = b"end of input";
/// A server that does not answer it is left after so long a silence.
const UNANSWERED: Duration = Duration::from_secs(5);
/// So many Pings of the user's are remembered until they are answered.
const PINGS: usize = 64;

/// The protocol.
pub(crate) struct Talk {
    url: String,
    binary: bool,
    /// How many messages are still wanted, if that is counted.
    wanted: Option<u64>,
    source: Source,
    /// Lines that may have to be sent again, if that is wanted.
    outbox: Option<Outbox>,
    output: Rc<RefCell<Output>>,
    open: bool,
    /// The connection will be opened again: its end is not ours.
    goes_on: bool,
    /// How long to stay when all has been said.
    linger: Duration,
    finale: Finale,
    /// Pings that the user wanted, and when they left.
    pings: VecDeque<(Vec<u8>, Instant)>,
    pinged: u64,
    /// Why we close, once we do.
    goal: Option<Goal>,
    /// Set when the connection has ended.
    ending: Rc<OnceCell<Ending>>,
}

/// What the protocol is told.
pub(crate) enum Order {
    /// Close, and this is what it will mean.
    End(Ending),
    /// Something was typed.
    Look,
}

/// What happens once the last line is sent.
///
/// ```text
/// NotYet ──a Ping behind the last line──▶ Asked ──its Pong──▶ Answered ──silence──▶ closing
///                                           └──── longer silence ───────────────────▲
/// ```
///
/// A server that takes things in order has answered all lines when it answers the Ping; one that
/// does not has a while longer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finale {
    NotYet,
    Asked,
    Answered,
}

impl Talk {
    pub(crate) fn new(
        args: &ConnectArgs,
        source: Source,
        output: Rc<RefCell<Output>>,
        ending: Rc<OnceCell<Ending>>,
    ) -> Self {
        let (url, binary, wanted) = (args.request.url.clone(), args.binary, args.count);
        let outbox = args.reconnect.then(Outbox::default);
        let (open, goes_on, finale, goal) = (false, false, Finale::NotYet, None);
        let linger = args.linger;
        Self {
            url,
            binary,
            wanted,
            source,
            outbox,
            output,
            open,
            goes_on,
            linger,
            finale,
            pings: VecDeque::new(),
            pinged: 0,
            goal,
            ending,
        }
    }

    /// All lines are sent: asks whether they have arrived, once. Who sits at a terminal has seen
    /// what there was to see.
    fn end(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        if self.source.is_typed() {
            return self.close(Goal::Sent);
        }
        if self.finale == Finale::NotYet {
            let _ = conn.ping(LAST); // it goes behind the lines, or nothing goes any more
            self.finale = Finale::Asked;
            self.stay(conn);
        }
        Action::Continue
    }

    /// Something has come: if that may have been the last, waits for a silence.
    fn stay(&self, conn: &mut Conn<'_, Self>) {
        match self.finale {
            Finale::NotYet => {}
            Finale::Asked => conn.set_timer(self.linger.max(UNANSWERED)),
            Finale::Answered => conn.set_timer(self.linger),
        }
    }

    fn close(&mut self, goal: Goal) -> Action {
        self.goal.get_or_insert(goal);
        Action::close(CloseCode::NORMAL, "")
    }

    /// Sends the lines at hand while the socket takes them; an action if that ends it all.
    fn send_lines(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Option<Action> {
        let mut permit = Some(permit);
        while let Some(ready) = permit {
            if let Some(line) = self.outbox.as_mut().and_then(Outbox::again) {
                permit = ready.send(message(self.binary, line));
                continue;
            }
            if self.outbox.as_ref().is_some_and(Outbox::is_full) {
                return None; // until some are confirmed
            }
            permit = match self.source.next()? {
                (number, Item::Line(line)) => {
                    if !self.binary && std::str::from_utf8(&line).is_err() {
                        return Some(self.close(Goal::Enough(not_text(number))));
                    }
                    if let Some(outbox) = &mut self.outbox {
                        outbox.keep(&line);
                    }
                    ready.send(message(self.binary, &line))
                }
                (_, Item::Ping(text)) => {
                    self.ping(conn, &text);
                    Some(ready)
                }
                (_, Item::Close(code, reason)) => {
                    self.goal.get_or_insert(Goal::Enough(Ending::success()));
                    return Some(Action::close(code, reason));
                }
                (_, Item::End) => Some(ready), // the supply tells of it
            };
        }
        None
    }

    /// Sends a Ping that the user wants.
    fn ping(&mut self, conn: &mut Conn<'_, Self>, text: &str) {
        self.pinged += 1;
        let payload = match text {
            "" => format!("ping {}", self.pinged),
            _ => text.to_owned(),
        };
        let _ = conn.ping(payload.as_bytes()); // or it will not be answered
        if self.pings.len() == PINGS {
            self.pings.pop_front();
        }
        self.pings.push_back((payload.into_bytes(), Instant::now()));
    }

    /// An answer to such a Ping, perhaps.
    fn ponged(&mut self, payload: &[u8]) {
        let Some(at) = self.pings.iter().position(|(sent, _)| sent == payload) else { return };
        let Some((sent, when)) = self.pings.remove(at) else { return };
        let (text, ms) = (String::from_utf8_lossy(&sent), when.elapsed().as_secs_f64() * 1e3);
        self.output.borrow_mut().remark(&format!("answer to {text:?} after {ms:.3} ms"));
    }
}

/// What a line means that is no text, and has this number if it is one of standard input.
fn not_text(number: Option<u64>) -> Ending {
    let line = number
        .map_or("what was typed".to_owned(), |number| format!("line {number} of standard input"));
    let why = format!("{line} is not UTF-8, so it cannot be sent as text; try --binary");
    Ending::with(MISUSED, why)
}

/// A line as a message; as text it has been checked.
fn message(binary: bool, line: &[u8]) -> Message<'_> {
    match std::str::from_utf8(line) {
        Ok(text) if !binary => Message::text(text),
        Ok(_) | Err(_) => Message::binary(line),
    }
}

impl Protocol for Talk {
    type Session = ();
    type Notice = Order;

    fn name(&self) -> &str {
        "talk"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.open = true;
        let url = &self.url;
        self.output.borrow_mut().remark(&format!("connected to {url}; /help tells of commands"));
        self.finale = Finale::NotYet;
        if let Some(outbox) = &mut self.outbox {
            outbox.begin_anew();
        }
        conn.request_writable(); // for the lines that came before
        Action::Continue
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        let printed = self.output.borrow_mut().message(&message);
        if let Err(error) = printed {
            return self.close(Goal::Enough(Ending::of_stdout(&error)));
        }
        self.stay(conn);
        match &mut self.wanted {
            None => Action::Continue,
            Some(wanted) => {
                *wanted -= 1;
                match wanted {
                    0 => self.close(Goal::Enough(Ending::success())),
                    _ => Action::Continue,
                }
            }
        }
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let unconfirmed = self.outbox.as_ref().is_some_and(|outbox| !outbox.is_empty());
        match self.source.supply() {
            Supply::Ready => {}
            Supply::Later | Supply::Ended if self.outbox.as_ref().is_some_and(Outbox::owes) => {}
            Supply::Ended if unconfirmed => return Action::Continue, // until they are
            Supply::Later => return Action::Continue,                // the feeder will wake us
            Supply::Ended if self.wanted.is_some() && !self.source.is_typed() => {
                return Action::Continue;
            }
            Supply::Ended => return self.end(conn),
            Supply::Failed(why) => {
                return self.close(Goal::Enough(Ending::with(MISUSED, why)));
            }
        }
        if let Some(action) = self.send_lines(conn, permit) {
            return action;
        }
        if let Some(outbox) = &self.outbox {
            let _ = conn.ping(&outbox.mark()); // it goes behind them, or nothing goes any more
            if outbox.is_full() && !outbox.owes() {
                return Action::Continue;
            }
        }
        conn.request_writable(); // one batch a turn: others have their turn too
        Action::Continue
    }

    fn pong(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        if self.outbox.as_mut().is_some_and(|outbox| outbox.confirm(payload)) {
            conn.request_writable(); // there is room, or nothing to wait for any more
        }
        self.ponged(payload);
        if payload == LAST && self.finale == Finale::Asked {
            self.finale = Finale::Answered;
            if self.linger.is_zero() {
                return self.close(Goal::Sent);
            }
            self.stay(conn);
        }
        Action::Continue
    }

    fn timer(&mut self, _: &mut Conn<'_, Self>) -> Action {
        self.close(Goal::Sent)
    }

    fn link_down(&mut self, _: Connections<'_>, outage: &Outage<'_>) -> Retry {
        let plan = outage.plan.filter(|_| self.goal.is_none());
        self.goes_on = plan.is_some();
        let Some(plan) = plan else { return Retry::Never };
        let (url, why) = (&self.url, outage.why);
        let text = format!("{url}: {why}; trying again in {plan:.1?}");
        self.output.borrow_mut().note(&text);
        Retry::AsPlanned
    }

    fn notified(&mut self, connections: Connections<'_>, order: Order) {
        let ending = match order {
            Order::End(ending) => ending,
            Order::Look if self.open || !self.source.ends() => {
                let all = connections.all();
                return all.into_iter().for_each(|id| connections.request_writable(id));
            }
            Order::Look => Ending::success(), // nothing can be sent, so nothing is waited for
        };
        self.goal.get_or_insert(Goal::Enough(ending));
        for id in connections.all() {
            if self.open {
                connections.close(id, CloseCode::NORMAL, "");
            } else {
                connections.abort(id);
            }
        }
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, (): (), closed: Closed) {
        self.open = false;
        if !self.goes_on {
            if closed.by == By::Peer && matches!(closed.cause, Cause::Close) {
                let said = match &closed.code {
                    Some(code) => code.to_string(),
                    None => "no code".to_owned(),
                };
                self.output
                    .borrow_mut()
                    .remark(&format!("the server closed the connection with {said}"));
            }
            let _ = self.ending.set(meaning(self.goal.take(), &closed)); // comes once
        }
    }

    fn connect_failed(&mut self, _: Connections<'_>, _: ConnId, error: ConnectError) {
        if self.goes_on {
            return;
        }
        let ending = match self.goal.take() {
            Some(Goal::Enough(ending)) => ending,
            Some(Goal::Sent) | None => Ending::with(FAILED, format!("{}: {error}", self.url)),
        };
        let _ = self.ending.set(ending); // comes once
    }
}
