//! Ctrl-C and SIGTERM, heeded by the loop: they ask the program to end, until it takes no more
//! asking.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::flag;
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use sockeye::{Connections, Context};
use std::io;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
#[cfg(target_os = "linux")]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::{AtomicBool, Ordering};

/// Calls `first` with the number of the first SIGINT or SIGTERM. Whatever comes of it, and even if
/// the loop hangs, the second ends the process at once, with 128 and its number.
pub(crate) fn on_first(
    context: &mut Context,
    first: impl FnOnce(i32, Connections<'_>) + 'static,
) -> io::Result<()> {
    let last = Arc::new(AtomicBool::new(false));
    end_suddenly_if(&last)?;
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&last))?;
    }
    let mut first = Some(first);
    watch(context, [SIGINT, SIGTERM], move |signal, connections| {
        if let Some(first) = first.take() {
            first(signal, connections);
        }
    })
}

/// The same for those who look now and then: the number of a signal is left there.
#[cfg(target_os = "linux")]
pub(crate) fn left_by_first() -> io::Result<Arc<AtomicUsize>> {
    let (last, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    end_suddenly_if(&last)?;
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&last))?;
        flag::register_usize(signal, Arc::clone(&left), signal as usize)?;
    }
    Ok(left)
}

/// Calls `first` with the number of the first SIGINT or SIGTERM and `second` with that of the
/// second. The third ends the process at once, with 128 and its number.
pub(crate) fn on_two(
    context: &mut Context,
    first: impl FnOnce(i32, Connections<'_>) + 'static,
    second: impl FnOnce(i32, Connections<'_>) + 'static,
) -> io::Result<()> {
    let last = Arc::new(AtomicBool::new(false));
    end_suddenly_if(&last)?;
    let (mut first, mut second) = (Some(first), Some(second));
    watch(context, [SIGINT, SIGTERM], move |signal, connections| {
        if let Some(first) = first.take() {
            first(signal, connections);
        } else if let Some(second) = second.take() {
            last.store(true, Ordering::SeqCst);
            second(signal, connections);
        }
    })
}

/// Calls `heed` with every SIGHUP, in the loop.
pub(crate) fn on_hangup(context: &mut Context, mut heed: impl FnMut() + 'static) -> io::Result<()> {
    watch(context, [SIGHUP], move |_, _| heed())
}

/// Calls `heed` with the signal of Ctrl-Z, which does not [`stop`] by itself then.
pub(crate) fn on_stop(
    context: &mut Context,
    mut heed: impl FnMut(i32) + 'static,
) -> io::Result<()> {
    watch(context, [SIGTSTP], move |signal, _| heed(signal))
}

/// Does what a signal does by default; comes back when that was to stop, and it goes on.
pub(crate) fn stop(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal); // it is one it knows
}

/// From when `last` is set, a signal ends the process. To be called before any other handler is
/// registered: it must find the flag as it was before.
fn end_suddenly_if(last: &Arc<AtomicBool>) -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(last))?;
    }
    Ok(())
}

/// Calls `heed` with each signal, in the loop.
fn watch(
    context: &mut Context,
    signals: impl IntoIterator<Item = i32>,
    mut heed: impl FnMut(i32, Connections<'_>) + 'static,
) -> io::Result<()> {
    let (reader, writer) = UnixStream::pair()?;
    let wake = reader.try_clone()?;
    let mut delivery = SignalDelivery::with_pipe(reader, writer, SignalOnly, signals)?;
    context.watch(wake, move |_, connections| {
        delivery.pending().for_each(|signal| heed(signal, connections));
        ControlFlow::Continue(())
    })
}

/// The name of a signal that may be heeded.
pub(crate) fn name(signal: i32) -> &'static str {
    match signal {
        SIGINT => "SIGINT",
        SIGTERM => "SIGTERM",
        _ => "a signal",
    }
}
