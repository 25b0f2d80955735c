//! A handle goes wherever it is needed, with keys, ids and shared messages.

use sockeye::{ConnId, Context, Handle, Key, Protocol, ProtocolId, Shared};
use std::thread;

fn crosses_threads<T: Send + Sync + Clone + 'static>() {}

fn keys_cross_threads<P: Protocol>() {
    crosses_threads::<Key<P>>(); // although P itself may not
}

fn main() {
    crosses_threads::<Handle>();
    crosses_threads::<ConnId>();
    crosses_threads::<ProtocolId>();
    crosses_threads::<Shared>();

    let mut context = Context::builder().build().unwrap();
    let handle = context.handle();
    let copy = handle.clone();
    thread::spawn(move || copy.wake()).join().unwrap();
    thread::spawn(move || handle.shutdown());
    context.run().unwrap();
}
