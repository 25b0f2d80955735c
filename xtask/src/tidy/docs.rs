//! Documents tell the truth: tests that they name exist, what they link to does, and the map of the
//! library has all its modules.

use std::collections::{BTreeSet, HashSet};

use super::Violation;
use super::files::File;

/// The heads of table columns that name tests.
const TEST_COLUMNS: [&str; 2] = ["test", "tests"];

/// What must not compile, one file a case.
const CASES: &str = "crates/sockeye/tests/ui/fail/";

/// Where newcomers look for what is where.
const MAP: &str = "ARCHITECTURE.md";
/// The modules that it names, each of them.
const MAPPED: &str = "crates/sockeye/src/";

/// Checks every Markdown file.
pub(crate) fn check(files: &[File], found: &mut Vec<Violation>) {
    let tests = tests(files);
    let paths: HashSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    for file in files.iter().filter(|file| file.has_ending(&["md"])) {
        let text = file.text.as_deref().unwrap_or_default();
        named_tests(&file.path, text, &tests, found);
        links(&file.path, text, &paths, found);
        if file.path == MAP {
            modules(text, &paths, found);
        }
    }
}

/// The names of all tests: functions under `#[test]`, and cases of what must not compile.
fn tests(files: &[File]) -> HashSet<&str> {
    let mut names = HashSet::new();
    for file in files.iter().filter(|file| file.has_ending(&["rs"])) {
        if let Some(case) = file.path.strip_prefix(CASES) {
            names.extend(case.strip_suffix(".rs"));
        }
        let mut awaited = false;
        for line in file.text.as_deref().unwrap_or_default().lines().map(str::trim) {
            if line == "#[test]" {
                awaited = true;
            } else if let Some(rest) = line.strip_prefix("fn ").filter(|_| awaited) {
                names.extend(rest.split('(').next());
                awaited = false;
            }
        }
    }
    names
}

/// Every word in backquotes in a column of tests must be one, and no cell may be without.
fn named_tests(path: &str, text: &str, tests: &HashSet<&str>, found: &mut Vec<Violation>) {
    let mut column = None;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(cells) = cells(line) else {
            column = None;
            continue;
        };
        let Some(column) = column else {
            column = Some(cells.iter().position(|cell| TEST_COLUMNS.contains(cell)));
            continue;
        };
        let Some(cell) = column.and_then(|column: usize| cells.get(column)) else { continue };
        if cell.chars().all(|char| matches!(char, '-' | ':')) && !cell.is_empty() {
            continue; // the line under the heads
        }
        let names: Vec<&str> = cell.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            found.push(Violation::new(path, number, "a row without a test; name one"));
        }
        for name in names.into_iter().filter(|name| !tests.contains(name)) {
            let what = format!("there is no test `{name}`; name one that there is");
            found.push(Violation::new(path, number, what));
        }
    }
}

/// The cells of a table's row.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// What is linked to by a relative path must be there.
fn links(path: &str, text: &str, paths: &HashSet<&str>, found: &mut Vec<Violation>) {
    let here = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    for (number, line) in (1..).zip(text.lines()) {
        for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let target = resolved(here, target);
            let directory = format!("{target}/");
            let exists = paths.contains(target.as_str())
                || paths.iter().any(|path| path.starts_with(&directory));
            if !exists {
                let what = format!("the link to {link} leads nowhere; mend it");
                found.push(Violation::new(path, number, what));
            }
        }
    }
}

/// Every module of the library has its place on the map.
fn modules(map: &str, paths: &HashSet<&str>, found: &mut Vec<Violation>) {
    let modules = paths.iter().filter_map(|path| path.strip_prefix(MAPPED));
    // Of a module in several files, the directory.
    let modules = modules.map(|path| path.split_inclusive('/').next().unwrap_or(path));
    let modules: BTreeSet<&str> = modules.filter(|&module| module != "lib.rs").collect();
    for module in modules {
        let link = format!("]({MAPPED}{module}");
        let of_directory = format!("]({MAPPED}{}.rs)", module.trim_end_matches('/'));
        if !map.contains(&link) && !map.contains(&of_directory) {
            let what = format!("{MAPPED}{module} is not on the map; say what is looked for there");
            found.push(Violation::new(MAP, 1, what));
        }
    }
}

/// A path relative to a directory, from the root of the project.
fn resolved(here: &str, target: &str) -> String {
    let mut parts: Vec<&str> = here.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(markdown: &str) -> Vec<String> {
        let code = "#[test]\n#[cfg(unix)]\nfn it_works() {}\n\nfn helper() {}\n";
        let files = [
            File::new("docs/a.md", markdown),
            File::new("crates/a/tests/b.rs", code),
            File::new("crates/sockeye/tests/ui/fail/kept.rs", "fn main() {}\n"),
        ];
        let mut found = Vec::new();
        check(&files, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tests_that_tables_name_exist() {
        let table =
            "| rule | test |\n|---|---|\n| a | `it_works`, `kept` |\n\n`no_test` in prose\n";
        assert_eq!(said(table), [""; 0]);
        let other = "| a | b |\n|---|---|\n| `c` | `d` |\n";
        assert_eq!(said(other), [""; 0], "another table");
    }

    #[test]
    fn tests_that_do_not_exist_are_found() {
        let table = "| tests | rule |\n|:--|---|\n| `it_worked`, `helper` | a |\n| none | b |\n";
        assert_eq!(
            said(table),
            [
                "docs/a.md:3: there is no test `it_worked`; name one that there is",
                "docs/a.md:3: there is no test `helper`; name one that there is",
                "docs/a.md:4: a row without a test; name one",
            ]
        );
    }

    #[test]
    fn links_lead_somewhere() {
        let good = "[a](../crates/a/tests/b.rs#L1) [b](https://a/b) [c](#c) [d](../crates/a)\n";
        assert_eq!(said(good), [""; 0]);
        let bad = "[a](crates/a/tests/b.rs)\n";
        assert_eq!(
            said(bad),
            ["docs/a.md:1: the link to crates/a/tests/b.rs leads nowhere; mend it"]
        );
    }

    #[test]
    fn every_module_is_on_the_map() {
        let modules = ["a.rs", "b.rs", "b/mod.rs", "c/d.rs", "lib.rs"];
        let paths = modules.map(|path| format!("{MAPPED}{path}"));
        let paths: HashSet<&str> = paths.iter().map(String::as_str).collect();
        let said = |map: &str| {
            let mut found = Vec::new();
            super::modules(map, &paths, &mut found);
            found.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let map = |files: &[&str]| {
            files.iter().map(|file| format!("[x]({MAPPED}{file})\n")).collect::<String>()
        };
        assert_eq!(said(&map(&["a.rs", "b.rs", "c/d.rs"])), [""; 0]);
        assert_eq!(
            said(&map(&["b.rs", "c/d.rs"])),
            [format!("{MAP}:1: {MAPPED}a.rs is not on the map; say what is looked for there")]
        );
    }
}
