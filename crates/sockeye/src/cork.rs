//! What a turn gathers on its way out, in one buffer that all connections share.

use sockeye_proto::{MessageKind, apply_mask};

/// Output gathers up to this size.
pub(crate) const CORK: usize = 16 << 10;

/// The output of the connection whose turn it is, so far.
pub(crate) struct Cork {
    bytes: Box<[u8; CORK]>,
    /// How much of `bytes` it is.
    len: usize,
}

impl Cork {
    pub(crate) fn new() -> Self {
        Self { bytes: Box::new([0; CORK]), len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn room(&self) -> usize {
        CORK - self.len
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Puts `bytes` at the end. Whether there was room; else nothing is done.
    #[must_use]
    pub(crate) fn push(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.bytes[self.len..].get_mut(..bytes.len()) else { return false };
        room.copy_from_slice(bytes);
        self.len += bytes.len();
        true
    }

    /// Puts as many of `bytes` at the end as there is room for, and gives the rest back.
    pub(crate) fn fill<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let (front, rest) = bytes.split_at(bytes.len().min(self.room()));
        self.bytes[self.len..][..front.len()].copy_from_slice(front);
        self.len += front.len();
        rest
    }

    /// Puts a whole message at the end, as a server sends it (RFC 6455 §5.2): FIN, no mask. Whether
    /// it is one of less than 64 KiB, and there was room; else nothing is done.
    #[must_use]
    #[inline]
    pub(crate) fn push_message(&mut self, kind: MessageKind, payload: &[u8]) -> bool {
        let first = 0x80 | kind.opcode() as u8;
        let room = &mut self.bytes[self.len..];
        let header = match payload.len() {
            len @ 0..=125 => {
                let Some(start) = room.first_chunk_mut() else { return false };
                *start = [first, len as u8];
                2
            }
            len @ 126..=0xffff => {
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
    /// The same, as a client sends it: masked with `key` (RFC 6455 §5.3).
    #[must_use]
    pub(crate) fn push_masked(&mut self, kind: MessageKind, payload: &[u8], key: [u8; 4]) -> bool {
        let first = 0x80 | kind.opcode() as u8;
        let [a, b, c, d] = key;
        let room = &mut self.bytes[self.len..];
        let header = match payload.len() {
            len @ 0..=125 => {
                let Some(start) = room.first_chunk_mut() else { return false };
                *start = [first, 0x80 | len as u8, a, b, c, d];
                6
            }
            len @ 126..=0xffff => {
                let Some(start) = room.first_chunk_mut() else { return false };
                *start = [first, 0x80 | 126, (len >> 8) as u8, len as u8, a, b, c, d];
                8
            }
            _ => return false,
        };
        let Some(room) = room[header..].get_mut(..payload.len()) else { return false };
        room.copy_from_slice(payload);
        apply_mask(room, key);
        self.len += header + payload.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sockeye_proto::{FrameHeader, push_frame};

    #[test]
    fn messages_are_framed_as_everywhere_else() {
        for len in [0, 1, 125, 126, 127, 1000, CORK - 4] {
            for kind in [MessageKind::Text, MessageKind::Binary] {
                let (mut cork, mut frame) = (Cork::new(), Vec::new());
                let payload: Vec<u8> = (0..len).map(|i| i as u8).collect();
                let (opcode, len) = (kind.opcode(), 0);
                let header = FrameHeader { fin: true, reserved: 0, opcode, mask: None, len };
                push_frame(&mut frame, header, &payload);
                assert!(cork.push_message(kind, &payload));
                assert_eq!(cork.as_bytes(), frame);
                if frame.len() + 4 > CORK {
                    continue;
                }
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
        assert_eq!(cork.fill(&[1; CORK - 2]), []);
        assert_eq!(cork.fill(b"abc"), b"c");
        assert_eq!(cork.as_bytes()[CORK - 3..], *b"\x01ab");
    }

    #[test]
    fn over_64_kib_is_no_short_message() {
        assert!(!Cork::new().push_message(MessageKind::Binary, &[0; 1 << 16]));
        assert!(!Cork::new().push_masked(MessageKind::Binary, &[0; 1 << 16], [0; 4]));
    }
}
