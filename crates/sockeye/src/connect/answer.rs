//! The client's half of the handshake: the request, and the server's answer.

use super::{Ask, ConnectError, HttpAnswer, Step};
use crate::conn::Phase;
use crate::detail;
use crate::dispatch::{Next, discard};
use crate::engine::Engine;
use crate::handshake::{Handshake, PartialHead};
use crate::lent::Connections;
use crate::log::{self, Levels, note};
use crate::message::{By, Cause};
use crate::slots::ConnId;
use crate::state::{ProtocolId, State};
use crate::wheel::Deadline;
use sockeye_proto::http::{BodyEvent, BodyReader, Framing, Headers, ResponseHead};
use sockeye_proto::{DeflateAgreed, Role};
use std::cell::{Cell, RefCell};
use std::io;
use std::mem;

/// A client's handshake whose answer is awaited.
pub(crate) struct Answering {
    ask: Ask,
    head: Option<Box<PartialHead>>,
    /// The answer is no; its body is still coming.
    refusal: Option<Box<Refusal>>,
}

struct Refusal {
    answer: HttpAnswer,
    /// `None`: the body goes on to the end of the stream.
    body: Option<BodyReader>,
}

/// What an answer that accepts leads to.
struct Opened {
    protocol: ProtocolId,
    session: u32,
    deflate: Option<DeflateAgreed>,
}

impl Answering {
    /// Of a request that has gone already.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn to(hello: sockeye_proto::handshake::ClientHello, protocol: ProtocolId) -> Self {
        let (host, target) = ("fuzz".to_owned(), "/".to_owned());
        let ask = Ask { hello, protocol, spoken_by: Vec::new(), host, target, security: None };
        Self { ask, head: None, refusal: None }
    }
}

impl State {
    /// There is a stream to the server: TLS if that is wanted, and the request.
    pub(super) fn send_request(&mut self, id: ConnId, mut ask: Ask) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let (security, mut request) = (ask.security.take(), Vec::new());
        ask.hello.write_to(&mut request);
        slot.phase = Phase::Answer(Box::new(Answering { ask, head: None, refusal: None }));
        self.arm(id, Deadline::Handshake);
        match security {
            None => {
                self.note_request(id);
                self.put(id, &[], &request);
            }
            Some((tls, name)) => {
                if let Err(error) = self.secure_client(id, &tls, name, request) {
                    self.doom(id, By::Us, Cause::Tls(error));
                }
            }
        }
        self.review(id);
    }

    /// TLS is agreed on, and the request leaves.
    pub(crate) fn note_secured(&mut self, id: ConnId) {
        self.note_proxy_secured(id);
        if self.answering(id).is_none() {
            return; // a server's, or with a proxy
        }
        if let Some(info) = self.tls_info(id) {
            let resumed = if info.resumed { ", resumed" } else { "" };
            let (version, cipher) = (info.version, &info.cipher);
            note!(CLIENT, "connection {id}: agreed to {version} with {cipher}{resumed}");
            if let Some(peer) = &info.peer {
                let (subject, issuer) = (peer.subject(), peer.issuer());
                note!(CLIENT, "connection {id}: certificate of {subject}, by {issuer}");
            }
        }
        self.note_request(id);
    }

    fn note_request(&mut self, id: ConnId) {
        if !log::is_on(Levels::CLIENT | Levels::HEADER) {
            return;
        }
        let Some(Answering { ask, .. }) = self.answering(id) else { return };
        note!(CLIENT, "connection {id}: asks {} for {}", ask.host, ask.target);
        let mut request = Vec::new();
        ask.hello.write_to(&mut request);
        detail::log_request(id, &request);
    }

    /// Why a connection in `Answer` came to nothing, unless its answer says so.
    pub(crate) fn answer_error(&mut self, id: ConnId, error: ConnectError) -> ConnectError {
        let refusal = self.answering(id).and_then(|answering| answering.refusal.take());
        refusal.map_or(error, |refusal| ConnectError::Status(Box::new(refusal.answer)))
    }

    /// What a connection in `Answer` is about.
    pub(crate) fn answer_step(&self, id: ConnId) -> Step {
        if self.is_securing(id) { Step::Tls } else { Step::Handshake }
    }

    fn answering(&mut self, id: ConnId) -> Option<&mut Answering> {
        let Phase::Answer(answering) = &mut self.slots.get_mut(id)?.phase else { return None };
        Some(answering)
    }
}

impl ConnectError {
    /// Of a connection that ends before it is open.
    pub(crate) fn lost(step: Step, cause: Cause) -> Self {
        match cause {
            Cause::Tls(error) => Self::Tls(error),
            Cause::Broken(kind) => Self::Lost { step, error: kind.into() },
            Cause::Close
            | Cause::Violation(_)
            | Cause::Vanished
            | Cause::PongMissing(_)
            | Cause::Stalled(_)
            | Cause::CloseUnanswered(_)
            | Cause::QueueFull
            | Cause::Aborted => Self::Lost { step, error: io::ErrorKind::UnexpectedEof.into() },
        }
    }
}

impl Engine {
    /// What a server says to our handshake: its head, or the body of a refusal.
    #[inline(never)]
    pub(crate) fn answer_input(&mut self, id: ConnId, rest: &mut &mut [u8]) -> Next {
        let state = self.core.state.get_mut();
        let Some(answering) = state.answering(id) else { return Next::GoOn };
        if let Some(refusal) = &mut answering.refusal {
            if refusal.takes_all_of(rest) {
                self.answered_no(id);
            }
            return discard(rest);
        }
        let mut partial = answering.head.take();
        let head = match state.collect_head(&mut partial, rest) {
            Ok(Some((head, _))) => head,
            Ok(None) => {
                if let Some(answering) = state.answering(id) {
                    answering.head = partial;
                }
                return Next::GoOn;
            }
            Err(error) => {
                self.connect_failed(id, ConnectError::Head(error));
                return discard(rest);
            }
        };
        self.answer_head(id, &head);
        Next::GoOn
    }

    fn answer_head(&mut self, id: ConnId, head: &[u8]) {
        let state = self.core.state.get_mut();
        let limits = state.head_limits();
        let parsed = ResponseHead::parse(head, &limits);
        if let (true, Ok(head)) = (log::is_on(Levels::HEADER), &parsed) {
            detail::log_head(id, format_args!("{} {}", head.status, head.reason), &head.headers);
        }
        let head = match parsed {
            Ok(head) if head.status == 101 => head,
            Ok(head) => {
                let refusal = Refusal::new(&head);
                let done = refusal.is_done();
                if let Some(answering) = state.answering(id) {
                    answering.refusal = Some(Box::new(refusal));
                    let within = HttpAnswer::BODY_WITHIN.min(state.limits.handshake);
                    state.arm_after(id, Deadline::Handshake, within);
                }
                if done {
                    self.answered_no(id);
                }
                return;
            }
            Err(error) => return self.connect_failed(id, ConnectError::Head(error)),
        };
        let phase = mem::replace(&mut state.slots.at_mut(id.index).phase, Phase::Draining);
        let Phase::Answer(answering) = phase else { return };
        match self.accept_answer(id, &answering, &head) {
            Ok(Opened { protocol, session, deflate }) => self.open(id, protocol, session, deflate),
            Err(error) => self.connect_failed(id, error),
        }
    }

    /// As much of a refusal has come as is wanted.
    fn answered_no(&mut self, id: ConnId) {
        let state = self.core.state.get_mut();
        let error = state.answer_error(id, ConnectError::Aborted); // it has an answer
        self.connect_failed(id, error);
    }

    fn accept_answer(
        &mut self,
        id: ConnId,
        answering: &Answering,
        head: &ResponseHead<'_>,
    ) -> Result<Opened, ConnectError> {
        let accepted = answering.ask.hello.check(head).map_err(ConnectError::Answer)?;
        let options = self.core.state.get_mut().deflate_options();
        let deflate = match (options, &accepted.extensions) {
            (Some(options), Some(answer)) => {
                Some(options.check(answer).map_err(ConnectError::Extension)?)
            }
            (_, _) => None,
        };
        if let Some(agreed) = &accepted.extensions {
            note!(EXT, "connection {id}: agreed to {agreed}");
        }
        let subprotocol = accepted.subprotocol.as_deref();
        let by_name = |(name, _): &&(String, _)| Some(name.as_str()) == subprotocol;
        let spoken_by = answering.ask.spoken_by.iter().find(by_name);
        let protocol = spoken_by.map_or(answering.ask.protocol, |&(_, protocol)| protocol);
        let hello = Handshake {
            role: Role::Client,
            id,
            protocol,
            target: &answering.ask.target,
            host: &answering.ask.host,
            headers: &head.headers,
            subprotocol,
            connections: Connections::new(&self.core),
            answer: RefCell::default(),
            compressed: Cell::new(deflate.is_some()),
        };
        let verdict = self.services[usize::from(protocol.0)].upgrade(&self.core, &hello);
        let session = verdict.map_err(ConnectError::Rejected)?;
        Ok(Opened { protocol, session, deflate })
    }
}

impl Refusal {
    fn new(head: &ResponseHead<'_>) -> Self {
        let answer = HttpAnswer {
            status: head.status,
            reason: HttpAnswer::reason(head.status, head.reason),
            location: head.headers.get_str("Location").map(str::to_owned),
            retry_after: head.headers.get_str("Retry-After").map(str::to_owned),
            body: Vec::new(),
        };
        let framing = framing(head.status, &head.headers);
        // With all the room there is, no length is too long.
        let body = framing.and_then(|framing| BodyReader::new(framing, u64::MAX).ok());
        Self { answer, body }
    }

    /// Whether nothing more will come of the body, or is wanted.
    fn is_done(&self) -> bool {
        let complete = self.body.as_ref().is_some_and(BodyReader::is_complete);
        complete || self.answer.body.len() >= HttpAnswer::BODY_BYTES
    }

    /// Takes the next piece of the body; whether that is enough of it.
    fn takes_all_of(&mut self, mut input: &[u8]) -> bool {
        while !input.is_empty() && !self.is_done() {
            let piece = match &mut self.body {
                None => mem::take(&mut input),
                Some(reader) => match reader.next(&mut input) {
                    Ok(BodyEvent::Data(piece)) => piece,
                    Ok(BodyEvent::NeedMore) => break,
                    Ok(BodyEvent::End) | Err(_) => return true,
                },
            };
            let room = HttpAnswer::BODY_BYTES - self.answer.body.len();
            self.answer.body.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.is_done()
    }
}

/// How the body of a response is delimited (RFC 9112 §6.3); `None`: by the end of the stream.
fn framing(status: u16, headers: &Headers<'_>) -> Option<Framing> {
    if status < 200 || matches!(status, 204 | 304) {
        return Some(Framing::None);
    }
    if headers.contains_token("Transfer-Encoding", "chunked") {
        return Some(Framing::Chunked);
    }
    headers.get_str("Content-Length")?.parse().ok().map(Framing::Length)
}
