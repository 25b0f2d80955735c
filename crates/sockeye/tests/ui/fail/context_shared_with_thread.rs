// error: E0599: `sockeye::Context` cannot be shared between threads safely
//! Not even a reference to a context reaches another thread.

use sockeye::Context;
use std::thread;

/// Asked of a trait, the compiler names the context and not all that is in it.
trait Elsewhere {
    fn seen_elsewhere(&self);
}

impl<T: Sync> Elsewhere for T {
    fn seen_elsewhere(&self) {
        thread::scope(|scope| {
            scope.spawn(|| size_of_val(self));
        });
    }
}

fn main() {
    let context = Context::builder().build().unwrap();
    context.seen_elsewhere();
}
