// error: unused `Action` that must be used
//! Closing is what a callback returns, so an action that nobody returns is a mistake.

#![deny(unused_must_use)]

use sockeye::{Action, CloseCode};

fn hang_up() -> Action {
    Action::close(CloseCode::NORMAL, "not returned");
    Action::Continue
}

fn main() {}
