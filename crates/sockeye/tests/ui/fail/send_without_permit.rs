// error: E0599
//! Nothing is written past the permit: a connection has no bare write. There are only `reply` and
//! `send`, which wait for the socket by themselves.

use sockeye::{Conn, Protocol};

fn write_at_once<P: Protocol>(conn: &mut Conn<'_, P>) {
    conn.write(b"whether the socket takes it or not");
}

fn main() {}
