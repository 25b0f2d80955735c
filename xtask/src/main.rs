//! The project's chores, run as `cargo xtask …`.
//!
//! | to do | open |
//! |---|---|
//! | see what `cargo xtask test` runs | `steps.rs` |
//! | add or change a house rule | `tidy/` |
//! | change a pinned tool | `tools.rs` |
//! | see what `cargo xtask bench` measures | `../benches/` |
//! | see which instructions are counted | `counts.rs`, `../benches/counts/` |
//! | install, package or measure the C library | `clib/` |
//! | see how the Autobahn test suite is played | `autobahn/` |
#![forbid(unsafe_code)]

mod autobahn;
mod clib;
mod counts;
mod foreign;
mod fuzz;
mod place;
mod run;
mod step;
mod steps;
mod tidy;
mod tools;

use std::process::ExitCode;

use place::Place;

const HELP: &str = "\
cargo xtask test [--quick] [--only STEP[,STEP...]] [--list] [-v]
    Runs the test steps in order and goes on after one that fails.
    --quick  leaves out the slow repetitions
    --only   runs just these steps
    --list   names the steps
    -v       shows the output of every step, not only of those that fail
cargo xtask autobahn [--role ROLE] [--variant VARIANT] [--cases GLOB[,GLOB...]] [--table]
    Plays the Autobahn test suite; fails unless every verdict is the one wanted.
    --role     server, client or both (default)
    --variant  default   whole messages, compressed with context takeover
               streaming messages taken in chunks, compressed without context takeover
               poll      over poll(2) instead of epoll(7)
               bytewise  sections 1 to 7 and 10, one byte at each read
               cuts      sections 9, 12 and 13, whole messages, reads of random lengths
               headers   the same, streaming: payloads cut at random, headers into bytes
               own-context  compression, with the window of both ends kept, ours as client too
               tls       under TLS, through socat, which the suite knows nothing of
               all       all of these
    --tls      the same as --variant tls
    --cases    only these, such as 9.*
    --table    writes the counts of the default variant into the README
cargo xtask fuzz [TARGET...] [--seconds N] [--libfuzzer]
    Runs the fuzz targets, or just these, five at a time and 60 seconds each.
    --libfuzzer  by libFuzzer, guided by coverage; needs cargo-fuzz
cargo xtask man
    Writes the manual pages of the program into target/man.
cargo xtask install-c --prefix DIR [--destdir DIR] [--libdir DIR] [--level LEVEL] [--without-tls]
    Builds the C library and installs it with header, pkg-config and CMake files and manual page.
    --destdir  lays it out below this, for the prefix all the same
    --libdir   where libraries go, below the prefix (default lib)
    --level    1.2 (default), 1.23, 1.3 or 1.4: what pkg-config and the header say by default
cargo xtask deb [--without-tls]
    Makes Debian packages of it in target/deb.
cargo xtask size
    Prints how large the C library is, without and with TLS, and what takes the room.
cargo xtask bench [--quick] [--rounds N] [--cells NAME[,NAME...]] [--peers NAME[,NAME...]]
    Measures the echo beside peers and the bare system calls; `cargo xtask bench --help` tells more.
cargo xtask counts [--update REASON]
    Counts the instructions of a frame, a mask, a handshake and others under valgrind, and fails if
    one differs by more than 3 % from its figure in benches/counts/FIGURES.md.
    --update  writes the figures that differ, with the reason
cargo xtask tidy
    Checks the house rules: sizes, directions, forbidden words, white space.
cargo xtask help
    Prints this.

Environment:
    CI=true           a step whose tools are missing fails instead of being skipped
    SOCKEYE           the program to test, instead of the one that is built
    SOCKEYE_CHROMIUM  the browser to use, instead of the one in PATH
";

/// What was wrong with the command line.
const MISUSE: u8 = 2;

fn main() -> ExitCode {
    if let Some(ended) = clib::linked() {
        return ended;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.split_first() {
        None | Some((&("help" | "--help" | "-h"), [])) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Some((&"test", rest)) => run_test(rest),
        Some((&"autobahn", rest)) => run_autobahn(rest),
        Some((&"fuzz", rest)) => run_fuzz(rest),
        Some((&"bench", rest)) => run_bench(rest),
        Some((&"counts", rest)) => run_counts(rest),
        Some((&"tidy", [])) => run_tidy(),
        Some((&"install-c", rest)) => chore(|place| clib::run_install(place, rest)),
        Some((&"deb", rest)) => chore(|place| clib::run_deb(place, rest)),
        Some((&"size", [])) => chore(clib::run_size),
        Some((&"man", [])) => run_man(),
        Some((&("tidy" | "man" | "size" | "help" | "--help" | "-h"), [extra, ..])) => {
            misuse(&format!("unknown argument `{extra}`"))
        }
        Some((other, _)) => misuse(&format!("unknown command `{other}`")),
    }
}

fn run_test(args: &[&str]) -> ExitCode {
    let mut options = step::Options::default();
    let mut args = args.iter();
    while let Some(&arg) = args.next() {
        match arg {
            "--quick" => options.quick = true,
            "--list" => options.list = true,
            "-v" | "--verbose" => options.verbose = true,
            "--only" => match args.next() {
                Some(names) => options.only.extend(names.split(',').map(str::to_owned)),
                None => return misuse("`--only` needs the name of a step"),
            },
            other => match other.strip_prefix("--only=") {
                Some(names) => options.only.extend(names.split(',').map(str::to_owned)),
                None => return misuse(&format!("unknown argument `{other}` of `test`")),
            },
        }
    }
    if let Some(name) =
        options.only.iter().find(|name| !steps::ALL.iter().any(|s| s.name == **name))
    {
        return misuse(&format!("unknown step `{name}`; `cargo xtask test --list` names them"));
    }
    match Place::find(options.verbose) {
        Ok(place) => step::run_all(&place, &options),
        Err(error) => failure(&format!("cannot find the workspace: {error}")),
    }
}

fn run_autobahn(args: &[&str]) -> ExitCode {
    let options = match autobahn::Options::parse(args) {
        Ok(options) => options,
        Err(what) => return misuse(&what),
    };
    match Place::find(false) {
        Ok(place) => match autobahn::run(&place, &options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(tools::Trouble::Lacking(what) | tools::Trouble::Failed(what)) => failure(&what),
        },
        Err(error) => failure(&format!("cannot find the workspace: {error}")),
    }
}

fn run_fuzz(args: &[&str]) -> ExitCode {
    let options = match fuzz::Options::parse(args) {
        Ok(options) => options,
        Err(what) => return misuse(&what),
    };
    match Place::find(false) {
        Ok(place) => match fuzz::fuzz(&place, &options, |line| println!("{line}")) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => failure("a target did not survive; its input is in fuzz/crashes"),
            Err(what) => failure(&what),
        },
        Err(error) => failure(&format!("cannot find the workspace: {error}")),
    }
}

fn run_man() -> ExitCode {
    let place = match Place::find(true) {
        Ok(place) => place,
        Err(error) => return failure(&format!("cannot find the workspace: {error}")),
    };
    match steps::man(&place) {
        Ok(pages) => {
            println!("{}", pages.display());
            ExitCode::SUCCESS
        }
        Err(what) => failure(&what),
    }
}

/// The benchmark is a program of its own: it has dependencies.
fn run_bench(args: &[&str]) -> ExitCode {
    let place = match Place::find(false) {
        Ok(place) => place,
        Err(error) => return failure(&format!("cannot find the workspace: {error}")),
    };
    let mut command = place.cargo(&["run", "--quiet", "--package", "sockeye-bench", "--"]);
    match command.args(args).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(error) => failure(&format!("cannot start cargo: {error}")),
    }
}

fn run_counts(args: &[&str]) -> ExitCode {
    let options = match counts::Options::parse(args) {
        Ok(options) => options,
        Err(what) => return misuse(&what),
    };
    match Place::find(true) {
        Ok(place) => match counts::count(&place, &options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(tools::Trouble::Lacking(what) | tools::Trouble::Failed(what)) => failure(&what),
        },
        Err(error) => failure(&format!("cannot find the workspace: {error}")),
    }
}

/// Something that succeeds silently or fails with a line.
fn chore(chore: impl FnOnce(&Place) -> Result<(), String>) -> ExitCode {
    let place = match Place::find(false) {
        Ok(place) => place,
        Err(error) => return failure(&format!("cannot find the workspace: {error}")),
    };
    match chore(&place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => failure(&what),
    }
}

fn run_tidy() -> ExitCode {
    let violations = match Place::find(false).and_then(|place| tidy::check(&place.root)) {
        Ok(violations) => violations,
        Err(error) => return failure(&format!("cannot read the project: {error}")),
    };
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => ExitCode::SUCCESS,
        1 => failure("1 house rule violated"),
        n => failure(&format!("{n} house rules violated")),
    }
}

fn misuse(what: &str) -> ExitCode {
    eprintln!("xtask: {what} (see `cargo xtask help`)");
    ExitCode::from(MISUSE)
}

fn failure(what: &str) -> ExitCode {
    eprintln!("xtask: {what}");
    ExitCode::FAILURE
}
