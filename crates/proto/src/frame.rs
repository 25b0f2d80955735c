//! The frame header (RFC 6455 §5.2), read and written.

use crate::event::Violation;
use sockeye_mask::copy_masked;

/// The longest header: two bytes, a 64-bit length, a mask key.
pub const HEADER_MAX: usize = 14;

/// RSV1: the message is compressed, if permessage-deflate was negotiated (RFC 7692 §6).
pub const RSV1: u8 = 0x40;

/// The frame types of RFC 6455 §11.8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// Goes on with the message that an earlier frame began.
    Continuation = 0,
    /// Begins a text message.
    Text = 1,
    /// Begins a binary message.
    Binary = 2,
    /// Begins or answers the closing handshake.
    Close = 8,
    /// Asks for a Pong with the same payload.
    Ping = 9,
    /// Answers a Ping, or shows life unasked.
    Pong = 10,
}

impl Opcode {
    /// The type of this number, `None` for the reserved ones.
    pub const fn new(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    /// Whether this is Close, Ping or Pong (§5.5).
    pub const fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The last frame of its message.
    pub fin: bool,
    /// RSV1 to RSV3 where they stand in the first byte: `0x40`, `0x20`, `0x10`.
    pub reserved: u8,
    /// The type.
    pub opcode: Opcode,
    /// The key of a masked frame.
    pub mask: Option<[u8; 4]>,
    /// Length of the payload in bytes.
    pub len: u64,
}

impl FrameHeader {
    /// Reads the header at the start of `bytes` and how long it is; `None` if it is cut off.
    ///
    /// Refuses what no extension could make valid: reserved opcodes, a 64-bit length with its top
    /// bit set, and lengths not in their shortest form (§5.2).
    pub fn decode(bytes: &[u8]) -> Result<Option<(Self, usize)>, Violation> {
        let &[first, second, ref rest @ ..] = bytes else { return Ok(None) };
        let opcode = Opcode::new(first & 0x0f).ok_or(Violation::ReservedOpcode(first & 0x0f))?;
        let (len, rest) = match (second & 0x7f, rest) {
            (126, &[a, b, ref rest @ ..]) => {
                let len = u64::from(u16::from_be_bytes([a, b]));
                (shortest(len, 126)?, rest)
            }
            (127, &[a, b, c, d, e, f, g, h, ref rest @ ..]) => {
                let len = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                if len > i64::MAX as u64 {
                    return Err(Violation::LengthOutOfRange(len));
                }
                (shortest(len, 65_536)?, rest)
            }
            (126 | 127, _) => return Ok(None),
            (len, rest) => (u64::from(len), rest),
        };
        let (mask, rest) = match (second & 0x80, rest) {
            (0, rest) => (None, rest),
            (_, &[a, b, c, d, ref rest @ ..]) => (Some([a, b, c, d]), rest),
            (_, _) => return Ok(None),
        };
        let header = Self { fin: first & 0x80 != 0, reserved: first & 0x70, opcode, mask, len };
        Ok(Some((header, bytes.len() - rest.len())))
    }

    fn first_byte(&self) -> u8 {
        u8::from(self.fin) << 7 | self.reserved | self.opcode as u8
    }

    /// Writes the header to the start of `out` and returns its length.
    pub fn encode(&self, out: &mut [u8; HEADER_MAX]) -> usize {
        out[0] = self.first_byte();
        let masked = u8::from(self.mask.is_some()) << 7;
        let mut end = match self.len {
            len @ 0..=125 => {
                out[1] = masked | len as u8;
                2
            }
            len @ 126..=0xffff => {
                out[1] = masked | 126;
                out[2..4].copy_from_slice(&(len as u16).to_be_bytes());
                4
            }
            len => {
                out[1] = masked | 127;
                out[2..10].copy_from_slice(&len.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.mask {
            out[end..end + 4].copy_from_slice(&key);
            end += 4;
        }
        end
    }
}

/// Appends a whole frame to `out`: header, then `payload`, masked if the header has a key.
/// `header.len` is set from the payload.
///
/// ```
/// use sockeye_proto::{FrameHeader, Opcode, push_frame};
///
/// let header = FrameHeader { fin: true, reserved: 0, opcode: Opcode::Text, mask: None, len: 0 };
/// let mut out = Vec::new();
/// push_frame(&mut out, header, b"hi");
/// assert_eq!(out, b"\x81\x02hi");
/// ```
pub fn push_frame(out: &mut Vec<u8>, header: FrameHeader, payload: &[u8]) {
    if let (0..=125, None) = (payload.len(), header.mask) {
        // Most messages: an array of two bytes is appended in less time than a slice.
        out.extend_from_slice(&[header.first_byte(), payload.len() as u8]);
        return out.extend_from_slice(payload);
    }
    let mut bytes = [0; HEADER_MAX];
    let len = FrameHeader { len: payload.len() as u64, ..header }.encode(&mut bytes);
    out.extend_from_slice(&bytes[..len]);
    match header.mask {
        Some(key) => copy_masked(out, payload, key),
        None => out.extend_from_slice(payload),
    }
}

/// §5.2: "the minimal number of bytes MUST be used to encode the length".
fn shortest(len: u64, least: u64) -> Result<u64, Violation> {
    if len < least { Err(Violation::LengthNotShortest(len)) } else { Ok(len) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_round_trip_at_every_edge_and_no_prefix_is_taken_for_one() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, u64::from(u32::MAX), i64::MAX as u64] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let header =
                    FrameHeader { fin: true, reserved: 0x40, opcode: Opcode::Binary, mask, len };
                let mut bytes = [0; HEADER_MAX];
                let size = header.encode(&mut bytes);
                assert_eq!(FrameHeader::decode(&bytes[..size]), Ok(Some((header, size))));
                for cut in 0..size {
                    assert_eq!(FrameHeader::decode(&bytes[..cut]), Ok(None), "{len} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn lengths_that_are_not_shortest_or_out_of_range_are_refused() {
        let decode = FrameHeader::decode;
        assert_eq!(decode(b"\x82\x7e\x00\x7d"), Err(Violation::LengthNotShortest(125)));
        assert_eq!(
            decode(b"\x82\x7f\0\0\0\0\0\0\xff\xff"),
            Err(Violation::LengthNotShortest(65_535))
        );
        assert_eq!(
            decode(b"\x82\xff\xff\xff\xff\xff\xff\xff\xff\xfc"),
            Err(Violation::LengthOutOfRange(u64::MAX - 3))
        );
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            assert_eq!(decode(&[0x80 | opcode, 0]), Err(Violation::ReservedOpcode(opcode)));
        }
    }
}
