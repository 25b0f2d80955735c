//! Both ends of a conversation with an implementation that others wrote: every kind of message,
//! whole and in parts, pings between the parts, 16 MiB, and a close with code and reason.
//!
//! As a server it sends binary messages back whole, and text in three parts with a ping before
//! each. As a client it says what is in [`SCRIPT`] to a server that echoes, and ends with status 0
//! if everything came back. Both tell on a line of standard output how each connection ended.
//!
//! `cargo run -p sockeye --example interop -- 127.0.0.1:0 | ws://HOST:PORT/`

use sockeye::{
    Action, CloseCode, Closed, Conn, ConnId, Connect, ConnectError, Connections, Context,
    Handshake, Limits, Message, MessageKind, OriginPolicy, Permit, Protocol, Reject, Role,
};
use std::cell::RefCell;
use std::error::Error;
use std::rc::Rc;

const MIB: usize = 1 << 20;
/// Frames of a message that goes out in parts.
const PARTS: usize = 3;
/// What a client closes with.
const GOODBYE: (u16, &str) = (4000, "done \u{e9}");

/// What the client says: kind, size in bytes, whether in parts.
const SCRIPT: [(MessageKind, usize, bool); 8] = [
    (MessageKind::Text, 0, false),
    (MessageKind::Text, 1000, false),
    (MessageKind::Binary, 1000, false),
    (MessageKind::Text, 100, true),
    (MessageKind::Binary, 70_000, true),
    (MessageKind::Text, 16 * MIB, false),
    (MessageKind::Binary, 16 * MIB, false),
    (MessageKind::Text, 16 * MIB, true),
];

/// Exactly `size` bytes. Text has characters of one to four bytes, so parts are cut inside some.
fn content(kind: MessageKind, size: usize) -> Vec<u8> {
    const PATTERN: &str = "a\u{e9}\u{20ac}\u{1f41f}z";
    match kind {
        MessageKind::Binary => (0..size).map(|i| (i % 251) as u8).collect(),
        MessageKind::Text => {
            let mut text = PATTERN.repeat(size / PATTERN.len());
            text.push_str(&"x".repeat(size % PATTERN.len()));
            text.into_bytes()
        }
    }
}

/// One connection's state.
struct Talk {
    role: Role,
    /// The message that goes out in parts, and how many parts of it have gone.
    outgoing: Option<(MessageKind, Vec<u8>, usize)>,
    /// Of [`SCRIPT`], how many have come back.
    step: usize,
    pings: usize,
    pongs: usize,
    pings_seen: usize,
}

struct Interop {
    /// How the client's connection went.
    verdict: Rc<RefCell<Option<Result<(), String>>>>,
}

impl Interop {
    /// Sends `bytes` in parts, each as the socket takes it.
    fn send_in_parts(conn: &mut Conn<'_, Self>, kind: MessageKind, bytes: Vec<u8>) -> Action {
        conn.session.outgoing = Some((kind, bytes, 0));
        conn.request_writable();
        Action::Continue
    }

    /// The client's next message, or its goodbye.
    fn say_next(conn: &mut Conn<'_, Self>) -> Action {
        let Some(&(kind, size, in_parts)) = SCRIPT.get(conn.session.step) else {
            let code = CloseCode::new(GOODBYE.0).expect("one for applications");
            return Action::close(code, GOODBYE.1);
        };
        let bytes = content(kind, size);
        if in_parts {
            return Self::send_in_parts(conn, kind, bytes);
        }
        conn.reply(match kind {
            MessageKind::Binary => Message::binary(bytes),
            MessageKind::Text => Message::text(String::from_utf8(bytes).expect("text")),
        })
    }
}

impl Protocol for Interop {
    type Session = Talk;
    type Notice = ();

    fn name(&self) -> &str {
        "interop"
    }

    fn upgrade(&mut self, hello: &Handshake<'_>) -> Result<Talk, Reject> {
        let role = hello.role();
        Ok(Talk { role, outgoing: None, step: 0, pings: 0, pongs: 0, pings_seen: 0 })
    }

    fn open(&mut self, conn: &mut Conn<'_, Self>) -> Action {
        match conn.session.role {
            Role::Client => Self::say_next(conn),
            Role::Server => Action::Continue,
        }
    }

    fn receive(&mut self, conn: &mut Conn<'_, Self>, message: Message<'_>) -> Action {
        match (conn.session.role, message.kind()) {
            (Role::Server, MessageKind::Binary) => conn.reply(message),
            (Role::Server, MessageKind::Text) => {
                Self::send_in_parts(conn, MessageKind::Text, message.into_bytes())
            }
            (Role::Client, kind) => {
                let (sent, size, _) = SCRIPT[conn.session.step.min(SCRIPT.len() - 1)];
                if kind != sent || message.as_bytes() != content(sent, size) {
                    return Action::close(CloseCode::POLICY_VIOLATION, "that is no echo");
                }
                conn.session.step += 1;
                Self::say_next(conn)
            }
        }
    }

    fn writable(&mut self, conn: &mut Conn<'_, Self>, permit: Permit<'_>) -> Action {
        let Some((kind, bytes, gone)) = conn.session.outgoing.take() else {
            return Action::Continue;
        };
        if conn.ping(format!("before part {gone}").as_bytes()).is_ok() {
            conn.session.pings += 1;
        }
        let size = bytes.len().div_ceil(PARTS);
        let part = &bytes[(gone * size).min(bytes.len())..((gone + 1) * size).min(bytes.len())];
        let last = gone + 1 == PARTS;
        let _ = permit.send_part(kind, part, last); // the next part waits for the next permit
        if !last {
            conn.session.outgoing = Some((kind, bytes, gone + 1));
            conn.request_writable();
        }
        Action::Continue
    }

    fn ping(&mut self, conn: &mut Conn<'_, Self>, _: &[u8]) -> Action {
        conn.session.pings_seen += 1;
        Action::Continue
    }

    fn pong(&mut self, conn: &mut Conn<'_, Self>, payload: &[u8]) -> Action {
        if payload.starts_with(b"before part ") {
            conn.session.pongs += 1;
        }
        Action::Continue
    }

    fn closed(&mut self, _: Connections<'_>, _: ConnId, talk: Talk, closed: Closed) {
        let Talk { pings, pongs, pings_seen, .. } = talk;
        println!("{closed}; {pongs} of {pings} pings answered, {pings_seen} seen");
        if talk.role == Role::Client {
            let told = closed.code.map(CloseCode::as_u16) == Some(GOODBYE.0) && closed.clean;
            let whole = talk.step == SCRIPT.len() && pongs == pings && told;
            let verdict = if whole { Ok(()) } else { Err(format!("ended at step {}", talk.step)) };
            *self.verdict.borrow_mut() = Some(verdict);
        }
    }

    fn connect_failed(&mut self, _: Connections<'_>, _: ConnId, error: ConnectError) {
        *self.verdict.borrow_mut() = Some(Err(error.to_string()));
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:7681".into());
    let verdict = Rc::default();
    let mut builder = Context::builder()
        .limits(Limits { message_bytes: 64 << 20, ..Limits::default() })
        .origins(OriginPolicy::Any);
    let key = builder.register(Interop { verdict: Rc::clone(&verdict) });
    let mut context = builder.build()?;
    if !place.starts_with("ws:") {
        println!("listening on ws://{}", context.listen(place)?);
        return Ok(context.run()?);
    }
    context.connections().connect(&Connect::to(&place)?, key.id())?;
    loop {
        context.service(None)?;
        if let Some(verdict) = verdict.take() {
            return Ok(verdict?);
        }
    }
}
