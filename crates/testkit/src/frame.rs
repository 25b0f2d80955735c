//! Frames, right and wrong.

use sockeye_proto::{FrameHeader, Opcode, apply_mask, push_frame};
use std::fmt;

/// A frame as it goes over the wire. Nothing about it need be allowed.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The last of its message.
    pub fin: bool,
    /// RSV1 to RSV3 where they stand in the first byte.
    pub reserved: u8,
    /// What it is.
    pub opcode: Opcode,
    /// The key it was, or is to be, masked with.
    pub mask: Option<[u8; 4]>,
    /// What it carries, not masked.
    pub payload: Vec<u8>,
}

impl Frame {
    /// A frame that ends its message.
    pub fn new(opcode: Opcode, payload: impl Into<Vec<u8>>) -> Self {
        Self { fin: true, reserved: 0, opcode, mask: None, payload: payload.into() }
    }

    /// A text message.
    pub fn text(text: &str) -> Self {
        Self::new(Opcode::Text, text)
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(Opcode::Binary, bytes)
    }

    /// A Ping.
    pub fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Opcode::Ping, payload)
    }

    /// A Pong.
    pub fn pong(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(Opcode::Pong, payload)
    }

    /// A Close with a code of any number.
    pub fn close(code: u16, reason: &str) -> Self {
        let mut payload = code.to_be_bytes().to_vec();
        payload.extend_from_slice(reason.as_bytes());
        Self::new(Opcode::Close, payload)
    }

    /// The same frame without FIN.
    pub fn not_final(mut self) -> Self {
        self.fin = false;
        self
    }

    /// The bytes of the frame as a client sends it: masked, by a key that depends on the length.
    pub fn masked(&self) -> Vec<u8> {
        let len = self.payload.len() as u32;
        self.bytes(Some((len.wrapping_mul(0x9e37_79b9) ^ 0x5bd1_e995).to_be_bytes()))
    }

    /// The bytes of the frame as a server sends it: not masked.
    pub fn plain(&self) -> Vec<u8> {
        self.bytes(None)
    }

    /// The bytes of the frame, masked with this key.
    pub fn bytes(&self, mask: Option<[u8; 4]>) -> Vec<u8> {
        let Self { fin, reserved, opcode, .. } = *self;
        let mut out = Vec::new();
        push_frame(&mut out, FrameHeader { fin, reserved, opcode, mask, len: 0 }, &self.payload);
        out
    }

    /// The frame at the start of `bytes` and how long it is; `None` if it is cut off.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let header = FrameHeader::decode(bytes).expect("a frame header that can be valid")?;
        let (FrameHeader { fin, reserved, opcode, mask, len }, start) = header;
        let end = start + usize::try_from(len).expect("a length that fits");
        let mut payload = bytes.get(start..end)?.to_vec();
        if let Some(key) = mask {
            apply_mask(&mut payload, key);
        }
        Some((Self { fin, reserved, opcode, mask, payload }, end))
    }

    /// The code and reason of a Close; `None` if it is empty.
    pub fn close_code(&self) -> Option<(u16, String)> {
        let (code, reason) = self.payload.split_first_chunk()?;
        Some((u16::from_be_bytes(*code), String::from_utf8_lossy(reason).into_owned()))
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.payload[..self.payload.len().min(60)];
        write!(f, "{:?}", self.opcode)?;
        write!(f, "{}", if self.fin { "" } else { " without FIN" })?;
        write!(f, "({} bytes: \"{}\")", self.payload.len(), shown.escape_ascii())
    }
}

/// A message in frames of these lengths, and what is left of it in a last one.
pub fn fragments(opcode: Opcode, payload: &[u8], lengths: &[usize]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut rest = payload;
    for &length in lengths {
        let (piece, after) = rest.split_at(length.min(rest.len()));
        rest = after;
        frames.push(Frame::new(Opcode::Continuation, piece).not_final());
    }
    frames.push(Frame::new(Opcode::Continuation, rest));
    frames[0].opcode = opcode;
    frames
}
