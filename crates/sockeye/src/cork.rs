//! What turns gather on their way out, in one buffer that all connections share.
//!
//! ```text
//!   ┌─────────────────┬─────────────────┬──────────────────┬──────┐
//!   │ held for one    │ held for another│ the present turn │ room │
//!   └─────────────────┴─────────────────┴──────────────────┴──────┘
//!   0             held[0].end       held[1].end           len    CORK
//!                                     = start
//! ```
//!
//! Few bytes are not sent at the end of their turn, but held until the readiness of all
//! descriptors has been looked at: the kernel's ways in and out are long, and many receives after
//! each other, then many sends, go faster through the processor's caches than one by one. So is a
//! frame that goes to many, until there are some. All that is held leaves by one system call where
//! the kernel has one.

use crate::slots::ConnId;
use bytes::Bytes;
use sockeye_proto::{FrameHeader, HEADER_MAX, MessageKind, apply_mask};
use sockeye_sys::SendBatch;

/// Output gathers up to this size.
pub(crate) const CORK: usize = 32 << 10;

/// Payloads from this size on are not copied: to send them from where they lie costs less.
pub(crate) const LONG: usize = 16 << 10;

/// A turn's output is held if it is no longer than this: what is longer gains nothing.
pub(crate) const HOLD_BYTES: usize = 2 << 10;

/// The output of so many connections is held at most, so that none waits for many callbacks.
pub(crate) const HOLD_TURNS: usize = SendBatch::MOST;

/// The output of the connection whose turn it is, so far, and what is held of others.
pub(crate) struct Cork {
    bytes: Box<Room>,
    held: Vec<Held>,
    /// Where the output of the present turn begins.
    start: usize,
    /// Where it ends.
    len: usize,
}

/// It begins on a line of the processor's cache, from where the kernel copies faster.
#[repr(align(64))]
struct Room([u8; CORK]);

/// The output of a turn that is over, which begins where the one before ends; or a frame that goes
/// to many.
struct Held {
    id: ConnId,
    end: usize,
    frame: Option<Bytes>,
}

/// What is held for one connection.
pub(crate) enum Output<'c> {
    Copied(&'c [u8]),
    Shared(&'c Bytes),
}

impl<'c> Output<'c> {
    pub(crate) fn as_bytes(&self) -> &'c [u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(frame) => frame,
        }
    }
}

impl Cork {
    pub(crate) fn new() -> Self {
        let held = Vec::with_capacity(HOLD_TURNS);
        Self { bytes: Box::new(Room([0; CORK])), held, start: 0, len: 0 }
    }

    /// How long the output of the present turn is.
    pub(crate) fn len(&self) -> usize {
        self.len - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == self.start
    }

    /// Whether nothing is held.
    pub(crate) fn holds_nothing(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether what is held is one connection's.
    pub(crate) fn holds_one(&self) -> bool {
        self.held.len() == 1
    }

    /// Whether the present turn's output is so short that it may be [held](Self::hold).
    pub(crate) fn may_hold(&self) -> bool {
        self.len() <= HOLD_BYTES
    }

    /// Holds the output of the present turn, which is that of `id`, and begins another. Whether
    /// no more may be held now.
    pub(crate) fn hold(&mut self, id: ConnId) -> bool {
        self.held.push(Held { id, end: self.len, frame: None });
        self.start = self.len;
        self.held.len() >= HOLD_TURNS || self.room() < CORK / 2
    }

    /// Holds a frame for `id`, before the output of the present turn. Whether no more may be held
    /// now.
    pub(crate) fn hold_frame(&mut self, id: ConnId, frame: Bytes) -> bool {
        self.held.push(Held { id, end: self.start, frame: Some(frame) });
        self.held.len() >= HOLD_TURNS
    }

    /// What is held, in the order it came, each with whose it is.
    pub(crate) fn held(&self) -> impl Iterator<Item = (ConnId, Output<'_>)> {
        let starts = std::iter::once(0).chain(self.held.iter().map(|held| held.end));
        self.held.iter().zip(starts).map(|(held, start)| match &held.frame {
            Some(frame) => (held.id, Output::Shared(frame)),
            None => (held.id, Output::Copied(&self.bytes.0[start..held.end])),
        })
    }

    /// Nothing is held any more.
    pub(crate) fn let_go(&mut self) {
        self.held.clear();
        if !self.is_empty() {
            self.bytes.0.copy_within(self.start..self.len, 0);
        }
        self.len -= self.start;
        self.start = 0;
    }

    pub(crate) fn room(&self) -> usize {
        CORK - self.len
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes.0[self.start..self.len]
    }

    /// Forgets the output of the present turn.
    pub(crate) fn clear(&mut self) {
        self.len = self.start;
    }

    /// Puts `bytes` at the end. Whether there was room; else nothing is done.
    #[must_use]
    #[inline]
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.bytes.0[self.len..].get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.len += bytes.len();
        true
    }

    /// Puts as many of `bytes` at the end as there is room for, and gives the rest back.
    pub(crate) fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (front, rest) = bytes.split_at(bytes.len().min(self.room()));
        self.bytes.0[self.len..][..front.len()].copy_from_slice(front);
        self.len += front.len();
        rest
    }

    /// Puts a whole message at the end, as a server sends it (RFC 6455 §5.2): FIN, no mask. Whether
    /// it is shorter than [`LONG`], and there was room; else nothing is done.
    #[must_use]
    #[inline]
    pub(crate) fn push_message(&mut self, kind: MessageKind, payload: &[u8]) -> bool {
        let first = 0x80 | kind.opcode() as u8;
        let room = &mut self.bytes.0[self.len..];
        let header = match payload.len() {
            len @ 0..=125 => {
                let Some(start) = room.first_chunk_mut() else { return false };
                *start = [first, len as u8];
                2
            }
            len @ 126..LONG => {
                let Some(start) = room.first_chunk_mut() else { return false };
                *start = [first, 126, (len >> 8) as u8, len as u8];
                4
            }
            _ => return false,
        };
        let Some(room) = room[header..].get_mut(..payload.len()) else { return false };
        room.copy_from_slice(payload);
        self.len += header + payload.len();
        true
    }

    /// The same, as a client sends it: masked with `key` (RFC 6455 §5.3), and of any length.
    #[must_use]
    pub(crate) fn push_masked(&mut self, kind: MessageKind, payload: &[u8], key: [u8; 4]) -> bool {
        let (opcode, len) = (kind.opcode(), payload.len() as u64);
        let header = FrameHeader { fin: true, reserved: 0, opcode, mask: Some(key), len };
        let mut bytes = [0; HEADER_MAX];
        let header = header.encode(&mut bytes);
        if self.room() < header + payload.len() || !self.push(&bytes[..header]) {
            return false;
        }
        let start = self.len;
        let pushed = self.push(payload);
        apply_mask(&mut self.bytes.0[start..self.len], key);
        pushed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::push_frame;

    #[test]
    fn messages_are_framed_as_everywhere_else() {
        for len in [0, 1, 125, 126, 127, 1000, LONG - 1] {
            for kind in [MessageKind::Text, MessageKind::Binary] {
                let (mut cork, mut frame) = (Cork::new(), Vec::new());
                let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
                let (opcode, len) = (kind.opcode(), 0);
                let header = FrameHeader { fin: true, reserved: 0, opcode, mask: None, len };
                push_frame(&mut frame, header, &payload);
                assert!(cork.push_message(kind, &payload));
                assert_eq!(cork.as_bytes(), frame);
                let key = [0x12, 0xff, 0, 0x7a];
                cork.clear();
                frame.clear();
                push_frame(&mut frame, FrameHeader { mask: Some(key), ..header }, &payload);
                assert!(cork.push_masked(kind, &payload, key));
                assert_eq!(cork.as_bytes(), frame);
            }
        }
    }

    #[test]
    fn what_has_no_room_leaves_no_trace() {
        let mut cork = Cork::new();
        assert!(cork.push(&[1; CORK - 5]));
        assert!(!cork.push(&[2; 6]));
        assert!(!cork.push_message(MessageKind::Text, &[2; 4]));
        assert!(!cork.push_masked(MessageKind::Text, b"", [3; 4]));
        assert!(!cork.push_message(MessageKind::Text, &[2; 126]));
        assert!(!cork.push_masked(MessageKind::Text, b"", [2; 4]));
        assert!(!cork.push_masked(MessageKind::Text, &[2; 126], [2; 4]));
        assert_eq!(cork.as_bytes(), [1; CORK - 5]);
        assert!(cork.push_message(MessageKind::Text, b"abc"));
        assert!(!cork.push_message(MessageKind::Text, b""));
        assert_eq!((cork.room(), cork.len()), (0, CORK));
        assert_eq!(cork.as_bytes()[CORK - 5..], *b"\x81\x03abc");
    }

    #[test]
    fn what_is_more_than_the_room_comes_back_in_part() {
        let mut cork = Cork::new();
        assert_eq!(cork.fill(&[1; CORK - 2]), b"");
        assert_eq!(cork.fill(b"abc"), b"c");
        assert_eq!(cork.as_bytes()[CORK - 3..], *b"\x01ab");
    }

    #[test]
    fn what_is_held_stands_before_the_present_turn() {
        let ids = [1, 2, 3].map(ConnId::from_u64);
        let mut cork = Cork::new();
        assert!(cork.push(b"one"));
        assert!(!cork.hold(ids[0]));
        assert!(cork.push(b"two") && cork.push(b"!"));
        assert!(!cork.hold(ids[1]));
        assert!(cork.push(b"lost"));
        cork.clear();
        assert!(cork.push(b"three"));
        assert_eq!((cork.len(), cork.as_bytes()), (5, &b"three"[..]));
        let held = cork.held().map(|(id, output)| (id, output.as_bytes())).collect::<Vec<_>>();
        assert_eq!(held, [(ids[0], &b"one"[..]), (ids[1], b"two!")]);
        cork.let_go();
        assert!(cork.holds_nothing());
        assert_eq!((cork.len(), cork.as_bytes()), (5, &b"three"[..]));
        assert_eq!(cork.room(), CORK - 5);
    }

    #[test]
    fn no_more_is_held_than_is_good_for_the_first() {
        let mut cork = Cork::new();
        let id = ConnId::from_u64(1);
        for turn in 1..=HOLD_TURNS {
            assert!(cork.push(b"x"));
            assert_eq!(cork.hold(id), turn == HOLD_TURNS);
        }
        cork.let_go();
        for turn in 1..=9 {
            assert!(cork.push(&[0; HOLD_BYTES]) && cork.may_hold());
            assert_eq!(cork.hold(id), turn == 9, "half of the room stays for those who come");
        }
        assert!(cork.push(&[0; HOLD_BYTES + 1]) && !cork.may_hold());
    }

    #[test]
    fn long_messages_are_not_copied_unless_they_must_be_masked() {
        assert!(!Cork::new().push_message(MessageKind::Binary, &[0; LONG]));
        assert!(Cork::new().push_masked(MessageKind::Binary, &[0; LONG], [0; 4]));
        assert!(!Cork::new().push_masked(MessageKind::Binary, &[0; 1 << 16], [0; 4]));
    }
}
