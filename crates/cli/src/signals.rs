//! Ctrl-C and SIGTERM: the first asks the program to end, the last ends it.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Calls `first` with the number of the first SIGINT or SIGTERM, on a thread of its own. Whatever
/// comes of it, the second ends the process at once, with 128 and its number.
pub(crate) fn on_first(first: impl FnOnce(i32) + Send + 'static) -> io::Result<()> {
    let last = Arc::new(AtomicBool::new(false));
    let taken = Arc::clone(&last);
    let mut signals = watch(&last, |signal| flag::register(signal, Arc::clone(&taken)).map(drop))?;
    spawn(move || {
        if let Some(signal) = signals.forever().next() {
            first(signal);
        }
    })
}

/// Calls `first` with the number of the first SIGINT or SIGTERM and `second` with that of the
/// second, on a thread of its own. The third ends the process at once, with 128 and its number.
pub(crate) fn on_two(
    first: impl FnOnce(i32) + Send + 'static,
    second: impl FnOnce(i32) + Send + 'static,
) -> io::Result<()> {
    let last = Arc::new(AtomicBool::new(false));
    let mut signals = watch(&last, |_| Ok(()))?;
    spawn(move || {
        let mut signals = signals.forever();
        if let Some(signal) = signals.next() {
            first(signal);
        }
        if let Some(signal) = signals.next() {
            last.store(true, Ordering::SeqCst);
            second(signal);
        }
    })
}

/// The signals to come. One that finds `last` set ends the process.
fn watch(last: &Arc<AtomicBool>, also: impl Fn(i32) -> io::Result<()>) -> io::Result<Signals> {
    for signal in [SIGINT, SIGTERM] {
        // First of all: it must find the flag as it was before.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(last))?;
        also(signal)?;
    }
    Signals::new([SIGINT, SIGTERM])
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("signals".into()).spawn(work).map(drop)
}

/// The name of a signal that [`on_first`] may report.
pub(crate) fn name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        _ => "a signal",
    }
}
