//! SHA-1 (RFC 3174), which is no secret's guard here: it shows that an answer is to this handshake.
//!
//! A handshake takes two blocks. The crate `sha1` has instructions of processors for them; in its
//! place stands, where size counts, what the RFC says.

/// The digest of these bytes.
pub fn sha1(data: &[u8]) -> [u8; 20] {
    #[cfg(feature = "simd")]
    return <sha1::Sha1 as sha1::Digest>::digest(data).into();
    #[cfg(not(feature = "simd"))]
    return digest(data);
}

#[cfg(any(test, not(feature = "simd")))]
fn digest(data: &[u8]) -> [u8; 20] {
    let mut state = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let (blocks, rest) = data.as_chunks();
    blocks.iter().for_each(|block| mix(&mut state, block));
    // The rest, a bit that is set, and at the end of the block the length in bits.
    let mut last = [0; 128];
    last[..rest.len()].copy_from_slice(rest);
    last[rest.len()] = 0x80;
    let end = if rest.len() < 56 { 64 } else { 128 };
    let bits = (data.len() as u64).wrapping_mul(8);
    last[end - 8..end].copy_from_slice(&bits.to_be_bytes());
    last[..end].as_chunks().0.iter().for_each(|block| mix(&mut state, block));
    let mut digest = [0; 20];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// One block (RFC 3174 §6.1).
#[cfg(any(test, not(feature = "simd")))]
fn mix(state: &mut [u32; 5], block: &[u8; 64]) {
    let mut words = [0; 80];
    for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    for (t, word) in words.into_iter().enumerate() {
        let (f, k) = match t / 20 {
            0 => ((b & c) | (!b & d), 0x5a82_7999),
            1 => (b ^ c ^ d, 0x6ed9_eba1),
            2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc_u32),
            _ => (b ^ c ^ d, 0xca62_c1d6),
        };
        let sum = [f, e, k, word].into_iter().fold(a.rotate_left(5), u32::wrapping_add);
        (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
    }
    for (word, more) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(digest: [u8; 20]) -> String {
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn digests_are_those_of_the_rfc() {
        let (ten, million) = (b"01234567".repeat(80), b"a".repeat(1_000_000));
        let longer = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        let vectors: [(&[u8], &str); 5] = [
            (b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            (b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (longer, "84983e441c3bd26ebaae4aa1f95129e5e54670f1"),
            (&million, "34aa973cd4c4daa4f61eeb2bdbad27316534016f"),
            (&ten, "dea356a2cddd90c7a7ecedc5ebb563934f460452"),
        ];
        for (data, text) in vectors {
            assert_eq!(hex(digest(data)), text);
            assert_eq!(sha1(data), digest(data));
        }
    }

    #[test]
    fn no_length_is_special() {
        let data: Vec<u8> = (0..=255).collect();
        let all: Vec<u8> = (0..=256).flat_map(|len| digest(&data[..len])).collect();
        // What the SHA-1 of other hands says of them.
        assert_eq!(hex(digest(&all)), "17c6e3a851bf76148d18b52e0aae5ee7046586ca");
    }
}
