//! Masking (RFC 6455 §5.3): XOR with a repeating four-byte key.
//!
//! A crate of its own because of one thing that safe Rust cannot say: that a function compiled for
//! AVX2 is called only where there is AVX2.

/// Shorter data is not worth a call.
const CALL_FROM: usize = 32;
/// Shorter data is not worth the question what the processor has.
const WIDE_FROM: usize = 256;

/// Masks or unmasks `data` in place; `key[0]` goes with `data[0]`.
///
/// Returns the key turned so that it fits the byte after `data`: a payload that arrives in pieces
/// is unmasked by handing the returned key to the next call.
///
/// ```
/// let mut data = *b"hello";
/// let next = sockeye_mask::apply_mask(&mut data, [1, 2, 3, 4]);
/// assert_eq!(next, [2, 3, 4, 1]);
/// sockeye_mask::apply_mask(&mut data, [1, 2, 3, 4]);
/// assert_eq!(&data, b"hello");
/// ```
#[inline]
pub fn apply_mask(data: &mut [u8], key: [u8; 4]) -> [u8; 4] {
    let len = data.len();
    if len < CALL_FROM {
        apply(data, key);
    } else if len < WIDE_FROM || !wide::apply(data, key) {
        plain(data, key);
    }
    turned(key, len)
}

/// Appends `data` to `out`, masked with `key`; `data` itself stays as it is.
pub fn copy_masked(out: &mut Vec<u8>, data: &[u8], key: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(data);
    apply_mask(&mut out[start..], key);
}

/// What every processor can.
#[inline(never)]
fn plain(data: &mut [u8], key: [u8; 4]) {
    apply(data, key);
}

/// The loop. Inlined, so that it is compiled anew for what its caller may use.
#[inline(always)]
fn apply(data: &mut [u8], key: [u8; 4]) {
    let word = u64::from(u32::from_ne_bytes(key));
    let word = word << 32 | word;
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
}

/// Where 32 bytes go at a time, if the processor has AVX2.
#[cfg(all(feature = "simd", any(target_arch = "x86_64", target_arch = "x86")))]
mod wide {
    /// Whether it did.
    pub(crate) fn apply(data: &mut [u8], key: [u8; 4]) -> bool {
        let has_avx2 = std::arch::is_x86_feature_detected!("avx2");
        if has_avx2 {
            // SAFETY: `avx2` asks nothing but the AVX2 that was just found.
            unsafe { avx2(data, key) };
        }
        has_avx2
    }

    #[target_feature(enable = "avx2")]
    fn avx2(data: &mut [u8], key: [u8; 4]) {
        super::apply(data, key);
    }
}

/// Elsewhere the compiler knows what every processor of the target has.
#[cfg(not(all(feature = "simd", any(target_arch = "x86_64", target_arch = "x86"))))]
mod wide {
    pub(crate) fn apply(_data: &mut [u8], _key: [u8; 4]) -> bool {
        false
    }
}

fn turned(mut key: [u8; 4], by: usize) -> [u8; 4] {
    key.rotate_left(by % 4);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every length up to where both ways have all their kinds of rest.
    const LENGTHS: std::ops::Range<usize> = 0..WIDE_FROM + 70;

    fn plain(len: usize) -> (Vec<u8>, [u8; 4], Vec<u8>) {
        let key = [0x12, 0xff, 0x00, 0x7a];
        let plain: Vec<u8> = (0..len).map(|i| (i * 37) as u8).collect();
        let masked = plain.iter().enumerate().map(|(i, byte)| byte ^ key[i % 4]).collect();
        (plain, key, masked)
    }

    #[test]
    fn every_length_and_every_split_agrees_with_the_byte_by_byte_definition() {
        for len in LENGTHS {
            let (plain, key, masked) = plain(len);
            for split in 0..=len {
                let mut data = plain.clone();
                let (first, second) = data.split_at_mut(split);
                let next = apply_mask(first, key);
                apply_mask(second, next);
                assert_eq!(data, masked, "length {len} split at {split}");
            }
            let mut copied = vec![9];
            copy_masked(&mut copied, &plain, key);
            assert_eq!(copied[1..], masked);
        }
    }

    #[test]
    fn what_every_processor_can_agrees_with_what_this_one_can() {
        for len in LENGTHS {
            let (mut plain, key, masked) = plain(len);
            apply(&mut plain, key);
            assert_eq!(plain, masked, "length {len}");
        }
    }
}
