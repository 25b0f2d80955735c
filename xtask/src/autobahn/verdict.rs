//! Verdicts: what counts as well, and how they are counted.

use std::fmt;

/// Cases about what RFC 6455 leaves open: how much of what was asked before a Close frame is still
/// answered, and close codes above 4999.
const INFORMATIONAL: [&str; 3] = ["7.1.6", "7.13.1", "7.13.2"];

/// What the suite says about a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// About the messages.
    pub(crate) behavior: String,
    /// About the closing handshake.
    pub(crate) close: String,
}

impl Verdict {
    /// Of a case that the suite says nothing about.
    pub(crate) fn missing() -> Self {
        Self { behavior: "MISSING".to_owned(), close: "MISSING".to_owned() }
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.behavior == "OK" && self.close == "OK"
    }

    /// Whether it is the best that can be had for `case`.
    pub(crate) fn is_wanted(&self, case: &str) -> bool {
        if INFORMATIONAL.contains(&case) { self.is("INFORMATIONAL") } else { self.is_ok() }
    }

    fn is(&self, what: &str) -> bool {
        self.behavior == what && self.close == what
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, closing {}", self.behavior, self.close)
    }
}

/// How many cases came out how, each counted by the worse of its two verdicts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    ok: usize,
    informational: usize,
    non_strict: usize,
    unimplemented: usize,
    /// Everything else, cases without a verdict included.
    failed: usize,
}

impl Tally {
    pub(crate) fn of(verdicts: &[(String, Verdict)]) -> Self {
        let mut tally = Self::default();
        for (_, verdict) in verdicts {
            let both = [verdict.behavior.as_str(), verdict.close.as_str()];
            let all = |well: &[&str]| both.iter().all(|one| well.contains(one));
            *if all(&["OK"]) {
                &mut tally.ok
            } else if all(&["OK", "INFORMATIONAL"]) {
                &mut tally.informational
            } else if all(&["OK", "INFORMATIONAL", "NON-STRICT"]) {
                &mut tally.non_strict
            } else if verdict.behavior == "UNIMPLEMENTED" {
                &mut tally.unimplemented
            } else {
                &mut tally.failed
            } += 1;
        }
        tally
    }

    /// A row of the README's table.
    pub(crate) fn row(&self, name: &str) -> String {
        let Self { ok, informational, non_strict, unimplemented, failed } = self;
        format!("| {name} | {ok} | {informational} | {non_strict} | {failed} | {unimplemented} |")
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ok, informational, non_strict, unimplemented, failed } = self;
        write!(f, "{ok} OK, {informational} informational, {non_strict} non-strict, ")?;
        write!(f, "{failed} failed, {unimplemented} unimplemented")
    }
}

/// What begins the comment above the table.
const MARKER: &str = "<!-- autobahn table:";
const HEAD: [&str; 2] = [
    "| role | OK | informational | non-strict | failed | unimplemented |",
    "|---|---|---|---|---|---|",
];

/// The text with its table replaced; `None` if there is no marker to find it by.
pub(crate) fn with_table(text: &str, rows: &[String]) -> Option<String> {
    let mut lines = text.lines();
    let mut written: Vec<&str> = Vec::new();
    loop {
        let line = lines.next()?;
        written.push(line);
        if line.starts_with(MARKER) {
            break;
        }
    }
    written.extend(HEAD);
    written.extend(rows.iter().map(String::as_str));
    written.extend(lines.skip_while(|line| line.starts_with('|')));
    Some(written.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(behavior: &str, close: &str) -> Verdict {
        Verdict { behavior: behavior.to_owned(), close: close.to_owned() }
    }

    #[test]
    fn only_three_cases_may_be_informational_and_must() {
        let (ok, open) = (verdict("OK", "OK"), verdict("INFORMATIONAL", "INFORMATIONAL"));
        assert!(ok.is_wanted("1.1.1") && !open.is_wanted("1.1.1"));
        assert!(open.is_wanted("7.1.6") && !ok.is_wanted("7.1.6"));
        assert!(!verdict("OK", "UNCLEAN").is_wanted("1.1.1"));
        assert!(!verdict("NON-STRICT", "OK").is_wanted("1.1.1"));
        assert!(!Verdict::missing().is_wanted("1.1.1"));
    }

    #[test]
    fn a_case_is_counted_by_its_worse_verdict() {
        let verdicts = [
            verdict("OK", "OK"),
            verdict("OK", "INFORMATIONAL"),
            verdict("NON-STRICT", "OK"),
            verdict("UNIMPLEMENTED", "OK"),
            verdict("OK", "WRONG CODE"),
            verdict("NON-STRICT", "UNCLEAN"),
            Verdict::missing(),
        ];
        let verdicts = verdicts.map(|verdict| ("1.1.1".to_owned(), verdict));
        assert_eq!(Tally::of(&verdicts).row("server"), "| server | 1 | 1 | 1 | 3 | 1 |");
    }

    #[test]
    fn the_table_is_replaced_and_nothing_else() {
        let text = "a\n<!-- autobahn table: x -->\n| old |\n|---|\n| 1 |\n\n| b |\n";
        let written = with_table(text, &["| new |".to_owned()]).unwrap();
        let head = HEAD.join("\n");
        let wanted = format!("a\n<!-- autobahn table: x -->\n{head}\n| new |\n\n| b |\n");
        assert_eq!(written, wanted);
        assert_eq!(with_table(&written, &["| new |".to_owned()]).unwrap(), wanted);
        assert_eq!(with_table("a\n", &[]), None);
    }
}
