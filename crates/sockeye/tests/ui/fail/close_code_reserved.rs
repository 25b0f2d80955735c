// error: E0423
//! 1006 is for reports and never on the wire (RFC 6455 section 7.4.1): it cannot be constructed.

use sockeye::{Action, CloseCode};

fn hang_up() -> Action {
    Action::close(CloseCode(1006), "abnormal closure")
}

fn main() {}
