//! What the most talkative levels say: each head, each event of the parser.

use crate::log::{self, Levels, emit};
use crate::slots::ConnId;
use sockeye_proto::http::Headers;
use sockeye_proto::{Event, Violation};
use std::fmt;

/// Headers whose values let one in: their length says enough.
const SECRETS: [&str; 5] =
    ["authorization", "cookie", "proxy-authorization", "sec-websocket-key", "set-cookie"];

/// `HEADER`: a head that has come, a line for its first line and one for each header.
pub(crate) fn log_head(id: ConnId, first: fmt::Arguments<'_>, headers: &Headers<'_>) {
    emit(Levels::HEADER, format_args!("connection {id}: {first}"));
    for header in headers.iter() {
        log_header(id, "", header.name.as_bytes(), header.value);
    }
}

/// A header that has come, or that we send.
fn log_header(id: ConnId, sends: &str, name: &[u8], value: &[u8]) {
    let shown = name.escape_ascii();
    if SECRETS.iter().any(|secret| name.eq_ignore_ascii_case(secret.as_bytes())) {
        let length = value.len();
        emit(Levels::HEADER, format_args!("connection {id}: {sends}{shown}: ({length} bytes)"));
    } else {
        let value = value.escape_ascii();
        emit(Levels::HEADER, format_args!("connection {id}: {sends}{shown}: {value}"));
    }
}

/// `HEADER`: a request that leaves, as it is, but for the values of secrets.
pub(crate) fn log_request(id: ConnId, request: &[u8]) {
    if !log::is_on(Levels::HEADER) {
        return;
    }
    let mut lines = request.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii_end);
    let first = lines.next().unwrap_or_default().escape_ascii();
    emit(Levels::HEADER, format_args!("connection {id}: sends {first}"));
    for line in lines.filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        log_header(id, "sends ", name, value.get(": ".len()..).unwrap_or_default());
    }
}

/// `PARSER`: what the parser of frames has found.
pub(crate) fn log_event(id: ConnId, event: &Result<Event<'_>, Violation>) {
    let say = |what: fmt::Arguments<'_>| {
        emit(Levels::PARSER, format_args!("connection {id}: {what}"));
    };
    match event {
        Ok(Event::NeedMore) => say(format_args!("more is needed")),
        Ok(Event::Message { kind, payload }) => {
            say(format_args!("{kind:?} message, {} bytes", payload.len()));
        }
        Ok(Event::Chunk { kind, payload, remaining, is_final }) => {
            let (length, is) = (payload.len(), if *is_final { "final" } else { "not final" });
            say(format_args!("{kind:?} chunk, {length} bytes, {remaining} remain, {is}"));
        }
        Ok(Event::Ping(payload)) => say(format_args!("Ping, {} bytes", payload.len())),
        Ok(Event::Pong(payload)) => say(format_args!("Pong, {} bytes", payload.len())),
        Ok(Event::Close(frame)) => match frame.code {
            Some(code) => say(format_args!("Close, code {code}")),
            None => say(format_args!("Close, no code")),
        },
        Err(violation) => say(format_args!("violation: {violation}")),
    }
}
