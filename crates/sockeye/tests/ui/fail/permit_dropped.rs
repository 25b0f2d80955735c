// error: unused `Permit` that must be used
//! A permit asked for and not used sends nothing.

#![deny(unused_must_use)]

use sockeye::Permit;

fn send_one(permit: Permit<'_>) {
    fn passed_on(permit: Permit<'_>) -> Permit<'_> {
        permit
    }
    passed_on(permit);
}

fn main() {}
