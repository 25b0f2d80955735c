//! Compressing messages (RFC 7692 §7.2.1).

use super::encoder::Encoder;
use super::negotiate::DeflateOptions;

/// A compressor with a window of its own, which each message may refer to.
#[derive(Debug)]
pub struct Deflater {
    encoder: Encoder,
    window_bits: u8,
    history: History,
}

impl Deflater {
    /// A compressor of this window, 8 to 15 bits; others are brought into that range.
    pub fn new(options: &DeflateOptions, window_bits: u8) -> Self {
        let window_bits = window_bits.clamp(8, 15);
        Self { encoder: Encoder::new(options), window_bits, history: History::new() }
    }

    /// Compresses a whole message into the front of `out`, which grows as needed, and returns its
    /// length.
    pub fn compress(&mut self, payload: &[u8], out: &mut Vec<u8>) -> usize {
        let len = self.encoder.compress(&self.history.bytes, payload, self.window_bits, out);
        self.history.note(payload, 1 << self.window_bits);
        len
    }

    /// Forgets the window.
    pub fn reset(&mut self) {
        self.history = History::new();
    }
}

/// What a connection that keeps its context was sent compressed, as far back as messages may refer
/// to it: that much of the peer's window.
///
/// The compressor is shared, and shown this before each message.
#[derive(Debug, Default)]
pub struct History {
    bytes: Vec<u8>,
}

impl History {
    /// Of a connection that was sent nothing yet.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Notes what was sent, and forgets all but the last `most` bytes.
    fn note(&mut self, sent: &[u8], most: usize) {
        let sent = &sent[sent.len().saturating_sub(most)..];
        let stay = self.bytes.len().min(most - sent.len());
        self.bytes.drain(..self.bytes.len() - stay);
        self.bytes.reserve_exact(sent.len()); // never beyond `most`
        self.bytes.extend_from_slice(sent);
    }
}

/// The compressor of all connections, and where it writes to.
#[derive(Debug)]
pub struct Deflaters {
    options: DeflateOptions,
    encoder: Encoder,
    out: Vec<u8>,
}

/// What the output buffer may keep between messages.
const KEEP: usize = 256 << 10;

impl Deflaters {
    /// One that has no tables yet: they are made when needed.
    pub fn new(options: &DeflateOptions) -> Self {
        let options = options.in_range();
        Self { encoder: Encoder::new(&options), options, out: Vec::new() }
    }

    /// The options it compresses by.
    pub fn options(&self) -> &DeflateOptions {
        &self.options
    }

    /// Compresses a message as the first of its stream, or after the `history` of its connection,
    /// which it becomes part of. `None` if it is better sent uncompressed: then it does not.
    pub fn compress<'d>(
        &'d mut self,
        window_bits: u8,
        history: Option<&mut History>,
        payload: &[u8],
    ) -> Option<&'d [u8]> {
        if payload.is_empty() || payload.len() < self.options.threshold {
            return None;
        }
        if self.out.len() > KEEP {
            self.out = Vec::new();
        }
        let before = history.as_ref().map_or(&[][..], |history| &history.bytes);
        let window_bits = window_bits.clamp(8, 15);
        let len = self.encoder.compress(before, payload, window_bits, &mut self.out);
        // What has not become shorter need not be sent: nobody remembers it.
        if len >= payload.len() && self.options.threshold > 0 {
            return None;
        }
        if let Some(history) = history {
            history.note(payload, self.options.history);
        }
        Some(&self.out[..len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::inflater::{Inflater, inflate};

    #[test]
    fn what_is_compressed_inflates_with_and_without_context() {
        let options = DeflateOptions { threshold: 1, ..DeflateOptions::default() };
        let mut shared = Deflaters::new(&options);
        for bits in 8..=15 {
            let mut history = History::new();
            let mut kept = Inflater::new();
            for len in [1, 2, 100, 5000, 70_000, 300_000] {
                let message: Vec<u8> = (0..len).map(|i| (i % 7 * (i % 1021)) as u8).collect();
                if let Some(small) = shared.compress(bits, Some(&mut history), &message) {
                    assert!(small.len() < message.len());
                    assert!(inflate(&mut kept, small, 999).unwrap() == message, "{bits} {len}");
                }
                if let Some(small) = shared.compress(bits, None, &message) {
                    assert!(small.len() < message.len());
                    let inflated = inflate(&mut Inflater::new(), small, 333).unwrap();
                    assert!(inflated == message, "{bits} {len}");
                }
            }
        }
    }

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    /// Numbers and words: neither noise nor all the same.
    fn words(len: usize) -> Vec<u8> {
        let mut text = String::new();
        let mut number = 1_u32;
        while text.len() < len {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(["river ", "salmon ", "net "][(number >> 30) as usize % 3]);
            text.push_str(&(number >> 12).to_string());
        }
        text.truncate(len);
        text.into_bytes()
    }

    #[test]
    fn a_connection_holds_of_what_it_was_sent_no_more_than_it_may() {
        let history = 3000;
        let options = DeflateOptions { history, ..DeflateOptions::with_context_takeover() };
        let mut shared = Deflaters::new(&options);
        let (mut sent, mut kept) = (History::new(), Inflater::new());
        let mut all = Vec::new();
        for len in [200, 1000, 1900, 5000, 130, 2999, 3000, 3001, 700, 0, 400] {
            let message = words(len + all.len() % 97);
            if let Some(small) = shared.compress(15, Some(&mut sent), &message) {
                assert!(inflate(&mut kept, small, 999).unwrap() == message);
                all.extend_from_slice(&message);
            }
            assert!(sent.bytes == all[all.len().saturating_sub(history)..]);
            assert!(sent.bytes.capacity() <= history, "{}", sent.bytes.capacity());
        }
        let again = words(1000);
        let first = shared.compress(15, None, &again).unwrap().len();
        shared.compress(15, Some(&mut sent), &again).unwrap();
        let next = shared.compress(15, Some(&mut sent), &again).unwrap().len();
        assert!(next < first / 10, "{next} bytes, {first} without what came before");
        let kept = sent.bytes.clone();
        assert!(shared.compress(15, Some(&mut sent), &noise(2000)).is_none());
        assert!(sent.bytes == kept, "what was not sent compressed is in nobody's window");
    }

    #[test]
    fn what_was_compressed_before_changes_nothing() {
        let all = DeflateOptions { threshold: 0, ..DeflateOptions::default() };
        for level in 1..=9 {
            let options = DeflateOptions { level, ..all.clone() };
            let mut used = Deflaters::new(&options);
            let mut sizes: Vec<usize> = (1..40).chain((40..5000).step_by(331)).collect();
            sizes.extend([40_000, 3, 70_000, 700]);
            for message in sizes.into_iter().flat_map(|len| [words(len), noise(len)]) {
                let mut fresh = Deflaters::new(&options);
                let fresh = fresh.compress(15, None, &message).unwrap();
                let small = used.compress(15, None, &message).unwrap();
                assert!(small == fresh, "level {level}, {} bytes", message.len());
            }
        }
    }

    #[test]
    fn a_bomb_is_stopped_while_it_inflates() {
        let mut shared = Deflaters::new(&DeflateOptions::default());
        let bomb = shared.compress(15, None, &vec![0; 50 << 20]).unwrap();
        assert!(bomb.len() < 60 << 10);
        assert_eq!(inflate(&mut Inflater::new(), bomb, bomb.len()), Err("refused"));
    }

    #[test]
    fn incompressible_and_small_messages_are_left_alone() {
        let mut shared = Deflaters::new(&DeflateOptions::default());
        let noise = noise(4000);
        assert!(shared.compress(15, None, &noise).is_none());
        assert!(shared.compress(15, None, &[b'a'; 127]).is_none());
        assert!(shared.compress(15, None, &[b'a'; 128]).is_some());
        let all = DeflateOptions { threshold: 0, ..DeflateOptions::default() };
        assert!(Deflaters::new(&all).compress(15, None, &noise).is_some(), "0 compresses all");
    }
}
