//! What the loop knows, in one `RefCell`, borrowed only inside the methods of the handles that
//! callbacks are lent, never across a callback.

use crate::config::Limits;
use crate::conn::Phase;
use crate::connect::Links;
use crate::cork::Cork;
use crate::dense::Dense;
use crate::drain::Drain;
use crate::engine::Engine;
use crate::handle::Inbox;
use crate::keys::MaskKeys;
use crate::latency::Latency;
use crate::lines::Lines;
use crate::message::{By, Cause};
use crate::resolve::Resolver;
use crate::sealed::Sealing;
use crate::slots::{ConnId, Flags, NIL, Slot, Slots, UNBOUND};
use crate::tcp::TcpOptions;
use crate::timers::Timers;
use crate::wheel::{Deadline, Wheel};
use sockeye_proto::{DeflateOptions, Deflaters, Inflaters, Rules};
use sockeye_sys::{Interest, SendBatch};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names a registered protocol. Several registrations may share one Rust type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProtocolId(pub(crate) u16);

/// What callbacks reach through the handles they are lent.
pub(crate) struct Core {
    pub(crate) state: RefCell<State>,
    pub(crate) registrations: Vec<Registration>,
    pub(crate) inbox: Arc<Inbox>,
}

/// What is known of a protocol without calling it.
pub(crate) struct Registration {
    pub(crate) name: String,
    /// The rules of its connections, accepted and opened.
    pub(crate) server: Rules,
    pub(crate) client: Rules,
}

/// A connection whose end is due once no callback runs.
pub(crate) struct Doom {
    pub(crate) id: ConnId,
    pub(crate) by: By,
    pub(crate) cause: Cause,
}

/// What is to be done by the loop, between callbacks.
pub(crate) type Deed = Box<dyn FnOnce(&mut Engine)>;

pub(crate) struct State {
    pub(crate) slots: Slots,
    pub(crate) wheel: Wheel,
    /// User timers, one per connection at most.
    pub(crate) timers: Timers,
    /// Open connections by registration.
    pub(crate) members: Vec<Vec<u32>>,
    /// The turn's gathered output, and whose turn it is.
    pub(crate) cork: Cork,
    pub(crate) turn: Option<ConnId>,
    /// What the cork has held leaves by this.
    pub(crate) batch: SendBatch,
    /// What is being sent has a permit.
    pub(crate) by_permit: bool,
    pub(crate) sealing: Sealing,
    /// Connections with output that another's callback gave them.
    pub(crate) dirty: Vec<ConnId>,
    /// Connections that asked for `writable`.
    pub(crate) wants: Vec<ConnId>,
    /// Connections to look at again, because input is kept for them.
    pub(crate) resumed: Vec<ConnId>,
    /// What is seldom asked for: programs that ask for none of it have nothing of it.
    pub(crate) deeds: Vec<Deed>,
    pub(crate) doomed: VecDeque<Doom>,
    /// Connections whose interest may have changed.
    pub(crate) changed: Vec<ConnId>,
    /// Descriptors that are still watched, and so must not be closed yet.
    pub(crate) forgotten: VecDeque<OwnedFd>,
    /// How many of `forgotten` have been announced: those may be closed.
    pub(crate) announced: usize,
    /// What an external loop watches for which connection.
    pub(crate) watched: Dense<ConnId>,
    pub(crate) limits: Limits,
    pub(crate) tcp: TcpOptions,
    pub(crate) keys: MaskKeys,
    /// What connections that keep no context compress and inflate with.
    pub(crate) inflaters: Inflaters,
    /// `None`: permessage-deflate is neither offered nor accepted.
    pub(crate) deflaters: Option<Box<Deflaters>>,
    pub(crate) resolver: Resolver,
    /// Slots that are no connections: attempts to connect.
    pub(crate) attempts: usize,
    pub(crate) links: Links,
    /// Register write interest for every request, for hosts that count on seeing it.
    pub(crate) announce_writes: bool,
    /// Take requests that only the HTTP of long ago allows.
    pub(crate) lenient_requests: bool,
    /// Whether a `Forget` must be announced before a descriptor may be closed.
    pub(crate) announce_forgets: bool,
    /// No new connections are taken, and `run` ends with the last one.
    pub(crate) stopping: bool,
    /// WebSockets are being sent away one by one.
    pub(crate) draining: Option<Drain>,
    /// Set when a connection ends: paused listeners may go on.
    pub(crate) room: bool,
    pub(crate) accepted: u64,
    /// What is said about connections.
    pub(crate) lines: Lines,
    pub(crate) latency: Rc<Latency>,
    /// The `Date` header of the second since the epoch it was made in.
    pub(crate) date: (u64, String),
    /// A callback may be running: the loop will look at what it leaves without being woken.
    pub(crate) inside: bool,
    pub(crate) began: Instant,
    pub(crate) now: Instant,
    /// Loop time of `now` in nanoseconds.
    nanos: u64,
    /// The same in milliseconds, wrapping after 49 days.
    millis: u32,
}

impl State {
    pub(crate) fn new(
        limits: Limits,
        protocols: usize,
        inbox: &Arc<Inbox>,
        latency: &Rc<Latency>,
        now: Instant,
    ) -> Self {
        let lines = Lines::new(limits.ended_lines, limits.refused_lines);
        Self {
            slots: Slots::new(),
            batch: SendBatch::new(false),
            wheel: Wheel::new(),
            timers: Timers::default(),
            members: vec![Vec::new(); protocols],
            cork: Cork::new(),
            turn: None,
            by_permit: false,
            sealing: Sealing::default(),
            dirty: Vec::new(),
            wants: Vec::new(),
            resumed: Vec::new(),
            deeds: Vec::new(),
            doomed: VecDeque::new(),
            changed: Vec::new(),
            forgotten: VecDeque::new(),
            announced: 0,
            watched: Dense::new(),
            limits,
            tcp: TcpOptions::default(),
            keys: MaskKeys::new(),
            inflaters: Inflaters::new(),
            deflaters: None,
            resolver: Resolver::new(inbox),
            attempts: 0,
            links: Links::default(),
            announce_writes: false,
            lenient_requests: false,
            announce_forgets: false,
            stopping: false,
            draining: None,
            room: false,
            accepted: 0,
            lines,
            latency: Rc::clone(latency),
            date: (0, String::new()),
            inside: false,
            began: now,
            now,
            nanos: 0,
            millis: 0,
        }
    }

    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
        self.nanos = now.saturating_duration_since(self.began).as_nanos() as u64;
        self.millis = (self.nanos / 1_000_000) as u32;
    }

    /// Loop time in milliseconds, wrapping after 49 days.
    pub(crate) fn millis(&self) -> u32 {
        self.millis
    }

    /// How permessage-deflate is negotiated, if at all.
    pub(crate) fn deflate_options(&self) -> Option<&DeflateOptions> {
        self.deflaters.as_ref().map(|deflaters| deflaters.options())
    }

    /// Loop time in nanoseconds.
    pub(crate) fn nanos(&self) -> u64 {
        self.nanos
    }

    /// A new connection in `phase`, its clock started.
    pub(crate) fn insert(&mut self, phase: Phase, fd: Option<OwnedFd>) -> ConnId {
        let id = self.slots.insert(phase, fd);
        let now = self.millis();
        let slot = self.slots.at_mut(id.index);
        (slot.began, slot.stamp) = (now, now);
        let nanos = self.nanos();
        self.lines.note(id, nanos);
        id
    }

    /// Frees a connection for which no callback is owed.
    pub(crate) fn remove(&mut self, id: ConnId) {
        self.remove_for(id, None);
    }

    /// The same, for a reason to be logged.
    pub(crate) fn remove_for(&mut self, id: ConnId, why: Option<&(By, Cause)>) {
        if self.slots.get(id).is_none() {
            return;
        }
        self.drop_attempts(id);
        self.log_ended(id, why);
        self.lines.forget(id);
        self.wheel.disarm(&mut self.slots, id.index);
        self.set_timer(id, None);
        self.leave_members(id);
        let slot = self.slots.at_mut(id.index);
        if let Some(fd) = slot.fd.take() {
            match slot.registered.is_some() && self.announce_forgets {
                true => self.forgotten.push_back(fd),
                false => self.latency.call("close", Some(id), || drop(fd)),
            }
        }
        self.slots.remove(id);
        self.room = true;
    }

    pub(crate) fn arm(&mut self, id: ConnId, kind: Deadline) {
        let after = self.deadline_length(kind);
        let now = self.millis();
        self.wheel.arm(&mut self.slots, id.index, kind, now, after);
    }

    pub(crate) fn arm_after(&mut self, id: ConnId, kind: Deadline, after: Duration) {
        let now = self.millis();
        self.wheel.arm(&mut self.slots, id.index, kind, now, after);
    }

    pub(crate) fn deadline_length(&self, kind: Deadline) -> Duration {
        match kind {
            Deadline::None => Duration::MAX,
            Deadline::Connect => self.limits.connect,
            Deadline::Proxy => self.limits.proxy,
            Deadline::Handshake => self.limits.handshake,
            Deadline::KeepAlive => self.limits.keep_alive,
            Deadline::Exchange => self.limits.exchange,
            Deadline::Idle => self.limits.ping_after,
            Deadline::Pong => self.limits.pong_within,
            Deadline::Close | Deadline::Drain => self.limits.close_within,
        }
    }

    /// How long ago the connection last showed life.
    pub(crate) fn silence(&self, id: ConnId) -> Duration {
        let stamp = self.slots.get(id).map_or(0, |slot| slot.stamp);
        Duration::from_millis(u64::from(self.millis().wrapping_sub(stamp)))
    }

    pub(crate) fn set_timer(&mut self, id: ConnId, after: Option<Duration>) {
        let nanos = self.nanos();
        let at = after
            .map(|after| nanos.saturating_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX)));
        let Some(slot) = self.slots.get_mut(id) else { return };
        if let Some(at) = at {
            slot.cold().timer = Some(at);
            self.timers.set(id.index, at);
        } else if let Some(cold) = &mut slot.cold
            && cold.timer.take().is_some()
        {
            self.timers.remove(id.index);
        }
    }

    /// Whether a timer has run out.
    pub(crate) fn timer_is_due(&self) -> bool {
        self.timers.first().is_some_and(|(at, _)| at <= self.nanos())
    }

    /// The timer that has run out longest ago, taken off.
    pub(crate) fn pop_timer(&mut self) -> Option<ConnId> {
        if !self.timer_is_due() {
            return None;
        }
        let (_, index) = self.timers.first()?;
        self.timers.remove(index);
        let slot = self.slots.at_mut(index);
        if let Some(cold) = &mut slot.cold {
            cold.timer = None;
        }
        Some(self.slots.id_at(index))
    }

    pub(crate) fn join_members(&mut self, id: ConnId, protocol: u16) {
        let members = &mut self.members[usize::from(protocol)];
        let slot = self.slots.at_mut(id.index);
        slot.protocol = protocol;
        slot.member = members.len() as u32;
        members.push(id.index);
    }

    pub(crate) fn leave_members(&mut self, id: ConnId) {
        let slot = self.slots.at_mut(id.index);
        let (protocol, member) = (slot.protocol, std::mem::replace(&mut slot.member, NIL));
        if protocol == UNBOUND || member == NIL {
            return;
        }
        let members = &mut self.members[usize::from(protocol)];
        members.swap_remove(member as usize);
        if let Some(&moved) = members.get(member as usize) {
            self.slots.at_mut(moved).member = member;
        }
    }

    /// Ends the connection as soon as no callback runs. The first cause counts.
    pub(crate) fn doom(&mut self, id: ConnId, by: By, cause: Cause) {
        if let Some(slot) = self.slots.get_mut(id)
            && slot.flags.newly(Flags::DOOMED)
        {
            self.doomed.push_back(Doom { id, by, cause });
        }
    }

    /// Asks for a `writable` callback.
    pub(crate) fn want(&mut self, id: ConnId) {
        if let Some(slot) = self.slots.get_mut(id)
            && slot.flags.newly(Flags::WANTS)
        {
            if self.announce_writes {
                self.review(id);
            } else if slot.queued() == 0 {
                self.serve_next(id);
            } // else the tail's end will bring it here
        }
    }

    /// Asks for a `writable` callback of every connection of a protocol.
    pub(crate) fn want_all(&mut self, protocol: ProtocolId) {
        let protocol = usize::from(protocol.0);
        let count = self.members.get(protocol).map_or(0, Vec::len);
        self.wants.reserve(count);
        for member in 0..count {
            let id = self.slots.id_at(self.members[protocol][member]);
            let slot = self.slots.at_mut(id.index);
            // The short way of `want`, for a connection that is open and has asked for nothing.
            if !self.announce_writes && slot.cold.is_none() && !slot.flags.has(Flags::UNASKABLE) {
                slot.flags.set(Flags::WANTS);
                slot.flags.set(Flags::IN_WANTS);
                self.wants.push(id);
            } else if self.is_open(id) {
                self.want(id);
            }
        }
    }

    /// Puts the connection among those whose `writable` is called next, once.
    pub(crate) fn serve_next(&mut self, id: ConnId) {
        if let Some(slot) = self.slots.get_mut(id)
            && slot.flags.newly(Flags::IN_WANTS)
        {
            self.wants.push(id);
        }
    }

    /// Looks at the connection again once no callback runs, if input is kept for it.
    pub(crate) fn resume(&mut self, id: ConnId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let kept = slot.cold.as_ref().is_some_and(|cold| !cold.leftover.is_empty());
        if kept && slot.flags.newly(Flags::RESUMED) {
            self.resumed.push(id);
        }
        self.review(id);
    }

    /// Notes that the poll interest of a connection may have changed.
    pub(crate) fn review(&mut self, id: ConnId) {
        let announce_writes = self.announce_writes;
        if let Some(slot) = self.slots.get_mut(id)
            && slot.fd.is_some()
            && slot.registered != Some(slot.desired(announce_writes))
            && slot.flags.newly(Flags::CHANGED)
        {
            self.changed.push(id);
        }
    }

    /// The next descriptor whose interest did change, and its new interest.
    pub(crate) fn pop_changed(&mut self) -> Option<(ConnId, Interest, bool)> {
        while let Some(id) = self.changed.pop() {
            let announce_writes = self.announce_writes;
            let Some(slot) = self.slots.get_mut(id) else { continue };
            slot.flags.clear(Flags::CHANGED);
            let desired = slot.desired(announce_writes);
            if slot.fd.is_some() && slot.registered != Some(desired) {
                let known = slot.registered.replace(desired).is_some();
                return Some((id, desired, known));
            }
        }
        None
    }

    /// Whether there is work that no descriptor announces.
    pub(crate) fn has_pending_work(&self) -> bool {
        !(self.wants.is_empty()
            && self.resumed.is_empty()
            && self.dirty.is_empty()
            && self.deeds.is_empty()
            && self.doomed.is_empty())
            || self.room
    }

    /// Nanoseconds of loop time at which the loop must look at its clock next.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        const MILLI: u64 = 1_000_000;
        let wheel = self.wheel.next(self.millis);
        let wheel = wheel.map(|ms| (self.nanos / MILLI + u64::from(ms)).saturating_mul(MILLI));
        let timer = self.timers.first().map(|(at, _)| at);
        let drain = self.draining.as_ref().map(|drain| drain.next());
        earliest(&[wheel, timer, self.lines.due(), drain])
    }

    pub(crate) fn raw_fd(&self, id: ConnId) -> Option<RawFd> {
        self.slots.get(id)?.fd.as_ref().map(AsRawFd::as_raw_fd)
    }
}

/// The first of these moments that there are.
pub(crate) fn earliest(moments: &[Option<u64>]) -> Option<u64> {
    let mut first: Option<u64> = None;
    for moment in moments {
        if let Some(moment) = *moment
            && first.is_none_or(|first| moment < first)
        {
            first = Some(moment);
        }
    }
    first
}

impl Slot {
    /// What the poller should watch for.
    pub(crate) fn desired(&self, announce_writes: bool) -> Interest {
        if let Phase::Attempt { .. } = self.phase {
            return Interest::WRITE;
        }
        let tail = self.queued() > 0;
        let writes = tail || (announce_writes && self.flags.has(Flags::WANTS));
        match (self.reads(), writes) {
            (true, true) => Interest::READ_WRITE,
            (true, false) => Interest::READ,
            (false, true) => Interest::WRITE,
            (false, false) => Interest::NONE,
        }
    }

    /// Whether input is of use now.
    #[inline]
    pub(crate) fn reads(&self) -> bool {
        let is_kept = self.cold.as_ref().is_some_and(|cold| !cold.leftover.is_empty());
        if is_kept || self.is_away() {
            return false;
        }
        match &self.phase {
            Phase::Vacant { .. } | Phase::Dialing(_) | Phase::Attempt { .. } => false,
            Phase::Tunnel(_) | Phase::Answer(_) | Phase::Request(_) => true,
            Phase::Draining => !self.flags.has(Flags::EOF),
            Phase::Exchange(_) if self.flags.has(Flags::EOF) => false,
            Phase::Exchange(exchange) => {
                exchange.reads_body()
                    || exchange.is_put_off()
                    || exchange.takes_next(self.queued(), self.flags)
            }
            Phase::Waiting(_) => true, // what comes is kept, and its end is noticed
            Phase::WebSocket(ws) => ws.closing.is_some() || !self.holds_back(),
        }
    }

    /// Whether input must wait, by the application's wish or because the send queue is full.
    pub(crate) fn holds_back(&self) -> bool {
        self.flags.has(Flags::PAUSED) || self.flags.has(Flags::FULL)
    }
}
