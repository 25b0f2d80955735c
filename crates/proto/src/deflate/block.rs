//! Blocks: literals and matches, and how they are written (RFC 1951 §3.2.3 to §3.2.7).

use super::bits::BitWriter;
use super::header::Header;
use super::huffman::{Codes, LONGEST, SYMBOLS};
use super::matcher::Match;

/// Distances have so many symbols, of which two have only a fixed code.
pub(super) const DISTANCES: usize = 32;
/// What ends a block.
const END: usize = 256;

/// Literals and matches that follow each other.
#[derive(Debug)]
pub(super) struct Block {
    /// A literal is itself; a match is [`packed`].
    tokens: Vec<u32>,
    /// How often each symbol comes.
    literals: [u32; SYMBOLS],
    distances: [u32; DISTANCES],
    /// How many bytes they stand for.
    bytes: usize,
}

impl Block {
    pub(super) fn new() -> Self {
        let (literals, distances) = ([0; SYMBOLS], [0; DISTANCES]);
        Self { tokens: Vec::new(), literals, distances, bytes: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        (self.literals, self.distances, self.bytes) = ([0; SYMBOLS], [0; DISTANCES], 0);
    }

    /// How many literals and matches there are.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether a match is likely to take fewer bits than its bytes do as literals, by what there is
    /// so far. Digits often come cheaper than the distance to where the same ones stand.
    pub(super) fn pays(&self, found: Match, bytes: &[u8]) -> bool {
        const LONG: usize = 8;
        /// Before anything is known, so many symbols are as likely as each other.
        const KNOWN: u32 = 32;
        /// Bits for the distance besides those behind its code, and one for the doubt.
        const DISTANCE: u64 = 7;
        if bytes.len() > LONG {
            return true;
        }
        let all = log2(self.tokens.len() as u32 + KNOWN);
        let bits = |symbol: usize| {
            all - self.literals.get(symbol).map_or(0, |count| log2(count + 1).min(all))
        };
        let distance = DISTANCE + u64::from((found.distance as u32 | 1).ilog2());
        let mut left = bits(length(found.len).symbol()) + (distance << 12);
        bytes.iter().any(|byte| {
            let bits = bits(usize::from(*byte));
            let pays = bits > left;
            left = left.saturating_sub(bits);
            pays
        })
    }

    /// It stands for so many bytes more.
    pub(super) fn covers(&mut self, bytes: usize) {
        self.bytes += bytes;
    }

    #[inline(always)]
    pub(super) fn literal(&mut self, byte: u8) {
        self.tokens.push(u32::from(byte));
        self.literals[usize::from(byte)] += 1;
    }

    #[inline(always)]
    pub(super) fn matching(&mut self, found: Match) {
        let distance = distance_symbol(found.distance);
        self.tokens.push(packed(found, distance));
        self.literals[length(found.len).symbol()] += 1;
        self.distances[distance] += 1;
    }

    /// Takes what another one holds behind its own.
    pub(super) fn join(&mut self, other: &Self) {
        self.tokens.extend_from_slice(&other.tokens);
        for (own, more) in self.literals.iter_mut().zip(&other.literals) {
            *own += more;
        }
        for (own, more) in self.distances.iter_mut().zip(&other.distances) {
            *own += more;
        }
        self.bytes += other.bytes;
    }

    /// About how many bits it takes with codes of its own, together with another one.
    pub(super) fn estimate(&self, other: Option<&Self>) -> u64 {
        let (literals, distances): (&[u32], &[u32]) =
            other.map_or((&[], &[]), |other| (&other.literals, &other.distances));
        entropy(&self.literals, literals) + entropy(&self.distances, distances)
    }

    /// Bits of the lengths and distances that no code stands for.
    fn extra_bits(&self) -> usize {
        let mut bits = 0;
        for (&count, &extra) in self.literals[END + 1..].iter().zip(&LENGTH_EXTRA) {
            bits += count as usize * usize::from(extra);
        }
        for (at, &count) in self.distances.iter().enumerate() {
            bits += count as usize * distance_extra(at) as usize;
        }
        bits
    }
}

/// The entropy of symbols that come so often, and so much oftener if `more` says, all of them
/// together, in bits.
fn entropy(frequencies: &[u32], more: &[u32]) -> u64 {
    let (mut all, mut sum) = (0_u64, 0_u64);
    for (symbol, frequency) in frequencies.iter().enumerate() {
        let frequency = frequency + more.get(symbol).unwrap_or(&0);
        if frequency > 0 {
            all += u64::from(frequency);
            sum += u64::from(frequency) * log2(frequency);
        }
    }
    (all * log2(all.max(1) as u32)).saturating_sub(sum) >> 12
}

/// The logarithm of a number above 0, in units of 2^-12, to about a hundredth.
#[inline(always)]
fn log2(number: u32) -> u64 {
    /// Those of the first numbers; of others the first eight bits count.
    const SMALL: [u16; 256] = {
        let (mut logs, mut number) = ([0; 256], 1_u32);
        while number < 256 {
            let whole = number.ilog2();
            let rest = (number << 12 >> whole) - 4096;
            let curve = ((rest as u64 * (4096 - rest) as u64 * 1409) >> 24) as u32;
            let part = if rest + curve < 4096 { rest + curve } else { 4095 };
            logs[number as usize] = (whole << 12 | part) as u16;
            number += 1;
        }
        logs
    };
    let more = 24 - (number | 0x80).leading_zeros();
    u64::from(SMALL[(number >> more) as usize & 255]) + u64::from(more << 12)
}

/// Writes the blocks of a message.
pub(super) struct BlockWriter<'w> {
    bits: BitWriter<'w>,
    /// Bytes that go out as they are, together with those that follow.
    stored: usize,
}

/// The codes of a block.
#[derive(Debug)]
pub(super) struct BlockCodes {
    literals: Codes<SYMBOLS>,
    distances: Codes<DISTANCES>,
}

/// What begins a stored block takes up to so many bits.
const STORED_HEAD: usize = 3 + 7 + 32;
/// The most bytes of a stored block.
const STORED_MOST: usize = 0xffff;

impl<'w> BlockWriter<'w> {
    pub(super) fn new(out: &'w mut Vec<u8>) -> Self {
        Self { bits: BitWriter::new(out), stored: 0 }
    }

    /// Writes a block in the shortest way; `before` are the bytes up to its end.
    pub(super) fn write(&mut self, block: &mut Block, own: &mut BlockCodes, before: &[u8]) {
        block.literals[END] = 1;
        let extra = block.extra_bits();
        let own_bits = own.literals.build(&block.literals, LONGEST)
            + own.distances.build(&block.distances, LONGEST)
            + extra;
        let header = Header::new(&own.literals, &own.distances);
        let dynamic = 3 + header.bits() + own_bits;
        let fixed = 3 + fixed_bits(block) + extra;
        let compressed = dynamic.min(fixed);
        // Behind a stored block more is stored without a head of its own; beginning anew costs one.
        let (stored, slack) = match self.stored {
            0 => (block.bytes * 8 + STORED_HEAD, 0),
            _ => (block.bytes * 8, STORED_HEAD),
        };
        if compressed + slack >= stored {
            self.stored += block.bytes;
            return;
        }
        self.store(&before[..before.len() - block.bytes]);
        if fixed <= dynamic {
            self.bits.put(0b010, 3);
            own.fix();
            self.tokens(block, own, fixed);
        } else {
            self.bits.put(0b100, 3);
            header.write(&mut self.bits);
            self.tokens(block, own, dynamic);
        }
    }

    /// Stores what is to be stored, the last of `before`.
    pub(super) fn store(&mut self, before: &[u8]) {
        let bytes = &before[before.len() - self.stored..];
        for piece in bytes.chunks(STORED_MOST) {
            self.bits.put(0, 3);
            self.bits.put(0, self.bits.to_boundary());
            let len = piece.len() as u64;
            self.bits.put(len | (len ^ 0xffff) << 16, 32);
            self.bits.bytes(piece);
        }
        self.stored = 0;
    }

    /// Ends the message as RFC 7692 §7.2.1 has it: the head of an empty stored block, the rest of
    /// which is not sent. Returns how many bytes were written.
    pub(super) fn finish(mut self) -> usize {
        self.bits.put(0, 3);
        self.bits.finish()
    }

    fn tokens(&mut self, block: &Block, codes: &BlockCodes, bits: usize) {
        self.bits.run(bits, |mut run| {
            for &token in &block.tokens {
                if token < 256 {
                    let (code, count) = codes.literals.get(token as usize);
                    run.put(code, count);
                    continue;
                }
                let length = LENGTHS[(token & 255) as usize];
                let (code, count) = codes.literals.get(length.symbol());
                let (all, total) = (code | length.rest() << (count & 63), count + length.extra());
                let symbol = (token >> 23 & 31) as usize;
                let (code, count) = codes.distances.get(symbol);
                let extra = distance_extra(symbol);
                let rest = u64::from(token >> 8 & 0x7fff) & !(u64::MAX << (extra & 63));
                let behind = code | rest << (count & 63);
                run.put(all | behind << (total & 63), total + count + extra);
            }
            let (code, count) = codes.literals.get(END);
            run.put(code, count);
            run
        });
    }
}

impl BlockCodes {
    pub(super) const fn new() -> Self {
        Self { literals: Codes::new(), distances: Codes::new() }
    }

    /// Makes the codes of what is used those that need not be told (§3.2.6).
    fn fix(&mut self) {
        self.literals.fix(|symbol| match symbol {
            0..144 => (0x30 + symbol, 8),
            144..256 => (0x100 + symbol, 9),
            256..280 => (symbol - 256, 7),
            _ => (symbol - 88, 8),
        });
        self.distances.fix(|symbol| (symbol, 5));
    }
}

/// Bits of the codes, if they are the fixed ones.
fn fixed_bits(block: &Block) -> usize {
    let sum = |range: std::ops::Range<usize>| {
        block.literals[range].iter().fold(0_u32, |sum, count| sum.wrapping_add(*count)) as usize
    };
    let distances = block.distances.iter().fold(0_u32, |sum, count| sum.wrapping_add(*count));
    8 * sum(0..144)
        + 9 * sum(144..256)
        + 7 * sum(256..280)
        + 8 * sum(280..SYMBOLS)
        + 5 * distances as usize
}

/// The bits behind each length symbol.
const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// How a length is written: its symbol less [`END`], from the 5th bit on how many bits are behind
/// it, from the 8th on which.
#[derive(Clone, Copy)]
struct Length(u16);

impl Length {
    #[inline(always)]
    fn symbol(self) -> usize {
        END + usize::from(self.0 & 31)
    }

    #[inline(always)]
    fn extra(self) -> u32 {
        u32::from(self.0 >> 5 & 7)
    }

    #[inline(always)]
    fn rest(self) -> u64 {
        u64::from(self.0 >> 8)
    }
}

/// Those of the lengths from 3 on.
const LENGTHS: [Length; 256] = {
    let (mut lengths, mut at, mut symbol) = ([Length(0); 256], 0, 0);
    while at < 255 {
        let (extra, mut rest) = (LENGTH_EXTRA[symbol] as u16, 0);
        while rest < 1 << extra {
            lengths[at] = Length((symbol as u16 + 1) | extra << 5 | rest << 8);
            (at, rest) = (at + 1, rest + 1);
        }
        symbol += 1;
    }
    lengths[255] = Length(29); // would have been the last of the one before
    lengths
};

#[inline(always)]
fn length(len: usize) -> Length {
    LENGTHS[len.wrapping_sub(3) & 255]
}

/// A match: its length less 3, its distance less 1, the symbol of that, and a bit that no literal
/// has.
#[inline(always)]
fn packed(found: Match, symbol: usize) -> u32 {
    let (len, distance) = (found.len as u32, found.distance as u32);
    1 << 31 | (symbol as u32) << 23 | distance.wrapping_sub(1) << 8 | len.wrapping_sub(3)
}

#[inline(always)]
fn distance_symbol(distance: usize) -> usize {
    let less = (distance as u32).wrapping_sub(1);
    if less < 4 {
        return less as usize;
    }
    let extra = 30 - less.leading_zeros();
    (2 * extra + (less >> extra)) as usize & 31
}

/// How many bits are behind a distance symbol.
#[inline(always)]
fn distance_extra(symbol: usize) -> u32 {
    (symbol as u32 >> 1).saturating_sub(1)
}
