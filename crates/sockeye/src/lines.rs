//! What the log says of each connection: a line when a request is refused, a line at its end.
//!
//! A flood of connections must not become a flood of lines: of each kind there are only so many
//! in a second, and then one that counts the others. What the lines need beyond the slot's own
//! counters is noted beside the slots, and only while `INFO` is on when the connection begins, so
//! that a program that does not ask for these lines holds nothing for them.

use crate::connect::ConnectError;
use crate::dense::Dense;
use crate::log::{self, Field, Levels, Value};
use crate::message::{By, Cause, Closed};
use crate::slots::{ConnId, Flags, UNBOUND};
use crate::state::{State, earliest};
use crate::tls::TlsError;
use sockeye_proto::handshake::Refusal;
use sockeye_sys::Address;
use std::fmt;
use std::io;
use std::mem;
use std::time::Duration;

/// Nanoseconds of loop time in which a quota counts.
const SECOND: u64 = 1_000_000_000;

/// Lines per second about pauses in accepting: one says all, as long as it lasts.
const PAUSE_LINES: u32 = 1;

/// Lines per second about TCP options that sockets do not take: what one lacks, all lack.
const TCP_LINES: u32 = 1;

/// The lines of this second, and what they need to know of connections.
pub(crate) struct Lines {
    ended: Quota,
    refused: Quota,
    paused: Quota,
    tcp: Quota,
    /// By slot.
    noted: Dense<Noted>,
}

/// What is known of a connection from its beginning.
struct Noted {
    /// A socket that is broken does not tell it any more.
    peer: Option<Address>,
    /// Nanoseconds of loop time: those of the slot wrap after 49 days.
    began: u64,
}

/// The kinds of lines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ended,
    Refused,
    /// Accepting has paused: at the limit each connection that ends can make it begin anew.
    Paused,
    /// A socket does not take its TCP options.
    Tcp,
}

impl Kind {
    fn level(self) -> Levels {
        match self {
            Self::Ended => Levels::INFO,
            Self::Refused => Levels::NOTICE,
            Self::Paused | Self::Tcp => Levels::WARN,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Refused => "refused",
            Self::Paused => "paused",
            Self::Tcp => "tcp",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Ended => "ended connections",
            Self::Refused => "refused connections",
            Self::Paused => "pauses in accepting",
            Self::Tcp => "refused TCP options",
        }
    }
}

/// How many lines of a kind there may be in a second. The second begins with the first of them.
struct Quota {
    most: u32,
    began: Option<u64>,
    said: u32,
    withheld: u64,
}

impl Quota {
    fn new(most: u32) -> Self {
        Self { most, began: None, said: 0, withheld: 0 }
    }

    /// Ends the second if it is over; how many lines it withheld.
    fn end(&mut self, now: u64) -> u64 {
        match self.began {
            Some(began) if now.saturating_sub(began) >= SECOND => {
                (self.began, self.said) = (None, 0);
                mem::take(&mut self.withheld)
            }
            Some(_) | None => 0,
        }
    }

    /// Whether there may be one more line.
    fn admits(&mut self, now: u64) -> bool {
        self.began.get_or_insert(now);
        let admitted = self.said < self.most;
        if admitted {
            self.said += 1;
        } else {
            self.withheld += 1;
        }
        admitted
    }

    /// When there will be a number to tell.
    fn due(&self) -> Option<u64> {
        self.began.filter(|_| self.withheld > 0).map(|began| began.saturating_add(SECOND))
    }
}

impl Lines {
    pub(crate) fn new(ended: u32, refused: u32) -> Self {
        let quotas = [ended, refused, PAUSE_LINES, TCP_LINES].map(Quota::new);
        let [ended, refused, paused, tcp] = quotas;
        Self { ended, refused, paused, tcp, noted: Dense::new() }
    }

    /// A connection begins.
    pub(crate) fn note(&mut self, id: ConnId, began: u64) {
        if log::is_on(Levels::INFO) {
            self.noted.insert(id.index as usize, Noted { peer: None, began });
        }
    }

    /// Its peer is known.
    pub(crate) fn note_peer(&mut self, id: ConnId, peer: &Address) {
        if let Some(noted) = self.noted.get_mut(id.index as usize) {
            noted.peer = Some(peer.clone());
        }
    }

    /// It is gone.
    pub(crate) fn forget(&mut self, id: ConnId) {
        if !self.noted.is_empty() {
            self.noted.remove(id.index as usize);
        }
    }

    /// Says how many lines were withheld, if their second is over.
    pub(crate) fn tick(&mut self, now: u64) {
        for kind in [Kind::Ended, Kind::Refused, Kind::Paused, Kind::Tcp] {
            let withheld = self.quota(kind).end(now);
            if withheld > 0 {
                let (name, about) = (kind.name(), kind.about());
                log::emit_with(
                    kind.level(),
                    format_args!("{withheld} more lines about {about} suppressed"),
                    &[text("event", "suppressed"), text("kind", name), number("count", withheld)],
                );
            }
        }
    }

    /// Nanoseconds of loop time at which [`tick`](Self::tick) has something to say.
    pub(crate) fn due(&self) -> Option<u64> {
        let all = [&self.ended, &self.refused, &self.paused, &self.tcp];
        earliest(&all.map(Quota::due))
    }

    fn quota(&mut self, kind: Kind) -> &mut Quota {
        match kind {
            Kind::Ended => &mut self.ended,
            Kind::Refused => &mut self.refused,
            Kind::Paused => &mut self.paused,
            Kind::Tcp => &mut self.tcp,
        }
    }

    /// Whether a line of this kind is wanted and may be said.
    fn may_say(&mut self, kind: Kind, now: u64) -> bool {
        log::is_on(kind.level()) && {
            self.tick(now);
            self.quota(kind).admits(now)
        }
    }
}

impl State {
    /// A WebSocket has ended.
    pub(crate) fn log_closed(&mut self, id: ConnId, protocol: &str, closed: &Closed) {
        let Some(facts) = self.facts(Kind::Ended, id) else { return };
        let cause = closed.cause.to_string();
        let mut fields = facts.fields("closed");
        fields.push(text("protocol", protocol));
        fields.push(text("by", by(closed.by)));
        fields.push(text("cause", &cause));
        fields.push(text("reason", &closed.reason));
        fields.push(Field { name: "clean", value: Value::Flag(closed.clean) });
        if let Some(code) = closed.code {
            fields.push(number("code", code.as_u16().into()));
        }
        let figures = &facts.figures;
        let what = format_args!("{facts}, protocol {protocol:?}, {closed}; {figures}");
        log::emit_with(Levels::INFO, what, &fields);
    }

    /// A connection that never became a WebSocket has ended; one that this end opened has had its
    /// line when that failed.
    pub(crate) fn log_ended(&mut self, id: ConnId, why: Option<&(By, Cause)>) {
        if self.slots.get(id).is_none_or(|slot| slot.protocol != UNBOUND) {
            return;
        }
        let Some(facts) = self.facts(Kind::Ended, id) else { return };
        let mut fields = facts.fields("ended");
        let cause = why.map(|(who, cause)| (by(*who), cause.to_string()));
        let figures = &facts.figures;
        let Some((who, cause)) = &cause else {
            let what = format_args!("{facts}, ended without a WebSocket; {figures}");
            return log::emit_with(Levels::INFO, what, &fields);
        };
        fields.push(text("by", who));
        fields.push(text("cause", cause));
        let what = format_args!("{facts}, ended without a WebSocket by {who}: {cause}; {figures}");
        log::emit_with(Levels::INFO, what, &fields);
    }

    /// A connection that this end began to open did not come about.
    pub(crate) fn log_failed(&mut self, id: ConnId, error: &ConnectError) {
        let Some(facts) = self.facts(Kind::Ended, id) else { return };
        let cause = error.to_string();
        let mut fields = facts.fields("failed");
        fields.push(text("cause", &cause));
        log::emit_with(Levels::INFO, format_args!("{facts}, {cause}; {}", facts.figures), &fields);
    }

    /// A request or handshake has been refused.
    pub(crate) fn log_refused(&mut self, id: ConnId, refusal: &Refusal) {
        let Some(facts) = self.facts(Kind::Refused, id) else { return };
        let fields = [
            text("event", "refused"),
            text("connection", &facts.id),
            text("peer", &facts.peer),
            number("status", refusal.status.into()),
            text("cause", &refusal.reason),
        ];
        log::emit_with(Levels::NOTICE, format_args!("{facts}, refused: {refusal}"), &fields);
    }

    /// A connection's TLS has failed before anything was asked of us.
    pub(crate) fn log_refused_tls(&mut self, id: ConnId, error: &TlsError) {
        let Some(facts) = self.facts(Kind::Refused, id) else { return };
        let cause = error.to_string();
        let fields = [
            text("event", "refused"),
            text("connection", &facts.id),
            text("peer", &facts.peer),
            text("cause", &cause),
        ];
        log::emit_with(Levels::NOTICE, format_args!("{facts}, TLS: {cause}"), &fields);
    }

    /// The accept filter has turned a connection away.
    pub(crate) fn log_filtered(&mut self, peer: &Address) {
        let now = self.nanos();
        if self.lines.may_say(Kind::Refused, now) {
            log::emit_with(
                Levels::NOTICE,
                format_args!("connection from {peer}, refused by the accept filter"),
                &[text("event", "filtered"), text("peer", &peer.to_string())],
            );
        }
    }

    /// Nothing is accepted until there is room.
    pub(crate) fn log_pause(&mut self, why: fmt::Arguments<'_>) {
        let now = self.nanos();
        if self.lines.may_say(Kind::Paused, now) {
            log::emit(Levels::WARN, format_args!("accepting pauses: {why}"));
        }
    }

    /// A socket goes without the TCP options that were asked for.
    pub(crate) fn log_tcp_refused(&mut self, error: &io::Error) {
        let now = self.nanos();
        if self.lines.may_say(Kind::Tcp, now) {
            log::emit(
                Levels::WARN,
                format_args!("a socket does not take its TCP options: {error}"),
            );
        }
    }

    /// What a line tells of a connection, if it is to be said.
    fn facts(&mut self, kind: Kind, id: ConnId) -> Option<Facts> {
        let now = self.nanos();
        if !self.lines.may_say(kind, now) {
            return None;
        }
        let slot = self.slots.get(id)?;
        let noted = self.lines.noted.get(id.index as usize);
        let peer = noted.and_then(|noted| noted.peer.clone());
        let peer = peer.or_else(|| sockeye_sys::peer_addr(slot.fd()?).ok());
        let of_slot = Duration::from_millis(self.millis().wrapping_sub(slot.began).into());
        let lasted = noted.map(|noted| Duration::from_nanos(now.saturating_sub(noted.began)));
        // What waits goes out too, unless the connection is broken.
        let doomed = slot.flags.has(Flags::DOOMED);
        let corked = if self.turn == Some(id) { self.cork.len() } else { 0 };
        let waiting = if doomed { 0 } else { slot.queued() + corked };
        let figures = Figures {
            bytes_in: slot.bytes_in,
            bytes_out: slot.bytes_out + waiting as u64,
            lasted: lasted.unwrap_or(of_slot),
        };
        let mut peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
        // Clients of Unix sockets have no name, but they are somebody.
        if let Some(who) = slot.fd().and_then(|fd| sockeye_sys::peer_credentials(fd).ok()) {
            peer = format!("{peer} of user {}", who.uid);
            if let Some(pid) = who.pid {
                peer = format!("{peer}, process {pid}");
            }
        }
        Some(Facts { id: id.to_string(), client: slot.is_client(), peer, figures })
    }
}

/// What a line tells of a connection.
struct Facts {
    id: String,
    client: bool,
    peer: String,
    figures: Figures,
}

/// How much there was of it.
struct Figures {
    bytes_in: u64,
    bytes_out: u64,
    lasted: Duration,
}

impl Facts {
    fn fields<'f>(&'f self, event: &'f str) -> Vec<Field<'f>> {
        let Figures { bytes_in, bytes_out, lasted } = self.figures;
        vec![
            text("event", event),
            text("connection", &self.id),
            text("peer", &self.peer),
            number("bytes_in", bytes_in),
            number("bytes_out", bytes_out),
            number("duration_ms", u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX)),
        ]
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = if self.client { "to" } else { "from" };
        write!(f, "connection {} {way} {}", self.id, self.peer)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes_in, bytes_out, lasted } = self;
        // Not as a float: formatting those is 16 kB of code that nothing else needs.
        let (seconds, thousandths) = (lasted.as_secs(), lasted.subsec_millis());
        write!(f, "{bytes_in} bytes in, {bytes_out} out, {seconds}.{thousandths:03} s")
    }
}

fn by(who: By) -> &'static str {
    match who {
        By::Us => "us",
        By::Peer => "peer",
    }
}

fn text<'f>(name: &'static str, text: &'f str) -> Field<'f> {
    Field { name, value: Value::Text(text) }
}

fn number(name: &'static str, number: u64) -> Field<'static> {
    Field { name, value: Value::Number(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines_and_the_next_one_begins_with_the_first_after_it() {
        let mut quota = Quota::new(2);
        let said = [0, 1, 2, SECOND - 1].map(|now| quota.admits(now));
        assert_eq!((said, quota.due()), ([true, true, false, false], Some(SECOND)));
        assert_eq!(quota.end(SECOND - 1), 0);
        assert_eq!((quota.end(SECOND), quota.due()), (2, None));
        assert_eq!([5, 5, 5].map(|s| quota.admits(s * SECOND)), [true, true, false]);
        assert_eq!(quota.due(), Some(6 * SECOND));
        assert_eq!(quota.end(7 * SECOND), 1);
        assert_eq!(quota.end(9 * SECOND), 0);
    }

    #[test]
    fn a_quota_of_none_only_counts() {
        let mut quota = Quota::new(0);
        assert_eq!([1, 2].map(|now| quota.admits(now)), [false, false]);
        assert_eq!(quota.end(1 + SECOND), 2);
    }
}
