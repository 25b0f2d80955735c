//! Log levels and where messages go (manual, "Debug logging").
//!
//! Levels are a bit set, as in the manual; one that is off costs one load, and the arguments of
//! its message are not looked at. Without an emitter of its own a program gets the messages
//! through the [`log`](https://docs.rs/log) crate.
//!
//! | to send them | emitter |
//! |---|---|
//! | to stderr, in the manual's form | [`Stderr`] |
//! | to the system's log daemon | [`Syslog`] |
//! | to the journal of systemd, with fields | [`Journal`] |
//! | to any writer as JSON, an object a line | [`Json`] |
//! | anywhere else | a closure, or what else implements [`Emit`] |
//!
//! ```
//! use sockeye::log::{self, Levels, Syslog};
//!
//! log::set_levels(Levels::DEFAULT | Levels::INFO);
//! log::set_emitter(Syslog::new("my-server"));
//! ```
//!
//! # What an emitter can rely on, and what it cannot do
//!
//! * A message's text is one line: whatever a peer sent, control characters and those that turn
//!   the writing direction are escaped, and it ends after [`LINE_BYTES`].
//! * An emitter that logs gets nowhere: what it logs is dropped, so it cannot call itself.
//! * An emitter that panics loses that message; the panic does not reach the loop.
//! * No lock of this module is held while it runs, so it may replace itself.

mod journal;
mod json;
mod levels;
mod link;
mod record;
mod stderr;
mod syslog;

pub use journal::Journal;
pub use json::Json;
pub use levels::{Levels, UnknownLevel};
pub(crate) use record::is_harmful;
pub use record::{Field, LINE_BYTES, Record, Value};
pub use stderr::Stderr;
pub use syslog::Syslog;

use std::cell::Cell;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Takes messages whose level is on.
pub trait Emit: Send + Sync {
    /// Takes one. It is called on the thread that logs, which is often that of the loop: what
    /// blocks here holds up every connection.
    fn emit(&self, record: &Record<'_>);
}

impl<F: Fn(&Record<'_>) + Send + Sync> Emit for F {
    fn emit(&self, record: &Record<'_>) {
        self(record);
    }
}

/// To keep a hand on an emitter that was given away, as for [`Syslog::lost`].
impl<E: Emit + ?Sized> Emit for Arc<E> {
    fn emit(&self, record: &Record<'_>) {
        (**self).emit(record);
    }
}

static LEVELS: AtomicU32 = AtomicU32::new(Levels::DEFAULT.bits());
static EMITTER: Mutex<Option<Arc<dyn Emit>>> = Mutex::new(None);

thread_local! {
    /// An emitter runs on this thread.
    static EMITTING: Cell<bool> = const { Cell::new(false) };
}

/// Chooses which levels are emitted, for the whole process.
pub fn set_levels(levels: Levels) {
    LEVELS.store(levels.bits(), Ordering::Relaxed);
}

/// Which levels are emitted.
pub fn levels() -> Levels {
    Levels::from_bits(LEVELS.load(Ordering::Relaxed))
}

/// Whether any of these levels is emitted.
pub fn is_on(levels: Levels) -> bool {
    LEVELS.load(Ordering::Relaxed) & levels.bits() != 0
}

/// Sends messages to `emitter` instead of the `log` crate, for the whole process.
///
/// ```
/// use sockeye::log::{self, Levels, Record};
///
/// log::set_emitter(|record: &Record<'_>| println!("{}", record.text()));
/// log::emit(Levels::NOTICE, format_args!("ready"));
/// ```
pub fn set_emitter(emitter: impl Emit + 'static) {
    let new: Arc<dyn Emit> = Arc::new(emitter);
    let old = EMITTER.lock().unwrap_or_else(PoisonError::into_inner).replace(new);
    drop(old); // with the lock given back: it may be anything
}

/// Emits a message if its level is on.
pub fn emit(level: Levels, message: fmt::Arguments<'_>) {
    emit_with(level, message, &[]);
}

/// Emits a message with the facts that it tells, for emitters that keep them apart.
pub fn emit_with(level: Levels, message: fmt::Arguments<'_>, fields: &[Field<'_>]) {
    if !is_on(level) {
        return;
    }
    let Some(_emitting) = Emitting::begin() else { return };
    // What panics in there has been reported by the panic hook; the loop goes on.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| pass_on(level, message, fields))) {
        mem::forget(payload); // dropping it could panic again
    }
}

fn pass_on(level: Levels, message: fmt::Arguments<'_>, fields: &[Field<'_>]) {
    let emitter = EMITTER.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match emitter {
        Some(emitter) => emitter.emit(&Record::new(level, message, fields)),
        None if facade_level(level) > ::log::max_level() => {}
        None => {
            let record = Record::new(level, message, fields);
            ::log::log!(target: "sockeye", facade_level(level), "{}", record.text());
        }
    }
}

/// Exists while an emitter runs on this thread.
struct Emitting;

impl Emitting {
    /// `None` if one runs already, or if the thread is at its end.
    fn begin() -> Option<Self> {
        let was = EMITTING.try_with(|emitting| emitting.replace(true)).unwrap_or(true);
        (!was).then_some(Self)
    }
}

impl Drop for Emitting {
    fn drop(&mut self) {
        // It was there when this began; on a thread that ends there is nothing to reset.
        let _ = EMITTING.try_with(|emitting| emitting.set(false));
    }
}

fn facade_level(level: Levels) -> ::log::Level {
    match level {
        Levels::ERR => ::log::Level::Error,
        Levels::WARN => ::log::Level::Warn,
        Levels::NOTICE | Levels::INFO => ::log::Level::Info,
        Levels::DEBUG => ::log::Level::Debug,
        _ => ::log::Level::Trace,
    }
}

/// The library's own shorthand: `note!(WARN, "…")`. The arguments are evaluated only if the level
/// is on.
macro_rules! note {
    ($level:ident, $($message:tt)*) => {
        if $crate::log::is_on($crate::log::Levels::$level) {
            $crate::log::emit($crate::log::Levels::$level, format_args!($($message)*))
        }
    };
}
pub(crate) use note;

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluated() -> u8 {
        panic!("the level is off")
    }

    #[test]
    fn the_arguments_of_a_level_that_is_off_are_not_evaluated() {
        assert!(!is_on(Levels::PARSER));
        note!(PARSER, "{}", evaluated());
    }
}
