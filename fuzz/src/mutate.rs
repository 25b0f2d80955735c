//! Changes to inputs.

use crate::random::Random;

/// Longer inputs only make it slow.
const LONGEST: usize = 1 << 14;

/// Numbers at which code changes its mind, as they stand in lengths and codes.
const NUMBERS: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    15,
    16,
    31,
    32,
    64,
    125,
    126,
    127,
    128,
    129,
    254,
    255,
    256,
    512,
    999,
    1000,
    1004,
    1005,
    1006,
    1015,
    1024,
    2999,
    3000,
    4096,
    4999,
    5000,
    8191,
    8192,
    16_384,
    32_767,
    32_768,
    65_535,
    65_536,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x1_0000_0000,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    u64::MAX - 3,
    u64::MAX,
];

/// Bytes that mean something somewhere.
const SPICE: &[u8] =
    b"\r\n\0\t :;,=\"\\/?#@[]%!-.0159afAFx\x7f\x80\x81\x82\x88\x89\xc0\xe2\xf0\xff";

/// Changes `data` in one to several ways. `words` is the target's dictionary, `other` an input to
/// take parts of.
pub fn mutate(data: &mut Vec<u8>, other: &[u8], words: &[&[u8]], random: &mut Random) {
    for _ in 0..=random.small(5) {
        once(data, other, words, random);
    }
    data.truncate(LONGEST);
}

fn once(data: &mut Vec<u8>, other: &[u8], words: &[&[u8]], random: &mut Random) {
    let at = random.below(data.len() + 1);
    match random.below(13) {
        0 => with_byte(data, at, |byte| byte ^ 1 << random.below(8)),
        1 => with_byte(data, at, |_| random.next() as u8),
        2 => with_byte(data, at, |_| *random.pick(SPICE).unwrap_or(&0)),
        3 => {
            let by = (random.below(9) as u8).wrapping_sub(4);
            with_byte(data, at, |byte| byte.wrapping_add(by));
        }
        4 => number(data, at, random),
        5 => drop(data.drain(at..(at + 1 + random.small(32)).min(data.len()))),
        6 => data.truncate(at),
        7 => {
            let some = (0..=random.small(8)).map(|_| random.next() as u8).collect::<Vec<_>>();
            insert(data, at, &some);
        }
        8 => duplicate(data, at, random),
        9 | 10 => word(data, at, words, random),
        11 => {
            let (from, to) = range(other.len(), random);
            insert(data, at, &other[from..to]);
        }
        _ => {
            // The front of one and the back of another.
            let from = random.below(other.len() + 1);
            data.truncate(at);
            data.extend_from_slice(&other[from..]);
        }
    }
}

fn with_byte(data: &mut [u8], at: usize, change: impl FnOnce(u8) -> u8) {
    if let Some(byte) = data.get_mut(at) {
        *byte = change(*byte);
    }
}

/// Writes a number of some width, in either order of bytes, or as text.
fn number(data: &mut Vec<u8>, at: usize, random: &mut Random) {
    let number = *random.pick(NUMBERS).unwrap_or(&0);
    let width = 1 << random.below(4);
    match random.below(3) {
        0 => overwrite(data, at, &number.to_be_bytes()[8 - width..]),
        1 => overwrite(data, at, &number.to_le_bytes()[..width]),
        _ => insert(data, at, number.to_string().as_bytes()),
    }
}

fn duplicate(data: &mut Vec<u8>, at: usize, random: &mut Random) {
    let (from, to) = range(data.len(), random);
    let piece = data[from..to].to_vec();
    for _ in 0..=random.small(16) {
        if data.len() + piece.len() <= LONGEST {
            insert(data, at, &piece);
        }
    }
}

fn word(data: &mut Vec<u8>, at: usize, words: &[&[u8]], random: &mut Random) {
    let Some(word) = random.pick(words) else { return };
    match random.below(3) {
        0 => overwrite(data, at, word),
        _ => insert(data, at, word),
    }
}

/// Some part of a length, at most 256 of it and mostly less.
fn range(len: usize, random: &mut Random) -> (usize, usize) {
    let from = random.below(len + 1);
    (from, (from + random.small(256)).min(len))
}

fn insert(data: &mut Vec<u8>, at: usize, piece: &[u8]) {
    data.splice(at..at, piece.iter().copied());
}

fn overwrite(data: &mut Vec<u8>, at: usize, piece: &[u8]) {
    let end = (at + piece.len()).min(data.len());
    data.splice(at..end, piece.iter().copied());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_none_is_too_long() {
        let run = |seed| {
            let (mut random, mut data) = (Random::new(seed), b"hello".to_vec());
            let mut lengths = Vec::new();
            for _ in 0..20_000 {
                mutate(&mut data, b"another", &[b"word"], &mut random);
                lengths.push(data.len());
            }
            assert!(lengths.iter().all(|&length| length <= LONGEST));
            (lengths, data)
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn nothing_at_all_can_be_mutated() {
        let mut random = Random::new(7);
        for _ in 0..1000 {
            let mut data = Vec::new();
            mutate(&mut data, b"", &[], &mut random);
        }
    }
}
