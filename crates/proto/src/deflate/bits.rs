//! Bits on their way out, the lowest first (RFC 1951 §3.1.1).

/// Writes bits into the front of a buffer, which is longer than what was written: who writes says
/// before how much there will be.
pub(super) struct BitWriter<'o> {
    out: &'o mut Vec<u8>,
    /// Bytes that are complete.
    len: usize,
    partial: Partial,
}

/// Bits that are no whole byte yet.
#[derive(Clone, Copy)]
struct Partial {
    bits: u64,
    count: u32,
}

/// [`Run::put`] stores so many bytes at a time, of which the last need not be used.
const AHEAD: usize = 8;

impl<'o> BitWriter<'o> {
    pub(super) fn new(out: &'o mut Vec<u8>) -> Self {
        Self { out, len: 0, partial: Partial { bits: 0, count: 0 } }
    }

    /// How many bits are missing to a whole byte.
    pub(super) fn to_boundary(&self) -> u32 {
        (8 - self.partial.count) % 8
    }

    fn reserve(&mut self, bytes: usize) {
        let needed = self.len + bytes;
        if self.out.len() < needed {
            // Written to once more than needed, but not once for each block.
            self.out.resize(needed + needed / 4, 0);
        }
    }

    /// Has `write` write up to `bits` bits.
    pub(super) fn run(&mut self, bits: usize, write: impl FnOnce(Run<'_>) -> Run<'_>) {
        self.reserve(bits / 8 + 1 + AHEAD);
        let run = Run { out: &mut self.out[self.len..], at: 0, partial: self.partial };
        let Run { at, partial, .. } = write(run);
        self.len += at;
        self.partial = partial;
    }

    /// Writes up to 48 bits.
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.run(count as usize, |mut run| {
            run.put(bits, count);
            run
        });
    }

    /// Writes whole bytes, where a byte begins.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.reserve(bytes.len() + AHEAD);
        self.out[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// Fills the last byte up; how many there are.
    pub(super) fn finish(mut self) -> usize {
        let missing = self.to_boundary();
        self.put(0, missing);
        self.len
    }
}

/// A [`BitWriter`] that has room for what comes: small enough for registers.
pub(super) struct Run<'b> {
    out: &'b mut [u8],
    at: usize,
    partial: Partial,
}

impl Run<'_> {
    /// Writes up to 56 bits, those above being 0.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        let all = self.partial.bits | bits << (self.partial.count & 63);
        let total = self.partial.count.wrapping_add(count);
        // The room was made: without it nothing is written, and the message does not inflate.
        if let Some(out) = self.out.get_mut(self.at..).and_then(|out| out.first_chunk_mut()) {
            *out = all.to_le_bytes();
        }
        self.at = self.at.wrapping_add((total >> 3) as usize);
        self.partial = Partial { bits: all >> (total & 56), count: total & 7 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fill_bytes_from_the_lowest() {
        let mut out = vec![0xff; 3];
        let mut bits = BitWriter::new(&mut out);
        for (value, count) in [(1, 1), (0, 2), (0b10_1101, 6), (0xffff_ffff_ffff, 48), (0, 0)] {
            bits.put(value, count);
        }
        assert_eq!(bits.to_boundary(), 7);
        bits.put(0, 7);
        bits.bytes(b"ab");
        bits.put(1, 1);
        assert_eq!(bits.finish(), 11);
        assert_eq!(out[..11], *b"\x69\xff\xff\xff\xff\xff\xff\x01ab\x01");
    }
}
