//! An HTTP handler whose callbacks each test writes as it needs them, and that notes every call.

use crate::play::Trace;
use sockeye::{Action, Answer, BodyPermit, ConnId, Connections, Http, HttpConn, Request, Response};

type OnRequest = Box<dyn FnMut(&mut HttpConn<'_, Site>, &Request<'_>) -> Answer>;
type OnBody = Box<dyn FnMut(&mut HttpConn<'_, Site>, bool) -> Answer>;
type OnWritable = Box<dyn FnMut(&mut HttpConn<'_, Site>, BodyPermit<'_>) -> Action>;
type OnSent = Box<dyn FnMut(&mut HttpConn<'_, Site>) -> Action>;

/// Answers with method and path, unless told otherwise.
pub(crate) struct Site {
    trace: Trace,
    request: OnRequest,
    body: OnBody,
    writable: OnWritable,
    sent: OnSent,
}

impl Site {
    pub(crate) fn new(trace: &Trace) -> Self {
        Self {
            trace: trace.clone(),
            request: Box::new(|_, request| {
                Response::text(format!("{} {}", request.method(), request.path())).into()
            }),
            body: Box::new(|conn, last| match last {
                true => Response::text(String::from_utf8_lossy(conn.session).into_owned()).into(),
                false => Answer::Body,
            }),
            writable: Box::new(|_, permit| {
                permit.finish();
                Action::Continue
            }),
            sent: Box::new(|_| Action::Continue),
        }
    }

    pub(crate) fn on_request(
        mut self,
        call: impl FnMut(&mut HttpConn<'_, Site>, &Request<'_>) -> Answer + 'static,
    ) -> Self {
        self.request = Box::new(call);
        self
    }

    pub(crate) fn on_body(
        mut self,
        call: impl FnMut(&mut HttpConn<'_, Site>, bool) -> Answer + 'static,
    ) -> Self {
        self.body = Box::new(call);
        self
    }

    pub(crate) fn on_writable(
        mut self,
        call: impl FnMut(&mut HttpConn<'_, Site>, BodyPermit<'_>) -> Action + 'static,
    ) -> Self {
        self.writable = Box::new(call);
        self
    }

    pub(crate) fn on_sent(
        mut self,
        call: impl FnMut(&mut HttpConn<'_, Site>) -> Action + 'static,
    ) -> Self {
        self.sent = Box::new(call);
        self
    }
}

impl Http for Site {
    /// What has come of a body.
    type Session = Vec<u8>;

    fn request(&mut self, conn: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer {
        self.trace.note(format!("request {} {}", request.method(), request.path()));
        (self.request)(conn, request)
    }

    fn body(&mut self, conn: &mut HttpConn<'_, Self>, piece: &[u8], last: bool) -> Answer {
        conn.session.extend_from_slice(piece);
        (self.body)(conn, last)
    }

    fn writable(&mut self, conn: &mut HttpConn<'_, Self>, permit: BodyPermit<'_>) -> Action {
        (self.writable)(conn, permit)
    }

    fn sent(&mut self, conn: &mut HttpConn<'_, Self>) -> Action {
        self.trace.note("sent");
        (self.sent)(conn)
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, _: Vec<u8>) {
        self.trace.note("http closed");
    }
}
