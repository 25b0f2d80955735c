//! Inflating messages (RFC 7692 §7.2.2).

use super::{Corrupt, Inflate};
use std::fmt;

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
    pub(super) fn new() -> Self {
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
            let (written, result) = self.inner.run(&mut input, scratch);
            // What comes before something corrupt counts, however the input is cut.
            take(&scratch[..written]).map_err(InflateError::Refused)?;
            result.map_err(|Corrupt| InflateError::Corrupt)?;
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

/// Inflates a message in pieces of so many bytes, to 1 MiB at most.
#[cfg(test)]
pub(super) fn inflate(
    inflater: &mut Inflater,
    data: &[u8],
    step: usize,
) -> Result<Vec<u8>, &'static str> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_comes_before_something_corrupt_is_handed_on_however_it_is_cut() {
        let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        let corrupt = [&hello[..], &TAIL, &[0x07]].concat(); // a block of a type there is none of
        for step in 1..=corrupt.len() {
            let (mut inflater, mut out, mut scratch) = (Inflater::new(), Vec::new(), vec![0; 512]);
            let ended = corrupt.chunks(step).find_map(|piece| {
                let take = |bytes: &[u8]| {
                    out.extend_from_slice(bytes);
                    Ok::<(), ()>(())
                };
                inflater.inflate(piece, false, &mut scratch, take).err()
            });
            assert_eq!((ended, &*out), (Some(InflateError::Corrupt), &b"Hello"[..]), "{step}");
        }
    }
}
