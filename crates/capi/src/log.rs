//! Logging (manual, "Debug logging"): levels and one emit function for the whole process.

use crate::panic::export;
use libc::{LOG_DEBUG, LOG_ERR, LOG_INFO, LOG_NOTICE, LOG_WARNING};
use sockeye::log::{Levels, Record};
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// `void (*)(int level, const char *line)`.
type Emit = unsafe extern "C" fn(level: c_int, line: *const c_char);

/// ERR, WARN and NOTICE.
const DEFAULT_LEVELS: c_int = 7;

static LEVELS: AtomicI32 = AtomicI32::new(DEFAULT_LEVELS);
/// The emit function's address, 0 for the built-in one.
static EMIT: AtomicUsize = AtomicUsize::new(0);

/// The library's own shorthand: `say!(WARN, "…")`.
macro_rules! say {
    ($level:ident, $($message:tt)*) => {
        $crate::log::line(sockeye::log::Levels::$level, format_args!($($message)*))
    };
}
pub(crate) use say;

/// Emits one line if its level is on.
pub(crate) fn line(level: Levels, message: fmt::Arguments<'_>) {
    if wants(level.bits() as c_int) {
        let mut text = Vec::new();
        for byte in format!("{message}\n").into_bytes() {
            match byte {
                0 => text.extend_from_slice(b"\\0"),
                byte => text.push(byte),
            }
        }
        if let Ok(text) = CString::new(text) {
            emit(level.bits() as c_int, &text);
        }
    }
}

/// Which levels are on.
pub(crate) fn levels() -> c_int {
    LEVELS.load(Ordering::Relaxed)
}

/// Lets what Sockeye logs come here too. Once it does, this changes nothing.
pub(crate) fn join_sockeye() {
    sockeye::log::set_levels(Levels::from_bits(levels() as u32));
    sockeye::log::set_emitter(|record: &Record<'_>| {
        line(record.level(), format_args!("{}", record.text()));
    });
}

fn wants(filter: c_int) -> bool {
    levels() & filter != 0
}

fn emit(level: c_int, text: &CStr) {
    match EMIT.load(Ordering::Relaxed) {
        0 => to_stderr(level, text),
        address => {
            // SAFETY: only `lws_set_log_level` stores there, and what it stores is an `Emit`.
            let emit: Emit = unsafe { std::mem::transmute::<usize, Emit>(address) };
            // SAFETY: the program handed it over to be called like this.
            unsafe { emit(level, text.as_ptr()) };
        }
    }
}

/// The name of a single level.
fn name(level: c_int) -> Option<&'static str> {
    Some(match level {
        1 => "ERR",
        2 => "WARN",
        4 => "NOTICE",
        8 => "INFO",
        16 => "DEBUG",
        32 => "PARSER",
        64 => "HEADER",
        128 => "EXTENSION",
        256 => "CLIENT",
        512 => "LATENCY",
        _ => return None,
    })
}

fn to_stderr(level: c_int, text: &CStr) {
    let mut out = Vec::with_capacity(300);
    if let Some(name) = name(level) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        out = format!("[{}:{:04}] {name}: ", now.as_secs(), now.subsec_micros() / 100).into();
    }
    out.extend_from_slice(text.to_bytes());
    sockeye::to_stderr(&out);
}

export! {
    /// Sets the levels, and the emit function if one is given.
    fn lws_set_log_level(level: c_int, emit: Option<Emit>) {
        LEVELS.store(level, Ordering::Relaxed);
        sockeye::log::set_levels(Levels::from_bits(level as u32));
        if let Some(emit) = emit {
            EMIT.store(emit as usize, Ordering::Relaxed);
        }
    } else ();

    /// An emit function: to syslog.
    fn lwsl_emit_syslog(level: c_int, line: *const c_char) {
        let priority = match level {
            1 => LOG_ERR,
            2 => LOG_WARNING,
            4 => LOG_NOTICE,
            8 => LOG_INFO,
            _ => LOG_DEBUG,
        };
        if !line.is_null() {
            // SAFETY: the format takes one string, and the caller says that `line` is one.
            unsafe { libc::syslog(priority, c"%s".as_ptr(), line) };
        }
    } else ();

    /// Whether a message of these levels is emitted; for `log.c`.
    fn sockeye_log_wants(filter: c_int) -> c_int {
        c_int::from(wants(filter))
    } else 0;

    /// Emits a message that has been formatted; for `log.c`.
    fn sockeye_log_line(filter: c_int, line: *const c_char) {
        if !line.is_null() {
            // SAFETY: `log.c` hands over what `vsnprintf` has ended with a zero.
            emit(filter, unsafe { CStr::from_ptr(line) });
        }
    } else ();

    /// Prints memory at the debug level, 16 bytes a line.
    fn lwsl_hexdump(buf: *const u8, len: usize) {
        if buf.is_null() || !wants(16) || len > isize::MAX as usize {
            return;
        }
        // SAFETY: the caller says that `len` bytes are there.
        let bytes = unsafe { std::slice::from_raw_parts(buf, len) };
        for (row, bytes) in bytes.chunks(16).enumerate() {
            line(Levels::DEBUG, format_args!("{}", hex_row(row * 16, bytes)));
        }
    } else ();
}

fn hex_row(offset: usize, bytes: &[u8]) -> String {
    let mut row = format!("{offset:04x}: ");
    for at in 0..16 {
        match bytes.get(at) {
            Some(byte) => row += &format!("{byte:02x} "),
            None => row += "   ",
        }
    }
    row += "   ";
    for &byte in bytes {
        row.push(if (32..127).contains(&byte) { byte as char } else { '.' });
    }
    row
}

unsafe extern "C" {
    /// In `log.c`; takes what `printf` takes.
    fn sockeye_log_format(filter: c_int, format: *const c_char, ...);
    /// In `log.c` too; takes what `vprintf` takes.
    fn sockeye_log_list(filter: c_int, format: *const c_char, ...);
}

/// Defines exports that pass registers and stack on as they are to a function of `log.c`.
macro_rules! pass_on {
    ($($(#[$meta:meta])* fn $name:ident => $target:ident;)*) => {
        $(
            $(#[$meta])*
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            pub(crate) unsafe extern "C" fn $name() {
                #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
                std::arch::naked_asm!("jmp {}", sym $target);
                #[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
                std::arch::naked_asm!("b {}", sym $target);
                #[cfg(any(target_arch = "riscv64", target_arch = "riscv32"))]
                std::arch::naked_asm!("tail {}", sym $target);
            }
        )*
    };
}

pass_on! {
    /// `void _lws_log(int filter, const char *format, ...)`: Rust cannot define a function with
    /// `...`.
    ///
    /// # Safety
    ///
    /// What `printf` asks of its caller.
    fn _lws_log => sockeye_log_format;

    /// `void _lws_logv(int filter, const char *format, va_list arguments)`, since 1.4: nor has
    /// Rust a stable `va_list`.
    ///
    /// # Safety
    ///
    /// What `vprintf` asks of its caller.
    fn _lws_logv => sockeye_log_list;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_dump_shows_offset_bytes_and_text() {
        assert_eq!(hex_row(16, b"ab\x00"), format!("0010: 61 62 00 {}   ab.", "   ".repeat(13)));
    }
}
