//! The one boundary that no panic crosses.

use crate::log::say;
use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what an export does; after a panic, which is a bug in here, gives `failure`.
pub(crate) fn guard<T>(name: &str, failure: T, call: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(payload) => {
            report(name, payload);
            failure
        }
    }
}

#[cold]
fn report(name: &str, payload: Box<dyn Any + Send>) {
    let payload = ManuallyDrop::new(payload); // dropping it could panic again
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    say!(ERR, "{name}: a bug in the library was caught; please report it: {text}");
}

/// What the shared library does when a panic begins, in place of std, whose way of printing
/// backtraces would make it a fifth larger. `build.rs` has the linker bring calls here.
#[cfg(sockeye_takes_panics)]
mod taken {
    use std::fmt;
    use std::panic::resume_unwind;

    /// A panic has begun: it goes on to [`super::guard`], with where and what it was.
    fn begin(info: &core::panic::PanicInfo<'_>) -> ! {
        if std::thread::panicking() {
            // One that came while another unwinds has nowhere to go.
            stop(format_args!("a panic within a panic: {info}"));
        }
        let mut text = format!("{info}").into_bytes();
        for byte in &mut text {
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
        resume_unwind(Box::new(String::from_utf8(text).unwrap_or_default()))
    }

    /// Memory has run out; nothing can go on, as in every Rust program.
    fn out_of_memory(size: usize, _align: usize) -> ! {
        stop(format_args!("memory allocation of {size} bytes failed"))
    }

    /// Says so and ends the process. It must not allocate: there may be no memory. `xtask` tells
    /// LLVM that nothing unwinds out of here.
    fn stop(what: fmt::Arguments<'_>) -> ! {
        let mut line = Line { text: [0; LINE], len: 0 };
        let _ = fmt::write(&mut line, format_args!("libwebsockets: {what}\n")); // it never fails
        sockeye::to_stderr(line.text.get(..line.len).unwrap_or_default());
        std::process::abort()
    }

    /// The longest last line.
    const LINE: usize = 512;

    /// A line on the stack; what it has no room for is left out.
    struct Line {
        text: [u8; LINE],
        len: usize,
    }

    impl fmt::Write for Line {
        fn write_str(&mut self, more: &str) -> fmt::Result {
            for (byte, place) in more.bytes().zip(self.text.iter_mut().skip(self.len)) {
                *place = byte;
                self.len += 1;
            }
            Ok(())
        }
    }

    macro_rules! entry {
        ($name:expr, $function:path) => {
            #[cfg(any(target_arch = "x86_64", target_arch = "x86"))]
            entry!($name, "jmp {}", $function);
            #[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
            entry!($name, "b {}", $function);
            #[cfg(any(target_arch = "riscv64", target_arch = "riscv32"))]
            entry!($name, "tail {}", $function);
        };
        ($name:expr, $jump:literal, $function:path) => {
            std::arch::global_asm!(
                concat!(".pushsection .text.", $name, ",\"ax\""),
                concat!(".globl ", $name),
                concat!(".hidden ", $name),
                concat!($name, ":"),
                $jump,
                ".popsection",
                sym $function
            );
        };
    }
    entry!(env!("SOCKEYE_PANIC_ENTRY"), begin);
    entry!(env!("SOCKEYE_MEMORY_ENTRY"), out_of_memory);
}

/// Defines exports: C functions with one panic boundary each. After `else` stands what a caller
/// gets after a panic.
macro_rules! export {
    ($(
        $(#[$meta:meta])*
        fn $name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block
        else $failure:expr;
    )*) => {
        $(
            $(#[$meta])*
            #[unsafe(no_mangle)]
            pub(crate) extern "C" fn $name($($arg: $type),*) $(-> $result)? {
                $crate::panic::guard(stringify!($name), $failure, || $body)
            }
        )*
    };
}
pub(crate) use export;
