//! Rules for Rust files.

use super::Violation;
use super::mask::Masked;
use super::ratchet::Ratchet;

/// A file without its tests.
const FILE_LINES: usize = 600;
/// As in rustfmt.toml; rustfmt leaves longer strings and comments as they are.
const COLUMNS: usize = 100;
/// The crates where a language without checks may be spoken.
const MAY_BE_UNSAFE: &[&str] = &["crates/mask/", "crates/sys/", "crates/capi/"];
/// What such code looks like.
const UNSAFE: &str = "unsafe";
/// What keeps it out of all other crates.
const FORBID: &str = "#![forbid(unsafe_code)]";
/// Words that stand for work not done, in code.
const UNFINISHED_CODE: &[&str] = &["todo!", "unimplemented!", "#[ignore"];
/// Words that stand for work not done, anywhere.
const UNFINISHED: &[&str] = &["FIXME", "XXX"];
/// The crate of compile-fail tests.
const COMPILE_FAIL_CRATE: &str = "trybuild::";

/// The word in the name of a compile-fail test by which a run can leave it out.
pub(crate) const COMPILE_FAIL_WORD: &str = "trybuild";

/// Checks one file.
pub(crate) fn check(path: &str, text: &str, ratchet: &mut Ratchet, found: &mut Vec<Violation>) {
    let masked = Masked::new(text);
    let may_be_unsafe = MAY_BE_UNSAFE.iter().any(|dir| path.starts_with(dir));
    for (number, line) in (1..).zip(text.lines()) {
        let columns = line.chars().count();
        if columns > COLUMNS && !cannot_be_broken(line) {
            let what = format!("{columns} columns; break the line at {COLUMNS}");
            found.push(Violation::new(path, number, what));
        }
    }
    for (number, line) in (1..).zip(masked.code.lines()) {
        for word in UNFINISHED_CODE.iter().filter(|word| line.contains(**word)) {
            found.push(Violation::new(path, number, format!("{word}; finish it")));
        }
        if !may_be_unsafe && has_word(line, UNSAFE) {
            let what =
                format!("{UNSAFE} code; it belongs into crates/mask, crates/sys or crates/capi");
            found.push(Violation::new(path, number, what));
        }
    }
    for (number, line) in (1..).zip(masked.prose.lines()) {
        unfinished(path, number, line, found);
    }
    if !may_be_unsafe && is_crate_root(path) && !masked.code.contains(FORBID) {
        found.push(Violation::new(path, 1, format!("no `{FORBID}`; add it")));
    }
    let lines = lines_without_tests(&masked.code);
    if lines > FILE_LINES {
        let what = format!("{lines} lines without tests; split the file at {FILE_LINES}");
        found.push(Violation::new(path, 1, what));
    }
    let functions = functions(&masked.code);
    if masked.code.contains(COMPILE_FAIL_CRATE)
        && !functions.iter().any(|function| function.name.contains(COMPILE_FAIL_WORD))
    {
        let what = format!("compile-fail tests; have `{COMPILE_FAIL_WORD}` in the test's name");
        found.push(Violation::new(path, 1, what));
    }
    for Function { name, line, lines } in functions {
        ratchet.see(path, line, name, lines, found);
    }
}

/// Finds marks of unfinished work in a line.
pub(crate) fn unfinished(path: &str, number: usize, line: &str, found: &mut Vec<Violation>) {
    for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
        let what = format!("{word}; finish it, or file an issue");
        found.push(Violation::new(path, number, what));
    }
}

/// A row of a table in a comment, or a comment that is an address.
fn cannot_be_broken(line: &str) -> bool {
    let words = line.trim_start();
    let comment = ["//!", "///", "//"].iter().find_map(|mark| words.strip_prefix(mark));
    comment.is_some_and(|comment| {
        let comment = comment.trim();
        comment.starts_with('|') || (comment.contains("://") && !comment.contains(' '))
    })
}

fn is_crate_root(path: &str) -> bool {
    path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") || path.contains("/src/bin/")
}

/// Lines before the tests at the end: an inline module under `#[cfg(test)]`.
fn lines_without_tests(code: &str) -> usize {
    let lines: Vec<&str> = code.lines().collect();
    let tests = (0..lines.len()).find(|&i| {
        lines[i].starts_with("#[cfg(test)]")
            && lines[i + 1..]
                .iter()
                .find(|line| !line.starts_with("#["))
                .is_some_and(|line| line.starts_with("mod ") && line.contains('{'))
    });
    tests.unwrap_or(lines.len())
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
struct Function<'a> {
    name: &'a str,
    line: usize,
    /// From its first line to its closing brace.
    lines: usize,
}

/// Every function in `code`, those within others too.
fn functions(code: &str) -> Vec<Function<'_>> {
    let tokens = tokens(code);
    let mut found = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        let [(line, keyword), (_, name)] = pair else { continue };
        if *keyword == "fn"
            && name.starts_with(is_word)
            && let Some(end) = body_end(&tokens[i + 2..])
        {
            found.push(Function { name, line: *line, lines: end - line + 1 });
        }
    }
    found
}

/// The line of the brace that closes a body; `None` for a function without one.
fn body_end(tokens: &[(usize, &str)]) -> Option<usize> {
    let (mut brackets, mut braces) = (0, 0);
    for &(line, token) in tokens {
        match token {
            "(" | "[" => brackets += 1,
            ")" | "]" => brackets -= 1,
            ";" if brackets == 0 && braces == 0 => return None,
            "{" => braces += 1,
            "}" if braces == 1 && brackets == 0 => return Some(line),
            "}" => braces -= 1,
            _ => {}
        }
    }
    None
}

/// Words and single characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let mut tokens = Vec::new();
    for (number, mut rest) in (1..).zip(code.lines()) {
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (token, after) = rest.split_at(word.max(first.len_utf8()));
            if !first.is_whitespace() {
                tokens.push((number, token));
            }
            rest = after;
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        !line[..at].ends_with(is_word) && !line[at + word.len()..].starts_with(is_word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        check(path, text, &mut Ratchet::default(), &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    /// A function of so many lines.
    fn function(lines: usize) -> String {
        format!("fn long() {{\n{}}}\n", "    let _ = 1;\n".repeat(lines - 2))
    }

    #[test]
    fn unfinished_work_is_named_in_code_and_comments_but_not_in_strings() {
        assert_eq!(said("a.rs", "fn f() {\n    todo!()\n}\n"), ["a.rs:2: todo!; finish it"]);
        assert_eq!(said("a.rs", "fn f() { unimplemented!() }\n").len(), 1);
        assert_eq!(said("a.rs", "#[ignore = \"slow\"]\n").len(), 1);
        assert_eq!(said("a.rs", "// FIXME\n"), ["a.rs:1: FIXME; finish it, or file an issue"]);
        assert_eq!(said("a.rs", "/* XXX */ fn f() {}\n").len(), 1);
        assert_eq!(said("a.rs", "const A: &str = \"FIXME todo! XXX\"; // todo!\n"), [""; 0]);
        assert_eq!(said("a.rs", "const XXXX: u8 = 0;\n"), [""; 0]);
    }

    #[test]
    fn unsafe_code_stays_in_its_three_crates() {
        let text = "fn f() { unsafe { g() } }\n";
        assert_eq!(
            said("crates/cli/src/args.rs", text),
            ["crates/cli/src/args.rs:1: unsafe code; \
             it belongs into crates/mask, crates/sys or crates/capi"]
        );
        assert_eq!(said("crates/sys/src/socket.rs", text), [""; 0]);
        assert_eq!(said("crates/cli/src/args.rs", "// unsafe\nfn not_unsafe() {}\n"), [""; 0]);
    }

    #[test]
    fn crate_roots_forbid_it() {
        let missing = ["crates/x/src/lib.rs:1: no `#![forbid(unsafe_code)]`; add it"];
        assert_eq!(said("crates/x/src/lib.rs", "// #![forbid(unsafe_code)]\n"), missing);
        assert_eq!(said("crates/x/src/main.rs", "fn main() {}\n").len(), 1);
        assert_eq!(said("crates/x/src/bin/tool.rs", "fn main() {}\n").len(), 1);
        assert_eq!(said("crates/x/src/lib.rs", "#![forbid(unsafe_code)]\n"), [""; 0]);
        assert_eq!(said("crates/sys/src/lib.rs", "mod a;\n"), [""; 0]);
    }

    #[test]
    fn lines_have_a_width_counted_in_characters() {
        let text = format!("// {}\n", "\u{e9}".repeat(98));
        assert_eq!(said("a.rs", &text), ["a.rs:1: 101 columns; break the line at 100"]);
        assert_eq!(said("a.rs", &format!("// {}\n", "\u{e9}".repeat(97))), [""; 0]);
        let row = format!("//! | a | {} |\n", "b".repeat(100));
        assert_eq!(said("a.rs", &row), [""; 0], "a row of a table has no place to break");
    }

    #[test]
    fn files_have_a_length_without_their_tests() {
        let long = "const A: u8 = 0;\n".repeat(601);
        let found = ["a.rs:1: 601 lines without tests; split the file at 600"];
        assert_eq!(said("a.rs", &long), found);
        let tested = "const A: u8 = 0;\n".repeat(600) + "#[cfg(test)]\nmod tests {\n}\n";
        assert_eq!(said("a.rs", &tested), [""; 0]);
        let elsewhere = "#[cfg(test)]\nmod tests;\n".to_owned() + &long;
        assert_eq!(said("a.rs", &elsewhere).len(), 1);
    }

    #[test]
    fn functions_have_a_length() {
        assert_eq!(said("a.rs", &function(70)), [""; 0]);
        assert_eq!(
            said("a.rs", &format!("\n{}", function(71))),
            ["a.rs:2: `long` has 71 lines; bring it down to 70"]
        );
    }

    #[test]
    fn functions_are_found_with_their_whole_body() {
        let text = "trait T {\n    fn no(&self, a: [u8; 4]);\n}\ntype F = fn(u8);\n\
                    fn a<T>(x: [u8; 4]) -> [u8; 2]\nwhere\n    T: Fn() -> u8,\n{\n    \
                    fn b() {}\n    x.map(|y| { y })\n}\nfn c() {}\n";
        let masked = Masked::new(text);
        let found: Vec<_> =
            functions(&masked.code).iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("a", 5, 7), ("b", 9, 1), ("c", 12, 1)]);
    }

    #[test]
    fn compile_fail_tests_can_be_told_by_their_name() {
        let unnamed = "#[test]\nfn rules() { trybuild::TestCases::new(); }\n";
        assert_eq!(
            said("crates/x/tests/rules.rs", unnamed),
            ["crates/x/tests/rules.rs:1: compile-fail tests; have `trybuild` in the test's name"]
        );
        let named = "#[test]\nfn rules_by_trybuild() { trybuild::TestCases::new(); }\n";
        assert_eq!(said("crates/x/tests/rules.rs", named), [""; 0]);
    }
}
