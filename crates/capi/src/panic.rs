//! The one boundary that no panic crosses.

use crate::log::say;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs what an export does; after a panic, which is a bug in here, gives `failure`.
pub(crate) fn guard<T>(name: &str, failure: T, call: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => value,
        Err(payload) => {
            std::mem::forget(payload); // dropping it could panic again
            say!(ERR, "{name}: a bug in the library was caught; please report it");
            failure
        }
    }
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
