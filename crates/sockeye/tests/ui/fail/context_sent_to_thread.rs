// error: E0599: `sockeye::Context` cannot be sent between threads safely
//! A context stays on the thread that made it.

use sockeye::Context;
use std::thread;

/// Asked of a trait, the compiler names the context and not all that is in it.
trait Elsewhere {
    fn dropped_elsewhere(self);
}

impl<T: Send + 'static> Elsewhere for T {
    fn dropped_elsewhere(self) {
        thread::spawn(move || drop(self));
    }
}

fn main() {
    let context = Context::builder().build().unwrap();
    context.dropped_elsewhere();
}
