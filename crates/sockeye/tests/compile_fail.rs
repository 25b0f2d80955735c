//! The rules of the library are types, and breaking them does not compile: one program for each
//! rule in `tests/ui/fail`, with what the compiler says of it beside it.
//!
//! `TRYBUILD=overwrite cargo test -p sockeye --test compile_fail` writes down what the compiler
//! says now.
#![cfg(not(sockeye_poll_backend))] // the compiler says the same whatever the backend

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn trybuild_breaking_a_rule_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}

/// A program can fail for many reasons. Its first line names the right one: an error code, words
/// of the compiler's, or both. The compiler may have found it more than once, but no other.
#[test]
fn each_program_fails_for_the_reason_it_declares_and_no_other() {
    let programs = programs();
    assert!(programs.len() >= 30, "only {} programs found", programs.len());
    for program in programs {
        let said = fs::read_to_string(program.with_extension("stderr")).unwrap();
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error")).collect();
        assert!(!errors.is_empty(), "{}: no error", program.display());
        let expected = expected_error(&program);
        for error in errors {
            assert!(error.starts_with(&expected), "{}: {error}", program.display());
        }
    }
}

fn programs() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui/fail");
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// How the compiler's line must begin: `error[E0382]`, `error: its words` or `error[E0599]: its
/// words`.
fn expected_error(program: &Path) -> String {
    let text = fs::read_to_string(program).unwrap();
    let reason = text.lines().next().and_then(|line| line.strip_prefix("// error: "));
    let reason = reason.unwrap_or_else(|| panic!("{} declares no error", program.display()));
    match reason.split_at_checked(5) {
        Some((code, words)) if is_code(code) => format!("error[{code}]{words}"),
        _ => format!("error: {reason}"),
    }
}

fn is_code(word: &str) -> bool {
    word.strip_prefix('E').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}
