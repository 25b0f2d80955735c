//! From Sockeye's callbacks to the one callback of C.

use crate::abi::{POST_PADDING, PRE_PADDING, fd_as_pointer};
use crate::context::Ctx;
use crate::level::{Level, Reason};
use crate::log::say;
use crate::receive::INFLATED_MAX;
use crate::tokens::Head;
use crate::wsi::{Kind, Wsi};
use sockeye::{
    Action, Answer, BodyPermit, Chunk, CloseCode, Closed, Conn, ConnId, ConnectError, Connections,
    Handshake, Http, HttpConn, Message, Permit, Protocol, Reject, Request, Role,
};
use std::ffi::c_int;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;
use std::rc::Rc;

/// What becomes of a connection after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    GoOn,
    /// A bare end of TCP: the callback returned a negative number.
    End,
    /// A compressed frame inflates to too much.
    TooBig,
}

impl Verdict {
    /// Of what a callback returned: negative ends the connection.
    fn of(result: c_int) -> Self {
        if result < 0 { Self::End } else { Self::GoOn }
    }

    fn action(self) -> Action {
        match self {
            Self::GoOn => Action::Continue,
            Self::End => Action::Abort,
            Self::TooBig => {
                let why = format!("compressed frame of over {INFLATED_MAX} bytes");
                Action::close(CloseCode::TOO_BIG, why)
            }
        }
    }
}

/// One of the program's protocols. There is one registration for each, so that Sockeye routes
/// handshakes; what a connection is bound to is in its [`Wsi`].
pub(crate) struct Bridge {
    pub(crate) ctx: Rc<Ctx>,
    pub(crate) index: usize,
}

impl Bridge {
    /// Calls back about an open connection, unless the context has been destroyed meanwhile.
    fn about(
        &self,
        conn: &mut Conn<'_, Self>,
        call: impl FnOnce(&Ctx, &Rc<Wsi>) -> Verdict,
    ) -> Action {
        if self.ctx.is_dying() {
            return Action::Abort;
        }
        let wsi = Rc::clone(conn.session);
        let verdict = self.ctx.lend(conn.connections(), || call(&self.ctx, &wsi));
        if self.ctx.is_dying() { Action::Abort } else { verdict.action() }
    }

    /// A server's handshake, parsed and routed, not answered.
    fn filter(&self, wsi: &Wsi, hello: &Handshake<'_>) -> Result<(), &'static str> {
        let ctx = &self.ctx;
        let no_memory = "no memory for a session";
        let size = ctx.protocols[self.index].session_size;
        if ctx.level >= Level::V123 && !wsi.allocate(size) {
            return Err(no_memory);
        }
        let text = hello.headers().get("Sec-WebSocket-Protocol").map(<[u8]>::to_vec);
        let mut text = text.map(|mut text| {
            text.push(0);
            text
        });
        let pointer = text.as_mut().map_or(null_mut(), |text| text.as_mut_ptr().cast());
        let len = text.as_ref().map_or(0, |text| text.len() - 1);
        // The manual passes the text in `user`, releases after it in `in`.
        let user = if ctx.level >= Level::V123 { wsi.user.get() } else { pointer };
        let reason = Reason::FilterProtocolConnection;
        if ctx.call(self.index, Some(wsi), reason, user, (pointer, len)) != 0 {
            return Err("User code denied connection");
        }
        if ctx.level < Level::V123 && !wsi.allocate(size) {
            return Err(no_memory);
        }
        if hello.is_compressed() {
            let name = c"permessage-deflate".to_owned().into_raw();
            let reason = Reason::ConfirmExtensionOkay;
            let veto = ctx.call(0, Some(wsi), reason, wsi.user.get(), (name.cast(), 0));
            // SAFETY: it came from `into_raw` above.
            drop(unsafe { std::ffi::CString::from_raw(name) });
            if veto != 0 {
                hello.decline_compression();
            }
        }
        Ok(())
    }

    /// A server's answer to our handshake, in order.
    fn answered(&self, wsi: &Wsi, hello: &Handshake<'_>) -> Result<(), &'static str> {
        let ctx = &self.ctx;
        if let Some(name) = hello.subprotocol() {
            let index = ctx.protocols.iter().position(|protocol| protocol.name == name);
            wsi.protocol.set(index.ok_or("the server chose a protocol that is not in the array")?);
        }
        if !wsi.allocate(ctx.protocols[wsi.protocol.get()].session_size) {
            return Err("no memory for a session");
        }
        ctx.call_own(wsi, Reason::ClientFilterPreEstablish, (null_mut(), 0)); // return ignored
        Ok(())
    }
}

impl Protocol for Bridge {
    type Session = Rc<Wsi>;
    type Notice = ();

    const STREAMING: bool = true;

    fn name(&self) -> &str {
        &self.ctx.protocols[self.index].name
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Rc<Wsi>, Reject> {
        let ctx = &self.ctx;
        let refused = || Reject::new(503, "There is no room.");
        let fd = hello.connections().fd(hello.id()).unwrap_or(-1);
        let wsi = ctx.of_conn(hello.id(), fd).filter(|_| !ctx.is_dying()).ok_or_else(refused)?;
        let head = match hello.role() {
            Role::Server => Head::of_request("GET", hello.target(), hello.headers()),
            Role::Client => Head::of_answer(hello.headers(), &wsi.stash.borrow()),
        };
        wsi.fd.set(fd); // of the addresses that a client tried, the one that was reached
        let call = || match hello.role() {
            Role::Server => {
                if !ctx.admits_client(&wsi, hello.connections()) {
                    return Err("the client is not let in");
                }
                wsi.kind.set(Kind::Upgrading);
                wsi.release(); // what it had as HTTP
                wsi.protocol.set(self.index);
                self.filter(&wsi, hello)
            }
            Role::Client => self.answered(&wsi, hello),
        };
        let verdict = ctx.lend(hello.connections(), || ctx.with_head(&wsi, head, call));
        match verdict.flatten() {
            Ok(()) if !ctx.is_dying() => Ok(wsi),
            Ok(()) => Err(refused()),
            Err(why) => {
                say!(WARN, "{why}");
                hello.connections().abort(hello.id()); // without an HTTP answer
                Err(Reject::new(403, why))
            }
        }
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.about(conn, |ctx, wsi| {
            wsi.kind.set(Kind::Open);
            let client = wsi.is_client.get();
            let reason = if client { Reason::ClientEstablished } else { Reason::Established };
            ctx.call_own(wsi, reason, (null_mut(), 0)); // return ignored
            if wsi.wants.take() {
                ctx.ask_writable(wsi);
            }
            ctx.arm_timeout(wsi);
            Verdict::GoOn
        })
    }

    fn receive(&mut self, _: &mut Conn<'_, Self>, _: Message<'_>) -> Action {
        Action::Continue // does not come: this protocol streams
    }

    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        self.about(conn, |ctx, wsi| {
            let verdict = ctx.received(wsi, &chunk);
            if wsi.holds_input() {
                ctx.hold_back(wsi);
            }
            verdict
        })
    }

    /// Set when there is input that the program had stopped, and for a timeout of the program's.
    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.about(conn, |ctx, wsi| {
            if wsi.is_timed_out() {
                return Verdict::End;
            }
            ctx.arm_timeout(wsi);
            let verdict = ctx.go_on_receiving(wsi);
            ctx.hold_back(wsi);
            verdict
        })
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        drop(permit); // C writes without
        self.about(conn, |ctx, wsi| {
            ctx.tell_wish_used(wsi);
            let client = wsi.is_client.get();
            let reason = if client { Reason::ClientWriteable } else { Reason::ServerWriteable };
            Verdict::of(ctx.call_own(wsi, reason, (null_mut(), 0)))
        })
    }

    fn pong(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        if payload.is_empty() || !conn.session.is_client.get() {
            return Action::Continue;
        }
        let mut padded = vec![0; PRE_PADDING + payload.len() + POST_PADDING];
        padded[PRE_PADDING..][..payload.len()].copy_from_slice(payload);
        let input = padded.as_mut_ptr().wrapping_add(PRE_PADDING);
        self.about(conn, |ctx, wsi| {
            let input = (input.cast(), payload.len());
            ctx.call_own(wsi, Reason::ClientReceivePong, input); // return ignored
            Verdict::GoOn
        })
    }

    fn closed(&mut self, connections: Connections<'_>, id: ConnId, wsi: Rc<Wsi>, _: Closed) {
        let ctx = &self.ctx;
        ctx.lend(connections, || {
            let was_open = wsi.kind.replace(Kind::Closed) == Kind::Open;
            ctx.tell_deleted(&wsi);
            if was_open {
                ctx.call_own(&wsi, Reason::Closed, (null_mut(), 0));
            }
            ctx.tell_destroyed(&wsi);
        });
        wsi.release();
        ctx.remove(&wsi);
        connections.abort(id); // TCP ends here, and does not wait for the peer's end
    }

    fn connect_failed(&mut self, connections: Connections<'_>, id: ConnId, error: ConnectError) {
        let ctx = &self.ctx;
        let wsi = ctx.known(id);
        let Some(wsi) = wsi else { return };
        if matches!(error, ConnectError::Tls(_)) {
            say!(ERR, "client connection failed: {error}"); // no callback would say why
        } else {
            say!(INFO, "client connection failed: {error}");
        }
        ctx.lend(connections, || {
            wsi.kind.set(Kind::Closed);
            if !ctx.is_dying() {
                ctx.call_own(&wsi, Reason::ClientConnectionError, (null_mut(), 0));
            }
            ctx.tell_all_deleted(&wsi);
            ctx.tell_destroyed(&wsi);
        });
        wsi.release();
        ctx.remove(&wsi);
    }
}

/// The program's protocol 0 as what answers HTTP.
pub(crate) struct HttpBridge {
    pub(crate) ctx: Rc<Ctx>,
}

impl HttpBridge {
    fn about<R>(
        &self,
        conn: &mut HttpConn<'_, Self>,
        dead: R,
        call: impl FnOnce(&Ctx, &Rc<Wsi>) -> R,
    ) -> R {
        match self.subject(conn.connections(), conn.id()) {
            Some(wsi) => self.ctx.lend(conn.connections(), || call(&self.ctx, &wsi)),
            None => dead,
        }
    }

    /// The connection, unless the context has been destroyed.
    fn subject(&self, connections: Connections<'_>, id: ConnId) -> Option<Rc<Wsi>> {
        let fd = connections.fd(id).unwrap_or(-1);
        self.ctx.of_conn(id, fd).filter(|_| !self.ctx.is_dying())
    }
}

impl Http for HttpBridge {
    type Session = ();

    fn request(&mut self, conn: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer {
        let method = request.method();
        let ours = methods(self.ctx.level);
        if !ours.split([',', ' ']).any(|own| own == method) {
            say!(INFO, "only {ours} is answered, not {method}");
            return Answer::Abort;
        }
        let connections = conn.connections();
        let has_body = method != "GET" && method != "OPTIONS";
        let keeps_alive = request.keeps_alive();
        let head = Head::of_request(method, request.target(), request.headers());
        self.about(conn, Answer::Abort, |ctx, wsi| {
            if !ctx.admits_client(wsi, connections) {
                return Answer::Abort;
            }
            if wsi.block.borrow().is_none() && !wsi.allocate(ctx.protocols[0].session_size) {
                say!(ERR, "no memory for a session");
                return Answer::Abort;
            }
            wsi.served.set(true);
            wsi.keeps_alive.set(keeps_alive);
            let mut uri = head.uri(ctx.level).as_bytes().to_vec();
            uri.push(0);
            match ctx.with_head(wsi, head, || ctx.serve(wsi, &mut uri)) {
                Ok(0) if has_body => Answer::Body,
                Ok(0) => Answer::Raw,
                Ok(_) => Answer::End,
                Err(why) => {
                    say!(WARN, "{why}");
                    Answer::Abort
                }
            }
        })
    }

    /// From 1.3 on: the body of a request, in pieces.
    fn body(&mut self, conn: &mut HttpConn<'_, Self>, piece: &[u8], last: bool) -> Answer {
        self.about(conn, Answer::Abort, |ctx, wsi| {
            let mut bytes = piece.to_vec();
            bytes.push(0); // for programs that take it for a string
            let input = (bytes.as_mut_ptr().cast(), piece.len());
            if !piece.is_empty() && ctx.call_own(wsi, Reason::HttpBody, input) != 0 {
                return Answer::End;
            }
            match last && ctx.call_own(wsi, Reason::HttpBodyCompletion, (null_mut(), 0)) != 0 {
                true => Answer::End,
                false if last => Answer::Raw,
                false => Answer::Body,
            }
        })
    }

    fn timer(&mut self, conn: &mut HttpConn<'_, Self>) -> Action {
        self.about(conn, Action::Abort, |_, wsi| {
            if wsi.is_timed_out() { Action::Abort } else { Action::Continue }
        })
    }

    fn writable(&mut self, conn: &mut HttpConn<'_, Self>, permit: BodyPermit<'_>) -> Action {
        let _ = permit; // C writes without
        let end = Action::close(CloseCode::NORMAL, "");
        self.about(conn, Action::Abort, |ctx, wsi| {
            ctx.tell_wish_used(wsi);
            let result = if wsi.file.borrow().is_some() {
                ctx.transfer(wsi)
            } else {
                ctx.call_own(wsi, Reason::HttpWriteable, (null_mut(), 0)).min(0)
            };
            if result == 0 { Action::Continue } else { end }
        })
    }

    fn closed(&mut self, connections: Connections<'_>, id: ConnId, (): ()) {
        let ctx = &self.ctx;
        let wsi = ctx.known(id);
        if let Some(wsi) = wsi.filter(|wsi| wsi.kind.get() == Kind::Http) {
            drop(wsi.file.take());
            ctx.lend(connections, || {
                ctx.tell_deleted(&wsi);
                if wsi.served.take() {
                    ctx.call_own(&wsi, Reason::ClosedHttp, (null_mut(), 0));
                }
                ctx.tell_destroyed(&wsi);
            });
            wsi.release();
        }
    }
}

/// The methods of the requests that a level tells its programs of.
fn methods(level: Level) -> &'static str {
    match level {
        Level::Manual | Level::V123 => "GET",
        Level::V130 => "GET, POST, OPTIONS",
        Level::V140 => "GET, POST, OPTIONS, PUT, PATCH, DELETE",
    }
}

impl Ctx {
    /// FILTER_HTTP_CONNECTION, where there is that, and HTTP. Not zero: the connection ends.
    fn serve(&self, wsi: &Wsi, uri: &mut [u8]) -> c_int {
        let input = (uri.as_mut_ptr().cast(), uri.len() - 1);
        match self.call_own(wsi, Reason::FilterHttpConnection, input) {
            0 => self.call_own(wsi, Reason::Http, input),
            denied => denied,
        }
    }

    /// FILTER_NETWORK_CONNECTION: whether a connection that was just accepted is wanted.
    pub(crate) fn admits(&self, fd: BorrowedFd<'_>) -> bool {
        if self.is_dying() {
            return false;
        }
        let listener = self.listener.borrow().clone();
        let input = (fd_as_pointer(fd.as_raw_fd()), 0);
        let reason = Reason::FilterNetworkConnection;
        self.call(0, listener.as_deref(), reason, null_mut(), input) == 0
    }
}
