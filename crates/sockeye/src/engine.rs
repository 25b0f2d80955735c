//! The mechanism of the loop, without policy and without frames: turns, deadlines, deferred work.
//!
//! Every path into a connection is a turn: its output gathers, callbacks run, the output leaves,
//! and only then are the consequences for other connections taken.

use crate::buffer::ReceiveBuffer;
use crate::cold::Leftover;
use crate::conn::Phase;
use crate::connect::{ConnectError, Step, Why};
use crate::handle::Letter;
use crate::handshake::Router;
use crate::heartbeat::Heartbeat;
use crate::http_service::HttpService;
use crate::listen::Listeners;
use crate::message::{By, Cause};
use crate::registered::{At, Service};
use crate::slots::{ConnId, Flags, NIL};
use crate::state::{Core, Doom, State};
use crate::transport::{Lost, Received};
use crate::wheel::Deadline;
use sockeye_sys::Readiness;
use std::io;
use std::mem;
use std::time::Instant;

pub(crate) struct Engine {
    pub(crate) core: Core,
    pub(crate) services: Vec<Box<dyn Service>>,
    pub(crate) http: Option<Box<dyn HttpService>>,
    pub(crate) router: Router,
    pub(crate) listeners: Listeners,
    pub(crate) heartbeat: Option<Heartbeat>,
    /// The loop's one receive buffer.
    pub(crate) buffer: ReceiveBuffer,
    expired: Vec<(u32, Deadline)>,
    serving: Vec<ConnId>,
}

/// What kind of phase a connection is in, for decisions that do not touch its data.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Gone,
    Dialing,
    Attempt,
    Tunnel,
    Answer,
    Request,
    Exchange,
    Waiting,
    WebSocket,
    Draining,
}

impl Engine {
    pub(crate) fn new(
        core: Core,
        services: Vec<Box<dyn Service>>,
        http: Option<Box<dyn HttpService>>,
        router: Router,
        listeners: Listeners,
        buffer: ReceiveBuffer,
    ) -> Self {
        let (expired, serving) = (Vec::new(), Vec::new());
        Self { core, services, http, router, listeners, heartbeat: None, buffer, expired, serving }
    }

    /// The loop is entered: everything until [`leave`](Self::leave) happens at `now`.
    pub(crate) fn enter(&mut self, now: Instant) {
        let state = self.core.state.get_mut();
        state.set_now(now);
        state.inside = true;
    }

    /// The loop is left: what is asked for from here on must wake it.
    pub(crate) fn leave(&mut self) {
        self.core.state.get_mut().inside = false;
    }

    /// A connection's descriptor is ready.
    pub(crate) fn ready(&mut self, id: ConnId, readiness: Readiness) {
        let state = self.core.state.get_mut();
        let Some(slot) = state.slots.get(id) else { return };
        if let Phase::Attempt { of } = slot.phase {
            if readiness.writable || readiness.hangup {
                self.attempt(of, |state| state.attempt_ended(of, id));
            }
            return;
        }
        if slot.flags.has(Flags::DOOMED) {
            return;
        }
        if slot.flags.has(Flags::HELD) {
            state.release(); // it is here for the second time
        }
        state.turn = Some(id);
        if readiness.writable {
            self.socket_writable(id);
        }
        if readiness.readable || readiness.hangup {
            self.socket_readable(id, readiness.hangup);
        }
        self.hold_or_end_turn(id);
    }

    /// Ends the turn of `id`; what it leaves, if it is little, is held until
    /// [`release`](Self::release).
    fn hold_or_end_turn(&mut self, id: ConnId) {
        match self.core.state.get_mut().hold(id) {
            true => self.settle(),
            false => self.end_turn(id),
        }
    }

    /// Turns that belong together are over: what these have left is sent.
    pub(crate) fn release(&mut self) {
        let state = self.core.state.get_mut();
        if !state.cork.holds_nothing() {
            state.release();
            self.settle();
        }
    }

    /// Fires what is due.
    pub(crate) fn tick(&mut self) {
        let state = self.core.state.get_mut();
        if state.wheel.is_behind(state.millis()) {
            self.expire_passed();
        }
        if self.core.state.get_mut().timer_is_due() {
            self.fire_timers();
        }
        let state = self.core.state.get_mut();
        let now = state.nanos();
        if let Some(drain) = state.draining.take_if(|drain| drain.next() <= now) {
            (drain.go_on)(self, drain);
        }
        let state = self.core.state.get_mut();
        if let Some(heartbeat) = &mut self.heartbeat {
            heartbeat.tick(state.nanos());
        }
        self.listeners.tick(state);
        state.lines.tick(state.nanos());
    }

    /// Ends, or reminds of their end, those whose deadline has passed.
    #[inline(never)]
    fn expire_passed(&mut self) {
        let state = self.core.state.get_mut();
        let mut expired = mem::take(&mut self.expired);
        let now = state.millis();
        state.wheel.advance(&mut state.slots, now, &mut expired);
        // Ids first: what one expiry ends must not be mistaken for what comes in its place.
        let mut due = Vec::with_capacity(expired.len());
        for &(index, kind) in &expired {
            due.push((state.slots.id_at(index), kind));
        }
        expired.clear();
        self.expired = expired;
        for (id, kind) in due {
            if self.core.state.get_mut().begin_turn(id) {
                self.expire(id, kind);
                self.end_turn(id);
            }
        }
    }

    /// Does what no descriptor announces: letters, kept input, `writable`s, consequences.
    /// Whether there was anything.
    pub(crate) fn work(&mut self) -> bool {
        let is_pending = self.core.state.get_mut().has_pending_work();
        (is_pending || self.core.inbox.has_letters()) && self.work_off()
    }

    #[inline(never)]
    fn work_off(&mut self) -> bool {
        let letters = self.core.inbox.take();
        let mut worked = !letters.is_empty() || self.core.state.get_mut().has_pending_work();
        for letter in letters {
            self.open_letter(letter);
            self.settle();
        }
        for deed in mem::take(&mut self.core.state.get_mut().deeds) {
            deed(self);
        }
        self.resume_kept();
        self.serve_wants();
        self.settle();
        worked |= self.listeners.make_room(self.core.state.get_mut());
        worked
    }

    /// Stops accepting and closes everything, each in its way.
    pub(crate) fn shut_down(&mut self) {
        let state = self.core.state.get_mut();
        if mem::replace(&mut state.stopping, true) {
            self.hurry();
            return;
        }
        self.listeners.close_all(state);
        let ids = state.slots.ids();
        for id in ids {
            let kind = self.kind(id);
            let state = self.core.state.get_mut();
            match kind {
                Kind::WebSocket => self.send_away(id),
                Kind::Request | Kind::Waiting | Kind::Dialing | Kind::Tunnel | Kind::Answer => {
                    state.doom(id, By::Us, Cause::Aborted);
                }
                // They end by themselves, or with another.
                Kind::Exchange | Kind::Draining | Kind::Gone | Kind::Attempt => {}
            }
        }
        self.settle();
    }

    pub(crate) fn kind(&self, id: ConnId) -> Kind {
        match self.core.state.borrow().slots.get(id).map(|slot| &slot.phase) {
            None | Some(Phase::Vacant { .. }) => Kind::Gone,
            Some(Phase::Dialing(_)) => Kind::Dialing,
            Some(Phase::Attempt { .. }) => Kind::Attempt,
            Some(Phase::Tunnel(_)) => Kind::Tunnel,
            Some(Phase::Answer(_)) => Kind::Answer,
            Some(Phase::Request(_)) => Kind::Request,
            Some(Phase::Exchange(_)) => Kind::Exchange,
            Some(Phase::Waiting(_)) => Kind::Waiting,
            Some(Phase::WebSocket(_)) => Kind::WebSocket,
            Some(Phase::Draining) => Kind::Draining,
        }
    }

    /// Index of a connection's protocol, and the connection as its service knows it.
    pub(crate) fn at(&self, id: ConnId) -> (usize, At) {
        let state = self.core.state.borrow();
        let found = state.slots.get(id).map(|slot| (slot.protocol, slot.session));
        let (protocol, session) = found.unwrap_or((u16::MAX, NIL));
        (usize::from(protocol), At { id, session })
    }

    /// Ends the turn of `id`: its output leaves, and what that means is done.
    pub(crate) fn end_turn(&mut self, id: ConnId) {
        if !self.core.state.get_mut().end_turn() {
            self.after_output(id);
        }
        self.settle();
    }

    /// Takes the consequences of callbacks for connections other than their own. Ends when there
    /// are none left: each ending frees a connection, each flush empties a tail or waits.
    pub(crate) fn settle(&mut self) {
        let state = self.core.state.get_mut();
        if !(state.dirty.is_empty() && state.doomed.is_empty()) {
            self.settle_all();
        }
    }

    #[inline(never)]
    fn settle_all(&mut self) {
        // What goes to many leaves now: after a timer's turn the loop may wait for long.
        self.core.state.get_mut().release();
        loop {
            let state = self.core.state.get_mut();
            if let Some(id) = state.dirty.pop() {
                if let Some(slot) = state.slots.get_mut(id) {
                    slot.flags.clear(Flags::DIRTY);
                    state.flush(id);
                    self.after_output(id);
                }
            } else if let Some(doom) = state.doomed.pop_front() {
                self.end(doom);
            } else {
                return;
            }
        }
    }

    /// Some output has left: a response or a drain may be complete.
    fn after_output(&mut self, id: ConnId) {
        match self.kind(id) {
            Kind::Draining => self.core.state.get_mut().drained(id),
            Kind::Exchange => {
                self.finish_exchange(id);
                self.core.state.get_mut().resume_after_raw(id);
                self.core.state.get_mut().review(id); // what comes now must wait
            }
            Kind::Waiting => self.core.state.get_mut().review(id),
            Kind::Gone
            | Kind::Dialing
            | Kind::Attempt
            | Kind::Tunnel
            | Kind::Answer
            | Kind::Request
            | Kind::WebSocket => {}
        }
    }

    fn socket_writable(&mut self, id: ConnId) {
        let state = self.core.state.get_mut();
        if state.flush(id) && state.announce_writes {
            let wanted = state.slots.get(id).is_some_and(|slot| slot.flags.has(Flags::WANTS));
            if wanted {
                self.call_writable(id);
            }
        }
    }

    pub(crate) fn socket_readable(&mut self, id: ConnId, hangup: bool) {
        let mut buffer = mem::take(&mut self.buffer);
        match self.core.state.get_mut().receive(id, hangup, &mut buffer) {
            Received::Bytes(n) => {
                self.take_or_keep(id, &mut buffer.as_mut()[..n]);
            }
            Received::Opened(n) => {
                if self.take_or_keep(id, &mut buffer.as_mut()[..n])
                    && let Some(lost) = self.core.state.get_mut().take_end(id)
                {
                    self.lost(id, lost);
                }
            }
            Received::NotYet => {}
            Received::Lost(lost) => self.lost(id, lost),
        }
        self.buffer = buffer;
    }

    /// Takes what was read, and keeps what must wait. Whether nothing must.
    fn take_or_keep(&mut self, id: ConnId, bytes: &mut [u8]) -> bool {
        let waits = self.input(id, bytes);
        if waits > 0 {
            let kept = Leftover::from(&bytes[bytes.len() - waits..]);
            self.core.state.get_mut().keep(id, kept);
        }
        waits == 0
    }

    /// The stream has ended, in good order or not.
    pub(crate) fn lost(&mut self, id: ConnId, lost: Lost) {
        if let Lost::Tls(error) = lost {
            return self.tls_failed(id, error.into());
        }
        let state = self.core.state.get_mut();
        let queued = state.slots.get(id).map_or(0, |slot| slot.queued());
        match (self.kind(id), &lost) {
            (Kind::Draining, Lost::Eof) if queued > 0 => {
                self.core.state.get_mut().review(id); // they may still read what we owe them
            }
            (Kind::Draining, _) => self.core.state.get_mut().remove(id),
            (Kind::Exchange, Lost::Eof) if self.core.state.get_mut().half_closed(id) => {}
            _ => self.core.state.get_mut().doom(id, By::Peer, lost.into()),
        }
    }

    fn resume_kept(&mut self) {
        for id in mem::take(&mut self.core.state.get_mut().resumed) {
            let state = self.core.state.get_mut();
            if let Some(slot) = state.slots.get_mut(id) {
                slot.flags.clear(Flags::RESUMED);
            }
            if !state.begin_turn(id) {
                continue;
            }
            let slot = state.slots.at_mut(id.index);
            let kept = slot.cold.as_mut().map(|cold| mem::take(&mut cold.leftover));
            let mut kept = kept.unwrap_or_default();
            let waits = self.input(id, kept.waiting());
            kept.keep_last(waits);
            self.core.state.get_mut().keep(id, kept);
            if waits == 0
                && let Some(lost) = self.core.state.get_mut().take_end(id)
            {
                self.lost(id, lost);
            }
            self.end_turn(id);
        }
    }

    /// Calls the `writable`s that were asked for up to now. What they ask for comes next time.
    fn serve_wants(&mut self) {
        let mut serving = mem::take(&mut self.serving);
        mem::swap(&mut serving, &mut self.core.state.get_mut().wants);
        for id in serving.drain(..) {
            let state = self.core.state.get_mut();
            let Some(slot) = state.slots.get_mut(id) else { continue };
            slot.flags.clear(Flags::IN_WANTS);
            let is_due = slot.flags.has(Flags::WANTS) && slot.queued() == 0;
            if is_due && !slot.flags.has(Flags::DOOMED) {
                state.turn = Some(id);
                self.call_writable(id);
                self.hold_or_end_turn(id);
            }
        }
        self.release();
        self.serving = serving;
    }

    fn call_writable(&mut self, id: ConnId) {
        let state = self.core.state.get_mut();
        let Some(slot) = state.slots.get_mut(id) else { return };
        slot.flags.clear(Flags::WANTS);
        let (protocol, at) = (usize::from(slot.protocol), At { id, session: slot.session });
        match &slot.phase {
            Phase::WebSocket(_) => {
                let announced = state.announce_writes;
                let action = self.services[protocol].writable(&self.core, at);
                self.act(id, action);
                if announced {
                    self.core.state.get_mut().review(id); // it need not be writable any more
                }
            }
            Phase::Exchange(_) | Phase::Request(_) if at.session != NIL => self.http_writable(at),
            Phase::Vacant { .. }
            | Phase::Dialing(_)
            | Phase::Attempt { .. }
            | Phase::Tunnel(_)
            | Phase::Answer(_)
            | Phase::Request(_)
            | Phase::Exchange(_)
            | Phase::Waiting(_)
            | Phase::Draining => {}
        }
    }

    /// The same of a connection that HTTP is spoken on.
    fn http_writable(&mut self, at: At) {
        let Some(http) = &mut self.http else { return };
        let action = http.writable(&self.core, at);
        self.act(at.id, action);
        let state = self.core.state.get_mut();
        if state.is_choked_stream(at.id) {
            state.want(at.id); // it goes on when the socket can take more
        }
        state.resume_after_raw(at.id);
        state.review(at.id);
    }

    #[inline(never)]
    fn fire_timers(&mut self) {
        let state = self.core.state.get_mut();
        // All that are due first: one set to zero again must not be served for ever.
        let mut due = Vec::new();
        while let Some(id) = state.pop_timer() {
            due.push(id);
        }
        for id in due {
            if let Some(of) = self.core.state.get_mut().attempt_of(id) {
                self.attempt(of, |state| state.attempt_is_slow(of, id));
            } else if self.core.state.get_mut().begin_turn(id) {
                self.fire_timer(id);
                self.end_turn(id);
            }
        }
    }

    /// The timer of an open WebSocket, or of a connection that HTTP is spoken on.
    fn fire_timer(&mut self, id: ConnId) {
        let (protocol, at) = self.at(id);
        let state = self.core.state.get_mut();
        let action = match &mut self.http {
            _ if state.is_open(id) => self.services[protocol].timer(&self.core, at),
            Some(http) if state.is_exchange(id) => http.timer(&self.core, at),
            Some(_) | None => return,
        };
        self.act(id, action);
    }

    /// Something has become of an attempt of a connection to connect, whose turn it is.
    fn attempt(&mut self, of: ConnId, and: impl FnOnce(&mut State)) {
        let state = self.core.state.get_mut();
        if state.begin_turn(of) {
            and(state);
            self.end_turn(of);
        }
    }

    fn open_letter(&mut self, letter: Letter) {
        match letter {
            Letter::Secured(id, done) => self.secured(id, done),
            Letter::Notice(protocol, notice) => {
                if let Some(service) = self.services.get_mut(usize::from(protocol.0)) {
                    service.notified(&self.core, notice);
                }
            }
            Letter::Want(id) => {
                let state = self.core.state.get_mut();
                if state.is_open(id) || state.is_exchange(id) {
                    state.want(id);
                }
            }
            Letter::Resolved(id, found) => self.core.state.get_mut().resolved(id, found),
            Letter::Do(deed) => deed(self),
        }
    }

    /// Ends a connection for which that is due.
    fn end(&mut self, doom: Doom) {
        let Doom { id, by, cause } = doom;
        self.core.state.get_mut().release_of(id);
        if matches!(cause, Cause::Aborted) {
            self.core.state.get_mut().say_goodbye_if_all_is_out(id);
        }
        match self.kind(id) {
            Kind::Gone => {}
            Kind::Dialing | Kind::Tunnel | Kind::Answer if matches!(cause, Cause::Aborted) => {
                self.connect_failed(id, ConnectError::Aborted);
            }
            Kind::Dialing => {
                let error = self.core.state.get_mut().dial_error(id);
                self.connect_failed(id, error);
            }
            Kind::Attempt => {
                let broken = if let Cause::Broken(kind) = cause { Some(kind) } else { None };
                let error = broken.unwrap_or(io::ErrorKind::NotConnected).into();
                let state = self.core.state.get_mut();
                if let Some(of) = state.attempt_of(id) {
                    state.attempt_failed(of, id, error);
                }
            }
            Kind::Tunnel => {
                let state = self.core.state.get_mut();
                let error = state.tunnel_error(id, ConnectError::lost(Step::Proxy, cause));
                self.connect_failed(id, error);
            }
            Kind::Answer => {
                let state = self.core.state.get_mut();
                let error = ConnectError::lost(state.answer_step(id), cause);
                let error = state.answer_error(id, error);
                self.connect_failed(id, error);
            }
            Kind::WebSocket => {
                self.websocket_ended(id, by, cause);
                self.core.state.get_mut().remove(id);
            }
            Kind::Request | Kind::Exchange => {
                self.http_ended(id);
                self.core.state.get_mut().remove_for(id, Some(&(by, cause)));
            }
            Kind::Waiting => {
                self.upgrade_abandoned(id);
                self.core.state.get_mut().remove_for(id, Some(&(by, cause)));
            }
            Kind::Draining => self.core.state.get_mut().remove_for(id, Some(&(by, cause))),
        }
    }

    pub(crate) fn connect_failed(&mut self, id: ConnId, error: ConnectError) {
        let (protocol, _) = self.at(id);
        self.core.state.get_mut().log_failed(id, &error);
        let again = self.link_is_down(id, Why::Failed(&error));
        if let Some(service) = self.services.get_mut(protocol) {
            service.connect_failed(&self.core, id, error);
        }
        self.core.state.get_mut().remove(id);
        self.redial(again);
    }

    /// Tells the protocol of a WebSocket that it has ended, once.
    pub(crate) fn websocket_ended(&mut self, id: ConnId, by: By, cause: Cause) {
        let (protocol, at) = self.at(id);
        let state = self.core.state.get_mut();
        let closed = state.ending(id, by, cause);
        let Some(slot) = state.slots.get_mut(id) else { return };
        if !slot.flags.has(Flags::SESSION) {
            return;
        }
        slot.flags.clear(Flags::SESSION);
        slot.session = NIL;
        state.leave_members(id);
        state.log_closed(id, &self.core.registrations[protocol].name, &closed);
        let again = self.link_is_down(id, Why::Closed(&closed));
        self.services[protocol].closed(&self.core, at, closed);
        self.redial(again);
    }

    /// Tells the HTTP handler that a connection has ended or is a WebSocket now.
    pub(crate) fn http_ended(&mut self, id: ConnId) {
        let (_, at) = self.at(id);
        if let Some(slot) = self.core.state.get_mut().slots.get_mut(id) {
            slot.session = NIL;
        }
        if let Some(http) = self.http.as_mut().filter(|_| at.session != NIL) {
            http.closed(&self.core, at);
        }
    }
}
