//! What is asked for all connections of a protocol at once, by the thread of their context. (What
//! other threads may ask for is in `bell`.)

use crate::bell;
use crate::context::Ctx;
use crate::level::Protocols;
use crate::panic::export;
use crate::wsi::{Kind, Wsi};
use std::ffi::c_int;
use std::ptr::null_mut;
use std::rc::Rc;

impl Ctx {
    /// The connections that are bound to a protocol.
    fn of_protocol(&self, index: usize) -> Vec<Rc<Wsi>> {
        let mut all = self.all();
        all.retain(|wsi| {
            let is_connection = !matches!(wsi.kind.get(), Kind::Attention | Kind::Listener);
            is_connection && wsi.protocol.get() == index
        });
        all
    }
}

export! {
    /// Since 1.23: all connections of a protocol go on receiving.
    fn libwebsocket_rx_flow_allow_all_protocol(protocol: *const Protocols) {
        let function = "libwebsocket_rx_flow_allow_all_protocol";
        if let Some((used, index)) = bell::context_of(function, protocol) {
            for wsi in used.ctx().of_protocol(index) {
                used.ctx().flow(&wsi, true);
            }
        }
    } else ();

    /// Since 1.3: calls every connection of a protocol back with a reason of the program's.
    fn libwebsocket_callback_all_protocol(protocol: *const Protocols, reason: c_int) -> c_int {
        let function = "libwebsocket_callback_all_protocol";
        let Some((used, index)) = bell::context_of(function, protocol) else { return 0 };
        let ctx = used.ctx();
        for wsi in ctx.of_protocol(index) {
            // One that a callback before has ended is not called back any more.
            if !ctx.is_dying() && ctx.wsi(wsi.handle).is_some() {
                ctx.call_number(index, Some(&wsi), reason, wsi.user.get(), (null_mut(), 0));
            }
        }
        0
    } else 0;
}
