//! base64 (RFC 4648 §4), as much of it as handshakes need.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes what `bytes` are, padded, to the front of `out`, which has room for it: 4 for each 3.
pub(crate) fn encode(bytes: &[u8], out: &mut [u8]) {
    for (three, four) in bytes.chunks(3).zip(out.chunks_exact_mut(4)) {
        let at = |i| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for (i, byte) in four.iter_mut().enumerate() {
            let value = bits >> (18 - 6 * i) & 63;
            *byte = if i <= three.len() { ALPHABET[value as usize] } else { b'=' };
        }
    }
}

/// Whether a text stands for 16 bytes. The bits that are left over may be any: the example key of
/// RFC 6455 §4.1 has some set.
pub(crate) fn is_of_16_bytes(text: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let digits = text.strip_suffix("==");
    digits.is_some_and(|digits| digits.len() == 22 && digits.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        let examples = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"];
        for (len, text) in examples.into_iter().enumerate() {
            let mut out = vec![0; text.len()];
            encode(&b"foobar"[..len], &mut out);
            assert_eq!(out, text.as_bytes());
        }
        let mut all = [0; 64];
        let mut bytes = Vec::new();
        for four in (0..64_u32).step_by(4) {
            let bits = four << 18 | (four + 1) << 12 | (four + 2) << 6 | (four + 3);
            bytes.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        encode(&bytes, &mut all);
        assert_eq!(all, *ALPHABET);
    }

    #[test]
    fn keys_are_told_from_what_is_none() {
        for key in
            ["AQIDBAUGBwgJCgsMDQ4PEC==", "AQIDBAUGBwgJCgsMDQ4PEA==", "++//BAUGBwgJCgsMDQ4PEA=="]
        {
            assert!(is_of_16_bytes(key), "{key}");
        }
        for none in [
            "",
            "==",
            "AQIDBAUGBwgJCgsMDQ4PEA=",
            "AQIDBAUGBwgJCgsMDQ4PEAA=",
            "AQIDBAUGBwgJCgsMDQ4PEAAA",
            "AQIDBAUGBwgJCgsMDQ4P=A==",
            "AQIDBAUGBwgJCgsMDQ4P-A==",
            "AQIDBAUGBwgJCgsMDQ4PEA==AQIDBAUGBwgJCgsMDQ4PEA==",
            "AQIDBAUGBwgJCgsMDQ4\u{e9}E==",
        ] {
            assert!(!is_of_16_bytes(none), "{none}");
        }
    }
}
