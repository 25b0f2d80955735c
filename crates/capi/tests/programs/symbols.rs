//! The ABI: which names the library exports.

use crate::build::{library, package};
use std::process::Command;

#[test]
fn the_library_exports_what_the_list_says_and_nothing_else() {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output();
    let output = output.expect("binutils are there with the compiler");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut found: Vec<&str> = text.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    found.sort_unstable();
    let list = std::fs::read_to_string(package().join("symbols.txt")).unwrap();
    let pinned: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(found, pinned, "change symbols.txt if programs are to see this");
}
