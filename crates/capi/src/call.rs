//! From a handle that a program hands in to the context and connection behind it.

use crate::context::Ctx;
use crate::ids::{self, Purpose, Refusal, Use, complain};
use crate::wsi::Wsi;
use std::ffi::c_void;
use std::rc::Rc;

/// The context of a handle, for the length of a call. NULL and others that will not do are logged.
pub(crate) fn context(
    function: &'static str,
    handle: *mut c_void,
    purpose: Purpose,
) -> Option<Use> {
    ids::use_context(handle, purpose).map_err(|refusal| complain(function, refusal)).ok()
}

/// The connection of a handle and its context.
pub(crate) fn wsi(function: &'static str, handle: *mut c_void) -> Option<(Use, Rc<Wsi>)> {
    let found = ids::use_context_of(handle).and_then(|used| match used.ctx().wsi(handle) {
        Some(wsi) => Ok((used, wsi)),
        None => Err(Refusal::Unknown),
    });
    found.map_err(|refusal| complain(function, refusal)).ok()
}

/// The same, where the context is given too and must be the connection's.
pub(crate) fn wsi_in(
    function: &'static str,
    context: *mut c_void,
    handle: *mut c_void,
) -> Option<(Use, Rc<Wsi>)> {
    let (used, wsi) = wsi(function, handle)?;
    if used.ctx().handle != context {
        complain(function, Refusal::Unknown);
        return None;
    }
    Some((used, wsi))
}

impl Ctx {
    /// Whether `wsi` is one of this context's that the program may still do things with.
    pub(crate) fn is_usable(&self, wsi: &Wsi) -> bool {
        !self.is_dying() && wsi.conn.get().is_some()
    }
}
