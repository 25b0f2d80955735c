//! An application that does what its input tells it: an echo, unless a message begins with `!`.

use super::BIGGEST;
use super::ledger::{Fact, Ledger, Session};
use crate::{
    Action, Answer, BodyPermit, Chunk, CloseCode, Closed, Conn, ConnId, ConnectError, Connections,
    Handshake, Http, HttpConn, Message, MessageKind, Permit, Protocol, Reject, Request, Response,
    Shared,
};
use std::time::Duration;

/// Whole messages, or chunks of them.
pub(super) struct Play<const STREAM: bool> {
    name: &'static str,
    ledger: Ledger,
}

impl<const STREAM: bool> Play<STREAM> {
    pub(super) fn new(name: &'static str, ledger: &Ledger) -> Self {
        Self { name, ledger: ledger.clone() }
    }

    fn say(&self, conn: &Conn<'_, Self>, message: Message<'_>) {
        self.ledger.send(conn.connections(), conn.id(), message);
    }

    /// Does what `payload` says.
    fn heed(&self, conn: &mut Conn<'_, Self>, kind: MessageKind, payload: &[u8]) -> Action {
        let (command, size) = match payload {
            [b'!', command, size, ..] => (*command, *size),
            [b'!', command] => (*command, 1),
            _ => {
                let whole = !STREAM && kind == MessageKind::Text;
                let text = std::str::from_utf8(payload).ok().filter(|_| whole);
                let echo = text.map_or_else(|| Message::binary(payload), Message::text);
                self.say(conn, echo);
                return Action::Continue;
            }
        };
        self.ledger.note(Fact::Commanded(command));
        let all = conn.connections();
        match command {
            b'c' => return Action::close(CloseCode::NORMAL, "as told"),
            b'a' => return Action::Abort,
            b'C' => all.close(conn.id(), CloseCode::GOING_AWAY, "as told"),
            b'A' => all.abort(conn.id()),
            b'p' => {
                conn.pause();
                conn.set_timer(Duration::from_millis(u64::from(size)));
            }
            b'P' => conn.pause(),
            b'w' => {
                conn.session.pending = size % 8;
                conn.request_writable();
            }
            b'b' => self.say(conn, Message::binary(vec![size; usize::from(size) * 32])),
            b'm' => (0..size).for_each(|_| self.say(conn, Message::text("many of these"))),
            b's' => self.ledger.send_shared(all, conn.id(), &Shared::new("shared ".repeat(9))),
            b'i' => drop(conn.ping(&payload[2..])),
            b'l' => self.let_loose(conn, usize::from(size)),
            b't' => self.in_parts(conn, &payload[2..]),
            b'k' => drop(all.is_choked(conn.id())),
            b'f' => all.feed(conn.id(), &payload[2..]),
            b'z' => conn.set_timer(Duration::ZERO),
            _ => {}
        }
        Action::Continue
    }

    /// Sends for as long as there is a permit.
    fn let_loose(&self, conn: &Conn<'_, Self>, most: usize) {
        let mut permit = conn.permit().filter(|_| conn.session.parts.is_none());
        for _ in 0..most {
            let Some(ready) = permit else { return };
            self.ledger.sent(MessageKind::Text, b"let loose");
            permit = ready.send("let loose");
        }
    }

    /// Sends another part of a message; one that begins with a dot is the last.
    fn in_parts(&self, conn: &mut Conn<'_, Self>, part: &[u8]) {
        let Some(permit) = conn.permit() else { return };
        let last = part.starts_with(b".");
        let parts = conn.session.parts.get_or_insert_default();
        parts.extend_from_slice(part);
        if last && let Some(whole) = conn.session.parts.take() {
            self.ledger.sent(MessageKind::Binary, &whole);
        }
        drop(permit.send_part(MessageKind::Binary, part, last));
    }
}

impl<const STREAM: bool> Protocol for Play<STREAM> {
    type Session = Session;
    type Notice = u8;

    const STREAMING: bool = STREAM;

    fn name(&self) -> &str {
        self.name
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Session, Reject> {
        match hello.path() {
            "/no" => return Err(Reject::new(403, "No.")),
            "/later" => return Err(Reject::later()),
            "/cookie" => hello.add_header("Set-Cookie", "a=b").expect("a good header"),
            _ => {}
        }
        Ok(self.ledger.upgraded(hello.id()))
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.ledger.opened(conn.id());
        Action::Continue
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        self.ledger.called("receive", conn.session, conn.id());
        assert!(!STREAM && message.as_bytes().len() <= BIGGEST);
        let (kind, payload) = (message.kind(), message.into_bytes());
        self.heed(conn, kind, &payload)
    }

    fn chunk(&mut self, conn: &mut Conn<'_, Self>, chunk: Chunk<'_>) -> Action {
        self.ledger.called("chunk", conn.session, conn.id());
        assert!(STREAM);
        let most = chunk.payload().len().min(BIGGEST);
        self.heed(conn, chunk.kind(), &chunk.payload()[..most])
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        self.ledger.called("writable", conn.session, conn.id());
        let Some(left) = conn.session.pending.checked_sub(1) else { return Action::Continue };
        conn.session.pending = left;
        if conn.session.parts.is_none() {
            self.ledger.sent(MessageKind::Text, b"a number");
            drop(permit.send("a number"));
        }
        conn.request_writable();
        Action::Continue
    }

    fn ping(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        self.ledger.called("ping", conn.session, conn.id());
        if payload.starts_with(b"!") {
            return self.heed(conn, MessageKind::Binary, payload);
        }
        Action::Continue
    }

    fn pong(&mut self, conn: &mut Conn<'_, Self>, _: &[u8]) -> Action {
        self.ledger.called("pong", conn.session, conn.id());
        Action::Continue
    }

    fn timer(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        self.ledger.called("timer", conn.session, conn.id());
        conn.resume();
        Action::Continue
    }

    fn notified(&mut self, all: Connections<'_>, notice: u8) {
        let ids: Vec<ConnId> = all.all();
        for id in ids {
            match notice % 4 {
                0 => self.ledger.send_shared(all, id, &Shared::new("news")),
                1 => all.resume(id),
                2 => all.close(id, CloseCode::GOING_AWAY, "news"),
                _ => all.request_writable(id),
            }
        }
    }

    fn closed(&mut self, all: Connections<'_>, id: ConnId, session: Session, closed: Closed) {
        assert_eq!(session.id, id);
        self.ledger.closed(id, &closed);
        assert!(all.send(id, "too late").is_err());
        all.request_writable(id);
        all.resume(id);
        all.set_timer(id, Some(Duration::from_millis(1)));
    }

    fn connect_failed(&mut self, _: Connections<'_>, id: ConnId, error: ConnectError) {
        assert!(!error.to_string().is_empty());
        self.ledger.connect_failed(id);
    }
}

/// Answers in every way there is, by path.
pub(super) struct Site {
    ledger: Ledger,
}

impl Site {
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self { ledger: ledger.clone() }
    }
}

/// What an HTTP connection has of its own.
#[derive(Default)]
pub(super) struct Visit {
    begun: bool,
    body: Vec<u8>,
    /// Pieces of a streamed response to come.
    left: u8,
    again: bool,
}

impl Http for Site {
    type Session = Visit;

    fn request(&mut self, conn: &mut HttpConn<'_, Self>, request: &Request<'_>) -> Answer {
        let first = !std::mem::replace(&mut conn.session.begun, true);
        self.ledger.requested(conn.id(), first, request.method() == "HEAD");
        self.ledger.site_called("request", conn.id());
        (conn.session.left, conn.session.again) = (5, request.path() == "/again");
        conn.session.body.clear();
        match request.path() {
            "/" => Response::text("hello").into(),
            "/body" | "/again" => Answer::Body,
            "/stream" => Response::new(200).stream(None).into(),
            "/sized" => Response::new(200).stream(Some(1200)).into(),
            "/short" => Response::new(200).stream(Some(5000)).into(),
            "/later" => Answer::Later,
            "/abort" => Answer::Abort,
            "/big" => Response::new(200).body(vec![b'.'; BIGGEST]).into(),
            "/bad" => Response::new(200).header("A", "b\r\nC: d").into(),
            "/none" => Response::new(204).into(),
            _ => Response::not_found().into(),
        }
    }

    fn body(&mut self, conn: &mut HttpConn<'_, Self>, piece: &[u8], last: bool) -> Answer {
        self.ledger.site_called(if last { "last" } else { "body" }, conn.id());
        conn.session.body.extend_from_slice(piece);
        assert!(conn.session.body.len() as u64 <= super::LIMITS.body_bytes);
        match last {
            true if !conn.session.again => {
                Response::new(200).body(conn.session.body.clone()).into()
            }
            true | false => Answer::Body,
        }
    }

    fn writable(&mut self, conn: &mut HttpConn<'_, Self>, permit: BodyPermit<'_>) -> Action {
        self.ledger.site_called("writable", conn.id());
        let mut permit = Some(permit);
        while let Some(ready) = permit {
            let Some(left) = conn.session.left.checked_sub(1) else {
                ready.finish();
                return Action::Continue;
            };
            conn.session.left = left;
            permit = ready.send(&[b'a' + left; 300]);
        }
        conn.request_writable();
        Action::Continue
    }

    fn sent(&mut self, conn: &mut HttpConn<'_, Self>) -> Action {
        self.ledger.site_called("sent", conn.id());
        Action::Continue
    }

    fn closed(&mut self, all: Connections<'_>, id: ConnId, session: Visit) {
        assert!(session.begun);
        self.ledger.site_called("closed", id);
        self.ledger.site_closed(id);
        let _ = all.respond(id, Response::text("too late"));
    }
}
