//! Noticing that this process is a copy of another.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

static FORKS: AtomicU32 = AtomicU32::new(0);
/// Whether they are counted.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// How many forks lie between the process that first asked and this one. What was made under
/// another number belongs to another process. Costs two loads.
///
/// Counts what goes through the C library's `fork`; a raw system call does not.
pub fn forks() -> u32 {
    if !WATCHED.load(Ordering::Acquire) {
        watch();
    }
    FORKS.load(Ordering::Relaxed)
}

#[cold]
fn watch() {
    static FIRST: Mutex<()> = Mutex::new(());
    let _first = FIRST.lock();
    if !WATCHED.load(Ordering::Acquire) {
        // SAFETY: the handler is a function of this program that lives as long as its code does
        // (the C library takes handlers of an unloaded object out by itself), and it does nothing
        // but add to an atomic, which is allowed between fork and exec. If there is no memory to
        // register it, forks are not noticed.
        unsafe { nix::libc::pthread_atfork(None, None, Some(count)) };
        WATCHED.store(true, Ordering::Release);
    }
}

extern "C" fn count() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
