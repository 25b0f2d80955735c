//! A reader with its rules, and frames for it as a client sends them.
#![allow(dead_code, reason = "each test file uses its part")]

use sockeye_proto::{
    DeflateAgreed, Event, FrameHeader, Inflaters, MessageKind, Opcode, Reader, Role, Rules,
    Violation, push_frame,
};

/// An [`Event`] that owns what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Message(MessageKind, Vec<u8>),
    Chunk(Vec<u8>, u64, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Broken(Violation),
}

impl Seen {
    pub(crate) fn text(text: &str) -> Self {
        Self::Message(MessageKind::Text, text.into())
    }

    pub(crate) fn binary(bytes: &[u8]) -> Self {
        Self::Message(MessageKind::Binary, bytes.into())
    }

    pub(crate) fn chunk(bytes: &[u8], remaining: u64, is_final: bool) -> Self {
        Self::Chunk(bytes.into(), remaining, is_final)
    }
}

pub(crate) struct Feed {
    pub(crate) reader: Reader,
    rules: Rules,
    inflaters: Inflaters,
}

impl Feed {
    pub(crate) fn server() -> Self {
        Self::new(Rules::new(Role::Server))
    }

    pub(crate) fn new(rules: Rules) -> Self {
        Self { reader: Reader::new(), rules, inflaters: Inflaters::new() }
    }

    /// With permessage-deflate; the peer keeps its window or not.
    pub(crate) fn deflate(rules: Rules, peer_context_takeover: bool) -> Self {
        let agreed =
            DeflateAgreed { window_bits: 15, context_takeover: false, peer_context_takeover };
        Self { reader: Reader::with_deflate(&agreed), ..Self::new(rules) }
    }

    /// Everything that these bytes complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<Seen> {
        let mut bytes = bytes.to_vec();
        let mut input = &mut bytes[..];
        let mut seen = Vec::new();
        loop {
            seen.push(match self.reader.next(&self.rules, &mut self.inflaters, &mut input) {
                Ok(Event::NeedMore) => {
                    assert!(input.is_empty(), "asks for more with input left");
                    return seen;
                }
                Ok(Event::Message { kind, payload }) => Seen::Message(kind, payload.to_vec()),
                Ok(Event::Chunk { payload, remaining, is_final, .. }) => {
                    Seen::Chunk(payload.to_vec(), remaining, is_final)
                }
                Ok(Event::Ping(payload)) => Seen::Ping(payload.to_vec()),
                Ok(Event::Pong(payload)) => Seen::Pong(payload.to_vec()),
                Ok(Event::Close(frame)) => {
                    Seen::Close(frame.code.map(|code| code.as_u16()), frame.reason)
                }
                Err(violation) => Seen::Broken(violation),
            });
        }
    }
}

/// A masked frame.
pub(crate) fn frame(fin: bool, reserved: u8, opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let mask = Some([0x37, 0xfa, 0x21, 0x3d]);
    let mut out = Vec::new();
    push_frame(&mut out, FrameHeader { fin, reserved, opcode, mask, len: 0 }, payload);
    out
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(true, 0, Opcode::Text, text.as_bytes())
}

pub(crate) fn binary(payload: &[u8]) -> Vec<u8> {
    frame(true, 0, Opcode::Binary, payload)
}

pub(crate) fn ping(payload: &[u8]) -> Vec<u8> {
    frame(true, 0, Opcode::Ping, payload)
}

pub(crate) fn close(code: u16, reason: &str) -> Vec<u8> {
    let payload = [&code.to_be_bytes()[..], reason.as_bytes()].concat();
    frame(true, 0, Opcode::Close, &payload)
}
