//! The manual pages that the program writes.

use crate::run::run;
use crate::scratch::Scratch;
use std::fs;
use std::process::Command;

const PAGES: [(&str, &[&str]); 7] = [
    ("sockeye.1", &["--help"]),
    ("sockeye-serve.1", &["serve", "--help"]),
    ("sockeye-echo.1", &["echo", "--help"]),
    ("sockeye-connect.1", &["connect", "--help"]),
    ("sockeye-ping.1", &["ping", "--help"]),
    ("sockeye-bench.1", &["bench", "--help"]),
    ("sockeye-fraggle.1", &["fraggle", "--help"]),
];

/// The pages, which go with the directory.
fn written() -> Scratch {
    let scratch = Scratch::new();
    let (status, stdout, stderr) = run(&["man", &scratch.name("man")]);
    assert_eq!((status, &*stdout, &*stderr), (Some(0), "", ""));
    scratch
}

#[test]
fn every_command_has_a_page_with_all_of_its_options_and_examples() {
    let scratch = written();
    for (page, help) in PAGES {
        let text = fs::read_to_string(scratch.path("man").join(page)).expect(page);
        let plain = text.replace("\\-", "-").replace("\\(aq", "'");
        let (_, help, _) = run(help);
        let flags = help.split_whitespace().filter(|word| word.starts_with("--"));
        for flag in flags.map(|flag| flag.trim_end_matches([',', ';', ':', '.', ')', ']'])) {
            assert!(plain.contains(flag), "{page} lacks {flag}");
        }
        let (_, examples) = help.split_once("Examples:\n").expect("help has examples");
        assert!(plain.contains("\n.SH \"EXAMPLES\"\n.nf\n"), "{page}");
        for example in examples.lines() {
            assert!(plain.contains(example.trim_start()), "{page} lacks {example}");
        }
    }
    let count = fs::read_dir(scratch.path("man")).expect("a directory").count();
    assert_eq!(count, PAGES.len(), "a page is missing above");
}

#[test]
fn the_pages_are_in_order() {
    let scratch = written();
    let lint = Command::new("mandoc")
        .args(["-T", "lint", "-W", "warning"])
        .args(PAGES.map(|(page, _)| scratch.path("man").join(page)))
        .output();
    match lint {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
        Err(error) if std::env::var("CI").as_deref() == Ok("true") => panic!("mandoc: {error}"),
        Err(error) => println!("skipped: mandoc: {error}; apt install mandoc"),
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_one_clear_line() {
    let (status, stdout, stderr) = run(&["man", "/dev/null/man"]);
    assert_eq!((status, &*stdout), (Some(1), ""));
    assert!(
        stderr.starts_with("sockeye: cannot write manual pages to /dev/null/man: "),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1);
}
