//! SHA-1, base64, random bytes, version: helpers that need no connection.

use crate::log::say;
use crate::panic::export;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

/// The API's version, then what it is built from.
macro_rules! version {
    ($level:literal) => {{
        const TEXT: &str = concat!($level, " sockeye-", env!("CARGO_PKG_VERSION"), "\0");
        const VERSION: &CStr = match CStr::from_bytes_with_nul(TEXT.as_bytes()) {
            Ok(version) => version,
            Err(_) => panic!("a version without zeroes"),
        };
        VERSION.as_ptr()
    }};
}

export! {
    /// Version, a space, and what stands for the commit.
    fn lws_get_library_version() -> *const c_char {
        version!("1.2")
    } else null();

    /// The same for programs of 1.23.
    fn lws_get_library_version_123() -> *const c_char {
        version!("1.23")
    } else null();

    /// The same for programs of 1.3.
    fn lws_get_library_version_130() -> *const c_char {
        version!("1.3")
    } else null();

    /// The same for programs of 1.4.
    fn lws_get_library_version_140() -> *const c_char {
        version!("1.4")
    } else null();

    /// The SHA-1 digest of `n` bytes into the 20 at `md`; returns `md`.
    fn libwebsockets_SHA1(d: *const u8, n: usize, md: *mut u8) -> *mut u8 {
        if md.is_null() || (d.is_null() && n > 0) || n > isize::MAX as usize {
            say!(ERR, "libwebsockets_SHA1: NULL, or more bytes than there can be");
            return null_mut();
        }
        let data: &[u8] = match n {
            0 => &[],
            // SAFETY: not NULL, and the caller says that `n` bytes are there.
            _ => unsafe { std::slice::from_raw_parts(d, n) },
        };
        let digest = sockeye::sha1(data);
        // SAFETY: the caller says that there is room for a digest.
        unsafe { std::ptr::copy_nonoverlapping(digest.as_ptr(), md, digest.len()) };
        md
    } else null_mut();

    /// Encodes `in_len` bytes; the length of the text without the zero at its end, or -1.
    fn lws_b64_encode_string(
        input: *const c_char,
        in_len: c_int,
        out: *mut c_char,
        out_size: c_int,
    ) -> c_int {
        let Ok(len) = usize::try_from(in_len) else { return -1 };
        if out.is_null() || (input.is_null() && len > 0) {
            return -1;
        }
        let mut bytes = Vec::new();
        if len > 0 {
            // SAFETY: not NULL, and the caller says that `in_len` bytes are there.
            bytes.extend_from_slice(unsafe { std::slice::from_raw_parts(input.cast::<u8>(), len) });
        }
        put(&encode(&bytes), out, out_size)
    } else -1;

    /// Decodes a string; the number of bytes without the zero that is put behind them, or -1.
    /// Characters outside the alphabet are passed over, `=` ends it.
    fn lws_b64_decode_string(input: *const c_char, out: *mut c_char, out_size: c_int) -> c_int {
        if input.is_null() || out.is_null() {
            return -1;
        }
        // SAFETY: not NULL, and the caller says that it is a string.
        let text = unsafe { CStr::from_ptr(input) }.to_bytes();
        put(&decode(text), out, out_size)
    } else -1;

    /// Random bytes from the system's generator; how many there are.
    fn libwebsockets_get_random(context: *mut c_void, buf: *mut c_void, len: c_int) -> c_int {
        let _ = context; // the generator is the process's
        let Ok(count) = usize::try_from(len) else { return 0 };
        if buf.is_null() || count == 0 {
            return 0;
        }
        // SAFETY: not NULL, and the caller says that there is room for `len` bytes, which are
        // initialised here.
        let room = unsafe {
            buf.cast::<u8>().write_bytes(0, count);
            std::slice::from_raw_parts_mut(buf.cast(), count)
        };
        match getrandom::fill(room) {
            Ok(()) => len,
            Err(error) => {
                say!(ERR, "libwebsockets_get_random: {error}");
                0
            }
        }
    } else 0;

    /// The extensions there are: none that a program could call. permessage-deflate is negotiated
    /// for contexts that are given this list.
    fn libwebsocket_get_internal_extensions() -> *mut crate::abi::Extension {
        static LIST: List = List(crate::abi::Extension {
            name: null(),
            callback: null(),
            per_session_data_size: 0,
            per_context_private_data: null_mut(),
        });
        (&raw const LIST.0).cast_mut()
    } else null_mut();
}

/// An array of nothing but its end.
struct List(crate::abi::Extension);

// SAFETY: there is nothing behind its pointers, and nothing is written to it.
unsafe impl Sync for List {}

fn put(bytes: &[u8], out: *mut c_char, out_size: c_int) -> c_int {
    let room = usize::try_from(out_size).unwrap_or(0);
    if bytes.len() >= room {
        return -1;
    }
    // SAFETY: the caller of the export says that `out_size` bytes are there; that is more.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast(), bytes.len());
        *out.add(bytes.len()) = 0;
    }
    bytes.len() as c_int
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = Vec::new();
    for three in bytes.chunks(3) {
        let at = |i| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for i in 0..4 {
            let digit = alphabet[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= three.len() { digit } else { b'=' });
        }
    }
    out
}

fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0);
    for &byte in text.iter().take_while(|&&byte| byte != b'=') {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        (bits, count) = (bits << 6 | u32::from(value), count + 6);
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_knows_how_much_there_is() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"YWJj", b"abc"),
            (b"YWI=", b"ab"),
            (b"YQ==", b"a"),
            (b"YWJjZA==", b"abcd"),
            (b"", b""),
            (b"YW\nJj", b"abc"),
        ];
        for (text, bytes) in cases {
            assert_eq!(decode(text), bytes);
            if !text.contains(&b'\n') {
                assert_eq!(encode(bytes), text);
            }
        }
    }
}
