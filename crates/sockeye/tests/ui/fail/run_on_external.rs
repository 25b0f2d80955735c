// error: E0599
//! A context that is part of another loop does not wait by itself.

use sockeye::Context;

fn main() {
    let mut context = Context::builder().build_external().unwrap();
    context.run().unwrap();
}
