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

/// A block may end each time so many literals and matches have been found.
const STEP: usize = 4096;
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
}

impl Blocks {
    /// Writes the data that is looked at, from this byte on.
    fn write(&mut self, mut finder: Finder<'_>, from: usize, writer: &mut BlockWriter<'_>) {
        let (data, mut at) = (finder.data(), from);
        while at < data.len() {
            let begin = at;
            at = self.fill(&mut finder, begin);
            if self.ends_before_fresh() {
                writer.write(&mut self.block, &mut self.codes, &data[..begin]);
                self.block.clear();
            }
            if self.block.len() == 0 {
                std::mem::swap(&mut self.block, &mut self.fresh);
            } else {
                self.block.join(&self.fresh);
            }
            self.fresh.clear();
        }
        writer.write(&mut self.block, &mut self.codes, data);
        writer.store(data);
        self.block.clear();
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
    fn fill(&mut self, finder: &mut Finder<'_>, mut at: usize) -> usize {
        let (data, Effort { search, lazy }) = (finder.data(), self.effort);
        let (begin, fresh, most) = (at, &mut self.fresh, self.most.min(STEP));
        while at < data.len() && fresh.len() < most {
            let mut best = finder.find(at, 0, search);
            if gain(best) <= 0 || !fresh.pays(best, &data[at..at + best.len]) {
                fresh.literal(data[at]);
                at += 1;
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
        }
        fresh.covers(at - begin);
        at
    }
}

/// How many bits a match is likely to save: a literal takes up to 6, the length and the distance of
/// a match about 10 and as many as the distance has.
#[inline(always)]
fn gain(found: Match) -> i32 {
    6 * found.len as i32 - (found.distance as u32 | 1).ilog2() as i32 - 10
}
