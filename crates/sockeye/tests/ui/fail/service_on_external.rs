// error: E0599
//! A context that is part of another loop does not wait by itself, not even for a moment.

use sockeye::Context;
use std::time::Duration;

fn main() {
    let mut context = Context::builder().build_external().unwrap();
    context.service(Duration::ZERO).unwrap();
}
