//! What has come out of a connection, read as its peer would read it.

use super::Script;
use super::ledger::{Fact, Ledger};
use sockeye_proto::handshake::upgrade_request;
use sockeye_proto::http::{
    BodyEvent, BodyReader, Framing, HeadLimits, HeadScanner, RequestHead, ResponseHead,
};
use sockeye_proto::{DeflateAgreed, Event, Inflaters, MessageKind, Reader, Role, Rules};

/// Enough for any head of ours.
const HEADS: HeadLimits = HeadLimits { bytes: 1 << 16, headers: 64 };

/// Checks all that came out. It may break off anywhere, but nothing of it may be wrong.
pub(super) fn check(output: &[u8], ledger: &Ledger, script: &Script<'_>) {
    if script.has(Script::CLIENT) {
        let Some((head, rest)) = head_and_rest(output) else { return };
        let head = RequestHead::parse(head, &HEADS).expect("a request");
        assert!(upgrade_request(&head).is_ok_and(|upgrade| upgrade.is_some()));
        return frames(rest, Role::Server, script.compression().is_some(), ledger, script);
    }
    let mut rest = output;
    let (mut answers, mut last) = (0, false);
    while let Some((head, after)) = head_and_rest(rest) {
        assert!(!last, "an answer after `Connection: close`");
        let head = ResponseHead::parse(head, &HEADS).expect("a response");
        ledger.note(Fact::Status(head.status));
        rest = after;
        match head.status {
            101 => {
                let compressed = head.headers.get("Sec-WebSocket-Extensions").is_some();
                return frames(rest, Role::Client, compressed, ledger, script);
            }
            100 => continue,
            _ => {}
        }
        rest = after_body(&head, rest, ledger.is_head(answers));
        answers += 1;
        last = !head.keep_alive();
    }
}

fn head_and_rest(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = HeadScanner::default().feed(bytes, &HEADS).expect("a head")?;
    Some(bytes.split_at(end))
}

fn after_body<'b>(head: &ResponseHead<'_>, rest: &'b [u8], is_head: bool) -> &'b [u8] {
    // A refusal may have a body even if the request was a HEAD: it is the last.
    let bodiless = is_head && (rest.is_empty() || rest.starts_with(b"HTTP/1.1 "));
    if bodiless || matches!(head.status, 204 | 304) {
        return rest;
    }
    let length = head.headers.get_str("Content-Length");
    let framing = match length.map(|length| length.parse().expect("a length")) {
        Some(length) => Framing::Length(length),
        None if head.headers.get("Transfer-Encoding").is_some() => Framing::Chunked,
        None => return &[], // the body ends with the connection
    };
    let mut body = BodyReader::new(framing, u64::MAX).expect("a body without limit");
    let mut rest = rest;
    loop {
        match body.next(&mut rest).expect("a body") {
            BodyEvent::Data(_) => {}
            BodyEvent::NeedMore | BodyEvent::End => return rest,
        }
    }
}

/// Reads frames as `role` does.
fn frames(bytes: &[u8], role: Role, compressed: bool, ledger: &Ledger, script: &Script<'_>) {
    // Whoever understands a window that is kept understands one that is not.
    let agreed =
        DeflateAgreed { window_bits: 15, context_takeover: true, peer_context_takeover: true };
    let mut reader = if compressed { Reader::with_deflate(&agreed) } else { Reader::new() };
    let rules = Rules { fragments: u32::MAX, ..Rules::new(role) };
    let (mut inflaters, mut messages) = (Inflaters::new(), Vec::<(MessageKind, Vec<u8>)>::new());
    let mut bytes = bytes.to_vec();
    let mut input = &mut bytes[..];
    let mut closed = false;
    loop {
        match reader.next(&rules, &mut inflaters, &mut input).expect("frames in good order") {
            Event::NeedMore => break,
            Event::Message { kind, payload } => messages.push((kind, payload.to_vec())),
            Event::Chunk { .. } | Event::Ping(_) | Event::Pong(_) => {}
            Event::Close(_) => {
                assert!(input.is_empty(), "something after the Close frame");
                closed = true;
            }
        }
    }
    ledger.check_sent(&messages, closed, script.has(Script::DROP));
}
