//! The encoder: a message in, blocks out.

use super::block::{Block, BlockCodes, BlockWriter};
use super::matcher::{Finder, Match, Matcher, Search};
use super::negotiate::DeflateOptions;

/// How much is done for fewer bytes.
#[derive(Clone, Copy, Debug)]
struct Effort {
    search: Search,
    /// A match of so many bytes is taken without looking whether there is a better one a byte
    /// later.
    lazy: usize,
}

impl Effort {
    /// The efforts 1 to 9.
    const ALL: [Self; 9] = [
        Self::of(2, 16, 0),
        Self::of(4, 32, 0),
        Self::of(8, 64, 0),
        Self::of(8, 32, 8),
        Self::of(16, 64, 16),
        Self::of(48, 128, 32),
        Self::of(128, 128, 64),
        Self::of(512, 258, 128),
        Self::of(2048, 258, 258),
    ];

    const fn of(depth: u32, enough: usize, lazy: usize) -> Self {
        Self { search: Search { depth, enough }, lazy }
    }
}

/// A block may end each time about so many literals and matches have been found.
const STEP: usize = 4000;
/// After so many literals without a match only every other byte is looked at, after twice as many
/// every third, and so on: what does not compress costs little.
const DRY: usize = 512;
/// At least one in so many bytes is looked at.
const SPARSE: usize = 16;
/// About how many bits it takes to begin another block.
const BLOCK_HEAD: u64 = 600;
/// Messages of more bytes are compressed in pieces that know nothing of each other.
const PIECE: usize = 1 << 30;
/// So much of a message is copied to stand behind its history. What comes after that reaches back
/// no farther than into it.
const FRONT: usize = 64 << 10;

/// Compresses messages, one after the other; what it knows of one is no use for the next.
#[derive(Debug)]
pub(super) struct Encoder {
    matcher: Matcher,
    blocks: Blocks,
    /// A history, and the front of the message behind it.
    joined: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(options: &DeflateOptions) -> Self {
        let options = options.in_range();
        let memory = options.memory_level;
        Self {
            matcher: Matcher::new(7 + u32::from(memory)),
            blocks: Blocks {
                effort: Effort::ALL[usize::from(options.level - 1) % 9],
                most: 64 << memory,
                block: Block::new(),
                fresh: Block::new(),
                codes: Box::new(BlockCodes::new()),
                matched: 0,
            },
            joined: Vec::new(),
        }
    }

    /// Compresses a message into the front of `out`, which grows as needed. It may refer to the
    /// `history`, as far as the window reaches. Returns its length, the tail left away.
    pub(super) fn compress(
        &mut self,
        history: &[u8],
        payload: &[u8],
        window_bits: u8,
        out: &mut Vec<u8>,
    ) -> usize {
        let window = 1 << window_bits;
        let mut history = &history[history.len().saturating_sub(window)..];
        let mut writer = BlockWriter::new(out);
        for piece in payload.chunks(PIECE) {
            self.piece(history, piece, window, &mut writer);
            history = &[];
        }
        writer.finish()
    }

    fn piece(&mut self, history: &[u8], piece: &[u8], window: usize, writer: &mut BlockWriter<'_>) {
        self.matcher.begin(history.len() + piece.len(), window);
        let mut done = 0;
        if !history.is_empty() {
            done = piece.len().min(FRONT);
            self.joined.clear();
            self.joined.extend_from_slice(history);
            self.joined.extend_from_slice(&piece[..done]);
            let mut finder = self.matcher.look(&self.joined, 0);
            finder.pass(0, history.len());
            self.blocks.write(finder, history.len(), writer);
        }
        if done < piece.len() {
            self.blocks.write(self.matcher.look(piece, history.len()), done, writer);
        }
    }
}

/// Gathers literals and matches until a block of them is best written.
#[derive(Debug)]
struct Blocks {
    effort: Effort,
    /// A block has about so many literals and matches at most.
    most: usize,
    /// What will be written next, and what has just been found.
    block: Block,
    fresh: Block,
    codes: Box<BlockCodes>,
    /// Where the last match ended.
    matched: usize,
}

impl Blocks {
    /// Writes the data that is looked at, from this byte on.
    fn write(&mut self, mut finder: Finder<'_>, from: usize, writer: &mut BlockWriter<'_>) {
        let (data, mut at) = (finder.data(), from);
        self.matched = from;
        while at < data.len() {
            let begin = at;
            at = self.fill(&mut finder, begin);
            if self.ends_before_fresh() {
                writer.write(&mut self.block, &mut self.codes, &data[..begin]);
                self.block.clear();
            }
            if at == data.len() && self.block.len() == 0 {
                break;
            }
            self.block.join(&self.fresh);
            self.fresh.clear();
        }
        let last = if self.block.len() == 0 { &mut self.fresh } else { &mut self.block };
        writer.write(last, &mut self.codes, data);
        writer.store(data);
        last.clear();
    }

    /// Whether what was just found is better off with other codes than what was found before.
    fn ends_before_fresh(&self) -> bool {
        let both = self.block.len() + self.fresh.len();
        if self.block.len() == 0 || both > self.most {
            return self.block.len() > 0;
        }
        let apart = self.block.estimate(None) + self.fresh.estimate(None) + BLOCK_HEAD;
        apart < self.block.estimate(Some(&self.fresh))
    }

    /// Finds literals and matches from a byte on, up to about [`STEP`]. Returns where they end.
    fn fill(&mut self, finder: &mut Finder<'_>, begin: usize) -> usize {
        let (data, Effort { search, lazy }) = (finder.data(), self.effort);
        let (fresh, most) = (&mut self.fresh, self.most.min(STEP));
        let mut at = begin;
        while at < data.len() && fresh.len() < most {
            let mut best = finder.find(at, 0, search);
            if gain(best) <= 0 || !fresh.pays(best, &data[at..at + best.len]) {
                fresh.literal(data[at]);
                at += 1;
                let skip = at.wrapping_sub(self.matched) / DRY;
                if skip > 0 {
                    let skip = skip.min(SPARSE - 1).min(most.saturating_sub(fresh.len()));
                    let end = data.len().min(at + skip);
                    data[at..end].iter().for_each(|byte| fresh.literal(*byte));
                    at = end;
                }
                continue;
            }
            let mut noted = at + 1;
            while best.len < lazy {
                let later = finder.find(noted, best.len - 1, search);
                noted += 1;
                if gain(later) <= gain(best) {
                    break;
                }
                fresh.literal(data[at]);
                at += 1;
                best = later;
            }
            fresh.matching(best);
            finder.pass(noted, at + best.len);
            at += best.len;
            self.matched = at;
        }
        fresh.covers(at - begin);
        at
    }
}

/// How many bits a match is likely to save: a literal takes up to 6, the length and the distance of
/// a match about 10 and as many as the distance has.
#[inline(always)]
fn gain(found: Match) -> i32 {
    if found.len == 0 {
        return 0;
    }
    let distance = (found.distance as u32 | 1).ilog2() as i32;
    (found.len as i32).wrapping_mul(6).wrapping_sub(distance + 10)
}

#[cfg(test)]
mod tests {
    use super::super::inflate::Inflate;
    use super::super::inflater::{Inflater, inflate};
    use super::super::matcher::STEPS;
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    /// Bytes that come as often as Fibonacci numbers say: the deepest of all trees.
    fn fibonacci() -> Vec<u8> {
        let (mut one, mut two, mut out) = (1, 1, Vec::new());
        for byte in 0..23 {
            // None of four is like four before.
            out.extend((0..one).map(|_| byte));
            (one, two) = (two, one + two);
        }
        let len = out.len();
        (0..len).map(|at| out[at * 27_644_437 % len]).collect()
    }

    /// Data that encoders find hard, of so many bytes.
    fn hard(len: usize) -> Vec<(&'static str, Vec<u8>)> {
        let random = noise(len);
        let of = |byte: &dyn Fn(usize) -> u8| (0..len).map(byte).collect::<Vec<u8>>();
        vec![
            ("zeros", vec![0; len]),
            ("two in turn", of(&|at| (at % 2) as u8)),
            ("runs of 258", of(&|at| (at / 258) as u8)),
            ("runs of 259", of(&|at| (at / 259) as u8)),
            ("a ramp", of(&|at| at as u8)),
            ("few bytes", of(&|at| random[at] % 3)),
            (
                "text and noise",
                of(&|at| if at / 5000 % 2 == 0 { random[at] } else { random[at] % 9 }),
            ),
            ("far repeats", of(&|at| random[at % 32_768])),
            ("too far repeats", of(&|at| random[at % 32_769])),
            ("near the smallest window", of(&|at| random[at % 257])),
            ("above 143", of(&|at| 144 + random[at] % 100)),
            ("noise", random),
        ]
    }

    /// What our own decoder makes of a message.
    fn decoded(small: &[u8]) -> Vec<u8> {
        let (mut decoder, mut out, mut room) = (Inflate::new(), Vec::new(), vec![0; 9999]);
        let all = [small, &[0, 0, 0xff, 0xff]].concat();
        let mut input = &all[..];
        loop {
            let (written, result) = decoder.run(&mut input, &mut room);
            result.expect("a stream");
            out.extend_from_slice(&room[..written]);
            if written < room.len() {
                return out;
            }
        }
    }

    #[test]
    fn hard_messages_inflate_to_what_they_were_in_every_window_and_effort() {
        let (mut out, mut again) = (Vec::new(), Vec::new());
        for (round, len) in [0, 1, 3, 4, 5, 257, 260, 700, 6000, 70_000].into_iter().enumerate() {
            for (at, (name, data)) in hard(len).into_iter().enumerate() {
                let (window, level) = (8 + (round + at) as u8 % 8, 1 + (round * 5 + at) as u8 % 9);
                let memory_level = 1 + (at * 7 + round) as u8 % 9;
                let options = DeflateOptions { level, memory_level, ..DeflateOptions::default() };
                let mut encoder = Encoder::new(&options);
                let what = format!("{name}, {len} bytes, {window}, {level}, {memory_level}");
                let first = encoder.compress(&[], &data, window, &mut out);
                assert!(
                    first <= data.len() + 6 + 5 * data.len().div_ceil(0xffff),
                    "{what}: {first}"
                );
                assert!(decoded(&out[..first]) == data, "{what}");
                let mut inflater = Inflater::new();
                assert!(inflate(&mut inflater, &out[..first], 777).unwrap() == data, "{what}");
                // The same once more, behind itself.
                let next = encoder.compress(&data, &data, window, &mut again);
                assert!(inflate(&mut inflater, &again[..next], 777).unwrap() == data, "{what}");
            }
        }
    }

    #[test]
    fn a_window_reaches_so_far_and_not_a_byte_farther() {
        let (mut encoder, mut out) = (Encoder::new(&DeflateOptions::default()), Vec::new());
        for bits in 8..=15 {
            let window = 1 << bits;
            for (distance, reaches) in [(window - 1, true), (window, true), (window + 1, false)] {
                let all = noise(2 * distance);
                let repeated = [&all[..distance], &all[..distance]].concat();
                let len = encoder.compress(&[], &repeated, bits, &mut out);
                assert!(decoded(&out[..len]) == repeated, "{bits}, {distance}");
                assert_eq!(len < distance * 5 / 4, reaches, "{bits}, {distance}: {len} bytes");
                let (history, message) = repeated.split_at(distance);
                let len = encoder.compress(history, message, bits, &mut out);
                assert_eq!(len < distance / 4, reaches, "{bits}, {distance}: {len} bytes");
            }
        }
    }

    #[test]
    fn the_deepest_tree_is_cut_to_15_bits() {
        let data = fibonacci();
        let (mut encoder, mut out) = (Encoder::new(&DeflateOptions::default()), Vec::new());
        // So few are looked at that nearly all are literals, in one block.
        encoder.blocks.effort = Effort::of(1, 4, 0);
        encoder.blocks.most = usize::MAX;
        let len = encoder.compress(&[], &data, 15, &mut out);
        assert!(decoded(&out[..len]) == data);
        assert!(inflate(&mut Inflater::new(), &out[..len], 999).unwrap() == data);
    }

    #[test]
    fn nobody_makes_a_search_longer_than_its_effort_allows() {
        // Each place has thousands before it that begin alike, and none that goes on for long.
        let data: Vec<u8> = noise(40_000).into_iter().map(|byte| byte % 2).collect();
        let mut out = Vec::new();
        for (level, effort) in (1..=9).zip(Effort::ALL) {
            let options = DeflateOptions { level, ..DeflateOptions::default() };
            STEPS.set(0);
            Encoder::new(&options).compress(&[], &data, 15, &mut out);
            let (steps, most) = (STEPS.get(), data.len() * effort.search.depth as usize);
            assert!(steps <= most, "{steps} steps, {most} allowed by effort {level}");
            assert!(steps > most / 20, "{steps} steps by effort {level}: this is not hard");
        }
    }

    #[test]
    fn places_are_numbered_anew_before_their_numbers_run_out() {
        let (options, data) = (DeflateOptions::default(), noise(300).repeat(9));
        let (mut fresh, mut used) = (Encoder::new(&options), Encoder::new(&options));
        let (mut one, mut two) = (Vec::new(), Vec::new());
        let len = fresh.compress(&[], &data, 15, &mut one);
        used.compress(&[], &data, 15, &mut two);
        used.matcher.near_the_end(100); // what it has noted so far are small numbers
        for _ in 0..3 {
            assert_eq!(used.compress(&[], &data, 15, &mut two), len);
            assert!(one[..len] == two[..len]);
        }
    }
}
