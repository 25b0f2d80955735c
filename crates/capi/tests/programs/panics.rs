//! Panics, which would be bugs: none crosses the border. And what ends the process: no memory.

use crate::build::compiled;
use crate::run::Running;
use std::os::unix::process::ExitStatusExt;
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

#[test]
fn memory_that_has_run_out_ends_the_process_with_a_line() {
    // `-rdynamic`, so that the library sees the program's `malloc`.
    let program = compiled("programs/memory.c", "gcc", &["-std=gnu99", "-rdynamic"]);
    let output = Command::new(program).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(6), "{:?}: {said}", output.status); // SIGABRT
    assert!(said.starts_with("libwebsockets: memory allocation of "), "{said}");
    assert!(said.ends_with(" bytes failed\n"), "{said}");
}
