//! The steps of `cargo xtask test`, in order.

use std::num::NonZero;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::place::Place;
use crate::run::run;
use crate::step::{Outcome, Step};
use crate::{autobahn, clib, counts, foreign, fuzz, tidy};

/// Long enough for a cold build on a small machine; only there so that nothing hangs for ever.
pub(crate) const LIMIT: Duration = Duration::from_secs(1800);

/// Forces what other systems have to do with: `poll(2)` where `epoll(7)` exists, and keepalive
/// whose times are the system's where each socket has its own.
pub(crate) const POLL_BACKEND: &str = "--cfg sockeye_poll_backend --cfg sockeye_keepalive_switch";

/// How many tests run at a time, for each processor.
const TESTS_AT_A_TIME: usize = 3;

/// Every step.
pub(crate) const ALL: &[Step] = &[
    Step { name: "fmt", about: "the code is formatted", slow: false, run: fmt },
    Step { name: "clippy", about: "no lint has anything to say", slow: false, run: clippy },
    Step { name: "tidy", about: "the house rules hold", slow: false, run: tidy },
    Step {
        name: "test",
        about: "unit, doc, compile-fail and program tests",
        slow: false,
        run: test,
    },
    Step {
        name: "doc",
        about: "the documentation builds without a warning",
        slow: false,
        run: doc,
    },
    Step {
        name: "without-tls",
        about: "the library without its feature `tls` has no lint and says what it lacks",
        slow: false,
        run: without_tls,
    },
    Step {
        name: "poll-backend",
        about: "the tests once more, over poll(2) and keepalive that is only on or off",
        slow: true,
        run: poll_backend,
    },
    Step {
        name: "fuzz",
        about: "every fuzz target survives some seconds of mutated inputs",
        slow: true,
        run: fuzz::step,
    },
    Step { name: "build", about: "the release program builds", slow: false, run: build },
    Step {
        name: "counts",
        about: "frames, masks and handshakes cost the instructions they did",
        slow: true,
        run: counts::step,
    },
    Step { name: "examples", about: "every example builds", slow: false, run: examples },
    Step {
        name: "c-size",
        about: "the C library without TLS is no larger than it may be",
        slow: false,
        run: clib::size_step,
    },
    Step {
        name: "c-install",
        about: "the C library is found by pkg-config, CMake and dpkg once it is installed",
        slow: false,
        run: clib::install_step,
    },
    Step {
        name: "c-shipped",
        about: "the C programs with the C library as it is installed",
        slow: false,
        run: clib::shipped_step,
    },
    Step {
        name: "c-i686",
        about: "the C library and its programs with 32 bits",
        slow: true,
        run: clib::i686_step,
    },
    Step {
        name: "foreign-python",
        about: "Python's websockets against echo, connect and bench, beside hostile peers",
        slow: false,
        run: foreign::python,
    },
    Step { name: "foreign-node", about: "Node's ws against echo", slow: false, run: foreign::node },
    Step {
        name: "foreign-glib",
        about: "GLib's main loop with a context in it, by descriptors",
        slow: true,
        run: foreign::glib,
    },
    Step {
        name: "foreign-tls",
        about: "OpenSSL, curl, nginx, Python and Node under TLS, and tlslite-ng against it",
        slow: false,
        run: foreign::tls,
    },
    Step {
        name: "browser-tls",
        about: "headless Chromium under TLS",
        slow: false,
        run: foreign::browser_tls,
    },
    Step {
        name: "browser-echo",
        about: "headless Chromium's WebSocket against echo",
        slow: false,
        run: foreign::browser_echo,
    },
    Step {
        name: "browser-page",
        about: "the page of serve in headless Chromium",
        slow: false,
        run: foreign::browser_page,
    },
    Step {
        name: "browser-report",
        about: "the page of bench in headless Chromium, with the figures of its result",
        slow: false,
        run: foreign::browser_report,
    },
    Step {
        name: "autobahn",
        about: "all cases of the Autobahn test suite, as server and as client",
        slow: true,
        run: autobahn::step,
    },
];

fn fmt(place: &Place) -> Outcome {
    finish(place, place.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(place: &Place) -> Outcome {
    let args = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    finish(place, place.cargo(&args))
}

fn tidy(place: &Place) -> Outcome {
    match tidy::check(&place.root) {
        Ok(violations) if violations.is_empty() => Outcome::Passed,
        Ok(violations) => {
            let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
            let output = lines.join("\n");
            if place.verbose {
                println!("{output}"); // as a command's output would have been shown
            }
            Outcome::Failed(output)
        }
        Err(error) => Outcome::Failed(format!("cannot read the project: {error}")),
    }
}

fn test(place: &Place) -> Outcome {
    finish(place, tests(place, &["--workspace", "--all-features", "--no-fail-fast"]))
}

/// `cargo test`, several tests to a processor: most of them wait for programs and for their peers.
fn tests(place: &Place, args: &[&str]) -> Command {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let mut command = place.cargo(&["test"]);
    command.args(args).env("RUST_TEST_THREADS", (TESTS_AT_A_TIME * processors).to_string());
    command
}

fn doc(place: &Place) -> Outcome {
    let mut command = place.cargo(&["doc", "--workspace", "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    finish(place, command)
}

/// All of it is looked at, but only what is different is run.
fn without_tls(place: &Place) -> Outcome {
    let library = ["--package=sockeye", "--no-default-features"];
    let mut clippy = place.cargo(&["clippy"]);
    clippy.args(library).args(["--all-targets", "--", "-D", "warnings"]);
    let mut test = place.cargo(&["test"]);
    test.args(library).arg("--test=without_tls");
    // The feature `zlib` is off with it.
    let mut inflate = place.cargo(&["test", "--package=sockeye-proto", "--no-default-features"]);
    inflate.args(["--lib", "--test=reader_deflate"]);
    let mut commands = [clippy, test, inflate].into_iter();
    commands.try_for_each(|command| run(command, LIMIT, place.verbose).map(drop)).into()
}

/// Compile-fail and doc tests say the same whatever the backend, and compile for long: the former
/// are left out by the word that tidy demands in their names.
fn poll_backend(place: &Place) -> Outcome {
    let mut command = tests(place, &["--package=sockeye-sys", "--package=sockeye"]);
    command.args(["--all-features", "--no-fail-fast", "--lib", "--examples", "--tests"]);
    command.arg("--target-dir").arg(place.target.join("poll"));
    command.args(["--", "--skip", tidy::COMPILE_FAIL_WORD]);
    command.env("RUSTFLAGS", POLL_BACKEND);
    finish(place, command)
}

fn build(place: &Place) -> Outcome {
    build_release(place).into()
}

/// Builds `target/release/sockeye`; nothing is done if it is fresh.
pub(crate) fn build_release(place: &Place) -> Result<(), String> {
    run(place.cargo(&["build", "--release"]), LIMIT, place.verbose).map(drop)
}

/// Has the program write its manual pages; where they are.
pub(crate) fn man(place: &Place) -> Result<PathBuf, String> {
    let pages = place.target.join("man");
    let mut command = place.cargo(&["run", "--quiet", "--package", "sockeye-cli", "--", "man"]);
    command.arg(&pages);
    run(command, LIMIT, place.verbose).map(|_| pages)
}

fn examples(place: &Place) -> Outcome {
    finish(place, place.cargo(&["build", "--workspace", "--examples"]))
}

fn finish(place: &Place, command: Command) -> Outcome {
    run(command, LIMIT, place.verbose).map(drop).into()
}
