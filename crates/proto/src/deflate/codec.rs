//! Compressing and inflating messages (RFC 7692 §7.2), over zlib-rs.

use super::negotiate::DeflateOptions;
use super::{Corrupt, Inflate};
use std::fmt;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

/// What every sync-flushed block ends with: taken off by the sender, put back by the receiver.
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Inflated bytes are handed on in pieces of this size, so that a bomb is noticed as it grows.
const PIECE: usize = 16 << 10;

/// Why inflating stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InflateError<E> {
    /// Not a DEFLATE stream.
    Corrupt,
    /// The taker of the bytes refused them.
    Refused(E),
}

/// One end of a compressed stream: inflates messages, each in any number of pieces.
pub(crate) struct Inflater {
    inner: Inflate,
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

impl Inflater {
    fn new() -> Self {
        Self { inner: Inflate::new() }
    }

    /// Forgets the window.
    pub(crate) fn reset(&mut self) {
        self.inner.reset();
    }

    /// Inflates a piece of a message, handing what comes out to `take`; `last` ends the message.
    pub(crate) fn inflate<E>(
        &mut self,
        piece: &[u8],
        last: bool,
        scratch: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), InflateError<E>> {
        self.feed(piece, scratch, &mut take)?;
        if last { self.feed(&TAIL, scratch, &mut take) } else { Ok(()) }
    }

    fn feed<E>(
        &mut self,
        mut input: &[u8],
        scratch: &mut [u8],
        take: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), InflateError<E>> {
        loop {
            // A block with BFINAL ends the stream, not the message (§7.2.3.4).
            let written = self.inner.run(&mut input, scratch);
            let written = written.map_err(|Corrupt| InflateError::Corrupt)?;
            take(&scratch[..written]).map_err(InflateError::Refused)?;
            // With room left in the output, the input is used up.
            if written < scratch.len() {
                return Ok(());
            }
        }
    }
}

/// The inflaters of all connections whose peers keep no context: one, and one more for each
/// message that has begun and not ended.
pub struct Inflaters {
    spare: Option<Box<Inflater>>,
    /// Where inflated bytes come out; made with the first compressed message.
    pub(crate) scratch: Vec<u8>,
}

impl Inflaters {
    /// Without any: they are made when needed.
    pub const fn new() -> Self {
        Self { spare: None, scratch: Vec::new() }
    }

    /// An inflater with an empty window.
    pub(crate) fn take(&mut self) -> Box<Inflater> {
        if self.scratch.is_empty() {
            self.scratch = vec![0; PIECE];
        }
        self.spare.take().unwrap_or_else(|| Box::new(Inflater::new()))
    }

    /// Gives an inflater back; all but one are freed.
    pub(crate) fn give_back(&mut self, mut inflater: Box<Inflater>) {
        inflater.reset();
        self.spare = Some(inflater);
    }
}

impl Default for Inflaters {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Inflaters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflaters").field("spare", &self.spare.is_some()).finish_non_exhaustive()
    }
}

/// A compressor: one of [`Deflaters`].
pub struct Deflater {
    inner: Deflate,
}

impl Deflater {
    /// A compressor of this window, 9 to 15 bits; others are brought into that range.
    pub fn new(options: &DeflateOptions, window_bits: u8) -> Self {
        let options = options.in_range();
        let config = DeflateConfig {
            level: options.level.into(),
            window_bits: -i32::from(window_bits.clamp(9, 15)),
            mem_level: options.memory_level.into(),
            ..DeflateConfig::default()
        };
        Self { inner: Deflate::new_with_config(config) }
    }

    /// Compresses a whole message into the front of `out`, which grows as needed, and returns its
    /// length. `None` if the compressor fails, which it is not known to do.
    pub fn compress(&mut self, mut payload: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let mut len = 0;
        loop {
            let room = payload.len() / 2 + 1024;
            if out.len() < len + room {
                out.resize(len + room, 0);
            }
            let (read, written) = (self.inner.total_in(), self.inner.total_out());
            self.inner.compress(payload, &mut out[len..], DeflateFlush::SyncFlush).ok()?;
            payload = &payload[(self.inner.total_in() - read) as usize..];
            len += (self.inner.total_out() - written) as usize;
            if payload.is_empty() && len < out.len() {
                break;
            }
        }
        out[..len].ends_with(&TAIL).then(|| len - TAIL.len())
    }

    /// Forgets the window.
    pub fn reset(&mut self) {
        self.inner.reset();
    }
}

impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deflater")
    }
}

/// What a connection that keeps its context was sent compressed, as far back as messages may refer
/// to it: that much of the peer's window.
///
/// A compressor of its own would know the same, and hold a hundred times as much: the compressors
/// are shared, and shown this before each message.
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

/// The compressors of all connections: one for each size of window, and one for small messages.
#[derive(Debug)]
pub struct Deflaters {
    options: DeflateOptions,
    by_window: [Option<Box<Deflater>>; 16],
    /// Clears a sixth of what the one of a full window clears for each message.
    small: Option<Box<Deflater>>,
    out: Vec<u8>,
}

/// Messages of at most so many bytes fill neither a window of 2^[`SMALL_WINDOW`] nor the tables of
/// [`SMALL_MEMORY`], which end a block at 2,047 symbols: what they are compressed to is the same as
/// with more.
const SMALL: usize = 2046;
const SMALL_WINDOW: u8 = 12;
const SMALL_MEMORY: u8 = 5;

/// What the output buffer may keep between messages.
const KEEP: usize = 256 << 10;

impl Deflaters {
    /// Without any: they are made when needed.
    pub fn new(options: &DeflateOptions) -> Self {
        let options = options.in_range();
        Self { options, by_window: Default::default(), small: None, out: Vec::new() }
    }

    /// The options they compress by.
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
        // What has not become shorter need not be sent: nobody remembers it.
        let most = if self.options.threshold == 0 { usize::MAX } else { payload.len() - 1 };
        let (shared, out) = self.shared(window_bits, payload.len());
        if let Some(history) = &history
            && !history.bytes.is_empty()
        {
            shared.inner.set_dictionary(&history.bytes).ok()?;
        }
        let len = shared.compress(payload, out).filter(|len| *len <= most)?;
        if let Some(history) = history {
            history.note(payload, self.options.history);
        }
        Some(&self.out[..len])
    }

    /// A compressor without a past for a message of so many bytes, and where it writes to.
    fn shared(&mut self, window_bits: u8, len: usize) -> (&mut Deflater, &mut Vec<u8>) {
        let window_bits = window_bits.clamp(9, 15);
        let options = &self.options;
        let is_small = len <= SMALL && window_bits >= SMALL_WINDOW;
        let shared = if is_small && options.memory_level >= SMALL_MEMORY {
            let options = || DeflateOptions { memory_level: SMALL_MEMORY, ..options.clone() };
            self.small.get_or_insert_with(|| Box::new(Deflater::new(&options(), SMALL_WINDOW)))
        } else {
            self.by_window[usize::from(window_bits)]
                .get_or_insert_with(|| Box::new(Deflater::new(options, window_bits)))
        };
        shared.reset();
        (shared, &mut self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflate(inflater: &mut Inflater, data: &[u8], step: usize) -> Result<Vec<u8>, &'static str> {
        let (mut out, mut scratch) = (Vec::new(), vec![0; 512]);
        let mut pieces = data.chunks(step).peekable();
        while let Some(piece) = pieces.next() {
            let last = pieces.peek().is_none();
            let take = |bytes: &[u8]| {
                out.extend_from_slice(bytes);
                if out.len() > 1 << 20 { Err(()) } else { Ok(()) }
            };
            inflater.inflate(piece, last, &mut scratch, take).map_err(|error| match error {
                InflateError::Corrupt => "corrupt",
                InflateError::Refused(()) => "refused",
            })?;
        }
        Ok(out)
    }

    #[test]
    fn the_examples_of_rfc_7692_inflate() {
        let examples: [&[u8]; 3] = [
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
            &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00], // BFINAL
        ];
        for example in examples {
            for step in 1..=example.len() {
                let mut inflater = Inflater::new();
                assert_eq!(
                    inflate(&mut inflater, example, step).unwrap(),
                    b"Hello",
                    "{example:x?}"
                );
            }
        }
        let mut inflater = Inflater::new();
        assert_eq!(inflate(&mut inflater, examples[0], 7).unwrap(), b"Hello");
        let again = [0xf2, 0x00, 0x11, 0x00, 0x00]; // refers to the window of the first
        assert_eq!(inflate(&mut inflater, &again, 2).unwrap(), b"Hello");
        inflater.reset();
        assert_eq!(inflate(&mut inflater, &again, 2), Err("corrupt"));
    }

    #[test]
    fn what_is_compressed_inflates_with_and_without_context() {
        let options = DeflateOptions { threshold: 1, ..DeflateOptions::default() };
        let mut shared = Deflaters::new(&options);
        for bits in 9..=15 {
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
    fn small_messages_are_compressed_to_what_a_full_window_makes_of_them() {
        let all = DeflateOptions { threshold: 0, ..DeflateOptions::default() };
        for level in 1..=9 {
            let options = DeflateOptions { level, ..all.clone() };
            let mut full = Deflater::new(&options, 15);
            let mut shared = Deflaters::new(&options);
            let sizes = (1..60).chain((60..SMALL - 9).step_by(131)).chain(SMALL - 9..SMALL + 9);
            for message in sizes.flat_map(|len| [words(len), noise(len)]) {
                let mut out = Vec::new();
                full.reset();
                let len = full.compress(&message, &mut out).unwrap();
                let small = shared.compress(15, None, &message).unwrap();
                assert!(*small == out[..len], "level {level}, {} bytes", message.len());
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
