//! The Autobahn test suite, played against both roles of the library.
//!
//! | to change | open |
//! |---|---|
//! | the command line, what is printed | `mod.rs` |
//! | what is played: roles, variants, cases | `plan.rs` |
//! | how it is played: processes, several at a time | `play.rs` |
//! | the relay to TLS | `relay.rs` |
//! | what counts as well, the README's table | `verdict.rs` |

mod plan;
mod play;
mod relay;
mod verdict;

use std::fs;
use std::time::{Duration, Instant};

use crate::foreign;
use crate::place::Place;
use crate::step::Outcome;
use crate::tools::Trouble;
use plan::{Role, VARIANTS, Variant};
use play::Suite;
use verdict::{Tally, Verdict};

/// The command line of `cargo xtask autobahn`.
#[derive(Debug)]
pub(crate) struct Options {
    roles: Vec<Role>,
    variants: Vec<&'static Variant>,
    /// Patterns of cases; empty for all.
    cases: Vec<String>,
    table: bool,
}

impl Options {
    /// Reads the command line; `Err` says what is wrong with it.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
            match arg {
                "--role" => options.roles = Role::named(value()?)?,
                "--variant" => options.variants = Variant::named(value()?)?,
                "--cases" => options.cases = value()?.split(',').map(str::to_owned).collect(),
                "--tls" => options.variants = Variant::named("tls")?,
                "--table" => options.table = true,
                other => return Err(format!("unknown argument `{other}` of `autobahn`")),
            }
        }
        if options.table && !options.are_for_the_table() {
            return Err("`--table` is for both roles and all cases of the default variant".into());
        }
        Ok(options)
    }

    fn are_for_the_table(&self) -> bool {
        let default = self.variants.iter().any(|variant| variant.name == VARIANTS[0].name);
        self.roles == Role::BOTH && default && self.cases.is_empty()
    }
}

impl Default for Options {
    fn default() -> Self {
        let (roles, variants) = (Role::BOTH.to_vec(), vec![&VARIANTS[0]]);
        Self { roles, variants, cases: Vec::new(), table: false }
    }
}

/// The step of `cargo xtask test`.
pub(crate) fn step(place: &Place) -> Outcome {
    foreign::outcome(place, || {
        play_all(place, &Options::default(), place.verbose)?;
        let variants = Variant::named("tls").map_err(Trouble::Failed)?;
        let cases = plan::SAMPLE.iter().map(|&glob| glob.to_owned()).collect();
        play_all(place, &Options { variants, cases, ..Options::default() }, place.verbose)
    })
}

/// Plays what `options` ask for and prints what came of it; `Err` if not all is well.
pub(crate) fn run(place: &Place, options: &Options) -> Result<(), Trouble> {
    play_all(place, options, true)
}

/// `Err` has the reports only if they were not `shown`.
fn play_all(place: &Place, options: &Options, shown: bool) -> Result<(), Trouble> {
    let suite = Suite::install(place)?;
    let mut wrong = Vec::new();
    for variant in &options.variants {
        let cases = variant.cases(&suite.cases, &options.cases);
        if cases.is_empty() {
            continue;
        }
        if variant.tls {
            relay::install(place)?;
        }
        let programs = play::build(place, variant).map_err(Trouble::Failed)?;
        let began = Instant::now();
        let certificate = relay::certificate(place);
        let roles = &options.roles;
        let pairs = play::pairs(place, &suite, variant, &programs, roles, &cases, &certificate);
        let (plays, troubles) = play::play(&pairs, &options.roles, &cases);
        if shown {
            troubles.iter().for_each(|trouble| println!("{trouble}"));
        }
        wrong.extend(troubles);
        for (role, verdicts) in &plays {
            let report = report(variant, *role, verdicts, began.elapsed());
            if shown {
                println!("{report}");
            }
            if !verdicts.iter().all(|(case, verdict)| verdict.is_wanted(case)) {
                wrong.push(report);
            }
        }
        if options.table && variant.name == VARIANTS[0].name {
            write_table(place, &plays).map_err(Trouble::Failed)?;
        }
    }
    match (wrong.is_empty(), shown) {
        (true, _) => Ok(()),
        (false, true) => Err(Trouble::Failed(NOT_AS_WANTED.to_owned())),
        (false, false) => Err(Trouble::Failed(wrong.join("\n") + "\n" + NOT_AS_WANTED)),
    }
}

const NOT_AS_WANTED: &str = "not every verdict is the one wanted; target/autobahn has the reports";

/// The verdicts on one role, in the suite's order.
type Verdicts = Vec<(String, Verdict)>;

/// The counts on a line, and below it each case that is not OK.
fn report(variant: &Variant, role: Role, verdicts: &Verdicts, took: Duration) -> String {
    let tally = Tally::of(verdicts);
    let took = took.as_secs();
    let mut report =
        format!("{}, {}: {} cases: {tally} ({took} s)", variant.name, role.name(), verdicts.len());
    for (case, verdict) in verdicts.iter().filter(|(_, verdict)| !verdict.is_ok()) {
        let note = if verdict.is_wanted(case) { "" } else { "  <-- not wanted" };
        report += &format!("\n    {case:<9} {verdict}{note}");
    }
    report
}

fn write_table(place: &Place, plays: &[(Role, Verdicts)]) -> Result<(), String> {
    let path = place.root.join("README.md");
    let failed = |error: std::io::Error| format!("README.md: {error}");
    let text = fs::read_to_string(&path).map_err(failed)?;
    let rows: Vec<String> =
        plays.iter().map(|(role, verdicts)| Tally::of(verdicts).row(role.name())).collect();
    let text = verdict::with_table(&text, &rows).ok_or("README.md has no place for the table")?;
    fs::write(&path, text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_both_roles_in_the_default_variant() {
        let options = Options::parse(&[]).unwrap();
        assert_eq!(options.roles, [Role::Server, Role::Client]);
        assert_eq!(options.variants.len(), 1);
        assert_eq!(options.variants[0].name, "default");
    }

    #[test]
    fn what_is_misspelt_is_named() {
        for (args, what) in [
            (&["--role", "proxy"][..], "unknown role `proxy`"),
            (&["--variant", "fast"], "unknown variant `fast`"),
            (&["--cases"], "`--cases` needs a value"),
            (&["--fast"], "unknown argument `--fast` of `autobahn`"),
        ] {
            assert_eq!(Options::parse(args).unwrap_err(), what);
        }
    }

    #[test]
    fn the_table_needs_all_that_stands_in_it() {
        assert!(Options::parse(&["--table"]).unwrap().table);
        assert!(Options::parse(&["--table", "--variant", "all"]).is_ok());
        for part in [["--role", "server"], ["--cases", "9.*"], ["--variant", "poll"]] {
            assert!(Options::parse(&[&part[..], &["--table"]].concat()).is_err(), "{part:?}");
        }
    }
}
