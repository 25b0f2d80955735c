//! Random numbers to test with, which nobody needs to be unable to guess.

use std::hash::{BuildHasher, RandomState};
use std::ops::RangeInclusive;

/// A source of numbers (xorshift64*), seeded differently in each.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Self {
        // The keys of a new hasher are random; zero is the one state that cannot be left.
        Self(RandomState::new().hash_one(0) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number in `range`, as good as evenly.
    pub(crate) fn within(&mut self, range: &RangeInclusive<usize>) -> usize {
        let width = (range.end() - range.start() + 1) as u64;
        range.start() + (self.next() % width) as usize
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for piece in bytes.chunks_mut(8) {
            piece.copy_from_slice(&self.next().to_le_bytes()[..piece.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_within_and_reach_both_ends() {
        let mut random = Random::new();
        let numbers: Vec<usize> = (0..1000).map(|_| random.within(&(3..=5))).collect();
        assert!((3..=5).all(|number| numbers.contains(&number)));
        assert!(numbers.iter().all(|number| (3..=5).contains(number)));
    }

    #[test]
    fn bytes_take_many_values() {
        let mut bytes = [0; 1003];
        Random::new().fill(&mut bytes);
        let distinct: std::collections::HashSet<u8> = bytes.into_iter().collect();
        assert!(distinct.len() > 200);
    }
}
