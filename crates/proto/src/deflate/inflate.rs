//! A small decoder of DEFLATE (RFC 1951), for builds in which size counts more than speed: a tenth
//! of the code and constants of zlib-rs.
//!
//! ```text
//! Head ─► Length ─► Stored ──────────────────────────────────────────────┐
//!  │                                                                      │
//!  ├─► Counts ─► Orders ─► Lengths ⇄ Repeat                               │
//!  │                          ▼                                           │
//!  └───────────────────► Symbol ─► Extra ─► Distance ─► Far ─► Copy ─► Symbol
//!                           └── end of block ─────────────────────────────┴─► Head
//! ```
//!
//! Input may end, and output be full, between any two steps.

use super::Corrupt;

/// How far back a copy may reach, in bytes (RFC 1951 §2).
const WINDOW: usize = 1 << 15;
/// The symbol that ends a block (RFC 1951 §3.2.5).
const END: u16 = 256;
/// Codes up to this length are decoded by one look at a table.
const QUICK: u32 = 9;
/// In which order the lengths of the code of lengths come (RFC 1951 §3.2.7).
const ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Bits that have come and were not used, the next one lowest.
#[derive(Default)]
struct Bits {
    hold: u64,
    count: u32,
}

impl Bits {
    /// Takes in as many whole bytes as there is room for.
    fn fill(&mut self, input: &mut &[u8]) {
        while self.count <= 56 {
            let Some((byte, rest)) = input.split_first() else { return };
            self.hold |= u64::from(*byte) << self.count;
            self.count += 8;
            *input = rest;
        }
    }

    /// The next `n` bits, at most 32, once they are there.
    fn take(&mut self, input: &mut &[u8], n: u32) -> Option<usize> {
        if self.count < n {
            self.fill(input);
        }
        (self.count >= n).then(|| {
            let value = self.hold & ((1 << n) - 1);
            self.drop(n);
            value as usize
        })
    }

    fn drop(&mut self, n: u32) {
        self.hold >>= n;
        self.count -= n;
    }
}

/// A Huffman code, in the canonical form of RFC 1951 §3.2.2.
struct Code {
    /// By the next bits: symbol and length as `symbol << 4 | length`; 0 for longer codes and none.
    quick: [u16; 1 << QUICK],
    /// How many codes of each length there are.
    counts: [u16; 16],
    /// Symbols in the order of their codes.
    symbols: [u16; 288],
    /// The longest code.
    longest: u32,
}

impl Code {
    const fn new() -> Self {
        Self { quick: [0; 1 << QUICK], counts: [0; 16], symbols: [0; 288], longest: 0 }
    }

    /// The code in which the symbols have these lengths, at most 15, 0 for those that have none.
    /// Every sequence of bits must have a meaning; but there may be one symbol of length 1, or
    /// none at all, if `allows_gaps`.
    fn set(&mut self, lengths: &[u8], allows_gaps: bool) -> Result<(), Corrupt> {
        #[cfg(test)]
        tests::SETS.set(tests::SETS.get() + 1);
        self.quick = [0; 1 << QUICK];
        self.counts = [0; 16];
        for length in lengths {
            self.counts[usize::from(*length & 15)] += 1;
        }
        self.counts[0] = 0;
        let mut left = 1_i32;
        let (mut first, mut starts) = (0_u16, [0_u16; 16]);
        self.longest = 0;
        for (length, start) in (0..).zip(&mut starts).skip(1) {
            let count = self.counts[length];
            left = left * 2 - i32::from(count);
            if left < 0 {
                return Err(Corrupt); // more codes than there are
            }
            *start = first;
            first += count;
            if count > 0 {
                self.longest = length as u32;
            }
        }
        if left > 0 && self.longest > 0 && !(allows_gaps && self.longest == 1) {
            return Err(Corrupt); // a code that stands for nothing
        }
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let next = &mut starts[usize::from(*length & 15)];
            self.symbols[usize::from(*next)] = symbol as u16;
            *next += 1;
        }
        self.look_ahead();
        Ok(())
    }

    fn look_ahead(&mut self) {
        let (mut code, mut index) = (0_u16, 0);
        for length in 1..=QUICK {
            for _ in 0..self.counts[length as usize] {
                let entry = self.symbols[index] << 4 | length as u16;
                // Codes come with their first bit lowest.
                let mut at = usize::from(code.reverse_bits() >> (16 - length));
                while let Some(place) = self.quick.get_mut(at) {
                    *place = entry;
                    at += 1 << length;
                }
                (code, index) = (code + 1, index + 1);
            }
            code <<= 1;
        }
    }

    /// The next symbol, once its code is there.
    fn next(&self, bits: &mut Bits, input: &mut &[u8]) -> Result<Option<u16>, Corrupt> {
        if bits.count < 15 {
            bits.fill(input);
        }
        let entry = self.quick[bits.hold as usize & ((1 << QUICK) - 1)];
        let length = u32::from(entry & 15);
        if length != 0 {
            return Ok((length <= bits.count).then(|| {
                bits.drop(length);
                entry >> 4
            }));
        }
        if self.longest <= QUICK {
            return if bits.count == 0 { Ok(None) } else { Err(Corrupt) };
        }
        let (mut code, mut first, mut index) = (0, 0, 0);
        for length in 1..=self.longest.min(bits.count) {
            code |= (bits.hold >> (length - 1)) as u16 & 1;
            let count = self.counts[length as usize];
            if code < first + count {
                bits.drop(length);
                return Ok(self.symbols.get(usize::from(index + code - first)).copied());
            }
            (index, first, code) = (index + count, (first + count) << 1, code << 1);
        }
        if bits.count < self.longest { Ok(None) } else { Err(Corrupt) }
    }
}

#[derive(Clone, Copy)]
enum State {
    Head,
    Length,
    Stored(usize),
    Counts,
    /// The lengths of the code of lengths, so many of them read.
    Orders(usize),
    /// The lengths of both codes, so many of them read.
    Lengths(usize),
    /// The same, and a symbol for several at once.
    Repeat(usize, u16),
    Symbol,
    /// A symbol that stands for a length.
    Extra(usize),
    /// The length to copy.
    Distance(usize),
    /// That, and the symbol of a distance.
    Far(usize, usize),
    /// Length and distance.
    Copy(usize, usize),
    /// The stream is none.
    Failed,
}

/// A stream being inflated.
pub(super) struct Inflate {
    state: State,
    bits: Bits,
    /// The block that is being read is the last one of its stream.
    is_last: bool,
    /// How many lengths there are: of literals, of distances, of the code of lengths.
    counts: [usize; 3],
    lengths: [u8; 320],
    /// Those of the block that is being read, or about to be: of literals, of distances.
    codes: Box<[Code; 2]>,
    /// Those of the other kind of block, once there has been one: a fixed block may take no more
    /// than 10 bits, and its codes must not be worked out for each.
    others: Option<Box<[Code; 2]>>,
    /// `codes` are the fixed ones (RFC 1951 §3.2.6).
    is_fixed: bool,
    /// What came out last, as a ring.
    window: Box<[u8]>,
    /// Where the next byte of it goes.
    at: usize,
    /// How many bytes of it there are.
    known: usize,
}

/// Where bytes come out.
struct Out<'o> {
    room: &'o mut [u8],
    written: usize,
}

impl Inflate {
    pub(super) fn new() -> Self {
        Self {
            state: State::Head,
            bits: Bits::default(),
            is_last: false,
            counts: [0; 3],
            lengths: [0; 320],
            codes: Box::new([Code::new(), Code::new()]),
            others: None,
            is_fixed: false,
            window: vec![0; WINDOW].into(),
            at: 0,
            known: 0,
        }
    }

    /// Forgets all that came.
    pub(super) fn reset(&mut self) {
        (self.state, self.bits, self.known) = (State::Head, Bits::default(), 0);
    }

    /// Inflates into `room`: how much that was, and whether something corrupt comes then. If it is
    /// not all of `room`, the input is used up. A new stream may follow where one ends.
    pub(super) fn run(
        &mut self,
        input: &mut &[u8],
        room: &mut [u8],
    ) -> (usize, Result<(), Corrupt>) {
        let mut out = Out { room, written: 0 };
        while out.written < out.room.len() {
            match self.step(input, &mut out) {
                Ok(Some(next)) => self.state = next,
                Ok(None) => break,
                Err(corrupt) => {
                    self.state = State::Failed;
                    return (out.written, Err(corrupt));
                }
            }
        }
        (out.written, Ok(()))
    }

    /// One step: what is next, or `None` for want of input or room.
    fn step(&mut self, input: &mut &[u8], out: &mut Out<'_>) -> Result<Option<State>, Corrupt> {
        let mut take = |n| self.bits.take(input, n);
        Ok(match self.state {
            State::Head => {
                let Some(head) = take(3) else { return Ok(None) };
                self.is_last = head & 1 != 0;
                Some(self.begin(head >> 1)?)
            }
            State::Length => match take(32) {
                Some(both) if both & 0xffff == !both >> 16 & 0xffff => {
                    Some(self.stored(both & 0xffff))
                }
                Some(_) => return Err(Corrupt),
                None => None,
            },
            State::Stored(left) => take(8).map(|byte| {
                self.put(byte as u8, out);
                self.stored(left - 1)
            }),
            State::Counts => match take(14) {
                Some(counts) => Some(self.count(counts)?),
                None => None,
            },
            State::Orders(read) if read < self.counts[2] => take(3).map(|length| {
                self.lengths[usize::from(ORDER[read])] = length as u8;
                State::Orders(read + 1)
            }),
            State::Orders(_) => {
                self.codes[0].set(&self.lengths[..19], false)?;
                Some(State::Lengths(0))
            }
            State::Lengths(read) if read < self.counts[0] + self.counts[1] => {
                let symbol = self.codes[0].next(&mut self.bits, input)?;
                symbol.map(|symbol| match symbol {
                    0..16 => {
                        self.lengths[read] = symbol as u8;
                        State::Lengths(read + 1)
                    }
                    _ => State::Repeat(read, symbol),
                })
            }
            State::Lengths(_) => Some(self.set_codes()?),
            State::Repeat(read, symbol) => match take([2, 3, 7][usize::from(symbol - 16)]) {
                Some(more) => Some(self.repeat(read, symbol, more)?),
                None => None,
            },
            State::Symbol => self.symbol(input, out)?,
            State::Extra(symbol) => {
                let (base, bits) = length(symbol);
                take(bits).map(|more| State::Distance(base + more))
            }
            State::Distance(length) => match self.codes[1].next(&mut self.bits, input)? {
                Some(symbol @ ..=29) => Some(State::Far(length, usize::from(symbol))),
                Some(_) => return Err(Corrupt),
                None => None,
            },
            State::Far(length, symbol) => {
                let (base, bits) = distance(symbol);
                match take(bits) {
                    Some(more) if base + more > self.known => return Err(Corrupt),
                    Some(more) => Some(State::Copy(length, base + more)),
                    None => None,
                }
            }
            State::Copy(length, distance) => Some(self.copy(length, distance, out)),
            State::Failed => return Err(Corrupt),
        })
    }

    /// A block of this type begins.
    fn begin(&mut self, kind: usize) -> Result<State, Corrupt> {
        match kind {
            0 => {
                self.bits.drop(self.bits.count % 8);
                Ok(State::Length)
            }
            1 if !self.choose(true) => Ok(State::Symbol),
            1 => {
                self.counts = [288, 32, 0];
                self.lengths = [5; 320]; // those of the distances
                self.lengths[..144].fill(8);
                self.lengths[144..256].fill(9);
                self.lengths[256..280].fill(7);
                self.lengths[280..288].fill(8);
                self.set_codes()
            }
            2 => {
                self.choose(false);
                Ok(State::Counts)
            }
            _ => Err(Corrupt),
        }
    }

    /// Has the codes for fixed blocks at hand, or those for others; whether they are still to be
    /// worked out.
    fn choose(&mut self, fixed: bool) -> bool {
        if self.is_fixed == fixed {
            return false;
        }
        self.is_fixed = fixed;
        let is_new = self.others.is_none();
        let now = self.others.take().unwrap_or_else(|| Box::new([Code::new(), Code::new()]));
        self.others = Some(std::mem::replace(&mut self.codes, now));
        is_new
    }

    /// A block has ended. After the last one of a stream its window is forgotten.
    fn end(&mut self) -> State {
        if self.is_last {
            self.bits.drop(self.bits.count % 8);
            self.known = 0;
        }
        State::Head
    }

    fn stored(&mut self, left: usize) -> State {
        if left == 0 { self.end() } else { State::Stored(left) }
    }

    fn count(&mut self, counts: usize) -> Result<State, Corrupt> {
        self.counts = [(counts & 31) + 257, (counts >> 5 & 31) + 1, (counts >> 10) + 4];
        if self.counts[0] > 286 || self.counts[1] > 30 {
            return Err(Corrupt);
        }
        self.lengths[..19].fill(0);
        Ok(State::Orders(0))
    }

    /// A symbol that stands for several lengths: the last one again, or none.
    fn repeat(&mut self, read: usize, symbol: u16, more: usize) -> Result<State, Corrupt> {
        let length = match read.checked_sub(1) {
            Some(last) if symbol == 16 => self.lengths[last],
            None if symbol == 16 => return Err(Corrupt),
            Some(_) | None => 0,
        };
        let end = read + more + if symbol == 18 { 11 } else { 3 };
        if end > self.counts[0] + self.counts[1] {
            return Err(Corrupt);
        }
        self.lengths[read..end].fill(length);
        Ok(State::Lengths(end))
    }

    fn set_codes(&mut self) -> Result<State, Corrupt> {
        let (literals, distances) = self.lengths.split_at(self.counts[0]);
        if literals[usize::from(END)] == 0 {
            return Err(Corrupt); // the block would have no end
        }
        self.codes[0].set(literals, true)?;
        self.codes[1].set(&distances[..self.counts[1]], true)?;
        Ok(State::Symbol)
    }

    /// A literal, a length, or the end of the block.
    fn symbol(&mut self, input: &mut &[u8], out: &mut Out<'_>) -> Result<Option<State>, Corrupt> {
        Ok(match self.codes[0].next(&mut self.bits, input)? {
            Some(symbol @ 0..END) => {
                self.put(symbol as u8, out);
                Some(State::Symbol)
            }
            Some(END) => Some(self.end()),
            Some(symbol @ ..=285) => Some(State::Extra(usize::from(symbol - END - 1))),
            Some(_) => return Err(Corrupt),
            None => None,
        })
    }

    /// Puts out one byte, for which there is room.
    fn put(&mut self, byte: u8, out: &mut Out<'_>) {
        out.room[out.written] = byte;
        out.written += 1;
        self.window[self.at % WINDOW] = byte;
        self.at = (self.at + 1) % WINDOW;
        self.known = WINDOW.min(self.known + 1);
    }

    fn copy(&mut self, length: usize, distance: usize, out: &mut Out<'_>) -> State {
        let now = length.min(out.room.len() - out.written);
        for _ in 0..now {
            let byte = self.window[(self.at + WINDOW - distance) % WINDOW];
            self.put(byte, out);
        }
        if now == length { State::Symbol } else { State::Copy(length - now, distance) }
    }
}

/// The length that a symbol above [`END`] stands for, without its extra bits, and how many of those
/// there are (RFC 1951 §3.2.5).
fn length(symbol: usize) -> (usize, u32) {
    match symbol {
        0..8 => (symbol + 3, 0),
        28 => (258, 0),
        _ => (((4 + symbol % 4) << (symbol / 4 - 1)) + 3, (symbol / 4 - 1) as u32),
    }
}

/// The same of a distance.
fn distance(symbol: usize) -> (usize, u32) {
    match symbol {
        0..4 => (symbol + 1, 0),
        _ => (((2 + symbol % 2) << (symbol / 2 - 1)) + 1, (symbol / 2 - 1) as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    thread_local! {
        /// How often a code has been worked out.
        pub(super) static SETS: Cell<u32> = const { Cell::new(0) };
    }

    /// All that comes of `input`, fed in pieces of `step` and taken in pieces of `room`; and
    /// whether it is a stream so far.
    fn all(input: &[u8], step: usize, room: usize) -> (Vec<u8>, bool) {
        let (mut inflate, mut out) = (Inflate::new(), Vec::new());
        let mut room = vec![0; room];
        for mut piece in input.chunks(step) {
            loop {
                let (written, Ok(())) = inflate.run(&mut piece, &mut room) else {
                    return (out, false);
                };
                out.extend_from_slice(&room[..written]);
                if written < room.len() {
                    assert!(piece.is_empty());
                    break;
                }
            }
        }
        (out, true)
    }

    /// What zlib-rs makes of it.
    #[cfg(feature = "zlib")]
    fn of_zlib(mut input: &[u8]) -> (Vec<u8>, bool) {
        let mut inflate = super::super::zlib::Inflate::new();
        let (mut out, mut room) = (Vec::new(), vec![0; 1 << 14]);
        while let (written, Ok(())) = inflate.run(&mut input, &mut room) {
            out.extend_from_slice(&room[..written]);
            if written < room.len() {
                return (out, true);
            }
        }
        (out, false)
    }

    fn deflated(level: u8, data: &[u8]) -> Vec<u8> {
        let options = crate::DeflateOptions { level, ..crate::DeflateOptions::default() };
        let mut out = Vec::new();
        let len = crate::Deflater::new(&options, 15).compress(data, &mut out);
        out.truncate(len);
        out
    }

    /// Text, noise and repetitions, of a seed.
    fn sample(seed: u32) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize
        };
        let mut out = Vec::new();
        while out.len() < 300 << (seed % 9) {
            match next() % 3 {
                0 => out.extend_from_slice(b"salmon swim up the river"),
                1 => (0..next() % 40).for_each(|_| out.push(next() as u8)),
                _ => out.extend(std::iter::repeat_n(next() as u8, next() % 700)),
            }
        }
        out
    }

    #[test]
    fn what_was_compressed_comes_back_however_it_is_cut() {
        for (seed, level) in (0..27).zip([1, 3, 6, 9].into_iter().cycle()) {
            let data = sample(seed);
            let small = deflated(level, &data);
            assert!(small.len() < data.len());
            for (step, room) in [(usize::MAX, 1 << 14), (1, 1), (1, 4096), (7, 3), (100, 258)] {
                assert!(all(&small, step, room) == (data.clone(), true), "{seed} {step} {room}");
            }
        }
    }

    #[test]
    fn lengths_and_distances_are_those_of_the_rfc() {
        let lengths: Vec<_> = [0, 7, 8, 11, 12, 27, 28].into_iter().map(length).collect();
        let of_rfc = [(3, 0), (10, 0), (11, 1), (17, 1), (19, 2), (227, 5), (258, 0)];
        assert_eq!(lengths, of_rfc);
        let distances: Vec<_> = [0, 3, 4, 5, 28, 29].into_iter().map(distance).collect();
        assert_eq!(distances, [(1, 0), (4, 0), (5, 1), (7, 1), (16385, 13), (24577, 13)]);
    }

    /// Blocks in which there is nothing, as small as they can be: 10 bits that are fixed, 90 with
    /// codes of their own.
    fn empty_blocks(kinds: impl Iterator<Item = u8>) -> Vec<u8> {
        let (mut bits, mut held, mut out) = (0_u128, 0, Vec::new());
        let mut put = |value: u128, length: u32| {
            (bits, held) = (bits | value << held, held + length);
            while held >= 8 {
                out.push(bits as u8);
                (bits, held) = (bits >> 8, held - 8);
            }
        };
        for kind in kinds {
            if kind == 1 {
                put(0b010, 10);
                continue;
            }
            put(0b100, 13);
            put(14, 4); // 18 lengths, of which those for 1 and for many zeros are 1
            (0..18).for_each(|at| put(u128::from(at == 2 || at == 17), 3));
            put(0b1111_1111, 8); // 138 zeros
            put((118 - 11) << 1 | 1, 8); // 118 zeros
            put(0, 3); // the block's end is a code, and so is one distance; the block ends
        }
        put(0, 7);
        out
    }

    #[test]
    fn blocks_without_end_that_hold_nothing_cost_little() {
        let sets = |kinds: &[u8]| {
            let before = SETS.get();
            let blocks = empty_blocks(kinds.iter().copied().cycle().take(3000));
            assert_eq!(all(&blocks, usize::MAX, 100), (vec![], true));
            SETS.get() - before
        };
        assert_eq!(sets(&[1]), 2); // not 6000
        assert_eq!(sets(&[2]), 3 * 3000); // the 11 bytes of each tell of three
        assert_eq!(sets(&[1, 2]), 2 + 3 * 1500);
    }

    #[cfg(feature = "zlib")]
    #[test]
    fn it_makes_of_any_bytes_what_zlib_makes_of_them() {
        let mut bad = 0;
        for seed in 0..12_000_u32 {
            let mut data = sample(seed % 40 * 9);
            if seed % 3 > 0 {
                data = deflated((seed % 9 + 1) as u8, &data);
            }
            let random = seed.wrapping_mul(2_654_435_761);
            for change in 0..seed % 4 {
                let at = random.rotate_left(change * 7) as usize;
                let within = if seed % 2 == 0 { 60.min(data.len()) } else { data.len() };
                data[at % within] ^= 1 << (at % 8);
            }
            data.truncate(1 + (random >> 3) as usize % 6000);
            let expected = of_zlib(&data);
            bad += u32::from(!expected.1);
            let whole = all(&data, usize::MAX, 1 << 14);
            if expected.1 && !whole.1 {
                // That a code of lengths is empty zlib-rs notices when all lengths have come.
                assert!(!of_zlib(&[&data[..], &[0; 100]].concat()).1, "{seed}, with more");
                continue;
            }
            assert!(whole == expected, "{seed}");
            let (out, is_one) = all(&data, 5, 999);
            assert!(is_one == expected.1, "{seed}, in pieces");
            assert!(!is_one || out == expected.0, "{seed}, in pieces");
        }
        assert!((3000..9000).contains(&bad), "{bad} of them are no streams");
    }
}
