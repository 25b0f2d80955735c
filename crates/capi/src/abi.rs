//! Types and numbers of `include/libwebsockets.h` that are the same at every level; the others are
//! in `level` and `info`.

use crate::level::Protocols;
use std::ffi::{c_char, c_int, c_uint, c_void};

/// What C holds for a `struct libwebsocket_context *`: a handle, never dereferenced.
pub(crate) type ContextHandle = *mut c_void;
/// What C holds for a `struct libwebsocket *`: a handle, never dereferenced.
pub(crate) type WsiHandle = *mut c_void;

/// `callback_function *`.
pub(crate) type Callback = unsafe extern "C" fn(
    context: ContextHandle,
    wsi: WsiHandle,
    reason: c_int,
    user: *mut c_void,
    input: *mut c_void,
    len: usize,
) -> c_int;

/// `struct libwebsocket_extension`.
#[repr(C)]
pub(crate) struct Extension {
    pub(crate) name: *const c_char,
    pub(crate) callback: *const c_void,
    pub(crate) per_session_data_size: usize,
    pub(crate) per_context_private_data: *mut c_void,
}

/// `struct lws_context_creation_info` of the manual and of 1.23.
#[repr(C)]
pub(crate) struct Info {
    pub(crate) port: c_int,
    pub(crate) iface: *const c_char,
    pub(crate) protocols: *mut Protocols,
    pub(crate) extensions: *mut Extension,
    pub(crate) ssl_cert_filepath: *const c_char,
    pub(crate) ssl_private_key_filepath: *const c_char,
    pub(crate) ssl_ca_filepath: *const c_char,
    pub(crate) ssl_cipher_list: *const c_char,
    pub(crate) gid: c_int,
    pub(crate) uid: c_int,
    pub(crate) options: c_uint,
    pub(crate) user: *mut c_void,
    pub(crate) ka_time: c_int,
    pub(crate) ka_probes: c_int,
    pub(crate) ka_interval: c_int,
}

/// What OPENSSL_PERFORM_CLIENT_CERT_VERIFICATION gets in `in`: `struct sockeye_certificate`.
#[repr(C)]
pub(crate) struct PeerCertificate {
    pub(crate) subject: *const c_char,
    pub(crate) issuer: *const c_char,
    pub(crate) common_name: *const c_char,
    pub(crate) der: *const u8,
    pub(crate) der_len: usize,
    pub(crate) sha256: [u8; 32],
}

/// `LWS_SERVER_OPTION_REQUIRE_VALID_OPENSSL_CLIENT_CERT`.
pub(crate) const REQUIRE_CLIENT_CERT: c_uint = 2;
/// `LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME`.
pub(crate) const SKIP_CANONICAL_NAME: c_uint = 4;
/// `LWS_SERVER_OPTION_ALLOW_NON_SSL_ON_SSL_PORT`, since 1.3.
pub(crate) const ALLOW_NON_SSL: c_uint = 8;
/// `LWS_SERVER_OPTION_LIBEV`, since 1.3.
pub(crate) const LIBEV: c_uint = 16;
/// `LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS`, since 1.3.
pub(crate) const DISABLE_OS_CA_CERTS: c_uint = 64;
/// `LWS_SERVER_OPTION_VALIDATE_UTF8`, which is this library's own.
pub(crate) const VALIDATE_UTF8: c_uint = 1 << 16;

/// `struct libwebsocket_pollargs`, since 1.3.
#[repr(C)]
pub(crate) struct PollArgs {
    pub(crate) fd: c_int,
    pub(crate) events: c_int,
    pub(crate) prev_events: c_int,
}

/// `LWS_SEND_BUFFER_PRE_PADDING`.
pub(crate) const PRE_PADDING: usize = 18;
/// `LWS_SEND_BUFFER_POST_PADDING`.
pub(crate) const POST_PADDING: usize = 4;

/// Where a poll reason's descriptor stands in `in`.
pub(crate) fn fd_as_pointer(fd: c_int) -> *mut c_void {
    std::ptr::without_provenance_mut(fd as isize as usize)
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn structs_lie_as_the_manual_says() {
        assert_eq!((size_of::<Extension>(), size_of::<Info>()), (32, 104));
        assert_eq!(offset_of!(Info, gid), 64);
        assert_eq!(offset_of!(Info, options), 72);
        assert_eq!(offset_of!(Info, ka_interval), 96);
    }
}
