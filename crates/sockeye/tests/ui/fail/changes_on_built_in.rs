// error: E0599
//! A context that waits by itself watches its descriptors by itself.

use sockeye::Context;

fn main() {
    let mut context = Context::builder().build().unwrap();
    for change in context.changes() {
        println!("{change:?}");
    }
}
