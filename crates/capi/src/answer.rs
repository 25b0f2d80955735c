//! Answers that programs of 1.3 and 1.4 put together: a status with a page, and heads header by
//! header in the program's own memory.

use crate::call;
use crate::log::say;
use crate::panic::export;
use crate::tokens::spelling;
use crate::write::bytes;
use crate::wsi::Kind;
use sockeye::reason_phrase;
use std::ffi::{CStr, c_char, c_int, c_uchar, c_uint, c_ulong, c_void};

/// What a status is called (RFC 9110 §15).
fn phrase(code: c_uint) -> &'static str {
    match u16::try_from(code).map_or("", reason_phrase) {
        "" => "Status",
        phrase => phrase,
    }
}

/// Appends to a head that a program puts together; 1 if there is no room, or nothing to append to.
///
/// # Safety
///
/// `p` is NULL or points to a place up to `end` in the same memory.
unsafe fn append(p: *mut *mut u8, end: *mut u8, parts: &[&[u8]]) -> c_int {
    // SAFETY: by the caller's word.
    let Some(at) = (unsafe { p.as_mut() }) else { return 1 };
    let room = end.addr().checked_sub(at.addr()).filter(|_| !at.is_null() && !end.is_null());
    let len: usize = parts.iter().map(|part| part.len()).sum();
    if room.is_none_or(|room| len > room) {
        return 1;
    }
    for part in parts {
        // SAFETY: there is room for all parts before `end`.
        unsafe {
            std::ptr::copy_nonoverlapping(part.as_ptr(), *at, part.len());
            *at = at.add(part.len());
        }
    }
    0
}

/// Appends a header line, unless it would be more than one.
///
/// # Safety
///
/// As [`append`].
unsafe fn append_header(p: *mut *mut u8, end: *mut u8, name: &[u8], value: &[u8]) -> c_int {
    if name.iter().chain(value).any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        say!(ERR, "lws_add_http_header: a header is one line of text");
        return 1;
    }
    let colon = if name.ends_with(b":") { &b" "[..] } else { b": " };
    // SAFETY: by the caller's word.
    unsafe { append(p, end, &[name, colon, value, b"\r\n"]) }
}

export! {
    /// Since 1.3: answers with a status and a short page.
    fn libwebsockets_return_http_status(
        context: *mut c_void,
        wsi: *mut c_void,
        code: c_uint,
        html_body: *const c_char,
    ) -> c_int {
        let function = "libwebsockets_return_http_status";
        let Some((used, wsi)) = call::wsi_in(function, context, wsi) else { return -1 };
        let ctx = used.ctx();
        let usable = ctx.is_usable(&wsi) && wsi.kind.get() == Kind::Http;
        let Some(conn) = wsi.conn.get().filter(|_| usable) else {
            say!(ERR, "{function}: the connection is not at an HTTP request");
            return -1;
        };
        let more = match html_body.is_null() {
            true => &[][..],
            // SAFETY: not NULL, and the caller says that it is a string.
            false => unsafe { CStr::from_ptr(html_body) }.to_bytes(),
        };
        let phrase = phrase(code);
        let page = format!("<h1>{code} {phrase}</h1>");
        let len = page.len() + more.len();
        let head = format!(
            "HTTP/1.0 {code} {phrase}\r\nServer: libwebsockets\r\nContent-Type: text/html\r\n\
             Content-Length: {len}\r\n\r\n{page}"
        );
        let mut answer = Vec::from(head);
        answer.extend_from_slice(more);
        let sent = ctx.send_raw(conn, &answer);
        ctx.drain();
        if sent.is_ok() { 0 } else { -1 }
    } else -1;

    /// Since 1.4: begins a head.
    fn lws_add_http_header_status(
        context: *mut c_void,
        wsi: *mut c_void,
        code: c_uint,
        p: *mut *mut u8,
        end: *mut u8,
    ) -> c_int {
        let _ = (context, wsi); // the memory is the program's
        let line = format!("HTTP/1.1 {code} {}\r\nServer: libwebsockets\r\n", phrase(code));
        // SAFETY: what the header asks of the caller.
        unsafe { append(p, end, &[line.as_bytes()]) }
    } else 1;

    /// Since 1.4: a header by its name, which may end with a colon.
    fn lws_add_http_header_by_name(
        context: *mut c_void,
        wsi: *mut c_void,
        name: *const c_uchar,
        value: *const c_uchar,
        length: c_int,
        p: *mut *mut u8,
        end: *mut u8,
    ) -> c_int {
        let _ = (context, wsi);
        let function = "lws_add_http_header_by_name";
        let value = usize::try_from(length).ok().and_then(|len| bytes(function, value, len));
        let Some(value) = value.filter(|_| !name.is_null()) else { return 1 };
        // SAFETY: not NULL, and what the header asks of the caller.
        unsafe { append_header(p, end, CStr::from_ptr(name.cast()).to_bytes(), value) }
    } else 1;

    /// Since 1.4: a header by its token.
    fn lws_add_http_header_by_token(
        context: *mut c_void,
        wsi: *mut c_void,
        token: c_int,
        value: *const c_uchar,
        length: c_int,
        p: *mut *mut u8,
        end: *mut u8,
    ) -> c_int {
        let _ = (context, wsi);
        let function = "lws_add_http_header_by_token";
        let value = usize::try_from(length).ok().and_then(|len| bytes(function, value, len));
        let (Some(name), Some(value)) = (spelling(token), value) else { return 1 };
        // SAFETY: what the header asks of the caller.
        unsafe { append_header(p, end, name.to_bytes(), value) }
    } else 1;

    /// Since 1.4: how long what follows the head is.
    fn lws_add_http_header_content_length(
        context: *mut c_void,
        wsi: *mut c_void,
        content_length: c_ulong,
        p: *mut *mut u8,
        end: *mut u8,
    ) -> c_int {
        let _ = (context, wsi);
        // SAFETY: what the header asks of the caller.
        unsafe { append_header(p, end, b"content-length:", content_length.to_string().as_bytes()) }
    } else 1;

    /// Since 1.4: ends a head.
    fn lws_finalize_http_header(
        context: *mut c_void,
        wsi: *mut c_void,
        p: *mut *mut u8,
        end: *mut u8,
    ) -> c_int {
        let _ = (context, wsi);
        // SAFETY: what the header asks of the caller.
        unsafe { append(p, end, &[b"\r\n"]) }
    } else 1;

    /// Since 1.4: the answer is complete. Not zero: the connection does not go on.
    fn lws_http_transaction_completed(wsi: *mut c_void) -> c_int {
        let found = call::wsi("lws_http_transaction_completed", wsi);
        let goes_on = found.is_some_and(|(used, wsi)| {
            used.ctx().is_usable(&wsi) && wsi.kind.get() == Kind::Http && wsi.keeps_alive.get()
        });
        c_int::from(!goes_on)
    } else 1;
}
