//! `cargo xtask counts`: what a frame, a handshake, a mask cost in instructions, beside the
//! figures that are committed.
//!
//! Times differ from run to run and from machine to machine; instructions do not. What they say
//! holds for one compiler and one valgrind: both stand with the figures.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fmt, fs, thread};

use crate::foreign::outcome;
use crate::place::Place;
use crate::run::run;
use crate::step::Outcome;
use crate::steps;
use crate::tools::{self, Trouble};

/// Where the figures are kept.
const FIGURES: &str = "benches/counts/FIGURES.md";
/// An operation is done so many times, and twice as often.
const TIMES: u64 = 200;
/// Counts that differ by more than so many hundredths have changed.
const TOLERANCE: u64 = 3;
/// One operation under callgrind takes a second or two.
const LIMIT: Duration = Duration::from_secs(300);

/// What stands above the figures.
const HEAD: &str = "\
# Instruction counts

What each operation of `src/` costs in instructions, the kernel's left out. `cargo xtask counts`
counts again: a change of more than 3 % fails until `cargo xtask counts --update REASON` has written
the new figure with its reason, and it is committed. A figure says nothing about time, and next to
nothing about another compiler; valgrind has neither AVX-512 nor SHA instructions.
";

/// The command line of `cargo xtask counts`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// Write what has changed, for this reason.
    update: Option<String>,
}

impl Options {
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        match args {
            [] => Ok(Self::default()),
            ["--update", reason] if is_reason(reason) => {
                Ok(Self { update: Some((*reason).to_owned()) })
            }
            ["--update", ..] => {
                Err("`--update` needs one reason: a few words on one line, without `|`".to_owned())
            }
            [other, ..] => Err(format!("unknown argument `{other}` of `counts`")),
        }
    }
}

fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && !text.contains(['|', '\n']) && !text.starts_with('-')
}

/// The step of `cargo xtask test`.
pub(crate) fn step(place: &Place) -> Outcome {
    outcome(place, || count(place, &Options::default()))
}

/// Counts, and compares or writes.
pub(crate) fn count(place: &Place, options: &Options) -> Result<(), Trouble> {
    let tools = Tools::find(place)?;
    let counted = count_all(&build(place)?)?;
    let path = place.root.join(FIGURES);
    let failed = |error| Trouble::Failed(format!("{}: {error}", path.display()));
    if let Some(reason) = &options.update {
        let old = fs::read_to_string(&path).map(|text| Figures::parse(&text)).unwrap_or_default();
        let new = old.updated(&tools, &counted, reason);
        return fs::write(&path, new.to_string()).map_err(failed);
    }
    let figures = Figures::parse(&fs::read_to_string(&path).map_err(failed)?);
    let changes = figures.changes(&counted);
    if place.verbose || !changes.is_empty() {
        print!("{}", figures.table(&counted));
    }
    if changes.is_empty() {
        return Ok(());
    }
    if figures.tools != tools {
        // Not worse, but not to be told: the figures must be made anew.
        let line = format!(
            "the figures of {FIGURES} are of {}; here are {tools}, with which they differ: \
             cargo xtask counts --update \"new tools\"",
            figures.tools
        );
        return Err(Trouble::Lacking(line));
    }
    Err(Trouble::Failed(changes.join("\n")))
}

/// What the figures depend on besides the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Tools {
    valgrind: String,
    rustc: String,
    target: String,
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.valgrind, self.rustc, self.target)
    }
}

impl Tools {
    fn find(place: &Place) -> Result<Self, Trouble> {
        let valgrind = tools::valgrind()?;
        let rustc = run(place.command("rustc", &["--version"]), LIMIT, false)
            .map_err(|_| Trouble::Lacking("rustc does not tell its version".to_owned()))?;
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        Ok(Self { valgrind, rustc: rustc.trim().to_owned(), target })
    }
}

/// Builds the program whose operations are counted. The program `sockeye` is named with it, so
/// that both are made of the same crates, and those are compiled once.
fn build(place: &Place) -> Result<PathBuf, Trouble> {
    let packages = ["--package=sockeye-cli", "--package=sockeye-counts"];
    let programs = ["--bin=sockeye", "--bin=sockeye-counts"];
    let args = [&["build", "--release"], &packages[..], &programs].concat();
    run(place.cargo(&args), steps::LIMIT, place.verbose).map_err(Trouble::Failed)?;
    Ok(place.target.join("release/sockeye-counts"))
}

/// Instructions by operation, in the order of the program.
type Counted = Vec<(String, u64)>;

/// Counts every operation, several at a time.
fn count_all(program: &PathBuf) -> Result<Counted, Trouble> {
    let mut list = Command::new(program);
    list.arg("list");
    let names = run(list, LIMIT, false).map_err(Trouble::Failed)?;
    let names: Vec<&str> = names.lines().collect();
    let next = AtomicUsize::new(0);
    let counted = Mutex::new(BTreeMap::new());
    let work = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            let count = one(program, name);
            if let Ok(mut counted) = counted.lock() {
                counted.insert(*name, count);
            }
        }
    };
    thread::scope(|scope| {
        (0..thread::available_parallelism().map_or(1, usize::from)).for_each(|_| {
            scope.spawn(work);
        });
    });
    let mut counted = counted.into_inner().unwrap_or_default();
    let taken = names.iter().map(|&name| {
        let count = counted.remove(name).unwrap_or_else(|| Err("was not counted".to_owned()));
        count.map(|count| (name.to_owned(), count)).map_err(|why| format!("{name}: {why}"))
    });
    taken.collect::<Result<_, _>>().map_err(Trouble::Failed)
}

/// What one operation costs: what is not the operation is in both runs.
fn one(program: &PathBuf, name: &str) -> Result<u64, String> {
    let (once, twice) = (collected(program, name, TIMES)?, collected(program, name, 2 * TIMES)?);
    let each = twice.checked_sub(once).ok_or("twice as often took fewer instructions")?;
    Ok((each + TIMES / 2) / TIMES)
}

fn collected(program: &PathBuf, name: &str, times: u64) -> Result<u64, String> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    valgrind.arg(program).args([name, &times.to_string()]);
    let printed = run(valgrind, LIMIT, false)?;
    let count = printed.lines().find_map(|line| line.split_once("Collected : "));
    count.and_then(|(_, count)| count.trim().parse().ok()).ok_or(printed)
}

/// The committed figures.
#[derive(Debug, Default)]
struct Figures {
    tools: Tools,
    list: Vec<Figure>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Figure {
    name: String,
    count: u64,
    reason: String,
}

impl Figures {
    fn parse(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines() {
            let cells = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |"));
            let cells: Vec<&str> = cells.into_iter().flat_map(|line| line.split(" | ")).collect();
            match (&cells[..], line.split_once(": ")) {
                ([name, count, reason], _) => {
                    let name = name.trim_matches('`').to_owned();
                    if let Ok(count) = count.parse() {
                        let reason = (*reason).to_owned();
                        figures.list.push(Figure { name, count, reason });
                    }
                }
                (_, Some(("* valgrind", it))) => it.clone_into(&mut figures.tools.valgrind),
                (_, Some(("* rustc", it))) => it.clone_into(&mut figures.tools.rustc),
                (_, Some(("* target", it))) => it.clone_into(&mut figures.tools.target),
                _ => {}
            }
        }
        figures
    }

    fn of(&self, name: &str) -> Option<&Figure> {
        self.list.iter().find(|figure| figure.name == name)
    }

    /// What is not as it was, a sentence each.
    fn changes(&self, counted: &Counted) -> Vec<String> {
        let mut changes = Vec::new();
        for (name, count) in counted {
            match self.of(name) {
                Some(figure) if is_change(figure.count, *count) => {
                    let (was, by) = (figure.count, change(figure.count, *count));
                    changes.push(format!(
                        "{name}: {count} instructions, {by:+.1} % from {was}; if that must be: \
                         cargo xtask counts --update REASON"
                    ));
                }
                Some(_) => {}
                None => changes.push(format!(
                    "{name}: {count} instructions, and no figure to compare them with: \
                     cargo xtask counts --update REASON"
                )),
            }
        }
        let gone = self.list.iter().filter(|f| counted.iter().all(|(name, _)| *name != f.name));
        changes.extend(gone.map(|figure| {
            format!("{}: in {FIGURES}, but no operation of that name is left", figure.name)
        }));
        changes
    }

    /// These figures with those that have changed replaced. The others stay, though they moved a
    /// little: many small steps must not go unseen.
    fn updated(&self, tools: &Tools, counted: &Counted, reason: &str) -> Self {
        let figure = |(name, count): &(String, u64)| match self.of(name) {
            Some(old) if !is_change(old.count, *count) => old.clone(),
            Some(_) | None => {
                Figure { name: name.clone(), count: *count, reason: reason.to_owned() }
            }
        };
        Self { tools: tools.clone(), list: counted.iter().map(figure).collect() }
    }

    fn table(&self, counted: &Counted) -> String {
        let line = |(name, count): &(String, u64)| {
            let compared = self.of(name).map_or("no figure".to_owned(), |figure| {
                format!("{:+.1} % from {}", change(figure.count, *count), figure.count)
            });
            format!("{name:<20} {count:>8}  {compared}\n")
        };
        counted.iter().map(line).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tools { valgrind, rustc, target } = &self.tools;
        writeln!(f, "{HEAD}\n* valgrind: {valgrind}\n* rustc: {rustc}\n* target: {target}\n")?;
        writeln!(f, "| operation | instructions | since |\n|---|---:|---|")?;
        self.list.iter().try_for_each(|Figure { name, count, reason }| {
            writeln!(f, "| `{name}` | {count} | {reason} |")
        })
    }
}

/// By how many hundredths.
fn change(was: u64, is: u64) -> f64 {
    (is as f64 / was.max(1) as f64 - 1.0) * 100.0
}

fn is_change(was: u64, is: u64) -> bool {
    was.abs_diff(is) * 100 > was * TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Tools {
        let [valgrind, rustc, target] =
            ["valgrind-3.19.0", "rustc 1.95.0 (1 2)", "x86_64-linux"].map(str::to_owned);
        Tools { valgrind, rustc, target }
    }

    fn counted(list: &[(&str, u64)]) -> Counted {
        list.iter().map(|&(name, count)| (name.to_owned(), count)).collect()
    }

    #[test]
    fn what_is_written_reads_as_it_was() {
        let first = counted(&[("mask", 1000), ("frame-in", 100)]);
        let written = Figures::default().updated(&tools(), &first, "the first").to_string();
        let read = Figures::parse(&written);
        assert_eq!(read.tools, tools());
        assert_eq!(read.list.len(), 2);
        assert_eq!(read.to_string(), written);
        assert!(read.changes(&first).is_empty());
    }

    #[test]
    fn more_than_three_hundredths_either_way_is_a_change() {
        let figures =
            Figures::default().updated(&tools(), &counted(&[("mask", 1000)]), "the first");
        for (count, changed) in [(970, false), (1030, false), (969, true), (1031, true)] {
            assert_eq!(figures.changes(&counted(&[("mask", count)])).len(), usize::from(changed));
        }
        let said = figures.changes(&counted(&[("mask", 1100)]));
        assert!(said[0].starts_with("mask: 1100 instructions, +10.0 % from 1000; "), "{said:?}");
    }

    #[test]
    fn operations_that_come_and_go_are_changes() {
        let figures =
            Figures::default().updated(&tools(), &counted(&[("mask", 1000)]), "the first");
        let said = figures.changes(&counted(&[("frame-in", 100)]));
        assert!(said[0].starts_with("frame-in: 100 instructions, and no figure"), "{said:?}");
        assert!(said[1].starts_with("mask: in benches/counts/FIGURES.md, but no"), "{said:?}");
    }

    #[test]
    fn an_update_leaves_alone_what_has_hardly_moved() {
        let figures =
            Figures::default().updated(&tools(), &counted(&[("a", 1000), ("b", 1000)]), "first");
        let new = figures.updated(&tools(), &counted(&[("a", 1020), ("b", 900)]), "faster");
        let told: Vec<_> = new.list.iter().map(|f| (f.count, f.reason.as_str())).collect();
        assert_eq!(told, [(1000, "first"), (900, "faster")]);
    }

    #[test]
    fn an_update_needs_its_reason() {
        assert_eq!(Options::parse(&[]), Ok(Options::default()));
        assert!(Options::parse(&["--update", "fewer copies"]).is_ok());
        for wrong in [&["--update"][..], &["--update", ""], &["--update", "a|b"], &["--fast"]] {
            assert!(Options::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
