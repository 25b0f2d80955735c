// error: E0277
//! What a callback is lent stays on its thread, even for the time of the callback.

use sockeye::{Conn, Protocol};
use std::thread;

fn count_elsewhere<P: Protocol>(conn: &Conn<'_, P>) {
    let connections = conn.connections();
    thread::scope(|scope| {
        scope.spawn(move || connections.len());
    });
}

fn main() {}
