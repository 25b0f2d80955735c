//! `cargo xtask fuzz`: runs the fuzz targets, on stable Rust or by libFuzzer.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{fs, thread};

use crate::place::Place;
use crate::run::run;
use crate::step::Outcome;
use crate::steps::LIMIT;

/// How many targets run at a time.
const AT_A_TIME: usize = 8;
/// What the step of `cargo xtask test` gives each target, at home and in CI.
const STEP_SECONDS: (u64, u64) = (5, 60);
/// What the step's mutations depend on: the same inputs in every run, as far as they get.
const STEP_SEED: &str = "1";
/// Where libFuzzer's program lies.
const LIBFUZZER: &str = "fuzz/libfuzzer";

/// The command line of `cargo xtask fuzz`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    targets: Vec<String>,
    seconds: u64,
    libfuzzer: bool,
    seed: Option<&'static str>,
}

impl Options {
    /// Reads it; `Err` says what is wrong.
    pub(crate) fn parse(args: &[&str]) -> Result<Self, String> {
        let mut options = Self { targets: Vec::new(), seconds: 60, libfuzzer: false, seed: None };
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            match arg {
                "--libfuzzer" => options.libfuzzer = true,
                "--seconds" => {
                    let seconds = args.next().and_then(|seconds| seconds.parse().ok());
                    options.seconds = seconds.ok_or("`--seconds` needs a number")?;
                }
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown argument `{flag}` of `fuzz`"));
                }
                target => options.targets.push(target.to_owned()),
            }
        }
        Ok(options)
    }
}

/// The step of `cargo xtask test`.
pub(crate) fn step(place: &Place) -> Outcome {
    let (home, ci) = STEP_SECONDS;
    let seconds = if place.ci { ci } else { home };
    let options = Options { targets: Vec::new(), seconds, libfuzzer: false, seed: Some(STEP_SEED) };
    let lines = Mutex::new(String::new());
    let all_well = fuzz(place, &options, |line| {
        if place.verbose {
            println!("{}", line.trim_end());
        }
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_str(line);
        lines.push('\n');
    });
    match all_well {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::Failed(lines.into_inner().unwrap_or_else(PoisonError::into_inner)),
        Err(printed) => Outcome::Failed(printed),
    }
}

/// Runs the targets and tells of each as it ends; whether all survived. `Err` is what was printed
/// if they could not be built.
pub(crate) fn fuzz(
    place: &Place,
    options: &Options,
    tell: impl Fn(&str) + Sync,
) -> Result<bool, String> {
    let program = place.target.join("fuzz/sockeye-fuzz");
    run(place.cargo(&["build", "--profile", "fuzz", "-p", "sockeye-fuzz"]), LIMIT, place.verbose)?;
    let all = run(place.command(&program, &["--list"]), LIMIT, false)?;
    if let Some(unknown) = options.targets.iter().find(|name| !all.lines().any(|n| n == **name)) {
        return Err(format!("unknown target `{unknown}`; there are: {}", all.replace('\n', " ")));
    }
    let targets: Vec<&str> = match &*options.targets {
        [] => all.lines().collect(),
        some => some.iter().map(String::as_str).collect(),
    };
    if options.libfuzzer {
        prepare_libfuzzer(place)?;
    }
    let limit = LIMIT + Duration::from_secs(options.seconds);
    let (all_well, queue) = (AtomicBool::new(true), Mutex::new(targets.into_iter()));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(target) = next() {
                    let command = if options.libfuzzer {
                        libfuzzer(place, target, options)
                    } else {
                        ours(place.command(&program, &[target]), options)
                    };
                    let result = run(command, limit, false);
                    all_well.fetch_and(result.is_ok(), Ordering::Relaxed);
                    match result {
                        Ok(printed) if options.libfuzzer => tell(&summary(target, &printed)),
                        Ok(printed) | Err(printed) => tell(printed.trim_end()),
                    }
                }
            });
        }
    });
    Ok(all_well.into_inner())
}

fn ours(mut command: Command, options: &Options) -> Command {
    command.args(["--seconds", &options.seconds.to_string()]);
    if let Some(seed) = options.seed {
        command.args(["--seed", seed]);
    }
    command
}

/// Builds the program that libFuzzer drives, if cargo-fuzz is there.
fn prepare_libfuzzer(place: &Place) -> Result<(), String> {
    let mut version = Command::new("cargo");
    version.args(["fuzz", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        return Err("needs cargo-fuzz: cargo install cargo-fuzz".to_owned());
    }
    run(cargo_fuzz(place, "build"), LIMIT, place.verbose).map(drop)
}

fn cargo_fuzz(place: &Place, what: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(["fuzz", what, "--fuzz-dir", LIBFUZZER, "--target-dir"]);
    command.arg(place.target.join("libfuzzer")).arg("any").current_dir(&place.root);
    // The instrumentation is behind a flag of the compiler's; nothing else unstable is used.
    command.env("RUSTC_BOOTSTRAP", "1");
    command
}

fn libfuzzer(place: &Place, target: &str, options: &Options) -> Command {
    let found = place.root.join(LIBFUZZER).join("corpus").join(target);
    let artifacts = place.root.join("fuzz/crashes");
    let seeds = place.root.join("fuzz/corpus").join(target);
    for dir in [&found, &artifacts] {
        let _ = fs::create_dir_all(dir); // what is missing is named when it is used
    }
    let mut command = cargo_fuzz(place, "run");
    // The first directory is where it writes to.
    command.args([&found, &seeds]).env("SOCKEYE_FUZZ", target);
    command.args(["--", "-use_value_profile=1", "-max_len=16384", "-timeout=10"]);
    command.arg(format!("-max_total_time={}", options.seconds));
    command.arg(format!("-artifact_prefix={}/{target}-", artifacts.display()));
    command
}

/// What matters of what libFuzzer prints.
fn summary(target: &str, printed: &str) -> String {
    let done = printed.lines().rev().find(|line| line.starts_with("Done "));
    let last = printed.lines().rev().find(|line| line.contains(" cov: "));
    let coverage = last.and_then(|line| line.split(" exec/s").next()).unwrap_or_default();
    let coverage = coverage.split_once("cov: ").map_or("", |(_, rest)| rest);
    format!("{target}: {}; coverage {coverage}", done.unwrap_or("done"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_targets_and_time() {
        let parsed = Options::parse(&["head", "--seconds", "7", "url", "--libfuzzer"]).unwrap();
        assert_eq!((parsed.seconds, parsed.libfuzzer), (7, true));
        assert_eq!(parsed.targets, ["head", "url"]);
        assert_eq!(Options::parse(&[]).unwrap().seconds, 60);
        assert!(Options::parse(&["--seconds"]).is_err());
        assert!(Options::parse(&["--speed", "9"]).is_err());
    }

    #[test]
    fn of_a_long_log_a_line_is_shown() {
        let log =
            "#9\tNEW    cov: 5 ft: 9 corp: 2/3b exec/s: 3 rss: 4Mb\nDone 9 runs in 1 second(s)";
        let shown = "url: Done 9 runs in 1 second(s); coverage 5 ft: 9 corp: 2/3b";
        assert_eq!(summary("url", log), shown);
    }
}
