//! What is known of a run: every connection's messages, and what was measured so far.

use super::content::{Content, Tag};
use super::fault::Fault;
use super::samples::{Raw, Sample, Samples};
use super::schedule::Schedule;
use crate::args::BenchArgs;
use sockeye::MessageKind;
use std::time::{Duration, Instant};

/// Waits are counted in milliseconds, and rounded up.
const WAIT_GRAIN: Duration = Duration::from_millis(1);

/// A run. Times are nanoseconds since it was made; connections and messages count from 0.
pub(super) struct Run {
    epoch: Instant,
    pub(super) schedule: Schedule,
    pub(super) samples: Samples,
    content: Content,
    links: Vec<Link>,
    mode: Mode,
    depth: u64,
    /// When each message on its way was sent, or should have been: a ring for each connection.
    sent_at: Vec<u64>,
    ring: u64,
    /// Over all connections, warm-up included.
    sent: u64,
    echoed: u64,
    /// Whose echoes are being looked at, and since when; nobody's at the start of a turn.
    burst: Option<(u32, u64)>,
    /// Why it failed; what came first counts.
    fault: Option<Fault>,
}

/// Who is sent to, and for how long.
#[derive(Clone, Copy)]
enum Mode {
    /// Everybody gets their own messages back.
    Echo,
    /// Everybody gets what the first connection sends, which may send up to this number.
    Broadcast { batch: u64 },
    /// Everybody gets so many messages back and is replaced.
    Churn(u64),
}

/// What follows from a piece of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: more of it comes, or others have not got it yet.
    Wait,
    /// Its connection may send.
    Send,
    /// The first connection may send.
    Publish,
    /// Its connection has served its time.
    Replace,
}

/// The messages of a connection.
#[derive(Clone, Default)]
struct Link {
    /// What was echoed when the present one of its connections was opened.
    base: u64,
    sent: u64,
    echoed: u64,
    /// How much of the next echo has come.
    received: usize,
    /// When something came last, or when something was sent while nothing was on its way.
    since: u64,
}

impl Run {
    pub(super) fn new(args: &BenchArgs, raw: Option<Raw>) -> Self {
        let (depth, connections) = (args.depth as usize, args.all_connections() as usize);
        let mode = match args.churn {
            Some(echoes) => Mode::Churn(echoes),
            None if args.broadcast => Mode::Broadcast { batch: 0 },
            None => Mode::Echo,
        };
        let ring = depth.next_power_of_two();
        Self {
            epoch: Instant::now(),
            schedule: Schedule::new(args),
            samples: Samples::new(raw),
            content: Content::new(args.matter(), args.size),
            links: vec![Link::default(); connections],
            mode,
            depth: depth as u64,
            sent_at: vec![0; ring * connections],
            ring: ring as u64,
            sent: 0,
            echoed: 0,
            burst: None,
            fault: None,
        }
    }

    /// The time.
    pub(super) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// The loop looks for what has come.
    pub(super) fn begin_turn(&mut self) {
        self.burst = None;
    }

    /// When what a connection has got in one read began to be looked at, and whether that is now:
    /// the clock is looked at once for all of it.
    pub(super) fn burst(&mut self, connection: u32) -> (u64, bool) {
        match self.burst {
            Some((same, since)) if same == connection => (since, false),
            Some(_) | None => {
                let now = self.now();
                self.burst = Some((connection, now));
                (now, true)
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        self.content.size()
    }

    pub(super) fn kind(&self) -> MessageKind {
        self.content.kind()
    }

    /// How many messages, or handshakes, were begun and have come, warm-up included.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.sent, self.echoed)
    }

    /// The message that a connection is to send now, if any; it counts as sent.
    pub(super) fn next_message(
        &mut self,
        connection: u32,
        now: u64,
    ) -> Option<sockeye::Message<'_>> {
        if !self.may_send(connection) {
            return None;
        }
        let link = &mut self.links[connection as usize];
        let on_their_way = link.sent - link.echoed;
        let due = self.schedule.next(connection, link.sent, now)?;
        if on_their_way == 0 {
            link.since = now;
        }
        let tag = Tag { connection, number: link.sent };
        link.sent += 1;
        self.sent += 1;
        let place = self.place(tag);
        self.sent_at[place] = due;
        Some(self.content.message(tag))
    }

    fn may_send(&mut self, connection: u32) -> bool {
        let link = &self.links[connection as usize];
        match &mut self.mode {
            Mode::Echo => link.sent - link.echoed < self.depth,
            Mode::Broadcast { batch } => {
                if self.sent * self.links.len() as u64 == self.echoed {
                    *batch = link.sent + self.depth;
                }
                connection == 0 && link.sent < *batch
            }
            Mode::Churn(echoes) => {
                link.sent - link.echoed < self.depth && link.sent - link.base < *echoes
            }
        }
    }

    /// Whether nothing is on its way.
    fn everything_came(&self) -> bool {
        let receivers = match self.mode {
            Mode::Broadcast { .. } => self.links.len() as u64,
            Mode::Echo | Mode::Churn(_) => 1,
        };
        self.sent * receivers == self.echoed
    }

    /// Whether it is handshakes that are counted, not messages.
    pub(super) fn counts_handshakes(&self) -> bool {
        matches!(self.mode, Mode::Churn(0))
    }

    /// Whether connections are replaced by others.
    pub(super) fn replaces(&self) -> bool {
        matches!(self.mode, Mode::Churn(_))
    }

    /// Another connection has taken the place of one that ended, or the first one its own.
    pub(super) fn opened(&mut self, connection: u32) {
        if let Some(link) = self.links.get_mut(connection as usize) {
            link.base = link.echoed;
        }
    }

    /// Whether a handshake is to be begun now; it counts as begun.
    pub(super) fn next_handshake(&mut self, now: u64) -> bool {
        let begins = self.schedule.next(0, self.sent, now).is_some();
        self.sent += u64::from(begins);
        begins
    }

    /// A handshake that was begun at `begun` is done.
    pub(super) fn shook_hands(&mut self, connection: u32, begun: u64, now: u64) {
        let number = self.echoed;
        self.echoed += 1;
        self.count(connection, number, begun, now);
    }

    /// A piece of a message has come.
    pub(super) fn arrived(
        &mut self,
        connection: u32,
        kind: MessageKind,
        piece: &[u8],
        is_final: bool,
        now: u64,
    ) -> Result<Next, Fault> {
        let source = self.source(connection);
        let sent = self.links[source as usize].sent;
        let link = &mut self.links[connection as usize];
        let tag = Tag { connection: source, number: link.echoed };
        let due = sent > link.echoed && kind == self.content.kind();
        if !due || !self.content.matches(tag, link.received, piece) {
            return Err(self.diagnose(connection, tag, kind, piece, is_final));
        }
        link.received += piece.len();
        link.since = now;
        if !is_final {
            return Ok(Next::Wait);
        }
        if link.received != self.content.size() {
            let size = self.content.size();
            return Err(Fault::Length { tag, longer: false, size });
        }
        link.received = 0;
        link.echoed += 1;
        let echoed_here = link.echoed - link.base;
        self.echoed += 1;
        let due = self.sent_at[self.place(tag)];
        self.count(connection, tag.number, due, now);
        Ok(match self.mode {
            Mode::Echo => Next::Send,
            Mode::Broadcast { .. } if self.everything_came() => Next::Publish,
            Mode::Broadcast { .. } => Next::Wait,
            Mode::Churn(echoes) if echoed_here >= echoes => Next::Replace,
            Mode::Churn(_) => Next::Send,
        })
    }

    /// Whose messages a connection is to get.
    fn source(&self, connection: u32) -> u32 {
        match self.mode {
            Mode::Broadcast { .. } => 0,
            Mode::Echo | Mode::Churn(_) => connection,
        }
    }

    /// Counts what came now, and takes its latency from when it was due.
    fn count(&mut self, connection: u32, number: u64, due: u64, now: u64) {
        let start = self.schedule.start();
        if now >= start && now < self.schedule.end() {
            self.samples.series.add(now - start);
            self.schedule.echoed(self.samples.series.total(), now);
        }
        if due >= start {
            let (sent, latency) = (due - start, now.saturating_sub(due));
            self.samples.latency(&Sample { connection, number, sent, latency });
        }
    }

    fn place(&self, tag: Tag) -> usize {
        (u64::from(tag.connection) * self.ring + (tag.number & (self.ring - 1))) as usize
    }

    /// What is wrong with a piece that does not match.
    fn diagnose(
        &self,
        connection: u32,
        tag: Tag,
        kind: MessageKind,
        piece: &[u8],
        is_final: bool,
    ) -> Fault {
        let link = &self.links[connection as usize];
        if self.links[tag.connection as usize].sent == link.echoed {
            return Fault::Unasked { connection, echoed: link.echoed };
        }
        if kind != self.content.kind() {
            return Fault::Kind { tag, came: kind };
        }
        let other = if link.received == 0 { self.content.recognise(piece) } else { None };
        if let Some(came) = other.filter(|_| is_final) {
            return Fault::Misplaced { due: tag, came };
        }
        let (at, size) = (link.received, self.content.size());
        match self.content.first_difference(tag, at, piece) {
            at if at == size => Fault::Length { tag, longer: true, size },
            at => Fault::Changed { tag, at },
        }
    }

    /// Looks for an echo that has not come in time.
    pub(super) fn check_timeout(&mut self, timeout: Duration) {
        let now = self.now();
        let late = (0..self.links.len()).find(|&at| {
            let (link, source) = (&self.links[at], &self.links[self.source(at as u32) as usize]);
            let since = link.since.max(source.since);
            source.sent > link.echoed && Duration::from_nanos(now.saturating_sub(since)) > timeout
        });
        if let Some(connection) = late {
            let number = self.links[connection].echoed;
            let tag = Tag { connection: self.source(connection as u32), number };
            self.fail(Fault::Unanswered { tag, after: timeout });
        }
    }

    /// How long the loop may wait for sockets: until there is something to send or to look at, and
    /// no longer than `most`.
    pub(super) fn wait(&self, now: u64, most: Duration) -> Duration {
        let after = |moment: u64| Duration::from_nanos(moment.saturating_sub(now));
        let edges = [self.schedule.start(), self.schedule.end()];
        let wait = edges.into_iter().filter(|&edge| edge > now).map(after).fold(most, Ord::min);
        match self.schedule.due_by(now) {
            // To send in time, the last moments are not waited for.
            Some((_, Some(due))) => wait.min(after(due).saturating_sub(WAIT_GRAIN)),
            Some((_, None)) | None => wait,
        }
    }

    /// Whether everything was sent that is to be, and every echo has come.
    pub(super) fn is_done(&self, now: u64) -> bool {
        self.everything_came() && self.schedule.is_over(self.sent, now)
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(super) fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }
}
