//! Masking (RFC 6455 §5.3): XOR with a repeating four-byte key.

/// Masks or unmasks `data` in place; `key[0]` goes with `data[0]`.
///
/// Returns the key turned so that it fits the byte after `data`: a payload that arrives in pieces
/// is unmasked by handing the returned key to the next call.
///
/// ```
/// let mut data = *b"hello";
/// let next = sockeye_proto::apply_mask(&mut data, [1, 2, 3, 4]);
/// assert_eq!(next, [2, 3, 4, 1]);
/// sockeye_proto::apply_mask(&mut data, [1, 2, 3, 4]);
/// assert_eq!(&data, b"hello");
/// ```
pub fn apply_mask(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let word = u64::from(u32::from_ne_bytes(key));
    let word = word << 32 | word;
    let len = data.len();
    let (blocks, tail) = data.as_chunks_mut::<8>();
    for block in blocks {
        *block = (u64::from_ne_bytes(*block) ^ word).to_ne_bytes();
    }
    let (words, tail) = tail.as_chunks_mut::<4>();
    for block in words {
        *block = (u32::from_ne_bytes(*block) ^ u32::from_ne_bytes(key)).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key) {
        *byte ^= key;
    }
    turned(key, len)
}

/// Appends `data` to `out`, masked with `key`; `data` itself stays as it is.
pub fn copy_masked(out: &mut Vec<u8>, data: &[u8], key: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(data);
    apply_mask(&mut out[start..], key);
}

fn turned(mut key: [u8; 4], by: usize) -> [u8; 4] {
    key.rotate_left(by % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_every_split_agrees_with_the_byte_by_byte_definition() {
        let key = [0x12, 0xff, 0x00, 0x7a];
        for len in 0..70_usize {
            let plain: Vec<u8> = (0..len).map(|i| (i * 37) as u8).collect();
            let expected: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
            for split in 0..=len {
                let mut data = plain.clone();
                let (first, second) = data.split_at_mut(split);
                let next = apply_mask(first, key);
                apply_mask(second, next);
                assert_eq!(data, expected, "length {len} split at {split}");
            }
            let mut copied = vec![9];
            copy_masked(&mut copied, &plain, key);
            assert_eq!(copied[1..], expected);
        }
    }
}
