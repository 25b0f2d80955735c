//! What a context is made by: `struct lws_context_creation_info`, which the levels lay out each in
//! their own way.

use crate::abi::{Extension, Info};
use crate::level::{Level, Protocols};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::{null, null_mut};

/// Creation info of any level.
pub(crate) struct Creation {
    pub(crate) level: Level,
    /// What there is at every level.
    pub(crate) info: Info,
    /// As many numbers as the level has tokens; may be NULL.
    pub(crate) token_limits: *const u16,
    /// Address, which may be NULL, and port.
    pub(crate) proxy: (*const c_char, c_uint),
    /// What the private key is encrypted with; may be NULL.
    pub(crate) key_password: *const c_char,
    pub(crate) provided_client_ssl_ctx: *mut c_void,
}

/// Since 1.3.
#[repr(C)]
pub(crate) struct Info130 {
    port: c_int,
    iface: *const c_char,
    protocols: *mut Protocols,
    extensions: *mut Extension,
    token_limits: *const u16,
    ssl_cert_filepath: *const c_char,
    ssl_private_key_filepath: *const c_char,
    ssl_ca_filepath: *const c_char,
    ssl_cipher_list: *const c_char,
    http_proxy_address: *const c_char,
    http_proxy_port: c_uint,
    gid: c_int,
    uid: c_int,
    options: c_uint,
    user: *mut c_void,
    ka_time: c_int,
    ka_probes: c_int,
    ka_interval: c_int,
}

/// Since 1.4.
#[repr(C)]
pub(crate) struct Info140 {
    port: c_int,
    iface: *const c_char,
    protocols: *mut Protocols,
    extensions: *mut Extension,
    token_limits: *const u16,
    ssl_cert_filepath: *const c_char,
    ssl_private_key_password: *const c_char,
    ssl_private_key_filepath: *const c_char,
    ssl_ca_filepath: *const c_char,
    ssl_cipher_list: *const c_char,
    http_proxy_address: *const c_char,
    http_proxy_port: c_uint,
    gid: c_int,
    uid: c_int,
    options: c_uint,
    user: *mut c_void,
    ka_time: c_int,
    ka_probes: c_int,
    ka_interval: c_int,
    provided_client_ssl_ctx: *mut c_void,
}

/// Copies the members that two layouts have in common into the manual's.
macro_rules! common {
    ($info:expr) => {
        Info {
            port: $info.port,
            iface: $info.iface,
            protocols: $info.protocols,
            extensions: $info.extensions,
            ssl_cert_filepath: $info.ssl_cert_filepath,
            ssl_private_key_filepath: $info.ssl_private_key_filepath,
            ssl_ca_filepath: $info.ssl_ca_filepath,
            ssl_cipher_list: $info.ssl_cipher_list,
            gid: $info.gid,
            uid: $info.uid,
            options: $info.options,
            user: $info.user,
            ka_time: $info.ka_time,
            ka_probes: $info.ka_probes,
            ka_interval: $info.ka_interval,
        }
    };
}

/// What can be read as creation info.
pub(crate) trait Layout {
    fn read(&self, level: Level) -> Creation;
}

impl Layout for Info {
    fn read(&self, level: Level) -> Creation {
        Creation {
            level,
            info: common!(self),
            token_limits: null(),
            proxy: (null(), 0),
            key_password: null(),
            provided_client_ssl_ctx: null_mut(),
        }
    }
}

impl Layout for Info130 {
    fn read(&self, level: Level) -> Creation {
        Creation {
            level,
            info: common!(self),
            token_limits: self.token_limits,
            proxy: (self.http_proxy_address, self.http_proxy_port),
            key_password: null(),
            provided_client_ssl_ctx: null_mut(),
        }
    }
}

impl Layout for Info140 {
    fn read(&self, level: Level) -> Creation {
        Creation {
            level,
            info: common!(self),
            token_limits: self.token_limits,
            proxy: (self.http_proxy_address, self.http_proxy_port),
            key_password: self.ssl_private_key_password,
            provided_client_ssl_ctx: self.provided_client_ssl_ctx,
        }
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn creation_info_lies_as_in_its_release() {
        assert_eq!((size_of::<Info130>(), size_of::<Info140>()), (120, 136));
        assert_eq!(offset_of!(Info130, http_proxy_port), 80);
        assert_eq!(offset_of!(Info130, ka_interval), 112);
        assert_eq!(offset_of!(Info140, ssl_private_key_password), 48);
        assert_eq!(offset_of!(Info140, provided_client_ssl_ctx), 128);
    }
}
