//! Noticing that this process is a copy of another.

use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How many forks lie between the process that first asked and this one. What was made under
/// another number belongs to another process. Costs two loads.
///
/// Counts what goes through the C library's `fork`; a raw system call does not.
pub fn forks() -> u32 {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        // SAFETY: the handler is a function of this program that lives as long as its code does
        // (the C library takes handlers of an unloaded object out by itself), and it does nothing
        // but add to an atomic, which is allowed between fork and exec. If there is no memory to
        // register it, forks are not noticed.
        unsafe { nix::libc::pthread_atfork(None, None, Some(count)) };
    });
    FORKS.load(Ordering::Relaxed)
}

extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
