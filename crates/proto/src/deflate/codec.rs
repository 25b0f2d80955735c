//! Compressing and inflating messages (RFC 7692 §7.2), over zlib-rs.

use super::negotiate::DeflateOptions;
use std::fmt;
use zlib_rs::{Deflate, DeflateConfig, DeflateFlush, Inflate, InflateFlush, Status};

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
        Self { inner: Inflate::new(false, 15) }
    }

    /// Forgets the window.
    pub(crate) fn reset(&mut self) {
        self.inner.reset(false);
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
            let (read, written) = (self.inner.total_in(), self.inner.total_out());
            let status = self.inner.decompress(input, scratch, InflateFlush::NoFlush);
            let read = (self.inner.total_in() - read) as usize;
            let written = (self.inner.total_out() - written) as usize;
            input = &input[read..];
            take(&scratch[..written]).map_err(InflateError::Refused)?;
            match status {
                // A block with BFINAL ends the stream, not the message (§7.2.3.4).
                Ok(Status::StreamEnd) => {
                    self.reset();
                    if input.is_empty() {
                        return Ok(());
                    }
                }
                // With room left in the output, the input is used up.
                Ok(Status::Ok | Status::BufError) if written < scratch.len() => return Ok(()),
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => return Err(InflateError::Corrupt),
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

/// A compressor: of a connection that keeps its context, or one of [`Deflaters`].
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

/// The compressors of all connections that keep no context: one for each size of window.
#[derive(Debug)]
pub struct Deflaters {
    options: DeflateOptions,
    by_window: [Option<Box<Deflater>>; 16],
    out: Vec<u8>,
}

/// What the output buffer may keep between messages.
const KEEP: usize = 256 << 10;

impl Deflaters {
    /// Without any: they are made when needed.
    pub fn new(options: &DeflateOptions) -> Self {
        Self { options: options.in_range(), by_window: Default::default(), out: Vec::new() }
    }

    /// The options they compress by.
    pub fn options(&self) -> &DeflateOptions {
        &self.options
    }

    /// Compresses a message as the first of its stream, or with the connection's `own` compressor
    /// as the next. `None` if it is better sent uncompressed.
    pub fn compress<'d>(
        &'d mut self,
        window_bits: u8,
        own: Option<&mut Deflater>,
        payload: &[u8],
    ) -> Option<&'d [u8]> {
        if payload.is_empty() || payload.len() < self.options.threshold {
            return None;
        }
        if self.out.len() > KEEP {
            self.out = Vec::new();
        }
        let len = match own {
            Some(own) => own.compress(payload, &mut self.out)?,
            None => {
                let window_bits = window_bits.clamp(9, 15);
                let options = &self.options;
                let shared = self.by_window[usize::from(window_bits)]
                    .get_or_insert_with(|| Box::new(Deflater::new(options, window_bits)));
                shared.reset();
                // Nobody remembers it, so it need not be sent if it has not become shorter.
                let pays = |len: &usize| options.threshold == 0 || *len < payload.len();
                shared.compress(payload, &mut self.out).filter(pays)?
            }
        };
        Some(&self.out[..len])
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
            let mut own = Deflater::new(&options, bits);
            let mut kept = Inflater::new();
            for len in [1, 2, 100, 5000, 70_000, 300_000] {
                let message: Vec<u8> = (0..len).map(|i| (i % 7 * (i % 1021)) as u8).collect();
                let small = shared.compress(bits, Some(&mut own), &message).unwrap().to_vec();
                assert!(inflate(&mut kept, &small, 999).unwrap() == message, "{bits} {len}");
                if let Some(small) = shared.compress(bits, None, &message) {
                    assert!(small.len() < message.len());
                    let inflated = inflate(&mut Inflater::new(), small, 333).unwrap();
                    assert!(inflated == message, "{bits} {len}");
                }
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
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(4000)
        .collect();
        assert!(shared.compress(15, None, &noise).is_none());
        assert!(shared.compress(15, None, &[b'a'; 127]).is_none());
        assert!(shared.compress(15, None, &[b'a'; 128]).is_some());
        let all = DeflateOptions { threshold: 0, ..DeflateOptions::default() };
        assert!(Deflaters::new(&all).compress(15, None, &noise).is_some(), "0 compresses all");
    }
}
