//! Headers by number (manual, "Header availability").

use crate::call;
use crate::log::say;
use crate::panic::export;
use crate::wsi::Stash;
use sockeye::Headers;
use std::ffi::{CString, c_char, c_int, c_void};

/// `WSI_TOKEN_COUNT`.
const COUNT: usize = 23;

const GET_URI: usize = 0;
const ORIGIN: usize = 7;
const HTTP: usize = 16;

/// Which header each token holds; those without hold something else, or never anything.
const NAMES: [Option<&str>; COUNT] = [
    None,
    Some("Host"),
    Some("Connection"),
    Some("Sec-WebSocket-Key1"),
    Some("Sec-WebSocket-Key2"),
    Some("Sec-WebSocket-Protocol"),
    Some("Upgrade"),
    Some("Origin"),
    Some("Sec-WebSocket-Draft"),
    None, // the empty line
    Some("Sec-WebSocket-Key"),
    Some("Sec-WebSocket-Version"),
    None, // goes to ORIGIN
    Some("Sec-WebSocket-Extensions"),
    Some("Sec-WebSocket-Accept"),
    Some("Sec-WebSocket-Nonce"),
    None,
    None,
    None,
    None,
    None,
    None,
    None,
];

/// The headers of the handshake or request that a callback runs for.
pub(crate) struct Tokens {
    /// Empty: not there.
    values: [Vec<u8>; COUNT],
}

impl Tokens {
    pub(crate) fn of_request(target: &str, headers: &Headers<'_>) -> Self {
        let mut tokens = Self::of(headers);
        tokens.values[GET_URI] = target.as_bytes().to_vec();
        tokens
    }

    pub(crate) fn of_answer(headers: &Headers<'_>, stash: &Option<Box<Stash>>) -> Self {
        let mut tokens = Self::of(headers);
        tokens.values[HTTP] = b"101 Switching Protocols".to_vec();
        if let Some(stash) = stash {
            let optional = |text: &Option<CString>| {
                text.as_ref().map_or_else(Vec::new, |text| text.as_bytes().to_vec())
            };
            tokens.values[18] = optional(&stash.protocols);
            tokens.values[19] = stash.address.as_bytes().to_vec();
            tokens.values[20] = stash.uri.as_bytes().to_vec();
            tokens.values[21] = stash.host.as_bytes().to_vec();
            tokens.values[22] = optional(&stash.origin);
        }
        tokens
    }

    fn of(headers: &Headers<'_>) -> Self {
        let mut values: [Vec<u8>; COUNT] = Default::default();
        for (value, name) in values.iter_mut().zip(NAMES) {
            let Some(name) = name else { continue };
            *value = headers.get_all(name).collect::<Vec<_>>().join(&b' ');
        }
        if values[ORIGIN].is_empty() {
            values[ORIGIN] = headers.get("Sec-WebSocket-Origin").unwrap_or_default().to_vec();
        }
        Self { values }
    }
}

/// What a token of a connection holds, if its headers are at hand.
fn token(function: &'static str, wsi: *mut c_void, token: c_int) -> Option<Vec<u8>> {
    let (used, wsi) = call::wsi(function, wsi)?;
    let tokens = used.ctx().tokens.borrow();
    let (_, tokens) = tokens.as_ref().filter(|(of, _)| *of == wsi.handle)?;
    tokens.values.get(usize::try_from(token).ok()?).cloned()
}

export! {
    /// How long a header is; 0 if it is not there.
    fn lws_hdr_total_length(wsi: *mut c_void, h: c_int) -> c_int {
        token("lws_hdr_total_length", wsi, h).map_or(0, |value| value.len() as c_int)
    } else 0;

    /// Copies a header and a zero behind it; its length, or -1 if `len` is too little.
    fn lws_hdr_copy(wsi: *mut c_void, dest: *mut c_char, len: c_int, h: c_int) -> c_int {
        let value = token("lws_hdr_copy", wsi, h).unwrap_or_default();
        let room = usize::try_from(len).unwrap_or(0);
        if value.len() >= room {
            return if value.is_empty() { 0 } else { -1 };
        }
        if dest.is_null() {
            say!(ERR, "lws_hdr_copy: the destination is NULL");
            return -1;
        }
        // SAFETY: the caller says that `len` bytes are there; it is more than the value has.
        unsafe {
            std::ptr::copy_nonoverlapping(value.as_ptr(), dest.cast(), value.len());
            *dest.add(value.len()) = 0;
        }
        value.len() as c_int
    } else 0;
}
