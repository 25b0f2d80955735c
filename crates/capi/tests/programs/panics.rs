//! Panics, which would be bugs: none crosses the border.

use crate::build::compiled;
use crate::run::Running;
use std::process::Command;

#[test]
fn a_panic_is_a_failed_call_and_a_line_that_says_where() {
    // `-rdynamic`, so that the library sees the program's clock.
    let program = compiled("programs/panic.c", "gcc", &["-std=gnu99", "-rdynamic"]);
    let said = Running::of(&mut Command::new(program)).expect_status(0);
    assert!(said.contains("libwebsocket_service: a bug in the library was caught"), "{said}");
    assert!(said.contains("time.rs:"), "{said}"); // the place in std
    assert!(!said.contains("thread '"), "std must not print: {said}");
}
