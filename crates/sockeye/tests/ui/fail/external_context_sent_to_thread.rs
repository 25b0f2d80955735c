// error: E0599: `sockeye::Context<External>` cannot be sent between threads safely
//! A context in another loop stays on that loop's thread.

use sockeye::{Context, External};
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
    let context: Context<External> = Context::builder().build_external().unwrap();
    context.dropped_elsewhere();
}
