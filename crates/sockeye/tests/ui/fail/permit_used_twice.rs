// error: E0382
//! Sending consumes the permit: whoever sends again must look at what came back.

use sockeye::Permit;

fn send_two(permit: Permit<'_>) {
    let _ = permit.send("one");
    let _ = permit.send("two, into a socket that may be choked by now");
}

fn main() {}
