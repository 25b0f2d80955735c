// error: E0599
//! A context that waits by itself finds out by itself what is ready.

use sockeye::{Context, Readiness};

fn main() {
    let mut context = Context::builder().build().unwrap();
    context.ready(3, Readiness::READABLE).unwrap();
}
