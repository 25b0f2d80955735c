//! Steps: what one is, and how a list of them is run and told.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::place::Place;
use crate::steps;

/// One step of `cargo xtask test`.
pub(crate) struct Step {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// What `--list` says about it.
    pub(crate) about: &'static str,
    /// Left out by `--quick`.
    pub(crate) slow: bool,
    /// Does the work.
    pub(crate) run: fn(&Place) -> Outcome,
}

/// How a step ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All is well.
    Passed,
    /// Something is wrong; the text is what was printed.
    Failed(String),
    /// The step could not be run; the text says what it lacks.
    Skipped(String),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::Passed,
            Err(output) => Self::Failed(output),
        }
    }
}

/// The command line of `cargo xtask test`.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// Leave out the slow repetitions.
    pub(crate) quick: bool,
    /// Only name the steps.
    pub(crate) list: bool,
    /// Show all output.
    pub(crate) verbose: bool,
    /// Run just these; empty for all.
    pub(crate) only: Vec<String>,
}

impl Options {
    fn wants(&self, step: &Step) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == step.name)
    }
}

/// Runs the steps that `options` ask for; the status is 1 if one failed.
pub(crate) fn run_all(place: &Place, options: &Options) -> ExitCode {
    let wanted: Vec<_> = steps::ALL.iter().filter(|step| options.wants(step)).collect();
    if options.list {
        for step in wanted {
            println!("{:<15} {}", step.name, step.about);
        }
        return ExitCode::SUCCESS;
    }
    let mut tally = Tally::default();
    for step in wanted {
        if place.verbose {
            println!("--- {}", step.name);
        }
        let began = Instant::now();
        let outcome = if step.slow && options.quick {
            Outcome::Skipped("left out by --quick".to_owned())
        } else {
            (step.run)(place)
        };
        say(&describe(step.name, &outcome, began.elapsed(), place.verbose));
        tally.count(&outcome);
    }
    say(&tally.closing_line());
    if tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many steps ended how.
#[derive(Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }

    fn closing_line(&self) -> String {
        let Self { passed, failed, skipped } = self;
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// A line about a step, and below it the output of one that failed unless it was `shown` already.
fn describe(name: &str, outcome: &Outcome, took: Duration, shown: bool) -> String {
    let secs = took.as_secs_f64();
    match outcome {
        Outcome::Passed => format!("{name:<15} ok      {secs:>6.1} s"),
        Outcome::Skipped(why) => format!("{name:<15} skipped: {why}"),
        Outcome::Failed(output) => {
            let output = if shown { last_line(output) } else { output.trim_end() };
            let indented = output.lines().map(|line| format!("\n    {line}")).collect::<String>();
            format!("{name:<15} FAILED  {secs:>6.1} s{indented}")
        }
    }
}

fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or_default()
}

/// Prints a line at once: a reader of the log wants to see where a run stands.
fn say(line: &str) {
    println!("{line}");
    let _ = io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn every_step_has_its_own_name_and_one_line() {
        for (i, step) in steps::ALL.iter().enumerate() {
            assert!(steps::ALL[..i].iter().all(|other| other.name != step.name), "{}", step.name);
            assert!(step.name.len() <= 15 && !step.about.contains('\n'), "{}", step.name);
        }
    }

    #[test]
    fn a_failed_step_shows_its_output_indented() {
        let failed = Outcome::Failed("one\ntwo\n".to_owned());
        let quiet = describe("fmt", &failed, SECOND, false);
        assert_eq!(quiet, "fmt             FAILED     1.0 s\n    one\n    two");
        let shown = describe("fmt", &failed, SECOND, true);
        assert_eq!(shown, "fmt             FAILED     1.0 s\n    two");
    }

    #[test]
    fn a_passed_or_skipped_step_is_one_line() {
        assert_eq!(describe("fmt", &Outcome::Passed, SECOND, false).lines().count(), 1);
        let skipped = Outcome::Skipped("needs Chromium: apt install chromium".to_owned());
        assert_eq!(
            describe("browser-page", &skipped, SECOND, false),
            "browser-page    skipped: needs Chromium: apt install chromium"
        );
    }

    #[test]
    fn the_closing_line_counts_steps() {
        let mut tally = Tally::default();
        for outcome in
            [Outcome::Passed, Outcome::Failed(String::new()), Outcome::Skipped(String::new())]
        {
            tally.count(&outcome);
        }
        tally.count(&Outcome::Passed);
        assert_eq!(tally.closing_line(), "2 passed, 1 failed, 1 skipped");
    }
}
