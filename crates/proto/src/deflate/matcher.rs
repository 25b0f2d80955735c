//! Finding what came before: chains of the places where the same four bytes stand.
//!
//! Places are numbered through from message to message, so that what a message has left in the
//! tables is too old for the next one, and nothing has to be cleared:
//!
//! ```text
//! message 1             message 2          message 3
//! 1 ················ 900 901 ········ 1500 1501 ···     until the numbers are used up
//!                                          base         older places are nowhere
//! ```

/// The longest match (RFC 1951 §3.2.5).
pub(super) const LONGEST_MATCH: usize = 258;
/// Matches of fewer bytes are not looked for.
pub(super) const SHORTEST_MATCH: usize = 4;

/// The numbers begin anew, in cleared tables, before data that would go beyond this.
const LAST_PLACE: u32 = 1 << 31;

/// So many bytes that stand somewhere before, so far back; 0 bytes are none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) len: usize,
    pub(super) distance: usize,
}

/// How hard to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// So many places are looked at.
    pub(super) depth: u32,
    /// A match of so many bytes ends the search.
    pub(super) enough: usize,
}

/// The tables: as large as the largest data needs that was looked at.
#[derive(Debug)]
pub(super) struct Matcher {
    /// The last place of each hash; 0 is nowhere.
    last: Vec<u32>,
    /// From each place in the window, how far it is back to the one before it in its chain.
    back: Vec<u16>,
    /// The most bits that a hash may have.
    hash_bits: u32,
    /// Where the data begins, and where data that comes after it will.
    base: u32,
    next: u32,
    /// Of the data: how many bits of a hash count, and how far back matches may be.
    bits: u32,
    window: usize,
}

impl Matcher {
    pub(super) fn new(hash_bits: u32) -> Self {
        Self { last: vec![], back: vec![], hash_bits, base: 1, next: 1, bits: 0, window: 0 }
    }

    /// There will be data of so many bytes, less than [`LAST_PLACE`]: whatever was seen is past.
    pub(super) fn begin(&mut self, len: usize, window: usize) {
        // A table about as large as the data: what is needed for small data stays near.
        self.bits = (usize::BITS - len.leading_zeros()).clamp(8, self.hash_bits);
        self.window = window;
        if self.last.len() < 1 << self.bits {
            self.last = vec![0; 1 << self.bits];
        }
        let ring = len.clamp(256, window.max(256)).next_power_of_two();
        if self.back.len() < ring {
            self.back = vec![0; ring];
        }
        if self.next + len as u32 > LAST_PLACE {
            self.last.fill(0);
            self.next = 1;
        }
        self.base = self.next;
        self.next += len as u32;
    }

    /// As if so many places were left.
    #[cfg(test)]
    pub(super) fn near_the_end(&mut self, left: u32) {
        self.next = LAST_PLACE - left;
    }

    /// Looks at the data from its byte `from` on.
    pub(super) fn look<'l>(&'l mut self, data: &'l [u8], from: usize) -> Finder<'l> {
        Finder {
            data,
            ring: self.back.len() - 1,
            last: &mut self.last,
            back: &mut self.back,
            base: self.base + from as u32,
            shift: 32 - self.bits,
            window: self.window as u32,
        }
    }
}

/// A [`Matcher`] and its data.
pub(super) struct Finder<'l> {
    data: &'l [u8],
    last: &'l mut [u32],
    back: &'l mut [u16],
    /// The length of `back`, a power of 2, less one.
    ring: usize,
    base: u32,
    shift: u32,
    window: u32,
}

impl<'l> Finder<'l> {
    pub(super) fn data(&self) -> &'l [u8] {
        self.data
    }

    #[inline(always)]
    fn hash(&self, four: u32) -> usize {
        (four.wrapping_mul(0x9e37_79b1) >> (self.shift & 31)) as usize
    }

    /// Notes that these bytes are at this place; the place before it in its chain.
    #[inline(always)]
    fn note(&mut self, four: u32, place: u32) -> u32 {
        let hash = self.hash(four);
        let Some(last) = self.last.get_mut(hash) else { return 0 };
        let before = std::mem::replace(last, place);
        if let Some(back) = self.back.get_mut(place as usize & self.ring) {
            // 65,535 is farther than any window.
            *back = u16::try_from(place.wrapping_sub(before)).unwrap_or(u16::MAX);
        }
        before
    }

    /// Notes these places without looking for what is like them.
    #[inline(never)]
    pub(super) fn pass(&mut self, from: usize, to: usize) {
        let Some(bytes) = self.data.get(from..self.data.len().min(to + 3)) else { return };
        let first = self.base.wrapping_add(from as u32);
        for (at, four) in bytes.windows(4).enumerate() {
            let Some(four) = four.first_chunk() else { return };
            self.note(u32::from_le_bytes(*four), first.wrapping_add(at as u32));
        }
    }

    /// Notes the place `at`, and finds the longest match there of more than `over` bytes, at least
    /// [`SHORTEST_MATCH`]; of those as long the nearest.
    #[inline(always)]
    pub(super) fn find(&mut self, at: usize, over: usize, search: Search) -> Match {
        let Some(begin) = four(self.data, at as u32) else { return Match::default() };
        let here = self.base.wrapping_add(at as u32);
        let mut place = self.note(begin, here);
        let mut lowest = self.base.max(here.saturating_sub(self.window));
        // Of a match that must be long the last four bytes are looked for: they are rarer. One that
        // is nearer than `ahead` is missed: data that is so regular had a longer one before.
        let ahead = (over as u32).saturating_sub(SHORTEST_MATCH as u32 - 1);
        if ahead > 0 {
            let Some(end) = four(self.data, (at as u32).wrapping_add(ahead)) else {
                return Match::default();
            };
            place = self.last.get(self.hash(end)).copied().unwrap_or_default();
            lowest = lowest.wrapping_add(ahead);
        }
        if place < lowest {
            return Match::default();
        }
        self.follow(at, place, lowest, ahead, search)
    }

    /// Goes along a chain from `place` down to the `lowest`, which are `ahead` of where matches
    /// begin.
    #[inline(never)]
    fn follow(&self, at: usize, place: u32, lowest: u32, ahead: u32, search: Search) -> Match {
        // The window, in which places are told by how far they are above the lowest.
        let start = lowest.wrapping_sub(ahead).wrapping_sub(self.base);
        let Some(data) = self.data.get(start as usize..) else { return Match::default() };
        let at = (at as u32).wrapping_sub(start);
        let mut above = place.wrapping_sub(lowest);
        let (mut left, mut distance) = (search.depth, 0);
        let mut len = ahead as usize + SHORTEST_MATCH - 1;
        let before = |above: u32| {
            let back = self.back.get(above.wrapping_add(lowest) as usize & self.ring)?;
            above.checked_sub(u32::from(*back))
        };
        // At first matches begin with these; longer ones have the byte behind the longest so far,
        // and those before it.
        let mut behind = data;
        while let Some(end) = four(behind, at) {
            let found = loop {
                #[cfg(test)]
                STEPS.set(STEPS.get() + 1);
                if four(behind, above) == Some(end) {
                    let found = same(data, above, at);
                    if found > len {
                        break found;
                    }
                }
                left = left.wrapping_sub(1);
                let Some(next) = before(above) else { break 0 };
                if left == 0 {
                    break 0;
                }
                above = next;
            };
            if found == 0 {
                break;
            }
            (len, distance) = (found, at.wrapping_sub(above) as usize);
            left = left.wrapping_sub(1);
            let (Some(next), Some(longer)) = (before(above), data.get(len.wrapping_sub(3)..))
            else {
                break;
            };
            if left == 0 || len >= search.enough {
                break;
            }
            (above, behind) = (next, longer);
        }
        if distance > 0 { Match { len, distance } } else { Match::default() }
    }
}

/// Four bytes of the data. From a `u32` on, so that their end needs no check of its own.
#[inline(always)]
fn four(data: &[u8], at: u32) -> Option<u32> {
    let at = at as usize;
    data.get(at..at.wrapping_add(4))?.first_chunk().map(|four| u32::from_le_bytes(*four))
}

/// How many bytes are the same from `one` and from `two` on, which is behind it, up to
/// [`LONGEST_MATCH`].
#[inline(never)]
fn same(data: &[u8], one: u32, two: u32) -> usize {
    let Some((one, two)) = data.get(one as usize..).zip(data.get(two as usize..)) else { return 0 };
    let two = &two[..two.len().min(LONGEST_MATCH)];
    let mut len = 0_usize;
    for (ones, twos) in one.as_chunks::<8>().0.iter().zip(two.as_chunks::<8>().0) {
        let differ = u64::from_le_bytes(*ones) ^ u64::from_le_bytes(*twos);
        if differ != 0 {
            return len.wrapping_add((differ.trailing_zeros() >> 3) as usize);
        }
        len = len.wrapping_add(8);
    }
    while let (Some(a), Some(b)) = (one.get(len), two.get(len))
        && a == b
    {
        len = len.wrapping_add(1);
    }
    len
}

#[cfg(test)]
thread_local! {
    /// How many places were looked at.
    pub(super) static STEPS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
