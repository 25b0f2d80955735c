//! An HTTP handler without its type: what the engine calls. And the sending of its answers.

use crate::conn::Phase;
use crate::http::{Answer, Http, HttpConn, Reply, Request, Response, ResponseBody};
use crate::lent::Connections;
use crate::log::note;
use crate::message::Action;
use crate::registered::{At, Sessions};
use crate::slots::ConnId;
use crate::state::{Core, State};
use crate::transport::SendError;
use crate::wheel::Deadline;
use sockeye_proto::handshake::Refusal;
use sockeye_proto::http::{ResponseFraming, date, write_response_head};
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) trait HttpService {
    fn begin(&mut self) -> u32;
    fn request(&mut self, core: &Core, at: At, request: &Request<'_>) -> Answer;
    fn body(&mut self, core: &Core, at: At, piece: &[u8], last: bool) -> Answer;
    fn writable(&mut self, core: &Core, at: At) -> Action;
    fn timer(&mut self, core: &Core, at: At) -> Action;
    fn sent(&mut self, core: &Core, at: At) -> Action;
    fn closed(&mut self, core: &Core, at: At);
}

/// A handler and the sessions of its connections.
pub(crate) struct Handler<H: Http> {
    http: H,
    sessions: Sessions<H::Session>,
}

impl<H: Http> Handler<H> {
    pub(crate) fn new(http: H) -> Self {
        Self { http, sessions: Sessions::new() }
    }

    fn with<R>(
        &mut self,
        core: &Core,
        at: At,
        name: &'static str,
        gone: R,
        call: impl FnOnce(&mut H, &mut HttpConn<'_, H>) -> R,
    ) -> R {
        let Some(session) = self.sessions.get_mut(at.session) else { return gone };
        core.callback(name, None, Some(at.id), || {
            call(&mut self.http, &mut HttpConn::new(core, at.id, session))
        })
    }
}

/// A callback without a decision about the answer.
type Step<H> = fn(&mut H, &mut HttpConn<'_, H>) -> Action;

impl<H: Http> Handler<H> {
    /// One function for all of these, while each of the others is measured by code of its own.
    #[inline(never)]
    fn step(&mut self, core: &Core, at: At, name: &'static str, call: Step<H>) -> Action {
        self.with(core, at, name, Action::Abort, call)
    }
}

impl<H: Http> HttpService for Handler<H> {
    fn begin(&mut self) -> u32 {
        self.sessions.insert(H::Session::default())
    }

    fn request(&mut self, core: &Core, at: At, request: &Request<'_>) -> Answer {
        self.with(core, at, "request", Answer::Abort, |http, conn| http.request(conn, request))
    }

    fn body(&mut self, core: &Core, at: At, piece: &[u8], last: bool) -> Answer {
        self.with(core, at, "body", Answer::Abort, |http, conn| http.body(conn, piece, last))
    }

    fn writable(&mut self, core: &Core, at: At) -> Action {
        self.step(core, at, "writable", |http, conn| {
            let permit = conn.body_permit();
            http.writable(conn, permit)
        })
    }

    fn timer(&mut self, core: &Core, at: At) -> Action {
        self.step(core, at, "timer", |http, conn| http.timer(conn))
    }

    fn sent(&mut self, core: &Core, at: At) -> Action {
        self.step(core, at, "sent", |http, conn| http.sent(conn))
    }

    fn closed(&mut self, core: &Core, at: At) {
        if let Some(session) = self.sessions.remove(at.session) {
            core.callback("closed", None, Some(at.id), || {
                self.http.closed(Connections::new(core), at.id, session);
            });
        }
    }
}

impl State {
    /// Sends a response to the request being answered.
    pub(crate) fn respond(&mut self, id: ConnId, response: Response) {
        let stopping = self.stopping;
        let Some(exchange) = self.exchange(id) else { return };
        if exchange.reply != Reply::Awaited {
            return note!(WARN, "connection {id}: a second response to one request is dropped");
        }
        if !exchange.body_done || stopping {
            exchange.keep_alive = false; // what is left of the body must not be read as a request
        }
        let (is_head, http10) = (exchange.is_head, exchange.http10);
        let (framing, reply) = match &response.body {
            ResponseBody::Whole(body) => (ResponseFraming::Length(body.len() as u64), Reply::Done),
            ResponseBody::Stream { len: Some(0) } => (ResponseFraming::Length(0), Reply::Done),
            ResponseBody::Stream { len: Some(len) } => {
                (ResponseFraming::Length(*len), Reply::Sized(*len))
            }
            ResponseBody::Stream { len: None } if is_head => (ResponseFraming::NoBody, Reply::Done),
            ResponseBody::Stream { len: None } if http10 => {
                (ResponseFraming::UntilClose, Reply::UntilClose)
            }
            ResponseBody::Stream { len: None } => (ResponseFraming::Chunked, Reply::Chunked),
        };
        let bodiless = is_head || matches!(response.status, 204 | 304);
        exchange.reply = if bodiless { Reply::Done } else { reply };
        exchange.keep_alive &= reply != Reply::UntilClose;
        let keep_alive = exchange.keep_alive;
        let date = self.date();
        let headers = response.headers.iter().map(|(name, value)| (&**name, &**value));
        let mut head = Vec::new();
        if let Err(error) = write_response_head(
            &mut head,
            response.status,
            headers,
            framing,
            keep_alive,
            Some(&date),
        ) {
            note!(ERR, "connection {id}: response replaced by a 500: {error}");
            if let Some(exchange) = self.exchange(id) {
                exchange.reply = Reply::Awaited;
            }
            return self.respond(id, Response::new(500));
        }
        match response.body {
            ResponseBody::Whole(body) if !bodiless => self.put(id, &head, &body),
            ResponseBody::Whole(_) | ResponseBody::Stream { .. } => self.put(id, &head, &[]),
        }
        self.arm(id, Deadline::Exchange);
        if self.exchange(id).is_some_and(|exchange| exchange.reply != Reply::Done) {
            self.want(id);
        }
    }

    /// An answer that a handler has put off.
    pub(crate) fn respond_later(
        &mut self,
        id: ConnId,
        response: Response,
    ) -> Result<(), SendError> {
        let alive = self.is_exchange(id);
        let exchange = self.exchange(id).filter(|_| alive).ok_or(SendError::Closed)?;
        if exchange.reply != Reply::Awaited {
            return Err(SendError::Closed);
        }
        self.respond(id, response);
        self.look_again(id);
        Ok(())
    }

    /// Refuses a request or handshake: answer, then nothing more on this connection.
    pub(crate) fn refuse(&mut self, id: ConnId, refusal: &Refusal) {
        self.log_refused(id, refusal);
        let date = self.date();
        let to_head = refusal.to_head || self.exchange(id).is_some_and(|exchange| exchange.is_head);
        let refusal = Refusal { to_head, ..refusal.clone() };
        let mut out = Vec::new();
        if refusal.write_to(&mut out, Some(&date)).is_err() {
            let plain = Refusal { to_head, ..Refusal::new(refusal.status, "Refused.") };
            // Nothing in it comes from outside, so it cannot break the head.
            let _ = plain.write_to(&mut out, Some(&date));
        }
        self.put(id, &[], &out);
        self.drain(id);
    }

    /// The `Date` header's value, put together once a second.
    pub(crate) fn date(&mut self) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let second = now.map_or(0, |since| since.as_secs());
        if self.date.0 != second {
            self.date = (second, date(second));
        }
        self.date.1.clone()
    }

    /// Goes on to the next request, or ends the connection with this one.
    pub(crate) fn next_request(&mut self, id: ConnId) {
        let Some(exchange) = self.exchange(id) else { return };
        if !(exchange.keep_alive && exchange.body_done) || self.stopping {
            return self.drain(id);
        }
        if let Some(slot) = self.slots.get_mut(id) {
            slot.phase = Phase::Request(None);
        }
        self.arm(id, Deadline::KeepAlive);
        self.resume(id);
        self.review(id);
    }
}
