// error: E0599
//! No callback runs inside another: what callbacks are lent cannot turn the loop.

use sockeye::{Conn, Protocol};
use std::time::Duration;

fn wait_inside_a_callback<P: Protocol>(conn: &mut Conn<'_, P>) {
    conn.connections().service(Duration::ZERO).unwrap();
}

fn main() {}
