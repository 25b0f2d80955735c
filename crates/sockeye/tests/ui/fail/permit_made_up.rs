// error: E0451
//! A permit is evidence, so nobody but the library makes one.

use sockeye::{Conn, Permit, Protocol};

fn forge<'c, P: Protocol>(conn: &Conn<'c, P>, real: Permit<'c>) -> Permit<'c> {
    Permit { id: conn.id(), ..real }
}

fn main() {}
