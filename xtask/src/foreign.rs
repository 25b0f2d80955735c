//! The steps that meet the program from outside: foreign clients, foreign servers, a browser.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::place::Place;
use crate::run::run;
use crate::step::Outcome;
use crate::steps::{self, build_release};
use crate::tools::{self, Trouble};

/// Names the program to the scripts, and to this harness if it should not build one.
const PROGRAM_VARIABLE: &str = "SOCKEYE";

/// Names the example `interop` to the scripts.
const INTEROP_VARIABLE: &str = "SOCKEYE_INTEROP";

/// The scripts end by themselves well before this.
const LIMIT: Duration = Duration::from_secs(400);

/// Python's `websockets`.
pub(crate) fn python(place: &Place) -> Outcome {
    outcome(place, || {
        let interpreter = tools::python(place)?;
        let scripts =
            ["python_echo.py", "python_connect.py", "python_interop.py", "python_bench.py"];
        meet_each(&scripts, |script| {
            let path = format!("tests/foreign/{script}");
            let mut command = place.command(&interpreter, &[&path]);
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            meet(place, command)
        })
    })
}

/// Node's `ws`.
pub(crate) fn node(place: &Place) -> Outcome {
    outcome(place, || {
        meet_each(&["node_echo.mjs", "node_interop.mjs"], |name| {
            meet(place, script(place, &format!("tests/foreign/{name}"))?)
        })
    })
}

/// TLS, with what others speak it: OpenSSL, curl, nginx, Python, Node, and `tlslite-ng`, which
/// breaks it.
pub(crate) fn tls(place: &Place) -> Outcome {
    outcome(place, || {
        tools::tls()?;
        let interpreter = tools::python(place)?;
        meet_each(&["tls.py", "tls_hostile.py", "node_tls.mjs"], |name| {
            let path = format!("tests/foreign/{name}");
            if name.ends_with(".mjs") {
                return meet(place, script(place, &path)?);
            }
            let mut command = place.command(&interpreter, &[&path]);
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            meet(place, command)
        })
    })
}

/// Chromium, under TLS.
pub(crate) fn browser_tls(place: &Place) -> Outcome {
    outcome(place, || meet(place, browser_script(place, "tests/browser/tls.mjs")?))
}

/// Runs every script, though one fails; all that failed speak.
fn meet_each(scripts: &[&str], meet: impl Fn(&str) -> Result<(), Trouble>) -> Result<(), Trouble> {
    let mut failures = Vec::new();
    for script in scripts {
        match meet(script) {
            Ok(()) => {}
            Err(Trouble::Failed(printed)) => failures.push(printed),
            Err(lacking @ Trouble::Lacking(_)) => return Err(lacking),
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(Trouble::Failed(failures.join("\n"))) }
}

/// GLib's main loop, as the host of a context. A package of its own, so that nothing else of the
/// project needs GLib.
pub(crate) fn glib(place: &Place) -> Outcome {
    outcome(place, || {
        tools::glib()?;
        let mut command =
            place.cargo(&["test", "--locked", "--manifest-path", "tests/glib/Cargo.toml"]);
        command.arg("--target-dir").arg(place.target.join("glib"));
        run(command, steps::LIMIT, place.verbose).map(drop).map_err(Trouble::Failed)
    })
}

/// The browser's own WebSocket.
pub(crate) fn browser_echo(place: &Place) -> Outcome {
    outcome(place, || meet(place, browser_script(place, "tests/browser/echo.mjs")?))
}

/// The page, as a visitor uses it. What it looked like is left in `target/page.png`.
pub(crate) fn browser_page(place: &Place) -> Outcome {
    outcome(place, || {
        let mut command = browser_script(place, "tests/browser/page.mjs")?;
        command.arg("--screenshot").arg(place.target.join("page.png"));
        meet(place, command)
    })
}

/// The page that `bench` writes. What it looked like is left in `target/report.png`.
pub(crate) fn browser_report(place: &Place) -> Outcome {
    outcome(place, || {
        let mut command = browser_script(place, "tests/browser/report.mjs")?;
        command.arg("--screenshot").arg(place.target.join("report.png"));
        meet(place, command)
    })
}

fn script(place: &Place, path: &str) -> Result<Command, Trouble> {
    let modules = tools::node(place)?;
    let mut command = place.command("node", &[path]);
    command.env("SOCKEYE_NODE_TOOLS", modules);
    Ok(command)
}

fn browser_script(place: &Place, path: &str) -> Result<Command, Trouble> {
    let browser = tools::chromium()?;
    let mut command = script(place, path)?;
    command.env("SOCKEYE_CHROMIUM", browser);
    Ok(command)
}

/// Runs a script against the program.
fn meet(place: &Place, mut command: Command) -> Result<(), Trouble> {
    command.env(PROGRAM_VARIABLE, program(place).map_err(Trouble::Failed)?);
    command.env(INTEROP_VARIABLE, interop(place).map_err(Trouble::Failed)?);
    run(command, LIMIT, place.verbose).map(drop).map_err(Trouble::Failed)
}

fn program(place: &Place) -> Result<PathBuf, String> {
    if let Some(path) = env::var_os(PROGRAM_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    build_release(place)?;
    Ok(place.target.join("release/sockeye"))
}

/// The example whose two ends of a conversation the scripts meet.
fn interop(place: &Place) -> Result<PathBuf, String> {
    let build = place.cargo(&["build", "--package", "sockeye", "--example", "interop"]);
    run(build, steps::LIMIT, place.verbose)?;
    Ok(place.target.join("debug/examples/interop"))
}

/// A missing system package skips a step where people work, and fails it in CI.
pub(crate) fn outcome(place: &Place, step: impl FnOnce() -> Result<(), Trouble>) -> Outcome {
    match step() {
        Ok(()) => Outcome::Passed,
        Err(Trouble::Lacking(line)) if !place.ci => Outcome::Skipped(line),
        Err(Trouble::Lacking(output) | Trouble::Failed(output)) => Outcome::Failed(output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(ci: bool) -> Place {
        Place { root: PathBuf::new(), target: PathBuf::new(), ci, verbose: false }
    }

    #[test]
    fn a_missing_package_skips_a_step_but_fails_it_in_ci() {
        let lacks = || Err(Trouble::Lacking("needs Chromium".to_owned()));
        assert_eq!(outcome(&place(false), lacks), Outcome::Skipped("needs Chromium".to_owned()));
        assert_eq!(outcome(&place(true), lacks), Outcome::Failed("needs Chromium".to_owned()));
    }

    #[test]
    fn a_broken_tool_fails_a_step_everywhere() {
        let broken = || Err(Trouble::Failed("no such version".to_owned()));
        for ci in [false, true] {
            assert_eq!(outcome(&place(ci), broken), Outcome::Failed("no such version".to_owned()));
        }
    }
}
