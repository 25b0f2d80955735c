// error: E0382
//! The body of an HTTP response is sent as messages are: each piece consumes the permit.

use sockeye::BodyPermit;

fn send_two(permit: BodyPermit<'_>) {
    let _ = permit.send(b"one");
    let _ = permit.send(b"two, into a socket that may be choked by now");
}

fn main() {}
