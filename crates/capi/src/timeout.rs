//! `libwebsocket_set_timeout` of 1.23.

use crate::call;
use crate::context::Ctx;
use crate::panic::export;
use crate::wsi::{Kind, Wsi};
use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

/// `NO_PENDING_TIMEOUT`.
const NONE: c_int = 0;

impl Ctx {
    /// Has the loop look at the connection when its time is over. One that is not open yet has
    /// the library's own deadlines until it is.
    pub(crate) fn arm_timeout(&self, wsi: &Wsi) {
        let Some(conn) = wsi.conn.get() else { return };
        match wsi.kind.get() {
            Kind::Open | Kind::Http => {}
            Kind::Attention
            | Kind::Listener
            | Kind::Upgrading
            | Kind::Connecting
            | Kind::Closed => return,
        }
        if wsi.holds_input() {
            return; // the timer is in use for that, and then for this
        }
        let left = wsi.timeout.get().map(|at| at.saturating_duration_since(Instant::now()));
        self.with(|connections| connections.set_timer(conn, left));
    }
}

export! {
    /// Ends a connection after so many seconds; `NO_PENDING_TIMEOUT` takes that back.
    fn libwebsocket_set_timeout(wsi: *mut c_void, reason: c_int, secs: c_int) {
        let Some((used, wsi)) = call::wsi("libwebsocket_set_timeout", wsi) else { return };
        let after = Duration::from_secs(u64::try_from(secs).unwrap_or(0));
        wsi.timeout.set((reason != NONE).then(|| Instant::now() + after));
        used.ctx().arm_timeout(&wsi);
        used.ctx().drain();
    } else ();
}
