//! House rules that a machine can check, over every file git knows or would add.
//!
//! What rustfmt and clippy check already is left to them.

mod docs;
mod files;
mod manifest;
mod mask;
mod ratchet;
mod rust;

use std::fmt;
use std::io;
use std::path::Path;

use files::File;
use ratchet::Ratchet;

pub(crate) use rust::COMPILE_FAIL_WORD;

/// The page is embedded in the program and sent whole: it stays small.
const PAGE: &str = "crates/cli/page/";
/// What the page may weigh in all.
const PAGE_BYTES: usize = 60 * 1024;

/// Files with these endings have neither tabs nor white space at the end of a line.
const SPACED: &[&str] = &["rs", "md", "mjs", "py"];
/// Files with these endings carry no marks of unfinished work.
const FINISHED: &[&str] = &["js", "mjs", "py"];

/// One place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    path: String,
    line: usize,
    what: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Checks the project at `root`.
pub(crate) fn check(root: &Path) -> io::Result<Vec<Violation>> {
    Ok(violations(&files::load(root)?))
}

fn violations(files: &[File]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut ratchet = Ratchet::read(files, &mut found);
    for file in files {
        let Some(text) = &file.text else { continue };
        white_space(file, text, &mut found);
        if file.has_ending(&["rs"]) {
            rust::check(&file.path, text, &mut ratchet, &mut found);
        }
        if file.has_ending(FINISHED) {
            for (number, line) in (1..).zip(text.lines()) {
                rust::unfinished(&file.path, number, line, &mut found);
            }
        }
        if file.name() == "Cargo.toml" {
            manifest::check(&file.path, text, &mut found);
        }
    }
    ratchet.finish(&mut found);
    page(files, &mut found);
    docs::check(files, &mut found);
    found
}

fn white_space(file: &File, text: &str, found: &mut Vec<Violation>) {
    if !text.is_empty() && !text.ends_with('\n') {
        let last = text.lines().count();
        found.push(Violation::new(&file.path, last, "no newline at the end; add one"));
    }
    if !file.has_ending(SPACED) {
        return;
    }
    let (mut tabs, mut first) = (0, 0);
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_end().len() != line.len() {
            found.push(Violation::new(&file.path, number, "space at the end of the line; cut it"));
        }
        if line.contains('\t') {
            tabs += 1;
            first = if first == 0 { number } else { first };
        }
    }
    if tabs > 0 {
        let what = format!("tabs, here and in {} more lines; indent with spaces", tabs - 1);
        found.push(Violation::new(&file.path, first, what));
    }
}

fn page(files: &[File], found: &mut Vec<Violation>) {
    let page = files.iter().filter(|file| file.path.starts_with(PAGE));
    let bytes: usize = page.map(|file| file.bytes).sum();
    if bytes > PAGE_BYTES {
        let what = format!("the page has {bytes} bytes; bring it down to {PAGE_BYTES}");
        found.push(Violation::new(PAGE, 1, what));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What tidy says about these files.
    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = files.iter().map(|(path, text)| File::new(path, text)).collect();
        violations(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn clean_files_pass() {
        let lib = "//! Docs.\n#![forbid(unsafe_code)]\n\nfn one() -> u8 {\n    1\n}\n";
        let files = [("crates/proto/src/lib.rs", lib), ("README.md", "# Sockeye\n"), ("empty", "")];
        assert_eq!(said(&files), [""; 0]);
    }

    #[test]
    fn white_space_is_kept_clean_where_people_read() {
        assert_eq!(
            said(&[("a.md", "one \ntwo")]),
            [
                "a.md:2: no newline at the end; add one",
                "a.md:1: space at the end of the line; cut it",
            ]
        );
        assert_eq!(
            said(&[("a.py", "if x:\n\ty\n\tz\n")]),
            ["a.py:2: tabs, here and in 1 more lines; indent with spaces"]
        );
        assert_eq!(said(&[("Makefile", "all:\n\ttrue \n")]), [""; 0]);
    }

    #[test]
    fn scripts_carry_no_marks_of_unfinished_work() {
        let found = said(&[("tests/a.mjs", "// FIXME later\n")]);
        assert_eq!(found, ["tests/a.mjs:1: FIXME; finish it, or file an issue"]);
    }

    #[test]
    fn the_page_has_a_size() {
        let big = "x".repeat(PAGE_BYTES) + "\n";
        assert_eq!(
            said(&[("crates/cli/page/app.js", &big)]),
            ["crates/cli/page/:1: the page has 61441 bytes; bring it down to 61440"]
        );
    }

    #[test]
    fn the_project_itself_is_read_and_its_ratchet_with_it() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let files = files::load(root).unwrap();
        assert!(files.iter().any(|file| file.path == ratchet::PATH));
        assert!(files.iter().all(|file| !file.path.starts_with("target/")));
    }
}
