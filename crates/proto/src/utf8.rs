//! UTF-8 checked as it arrives (RFC 6455 §8.1, RFC 3629).

use std::fmt;

/// A validator that takes text in pieces and objects at the first byte that cannot be part of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    /// The beginning of a character whose end has not come yet. Invariant: `tail[..len]` is a
    /// proper prefix of some valid character, so `len <= 3`.
    tail: [u8; 3],
    len: u8,
}

/// The text is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text is not valid UTF-8")
    }
}

impl std::error::Error for InvalidUtf8 {}

/// Whether this is valid as a whole.
pub(crate) fn is_utf8(text: &[u8]) -> bool {
    as_text(text).is_some()
}

/// These bytes as text, `None` if they are not valid as a whole. What [`std::str::from_utf8`] does,
/// many bytes at a time.
pub fn as_text(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

impl Utf8 {
    /// Takes the next piece. An error is final, and comes with the piece that contains the first
    /// impossible byte, not later.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.len > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            self.extend_character(byte)?;
        }
        let body = piece.len() - unfinished_suffix(piece);
        simdutf8::basic::from_utf8(&piece[..body]).map_err(|_| InvalidUtf8)?;
        for &byte in &piece[body..] {
            self.extend_character(byte)?;
        }
        Ok(())
    }

    /// Whether what came so far ends with a whole character: must hold at the end of a message.
    pub fn is_complete(&self) -> bool {
        self.len == 0
    }

    fn extend_character(&mut self, byte: u8) -> Result<(), InvalidUtf8> {
        let len = usize::from(self.len);
        let mut character = [0; 4];
        character[..len].copy_from_slice(&self.tail[..len]);
        character[len] = byte;
        match std::str::from_utf8(&character[..=len]) {
            Ok(_) => self.len = 0,
            Err(error) if error.error_len().is_none() && len < 3 => {
                self.tail[len] = byte;
                self.len += 1;
            }
            Err(_) => return Err(InvalidUtf8),
        }
        Ok(())
    }
}

/// How many bytes at the end may be the beginning of a character that goes on in the next piece.
fn unfinished_suffix(piece: &[u8]) -> usize {
    for (back, &byte) in piece.iter().rev().take(3).enumerate() {
        let width = match byte {
            0xf0.. => 4,
            0xe0.. => 3,
            0xc0.. => 2,
            0x80.. => continue,
            _ => return 0,
        };
        return if back + 1 < width { back + 1 } else { 0 };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]]) -> Result<bool, InvalidUtf8> {
        let mut utf8 = Utf8::default();
        for piece in pieces {
            utf8.feed(piece)?;
        }
        Ok(utf8.is_complete())
    }

    #[test]
    fn a_character_may_be_cut_anywhere() {
        let text = "κόσμε \u{10ffff} ü €".as_bytes();
        for a in 0..=text.len() {
            for b in a..=text.len() {
                assert_eq!(check(&[&text[..a], &text[a..b], &text[b..]]), Ok(true), "{a} {b}");
            }
        }
    }

    #[test]
    fn overlong_surrogate_and_out_of_range_are_refused_at_the_first_impossible_byte() {
        for (good, bad) in [
            (&b"\xe0"[..], 0x80),
            (b"\xed", 0xa0),
            (b"\xf4", 0x90),
            (b"\xf0", 0x8f),
            (b"abc", 0xc0),
            (b"abc", 0xf5),
            (b"abc", 0x80),
            (b"\xe2\x82", 0x28),
        ] {
            let mut utf8 = Utf8::default();
            assert_eq!(utf8.feed(good), Ok(()), "{good:x?}");
            assert_eq!(utf8.feed(&[bad]), Err(InvalidUtf8), "{good:x?} {bad:x}");
            let whole = [good, &[bad]].concat();
            assert_eq!(check(&[&whole]), Err(InvalidUtf8), "{whole:x?}");
        }
    }

    #[test]
    fn a_truncated_end_is_not_complete() {
        assert_eq!(check(&[b"ab\xe2\x82"]), Ok(false));
        assert_eq!(check(&[b"ab\xe2", b"\x82", b"\xac"]), Ok(true));
    }

    #[test]
    fn agrees_with_the_standard_library_on_every_three_byte_string_by_single_bytes() {
        for n in 0..=0xff_ffff_u32 {
            if n % 7 != 0 {
                continue; // a seventh of them takes a second in a debug build, and varies all bytes
            }
            let bytes = &n.to_be_bytes()[1..];
            let expected = std::str::from_utf8(bytes).is_ok();
            let ours = check(&[&bytes[..1], &bytes[1..]]) == Ok(true);
            assert_eq!(ours, expected, "{bytes:x?}");
        }
    }
}
