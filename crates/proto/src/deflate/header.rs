//! The head of a block with codes of its own: their lengths, run-length encoded, in a code of
//! their own (RFC 1951 §3.2.7).

use super::bits::BitWriter;
use super::block::DISTANCES;
use super::huffman::{Codes, SYMBOLS};

/// In this order the lengths of the code of lengths are written.
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// A length, or a run of one: how long the run is stands from the fifth bit on.
type Item = u16;

/// The last length 3 to 6 times more; 0, 3 to 10 times and 11 to 138 times.
const AGAIN: usize = 16;
const ZEROS: usize = 17;
const MANY_ZEROS: usize = 18;

/// What is written before the block.
pub(super) struct Header {
    items: [Item; SYMBOLS + DISTANCES],
    len: usize,
    codes: Codes<19>,
    /// How many of them are told.
    literals: usize,
    distances: usize,
    lengths: usize,
    bits: usize,
}

impl Header {
    /// Of these codes.
    pub(super) fn new(literals: &Codes<SYMBOLS>, distances: &Codes<DISTANCES>) -> Self {
        let used = |last: Option<usize>, least: usize| last.map_or(least, |at| least.max(at + 1));
        let mut header = Self {
            items: [0; SYMBOLS + DISTANCES],
            len: 0,
            codes: Codes::new(),
            literals: used(literals.last(), 257),
            distances: used(distances.last(), 1),
            lengths: 4,
            bits: 0,
        };
        let mut frequencies = [0; 19];
        let first = header.literals;
        let distances = distances.lengths().map(|(symbol, length)| (first + symbol, length));
        header.gather(literals.lengths().chain(distances), &mut frequencies);
        let extra = 2 * frequencies[AGAIN] + 3 * frequencies[ZEROS] + 7 * frequencies[MANY_ZEROS];
        let codes = header.codes.build(&frequencies, 7);
        let told = ORDER.iter().rposition(|&symbol| frequencies[usize::from(symbol)] > 0);
        header.lengths = told.map_or(4, |at| (at + 1).max(4));
        header.bits = 5 + 5 + 4 + 3 * header.lengths + codes + extra as usize;
        header
    }

    /// How many bits it takes.
    pub(super) fn bits(&self) -> usize {
        self.bits
    }

    /// Makes runs of these lengths, each with its place; lengths of 0 are between and behind them.
    fn gather(
        &mut self,
        lengths: impl Iterator<Item = (usize, usize)>,
        frequencies: &mut [u32; 19],
    ) {
        let (mut end, mut of, mut run) = (0, 0, 0);
        for (place, length) in lengths {
            if place > end || length != of {
                self.run(of, run, frequencies);
                self.run(0, place - end, frequencies);
                (of, run) = (length, 0);
            }
            run += 1;
            end = place + 1;
        }
        self.run(of, run, frequencies);
        self.run(0, self.literals + self.distances - end, frequencies);
    }

    /// A run of one length.
    fn run(&mut self, length: usize, mut run: usize, frequencies: &mut [u32; 19]) {
        let mut item = |symbol: usize, times: usize| {
            self.items[self.len] = (symbol | times << 5) as Item;
            self.len += 1;
            frequencies[symbol] += 1;
        };
        if length > 0 && run > 0 {
            item(length, 0);
            run -= 1;
        }
        while run >= 3 {
            let (symbol, least, most) = match (length, run) {
                (0, 11..) => (MANY_ZEROS, 11, 138),
                (0, _) => (ZEROS, 3, 10),
                _ => (AGAIN, 3, 6),
            };
            let times = run.min(most);
            item(symbol, times - least);
            run -= times;
        }
        (0..run).for_each(|_| item(length, 0));
    }

    /// Writes it.
    pub(super) fn write(&self, bits: &mut BitWriter<'_>) {
        bits.run(self.bits, |mut run| {
            run.put((self.literals - 257) as u64, 5);
            run.put((self.distances - 1) as u64, 5);
            run.put((self.lengths - 4) as u64, 4);
            let mut lengths = [0; 19];
            self.codes.lengths().for_each(|(symbol, length)| lengths[symbol] = length);
            for symbol in &ORDER[..self.lengths] {
                run.put(lengths[usize::from(*symbol)] as u64, 3);
            }
            for item in &self.items[..self.len] {
                let symbol = usize::from(item & 31);
                let (code, count) = self.codes.get(symbol);
                let extra = match symbol {
                    AGAIN => 2,
                    ZEROS => 3,
                    MANY_ZEROS => 7,
                    _ => 0,
                };
                run.put(code | u64::from(item >> 5) << count, count + extra);
            }
            run
        });
    }
}
