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

/// Functions and callbacks, each by its name, are in the page for those who come from elsewhere.
#[test]
fn the_migration_page_names_every_function_and_callback() {
    let page = std::fs::read_to_string(package().join("../../docs/migration.md")).unwrap();
    let list = std::fs::read_to_string(package().join("symbols.txt")).unwrap();
    let of_a_level = |name: &str| ["_123", "_130", "_140"].iter().any(|end| name.ends_with(end));
    for name in list.lines().filter(|name| !name.starts_with('#') && !of_a_level(name)) {
        let ours = name.starts_with("sockeye_");
        assert!(ours || page.contains(&format!("`{name}`")), "{name} is not in migration.md");
    }
    let numbers = package().join("include/libwebsockets-numbers.h");
    let numbers = std::fs::read_to_string(numbers).unwrap();
    let words = numbers.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let reasons = words.filter_map(|word| word.strip_prefix("LWS_CALLBACK_"));
    let mut count = 0;
    for reason in reasons {
        count += 1;
        assert!(page.contains(&format!("`{reason}`")), "{reason} is not in migration.md");
    }
    assert!(count >= 27, "the header has its reasons elsewhere now");
}
