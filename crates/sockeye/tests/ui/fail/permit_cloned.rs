// error: E0599
//! One connection, one permit: there are no copies of it.

use sockeye::Permit;

fn double(permit: Permit<'_>) -> (Permit<'_>, Permit<'_>) {
    let copy = permit.clone();
    (permit, copy)
}

fn main() {}
