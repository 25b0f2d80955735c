//! From bytes to callbacks, and from what callbacks return to deeds.

use crate::cold::Leftover;
use crate::conn::{Look, Phase};
use crate::detail;
use crate::engine::{Engine, Kind};
use crate::handshake::{Handshake, Reject, Waiting};
use crate::http::{Answer, Exchange, Reply, Request};
use crate::lent::Connections;
use crate::log::{self, Levels, note};
use crate::message::{Action, By, Cause, Chunk, Message};
use crate::registered::At;
use crate::slots::{ConnId, Flags, NIL};
use crate::state::{Core, ProtocolId, State};
use crate::wheel::Deadline;
use sockeye_proto::handshake::{
    Refusal, UpgradeRequest, upgrade_request, write_switching_protocols,
};
use sockeye_proto::http::{BodyEvent, BodyReader, CONTINUE, HeadScanner, RequestHead};
use sockeye_proto::{DeflateAgreed, Event, Opcode, Payload, Role, Violation};
use sockeye_sys::Lasting;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::mem;
use std::time::Duration;

impl Engine {
    /// Takes what was read, phase by phase: bytes that follow a head belong to what it began.
    /// How many of the last ones must wait. (What it calls is not inlined: all of it together would
    /// need a stack of pages.)
    #[must_use]
    pub(crate) fn input(&mut self, id: ConnId, bytes: &mut [u8]) -> usize {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(slot) = self.core.state.get_mut().slots.get(id) else { return 0 };
            let next = match &slot.phase {
                Phase::WebSocket(_) => {
                    let (protocol, session) = (usize::from(slot.protocol), slot.session);
                    self.frames(protocol, At { id, session }, &mut rest)
                }
                Phase::Request(_) => self.request(id, &mut rest),
                Phase::Exchange(_) => self.exchange_input(id, &mut rest),
                Phase::Waiting(_) => Next::Wait,
                Phase::Tunnel(_) => self.tunnel_input(id, &mut rest),
                Phase::Answer(_) => self.answer_input(id, &mut rest),
                Phase::Draining
                | Phase::Vacant { .. }
                | Phase::Dialing(_)
                | Phase::Attempt { .. } => return 0,
            };
            if let Next::Wait = next {
                return rest.len();
            }
        }
        0
    }

    /// Does what a callback returned. Whether the connection goes on taking input.
    pub(crate) fn act(&mut self, id: ConnId, action: Action) -> bool {
        let state = self.core.state.get_mut();
        match action {
            Action::Continue => true,
            Action::Close(code, reason) => {
                if self.kind(id) != Kind::WebSocket {
                    self.http_ended(id);
                    self.core.state.get_mut().drain(id);
                    return false;
                }
                let state = self.core.state.get_mut();
                state.close_websocket(id, By::Us, Some(code), &reason, Cause::Close);
                true // the peer's Close frame may be in the same read
            }
            Action::Abort => {
                state.doom(id, By::Us, Cause::Aborted);
                false
            }
        }
    }

    /// The frames in `rest`, one by one, until it is used up or must wait.
    #[inline(never)] // so that what is done for each message has all registers
    fn frames(&mut self, protocol: usize, at: At, rest: &mut &mut [u8]) -> Next {
        let id = at.id;
        while !rest.is_empty() {
            let action = match self.whole_messages(protocol, at, rest) {
                Some(Ok(action)) => action,
                Some(Err(violation)) => {
                    self.violated(id, violation);
                    return discard(rest);
                }
                None if rest.is_empty() => break,
                None => match self.event(protocol, at, rest) {
                    Ok(action) => action,
                    Err(next) => return next,
                },
            };
            if let Action::Close(..) | Action::Abort = action {
                let goes_on = self.act(id, action);
                // `input` comes back here with what is left.
                return if goes_on { Next::GoOn } else { discard(rest) };
            }
        }
        Next::GoOn
    }

    /// The short way of [`event`](Self::event) through whole messages, until one's callback does
    /// not simply go on, one breaks a rule, or `None`: nothing is left, or something else is next.
    fn whole_messages(
        &mut self,
        protocol: usize,
        at: At,
        rest: &mut &mut [u8],
    ) -> Option<Result<Action, Violation>> {
        if log::is_on(Levels::PARSER) {
            return None; // each event is told of
        }
        let (core, service) = (&self.core, &mut self.services[protocol]);
        let registration = &core.registrations[protocol];
        let mut left = mem::take(rest);
        let mut ended = None;
        while !left.is_empty() && ended.is_none() {
            let found = core.state.borrow_mut().whole_message(at.id, registration, &mut left);
            match found {
                Some(Ok(whole)) => match service.receive(core, at, Message::whole(whole)) {
                    Action::Continue => {}
                    action @ (Action::Close(..) | Action::Abort) => ended = Some(Ok(action)),
                },
                Some(Err(violation)) => ended = Some(Err(violation)),
                None => break,
            }
        }
        *rest = left;
        ended
    }

    /// The next event in `rest`, whatever it is: what its callback returned, or that no more of
    /// `rest` is looked at for now.
    #[inline(never)]
    fn event(&mut self, protocol: usize, at: At, rest: &mut &mut [u8]) -> Result<Action, Next> {
        let id = at.id;
        let Core { state, registrations, .. } = &mut self.core;
        let state = state.get_mut();
        let (event, closing) = match state.look(id, &registrations[protocol], rest) {
            Look::Event { event, closing } => (event, closing),
            Look::Held => return Err(Next::Wait),
            Look::Shut => return Err(discard(rest)),
        };
        if log::is_on(Levels::PARSER) {
            detail::log_event(id, &event);
        }
        if let (Ok(Event::Ping(payload)), false) = (&event, closing) {
            state.send_control(id, Opcode::Pong, payload);
        }
        let (core, service) = (&self.core, &mut self.services[protocol]);
        Ok(match event {
            Ok(Event::NeedMore) => return Err(Next::GoOn),
            Ok(Event::Close(frame)) => {
                self.core.state.get_mut().peer_closed(id, frame);
                self.websocket_ended(id, By::Peer, Cause::Close);
                self.core.state.get_mut().drain(id);
                return Err(discard(rest));
            }
            Err(violation) => {
                self.violated(id, violation);
                return Err(discard(rest));
            }
            Ok(Event::Message { kind, payload }) if !closing => {
                service.receive(core, at, Message::received(kind, payload))
            }
            Ok(Event::Chunk { kind, payload, remaining, is_final }) if !closing => {
                // What is streamed lies in the input, unless it was inflated.
                let is_compressed = matches!(payload, Payload::Owned(_));
                let payload = &payload[..];
                let chunk = Chunk { kind, payload, remaining, is_final, is_compressed };
                service.chunk(core, at, chunk)
            }
            Ok(Event::Ping(payload)) if !closing => service.ping(core, at, &payload),
            Ok(Event::Pong(payload)) if !closing => service.pong(core, at, &payload),
            // After our Close only the peer's is of interest.
            Ok(Event::Message { .. } | Event::Chunk { .. } | Event::Ping(_) | Event::Pong(_)) => {
                Action::Continue
            }
        })
    }

    /// Fails the WebSocket (RFC 6455 §7.1.7): Close frame, then nothing more.
    fn violated(&mut self, id: ConnId, violation: Violation) {
        let state = self.core.state.get_mut();
        let code = Some(violation.close_code());
        let cause = Cause::Violation(violation);
        state.close_websocket(id, By::Us, code, &violation.to_string(), cause.clone());
        self.websocket_ended(id, By::Us, cause);
        self.core.state.get_mut().drain(id);
    }

    /// A request head, or a part of it.
    #[inline(never)]
    fn request(&mut self, id: ConnId, rest: &mut &mut [u8]) -> Next {
        let state = self.core.state.get_mut();
        let slot = state.slots.at_mut(id.index);
        let kept_alive = slot.link.kind == Deadline::KeepAlive;
        let Phase::Request(partial) = &mut slot.phase else { return Next::GoOn };
        let mut partial = partial.take();
        if kept_alive {
            state.arm(id, Deadline::Handshake);
        }
        let (head, scanner) = match state.collect_head(&mut partial, rest) {
            Ok(Some(head)) => head,
            Ok(None) => {
                state.slots.at_mut(id.index).phase = Phase::Request(partial);
                return Next::GoOn;
            }
            Err(error) => {
                self.refuse(id, &Refusal::new(error.status(), error.to_string()));
                return Next::GoOn;
            }
        };
        self.request_head(id, &head, &scanner);
        Next::GoOn
    }

    /// A whole request head: a handshake, or any other request.
    fn request_head(&mut self, id: ConnId, head: &[u8], scanner: &HeadScanner) {
        let lenient = self.core.state.get_mut().lenient_requests;
        let head = match RequestHead::parse_scanned(head, scanner, lenient) {
            Ok(head) => head,
            Err(error) => {
                return self.refuse(id, &Refusal::new(error.status(), error.to_string()));
            }
        };
        if log::is_on(Levels::HEADER) {
            detail::log_head(id, format_args!("{} {}", head.method, head.target), &head.headers);
        }
        let result = match upgrade_request(&head) {
            _ if self.core.state.get_mut().is_misplaced(id) => Err(plain_for_tls(&head)),
            Ok(Some(upgrade)) => self.upgrade(id, &upgrade),
            Ok(None) => self.http_request(id, &head),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = result {
            self.refuse(id, &Refusal { to_head: head.method == "HEAD", ..refusal });
        }
    }

    /// A handshake that is in order: asks the application, answers.
    fn upgrade(&mut self, id: ConnId, upgrade: &UpgradeRequest<'_, '_>) -> Result<(), Refusal> {
        if self.core.state.get_mut().stopping {
            return Err(Refusal::new(503, "The server is shutting down."));
        }
        let peer = || Connections::new(&self.core).peer(id);
        let (protocol, subprotocol) = self.router.route(upgrade, peer)?;
        let options = self.core.state.get_mut().deflate_options();
        let deflate = options.and_then(|options| options.accept(upgrade.extensions()));
        let (deflate, extensions) = deflate.unzip();
        if let Some(agreed) = &extensions {
            note!(EXT, "connection {id}: agreed to {agreed}");
        }
        let connections = Connections::new(&self.core);
        let hello = Handshake {
            role: Role::Server,
            id,
            protocol,
            target: upgrade.head.target,
            host: upgrade.host(),
            headers: &upgrade.head.headers,
            subprotocol,
            connections,
            answer: RefCell::default(),
            compressed: Cell::new(deflate.is_some()),
        };
        let verdict = self.services[usize::from(protocol.0)].upgrade(&self.core, &hello);
        let deflate = deflate.filter(|_| hello.compressed.get());
        let extensions = extensions.filter(|_| hello.compressed.get());
        let added = hello.answer.into_inner();
        let added = added.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut answer = Vec::with_capacity(256);
        let extensions = extensions.as_deref();
        // What could break it was refused by `add_header`, and in the request.
        write_switching_protocols(&mut answer, upgrade.key, subprotocol, extensions, added)
            .map_err(|error| Refusal::new(500, error.to_string()))?;
        match verdict {
            Ok(session) => {
                self.http_ended(id);
                self.core.state.get_mut().put(id, &[], &answer);
                self.open(id, protocol, session, deflate);
            }
            Err(reject) if reject.is_later() => {
                self.http_ended(id);
                let waiting = Waiting { protocol, deflate, answer };
                let slot = self.core.state.get_mut().slots.at_mut(id.index);
                slot.phase = Phase::Waiting(Box::new(waiting));
            }
            Err(reject) => return Err(reject.into_refusal()),
        }
        Ok(())
    }

    /// Answers a handshake whose answer was put off.
    pub(crate) fn pass_verdict(&mut self, id: ConnId, verdict: impl FnOnce(&mut Self)) {
        if self.kind(id) == Kind::Waiting && self.core.state.get_mut().begin_turn(id) {
            verdict(self);
            self.end_turn(id);
        }
    }

    pub(crate) fn rejected(&mut self, id: ConnId, reject: Reject) {
        self.core.state.get_mut().refuse(id, &reject.into_refusal());
    }

    pub(crate) fn accepted(&mut self, id: ConnId, session: Box<dyn Any>) {
        let state = self.core.state.get_mut();
        let phase = mem::replace(&mut state.slots.at_mut(id.index).phase, Phase::Draining);
        let Phase::Waiting(waiting) = phase else { return };
        let Waiting { protocol, deflate, answer } = *waiting;
        let service = &mut self.services[usize::from(protocol.0)];
        let Some(session) = service.adopt(session) else {
            note!(ERR, "connection {id}: accepted with a session of another protocol");
            return state.refuse(id, &Refusal::new(500, "The server made a mistake."));
        };
        state.put(id, &[], &answer);
        self.open(id, protocol, session, deflate);
        self.core.state.get_mut().resume(id);
    }

    /// Nobody waits any more for the answer to a handshake that was put off: its protocol is told.
    pub(crate) fn upgrade_abandoned(&mut self, id: ConnId) {
        let slot = self.core.state.get_mut().slots.at_mut(id.index);
        let Phase::Waiting(waiting) = &slot.phase else { return };
        let protocol = usize::from(waiting.protocol.0);
        self.services[protocol].upgrade_abandoned(&self.core, id);
    }

    /// The handshake is done in either role. If its end was asked for in `upgrade`, `closed` is
    /// all that follows.
    pub(crate) fn open(
        &mut self,
        id: ConnId,
        protocol: ProtocolId,
        session: u32,
        deflate: Option<DeflateAgreed>,
    ) {
        self.core.establish(id, protocol, session, deflate);
        if !self.core.state.get_mut().is_open(id) {
            return;
        }
        let (index, at) = self.at(id);
        note!(DEBUG, "connection {id}: open, protocol {:?}", self.core.registrations[index].name);
        let action = self.services[index].open(&self.core, at);
        self.act(id, action);
        if self.core.state.get_mut().is_open(id) {
            self.link_is_up(id);
        }
    }

    /// A refused request: the HTTP session, if there is one, ends with it.
    pub(crate) fn refuse(&mut self, id: ConnId, refusal: &Refusal) {
        self.core.state.get_mut().refuse(id, refusal);
        self.http_ended(id); // last, so that it cannot answer once more
    }

    /// A request that is not a handshake.
    fn http_request(&mut self, id: ConnId, head: &RequestHead<'_>) -> Result<(), Refusal> {
        let Some(http) = &mut self.http else {
            return Err(Refusal::upgrade_to_websocket("Only WebSocket is spoken here."));
        };
        let state = self.core.state.get_mut();
        let body = BodyReader::new(head.framing(), state.limits.body_bytes)
            .map_err(|error| Refusal::new(error.status(), error.to_string()))?;
        let slot = state.slots.at_mut(id.index);
        if slot.session == NIL {
            slot.session = http.begin();
        }
        slot.phase = Phase::Exchange(Box::new(Exchange {
            wants_body: false,
            body_done: body.is_complete(),
            body,
            is_head: head.method == "HEAD",
            http10: Exchange::is_http10(head.version),
            keep_alive: head.keep_alive(),
            half_closed: false,
            reply: Reply::Awaited,
        }));
        state.arm(id, Deadline::Exchange);
        let (_, at) = self.at(id);
        let Some(http) = &mut self.http else { return Ok(()) };
        let answer = http.request(&self.core, at, &Request { head });
        if matches!(answer, Answer::Body) && head.expects_continue() {
            self.core.state.get_mut().put(id, &[], CONTINUE);
        }
        self.answer(id, answer);
        Ok(())
    }

    /// Does what the HTTP handler decided.
    fn answer(&mut self, id: ConnId, answer: Answer) {
        let state = self.core.state.get_mut();
        match answer {
            Answer::Respond(response) => state.respond(id, response),
            Answer::Later => {}
            Answer::Raw => state.answer_raw(id),
            Answer::End => {
                self.http_ended(id);
                self.core.state.get_mut().drain(id);
            }
            Answer::Abort => state.doom(id, By::Us, Cause::Aborted),
            Answer::Body => {
                let Some(exchange) = state.exchange(id) else { return };
                let asked_before = mem::replace(&mut exchange.wants_body, true);
                if !exchange.body_done {
                    return;
                }
                if asked_before {
                    note!(ERR, "connection {id}: the handler wants more body than there is");
                    return state.respond(id, crate::Response::new(500));
                }
                self.body_piece(id, &[], true);
            }
        }
    }

    fn body_piece(&mut self, id: ConnId, piece: &[u8], last: bool) {
        let (_, at) = self.at(id);
        if let Some(http) = &mut self.http {
            let answer = http.body(&self.core, at, piece, last);
            self.answer(id, answer);
        }
    }

    /// Input while a request is being answered: its body if the handler wants it; else it waits.
    #[inline(never)]
    fn exchange_input(&mut self, id: ConnId, rest: &mut &mut [u8]) -> Next {
        let state = self.core.state.get_mut();
        if state.takes_request_after_raw(id) {
            return Next::GoOn;
        }
        let Some(exchange) = state.exchange(id) else { return Next::GoOn };
        if !exchange.reads_body() || exchange.reply != Reply::Awaited {
            return Next::Wait;
        }
        let mut input: &[u8] = rest;
        let before = input.len();
        let event = exchange.body.next(&mut input);
        let used = before - input.len();
        match event {
            Ok(BodyEvent::NeedMore) => {}
            Ok(BodyEvent::Data(data)) => {
                exchange.body_done = exchange.body.is_complete();
                let last = exchange.body_done;
                self.body_piece(id, data, last);
            }
            Ok(BodyEvent::End) => {
                exchange.body_done = true;
                self.body_piece(id, &[], true);
            }
            Err(error) => {
                self.refuse(id, &Refusal::new(error.status(), error.to_string()));
                return discard(rest);
            }
        }
        *rest = &mut mem::take(rest)[used..];
        Next::GoOn
    }

    /// If all of the answer has left, says so to the handler and goes on to the next request.
    pub(crate) fn finish_exchange(&mut self, id: ConnId) {
        let state = self.core.state.get_mut();
        let queued = state.slots.get(id).map_or(0, |slot| slot.queued());
        let done = state.exchange(id).is_some_and(|exchange| exchange.reply == Reply::Done);
        if !done || queued > 0 {
            return;
        }
        let (_, at) = self.at(id);
        if let Some(http) = &mut self.http {
            let action = http.sent(&self.core, at);
            if !self.act(id, action) {
                return self.core.state.get_mut().drained(id);
            }
        }
        let state = self.core.state.get_mut();
        state.next_request(id);
        if self.kind(id) == Kind::Draining {
            self.http_ended(id);
            self.core.state.get_mut().drained(id);
        }
    }

    pub(crate) fn exchange_timed_out(&mut self, id: ConnId, limit: Duration) {
        let state = self.core.state.get_mut();
        let awaited = state.exchange(id).is_some_and(|exchange| exchange.reply == Reply::Awaited);
        if !awaited {
            return state.doom(id, By::Us, Cause::Stalled(limit));
        }
        let reads = state.exchange(id).is_some_and(|exchange| exchange.reads_body());
        let (status, why) = if reads {
            (408, format!("The request's body made no progress for {}.", Lasting(limit)))
        } else {
            (503, format!("There was no answer within {}.", Lasting(limit)))
        };
        self.refuse(id, &Refusal::new(status, why));
    }
}

/// The answer to plain HTTP at a port for TLS: the way there, for whoever can go it.
fn plain_for_tls(head: &RequestHead<'_>) -> Refusal {
    let can_follow = matches!(head.method, "GET" | "HEAD")
        && head.headers.get_all("Upgrade").next().is_none()
        && head.target.starts_with('/')
        && !head.host().is_empty();
    if !can_follow {
        return Refusal::new(
            400,
            "This port speaks TLS: the address begins with https:// or wss://.",
        );
    }
    let target = format!("https://{}{}", head.host(), head.target);
    // Not for ever: what listens here may be plain another day.
    let mut refusal = Refusal::new(307, format!("This port speaks TLS: go to {target}"));
    refusal.headers.push(("Location", target));
    refusal
}

/// What becomes of the input that is left.
pub(crate) enum Next {
    /// It is looked at anew.
    GoOn,
    /// It waits until reading goes on.
    Wait,
}

/// Nothing is left: nobody wants it any more.
pub(crate) fn discard(rest: &mut &mut [u8]) -> Next {
    *rest = &mut [];
    Next::GoOn
}

impl State {
    /// Keeps input that must wait; at most one receive buffer, since nothing is read meanwhile.
    pub(crate) fn keep(&mut self, id: ConnId, mut kept: Leftover) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if !kept.is_empty() {
            let leftover = &mut slot.cold().leftover;
            kept.append(leftover.waiting()); // what `feed` brought meanwhile comes after
            *leftover = kept;
        }
        self.review(id);
    }

    /// Gives the connection a turn, though nothing may have come for it.
    pub(crate) fn look_again(&mut self, id: ConnId) {
        if let Some(slot) = self.slots.get_mut(id)
            && slot.flags.newly(Flags::RESUMED)
        {
            self.resumed.push(id);
        }
    }
}
