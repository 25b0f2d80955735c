//! The client's protocol: what it does with lines and messages, and what its end means.

use super::input::{Lines, Supply};
use super::outbox::Outbox;
use super::output::Output;
use crate::args::ConnectArgs;
use crate::ending::{Ending, FAILED, MISUSED};
use sockeye::{
    Action, By, Cause, CloseCode, Closed, Conn, ConnId, ConnectError, Connections, Handshake,
    Message, Outage, Permit, Protocol, Reject, Retry,
};
use std::cell::{OnceCell, RefCell};
use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

/// The status when the server closed with a code that is no goodbye.
const TURNED_OUT: u8 = 3;
/// The status when the connection ended in no order.
const LOST: u8 = 4;

/// What the Ping says that goes behind the last line.
const LAST: &[u8] = b"end of input";
/// A server that does not answer it is left after so long a silence.
const UNANSWERED: Duration = Duration::from_secs(5);

/// The protocol.
pub(crate) struct Talk {
    url: String,
    binary: bool,
    /// How many messages are still wanted, if that is counted.
    wanted: Option<u64>,
    lines: Lines,
    /// Lines that may have to be sent again, if that is wanted.
    outbox: Option<Outbox>,
    output: Rc<RefCell<Output>>,
    open: bool,
    /// The connection will be opened again: its end is not ours.
    goes_on: bool,
    /// How long to stay when all has been said.
    linger: Duration,
    finale: Finale,
    /// Why we close, once we do.
    goal: Option<Goal>,
    /// Set when the connection has ended.
    ending: Rc<OnceCell<Ending>>,
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

/// Why we close.
#[derive(Debug, PartialEq, Eq)]
enum Goal {
    /// All lines are sent; that they arrived, the server's Close frame says.
    Sent,
    /// Nothing more is wanted of the server, and this is what it will mean.
    Enough(Ending),
}

impl Talk {
    pub(crate) fn new(
        args: &ConnectArgs,
        lines: Lines,
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
            lines,
            outbox,
            output,
            open,
            goes_on,
            linger,
            finale,
            goal,
            ending,
        }
    }

    /// All lines are sent: asks whether they have arrived, once.
    fn end(&mut self, conn: &mut Conn<'_, Self>) -> Action {
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
    fn send_lines(&mut self, permit: Permit<'_>) -> Option<Action> {
        let mut permit = Some(permit);
        while let Some(ready) = permit {
            if let Some(line) = self.outbox.as_mut().and_then(Outbox::again) {
                permit = ready.send(message(self.binary, line));
                continue;
            }
            if self.outbox.as_ref().is_some_and(Outbox::is_full) {
                return None; // until some are confirmed
            }
            let (number, line) = self.lines.next()?;
            if !self.binary && std::str::from_utf8(line).is_err() {
                let why = format!(
                    "line {number} of standard input is not UTF-8, so it cannot be sent as text; \
                     try --binary"
                );
                return Some(self.close(Goal::Enough(Ending::with(MISUSED, why))));
            }
            if let Some(outbox) = &mut self.outbox {
                outbox.keep(line);
            }
            permit = ready.send(message(self.binary, line));
        }
        None
    }
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
    /// Close, and this is what it will mean.
    type Notice = Ending;

    fn name(&self) -> &str {
        "talk"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.open = true;
        self.finale = Finale::NotYet;
        if let Some(outbox) = &mut self.outbox {
            outbox.begin_anew();
        }
        conn.request_writable(); // for the lines that came before
        Action::Continue
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        let printed = self.output.borrow_mut().line(message.as_bytes());
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
        match self.lines.supply() {
            Supply::Ready => {}
            Supply::Later | Supply::Ended if self.outbox.as_ref().is_some_and(Outbox::owes) => {}
            Supply::Ended if unconfirmed => return Action::Continue, // until they are
            Supply::Later => return Action::Continue,                // the feeder will wake us
            Supply::Ended if self.wanted.is_some() => return Action::Continue,
            Supply::Ended => return self.end(conn),
            Supply::Failed(why) => {
                return self.close(Goal::Enough(Ending::with(MISUSED, why)));
            }
        }
        if let Some(action) = self.send_lines(permit) {
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
        // With stderr gone there is nobody left to tell.
        let _ = writeln!(io::stderr(), "sockeye: {url}: {why}; trying again in {plan:.1?}");
        Retry::AsPlanned
    }

    fn notified(&mut self, connections: Connections<'_>, ending: Ending) {
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

/// What the end of the connection means for the program's.
fn meaning(goal: Option<Goal>, closed: &Closed) -> Ending {
    match goal {
        Some(Goal::Enough(ending)) => return ending,
        Some(Goal::Sent) if closed.clean => return Ending::success(),
        Some(Goal::Sent) | None => {}
    }
    if !matches!(closed.cause, Cause::Close) {
        let broke = matches!(closed.cause, Cause::Violation(_));
        let what = if broke { "the connection was closed" } else { "the connection was lost" };
        return Ending::with(LOST, format!("{what}: {}", closed.cause));
    }
    match (closed.by, closed.code) {
        (By::Us, _) => Ending::with(LOST, "the connection was lost before the server closed it"),
        (By::Peer, None | Some(CloseCode::NORMAL)) => Ending::success(),
        (By::Peer, Some(code)) if closed.reason.is_empty() => {
            Ending::with(TURNED_OUT, format!("the server closed the connection with {code}"))
        }
        (By::Peer, Some(code)) => Ending::with(
            TURNED_OUT,
            format!("the server closed the connection with {code}: {:?}", closed.reason),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(by: By, code: Option<u16>, clean: bool, cause: Cause) -> Closed {
        let code = code.and_then(CloseCode::new);
        Closed { code, reason: "why".into(), clean, by, cause }
    }

    #[test]
    fn closing_in_good_order_is_a_success() {
        let ours = closed(By::Us, Some(1000), true, Cause::Close);
        assert_eq!(meaning(Some(Goal::Sent), &ours), Ending::success());
        for code in [None, Some(1000)] {
            let theirs = closed(By::Peer, code, true, Cause::Close);
            assert_eq!(meaning(None, &theirs), Ending::success());
        }
    }

    #[test]
    fn the_servers_code_and_reason_are_told() {
        let theirs = closed(By::Peer, Some(4000), true, Cause::Close);
        let sentence = "the server closed the connection with 4000 of the application: \"why\"";
        assert_eq!(meaning(None, &theirs), Ending::with(TURNED_OUT, sentence));
    }

    #[test]
    fn lines_whose_arrival_nobody_confirmed_are_no_success() {
        for cause in [Cause::Close, Cause::CloseUnanswered(std::time::Duration::from_secs(5))] {
            let ours = closed(By::Us, Some(1000), false, cause);
            assert_ne!(meaning(Some(Goal::Sent), &ours), Ending::success());
            assert_eq!(meaning(Some(Goal::Enough(Ending::success())), &ours), Ending::success());
        }
    }

    #[test]
    fn a_connection_that_vanishes_is_lost() {
        let lost = closed(By::Peer, None, false, Cause::Vanished);
        let sentence = "the connection was lost: end of stream without a close frame";
        assert_eq!(meaning(None, &lost), Ending::with(LOST, sentence));
    }
}
