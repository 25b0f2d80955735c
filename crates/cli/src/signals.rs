//! Ctrl-C and SIGTERM: the first asks the program to end, the second ends it.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;

/// Calls `first` with the number of the first SIGINT or SIGTERM, on a thread of its own. Whatever
/// comes of it, the second ends the process at once, with 128 and its number.
pub(crate) fn on_first(first: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let asked = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        // In this order: the handler that ends the process must find the flag as it was before.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))?;
        flag::register(signal, Arc::clone(&asked))?;
    }
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new().name("signals".into()).spawn(move || {
        if let Some(signal) = signals.forever().next() {
            first(signal);
        }
    })?;
    Ok(())
}

/// The name of a signal that [`on_first`] may report.
pub(crate) fn name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        _ => "a signal",
    }
}
