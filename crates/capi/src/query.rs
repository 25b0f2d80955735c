//! What programs ask about connections and contexts.

use crate::call;
use crate::ids::Purpose;
use crate::level::Protocols;
use crate::log::say;
use crate::panic::export;
use crate::wsi::PieceInfo;
use libc::{AF_INET6, NI_MAXHOST, NI_NAMEREQD, NI_NUMERICHOST, sockaddr_storage, socklen_t};
use std::ffi::{CStr, c_char, c_int, c_uchar, c_void};
use std::mem;
use std::ptr::{null, null_mut};

fn piece(function: &'static str, wsi: *mut c_void) -> PieceInfo {
    call::wsi(function, wsi).map_or_else(PieceInfo::default, |(_, wsi)| wsi.piece.get())
}

export! {
    /// The `user` of the creation info.
    fn libwebsocket_context_user(context: *mut c_void) -> *mut c_void {
        call::context("libwebsocket_context_user", context, Purpose::Call)
            .map_or(null_mut(), |used| used.ctx().user)
    } else null_mut();

    /// The entry of the program's own array that a connection is bound to.
    fn libwebsockets_get_protocol(wsi: *mut c_void) -> *const Protocols {
        let Some((used, wsi)) = call::wsi("libwebsockets_get_protocol", wsi) else {
            return null();
        };
        used.ctx().entry(wsi.protocol.get())
    } else null();

    /// The descriptor of a connection, for looking at.
    fn libwebsocket_get_socket_fd(wsi: *mut c_void) -> c_int {
        call::wsi("libwebsocket_get_socket_fd", wsi).map_or(-1, |(_, wsi)| wsi.fd.get())
    } else -1;

    /// Whether the piece just received ends its message.
    fn libwebsocket_is_final_fragment(wsi: *mut c_void) -> c_int {
        c_int::from(piece("libwebsocket_is_final_fragment", wsi).is_final)
    } else 0;

    /// The reserved bits of the frame just received, where they stand in its first byte.
    fn libwebsocket_get_reserved_bits(wsi: *mut c_void) -> c_uchar {
        piece("libwebsocket_get_reserved_bits", wsi).reserved
    } else 0;

    /// How much of the frame is still to come.
    fn libwebsockets_remaining_packet_payload(wsi: *mut c_void) -> usize {
        piece("libwebsockets_remaining_packet_payload", wsi).remaining
    } else 0;

    /// Whether the message just received is binary.
    fn lws_frame_is_binary(wsi: *mut c_void) -> c_int {
        c_int::from(piece("lws_frame_is_binary", wsi).is_binary)
    } else 0;

    /// Since 1.4: how much the peer lets us write. Only HTTP/2 would have a limit.
    fn lws_get_peer_write_allowance(wsi: *mut c_void) -> usize {
        match call::wsi("lws_get_peer_write_allowance", wsi) {
            Some(_) => usize::MAX,
            None => 0,
        }
    } else 0;

    /// Since 1.4: whether some of what was written waits for the socket.
    fn lws_partial_buffered(wsi: *mut c_void) -> c_int {
        let Some((used, wsi)) = call::wsi("lws_partial_buffered", wsi) else { return 0 };
        let conn = wsi.conn.get();
        let info = conn.and_then(|conn| used.ctx().with(|all| all.info(conn)).flatten());
        c_int::from(info.is_some_and(|info| info.queued > 0))
    } else 0;

    /// Since 1.4: whether a connection is encrypted.
    fn lws_is_ssl(wsi: *mut c_void) -> c_int {
        let Some((used, wsi)) = call::wsi("lws_is_ssl", wsi) else { return 0 };
        let conn = wsi.conn.get();
        let tls = conn.and_then(|conn| used.ctx().with(|all| all.tls(conn)).flatten());
        c_int::from(tls.is_some())
    } else 0;

    /// Since 1.4: nothing. What the library allocates is Rust's, which has its own allocator.
    fn lws_set_allocator(allocate: *const c_void) {
        let _ = allocate;
    } else ();

    /// The name of this machine.
    fn libwebsocket_canonical_hostname(context: *mut c_void) -> *const c_char {
        call::context("libwebsocket_canonical_hostname", context, Purpose::Call)
            .map_or(null(), |used| used.ctx().hostname.as_ptr())
    } else null();

    /// The name and the address of a socket's peer. The name may take the resolver a while.
    fn libwebsockets_get_peer_addresses(
        context: *mut c_void,
        wsi: *mut c_void,
        fd: c_int,
        name: *mut c_char,
        name_len: c_int,
        rip: *mut c_char,
        rip_len: c_int,
    ) {
        let _ = (context, wsi); // the descriptor says it all
        put_text(name, name_len, b"");
        put_text(rip, rip_len, b"");
        // SAFETY: all zeroes are one.
        let mut address: sockaddr_storage = unsafe { mem::zeroed() };
        let mut len = mem::size_of::<sockaddr_storage>() as socklen_t;
        // SAFETY: address and length are ours, and the length is that of the address.
        let found = unsafe { libc::getpeername(fd, (&raw mut address).cast(), &raw mut len) };
        if found != 0 {
            return say!(INFO, "getpeername: {}", std::io::Error::last_os_error());
        }
        if let Some(text) = name_of(&address, len, NI_NUMERICHOST) {
            let mapped = text.strip_prefix(b"::ffff:").filter(|_| is_v6(&address));
            put_text(rip, rip_len, mapped.unwrap_or(&text));
        }
        if name_len > 0 && let Some(text) = name_of(&address, len, NI_NAMEREQD) {
            put_text(name, name_len, &text);
        }
    } else ();
}

fn is_v6(address: &sockaddr_storage) -> bool {
    c_int::from(address.ss_family) == AF_INET6
}

fn name_of(address: &sockaddr_storage, len: socklen_t, flags: c_int) -> Option<Vec<u8>> {
    let mut text = [0 as c_char; NI_MAXHOST as usize];
    // SAFETY: the address is as long as `len` says, and the text as its own length.
    let failed = unsafe {
        libc::getnameinfo(
            (&raw const *address).cast(),
            len,
            text.as_mut_ptr(),
            text.len() as socklen_t,
            null_mut(),
            0,
            flags,
        )
    };
    if failed != 0 {
        return None;
    }
    // SAFETY: `getnameinfo` has put a string there.
    Some(unsafe { CStr::from_ptr(text.as_ptr()) }.to_bytes().to_vec())
}

/// Puts as much of a text as there is room for into a buffer of C's, and a zero behind it.
fn put_text(dest: *mut c_char, len: c_int, text: &[u8]) {
    let room = usize::try_from(len).unwrap_or(0);
    if dest.is_null() || room == 0 {
        return;
    }
    let text = &text[..text.len().min(room - 1)];
    // SAFETY: the caller of the export says that `len` bytes are there.
    unsafe {
        std::ptr::copy_nonoverlapping(text.as_ptr(), dest.cast(), text.len());
        *dest.add(text.len()) = 0;
    }
}
