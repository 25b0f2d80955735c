//! The protocol: sends when it is time, knows what is awaited, and how it all ends.
//!
//! ```text
//! connecting ──open──▶ pinging ──enough, or a signal──▶ closing ──▶ the end
//! ```

use super::OTHER;
use super::output::Output;
use super::tally::Tally;
use crate::args::PingArgs;
use crate::ending::Ending;
use crate::signals;
use sockeye::{
    Action, CloseCode, Closed, Conn, ConnId, ConnectError, Connections, Handshake, Message,
    Protocol, Reject,
};
use std::cell::OnceCell;
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// With `--flood`, the next one is sent after this time if there is no reply before.
const FLOOD_INTERVAL: Duration = Duration::from_millis(10);
/// The most that are awaited at a time; then the oldest counts as lost.
const AWAITED_MAX: usize = 65_536;
/// How messages through the mirror begin: as the probes of the page do.
const PROBE: &[u8] = b"p ";
/// What fills a payload up.
const FILL: u8 = b'.';

/// The protocol.
pub(super) struct Pinger {
    url: String,
    count: Option<u64>,
    interval: Duration,
    flood: bool,
    timeout: Duration,
    mirror: bool,
    output: Output,
    tally: Tally,
    /// What is sent: what comes before the number, room for it, fill.
    payload: Vec<u8>,
    number_at: usize,
    /// The server's address, as it is printed.
    peer: String,
    stage: Stage,
    /// Numbers and times of those whose reply is awaited, in order.
    awaited: VecDeque<(u64, Instant)>,
    /// When the next one is to be sent.
    next: Instant,
    /// What it will all have meant.
    ending: Rc<OnceCell<Ending>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Pinging,
    Closing,
}

impl Pinger {
    pub(super) fn new(args: &PingArgs, output: Output, ending: Rc<OnceCell<Ending>>) -> Self {
        let now = Instant::now();
        let mut payload = Vec::with_capacity(args.size);
        if args.mirror {
            // All who use the mirror get all messages: ours have a name.
            payload.extend_from_slice(PROBE);
            payload.extend_from_slice(&RandomState::new().hash_one(now).to_be_bytes());
        }
        let number_at = payload.len();
        payload.resize(args.size, FILL);
        Self {
            url: args.request.url.clone(),
            count: args.count,
            interval: if args.flood { FLOOD_INTERVAL } else { args.interval },
            flood: args.flood,
            timeout: args.timeout,
            mirror: args.mirror,
            output,
            tally: Tally::new(now),
            payload,
            number_at,
            peer: String::new(),
            stage: Stage::Connecting,
            awaited: VecDeque::new(),
            next: now,
            ending,
        }
    }

    fn wants_more(&self) -> bool {
        self.count.is_none_or(|count| self.tally.sent < count)
    }

    /// Does what is due, and sets the timer for what comes next.
    fn go_on(&mut self, conn: &mut Conn<'_, Self>) -> io::Result<Action> {
        if self.stage != Stage::Pinging {
            return Ok(Action::Continue);
        }
        let now = Instant::now();
        while let Some(&(seq, sent)) = self.awaited.front()
            && (now >= sent + self.timeout || self.awaited.len() > AWAITED_MAX)
        {
            self.awaited.pop_front();
            self.output.no_reply(seq)?;
        }
        if self.wants_more() && now >= self.next {
            self.send(conn)?;
            // Kept in step, unless too late for that.
            self.next = (self.next + self.interval).max(now);
        }
        if !self.wants_more() && self.awaited.is_empty() {
            self.finish()?;
            return Ok(Action::close(CloseCode::NORMAL, ""));
        }
        let expiry = self.awaited.front().map(|&(_, sent)| sent + self.timeout);
        let next = self.wants_more().then_some(self.next);
        if let Some(at) = expiry.into_iter().chain(next).min() {
            conn.set_timer(at.saturating_duration_since(now));
        }
        Ok(Action::Continue)
    }

    fn send(&mut self, conn: &mut Conn<'_, Self>) -> io::Result<()> {
        let seq = self.tally.sent + 1;
        let at = self.number_at;
        self.payload[at..at + 8].copy_from_slice(&seq.to_be_bytes());
        let now = Instant::now();
        let sent = if self.mirror {
            conn.send(Message::binary(&self.payload[..]))
        } else {
            conn.ping(&self.payload)
        };
        if sent.is_err() {
            return Ok(()); // the server takes nothing now; this number's turn comes again
        }
        self.tally.sent = seq;
        self.awaited.push_back((seq, now));
        self.output.sent()
    }

    /// Looks at what came back.
    fn reply(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> io::Result<Action> {
        let now = Instant::now();
        let Some(seq) = self.number_in(payload) else { return Ok(Action::Continue) };
        let changed = payload.len() != self.payload.len()
            || payload[self.number_at + 8..] != self.payload[self.number_at + 8..];
        let position = self.awaited.binary_search_by_key(&seq, |&(seq, _)| seq);
        if changed {
            self.tally.changed += 1;
            self.output.reply(&self.peer, seq, None, " (changed)")?;
        } else if let Ok(position) = position {
            // It was awaited: positions come from the search.
            let after = self.awaited.remove(position).map(|(_, sent)| now.duration_since(sent));
            let after = after.unwrap_or_default();
            self.tally.reply(after);
            self.output.reply(&self.peer, seq, Some(after), "")?;
            if self.flood {
                self.next = now;
            }
        } else {
            self.tally.odd += 1;
            self.output.reply(&self.peer, seq, None, " (late or twice)")?;
        }
        self.go_on(conn)
    }

    /// The number in a payload, if it is one of those sent.
    fn number_in(&self, payload: &[u8]) -> Option<u64> {
        let (before, rest) = payload.split_at_checked(self.number_at)?;
        let number = u64::from_be_bytes(*rest.first_chunk()?);
        let ours = before == &self.payload[..self.number_at];
        (ours && (1..=self.tally.sent).contains(&number)).then_some(number)
    }

    /// Tells the statistics: nothing more is sent or awaited.
    fn finish(&mut self) -> io::Result<()> {
        self.stage = Stage::Closing;
        self.tally.end(Instant::now());
        let ending = match self.tally.received {
            0 => Ending::silent(1),
            _ => Ending::success(),
        };
        let _ = self.ending.set(ending); // what came first counts
        self.output.statistics(&self.tally)
    }

    /// What a callback returns; when standard output fails, that is the end.
    fn act(&mut self, result: io::Result<Action>) -> Action {
        result.unwrap_or_else(|error| {
            self.stage = Stage::Closing;
            let _ = self.ending.set(Ending::of_stdout(&error)); // what came first counts
            Action::close(CloseCode::NORMAL, "")
        })
    }
}

impl Protocol for Pinger {
    type Session = ();
    /// The number of the signal that asks for the end.
    type Notice = i32;

    fn name(&self) -> &str {
        "ping"
    }

    fn upgrade(&mut self, _: &Handshake<'_>) -> Result<(), Reject> {
        Ok(())
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.stage = Stage::Pinging;
        self.peer = conn.peer().map_or_else(|| self.url.clone(), |peer| peer.to_string());
        self.next = Instant::now();
        self.tally.begin(self.next);
        let begun = self.output.begin(&self.peer).and_then(|()| self.go_on(conn));
        self.act(begun)
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        if !self.mirror {
            return Action::Continue; // the server may say what it likes
        }
        let result = self.reply(conn, message.as_bytes());
        self.act(result)
    }

    fn pong(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        if self.mirror {
            return Action::Continue;
        }
        let result = self.reply(conn, payload);
        self.act(result)
    }

    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        let result = self.go_on(conn);
        self.act(result)
    }

    fn notified(&mut self, connections: Connections<'_>, signal: i32) {
        match self.stage {
            Stage::Connecting => {
                let sentence = format!("ended by {} while connecting", signals::name(signal));
                let _ = self.ending.set(Ending::by_signal(signal, sentence)); // it comes once
            }
            Stage::Pinging => {
                let result = self.finish().map(|()| Action::Continue);
                let _ = self.act(result); // it is closed anyway
            }
            Stage::Closing => {}
        }
        for id in connections.all() {
            match self.stage {
                Stage::Connecting => connections.abort(id),
                Stage::Pinging | Stage::Closing => {
                    connections.close(id, CloseCode::NORMAL, "");
                }
            }
        }
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, (): (), closed: Closed) {
        if self.stage == Stage::Closing {
            return;
        }
        // What is told of the connection is worth more than how the statistics fare.
        let _ = self.ending.set(Ending::with(OTHER, format!("{}: {closed}", self.url)));
        let _ = self.finish();
    }

    fn connect_failed(&mut self, _: Connections<'_>, _: ConnId, error: ConnectError) {
        let ending = Ending::with(OTHER, format!("{}: {error}", self.url));
        let _ = self.ending.set(ending); // unless a signal asked for it
    }
}
