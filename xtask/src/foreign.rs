//! The steps that meet the program from outside: foreign clients, foreign servers, a browser.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::place::Place;
use crate::run::run;
use crate::step::Outcome;
use crate::steps::build_release;
use crate::tools::{self, Trouble};

/// Names the program to the scripts, and to this harness if it should not build one.
const PROGRAM_VARIABLE: &str = "SOCKEYE";

/// The scripts end by themselves well before this.
const LIMIT: Duration = Duration::from_secs(400);

/// Python's `websockets` as the client, and as the server; both speak even if one fails.
pub(crate) fn python(place: &Place) -> Outcome {
    outcome(place, || {
        let interpreter = tools::python(place)?;
        let meet = |script| {
            let mut command = place.command(&interpreter, &[script]);
            command.env("PYTHONDONTWRITEBYTECODE", "1");
            meet(place, command)
        };
        let as_client = meet("tests/foreign/python_echo.py");
        let as_server = meet("tests/foreign/python_connect.py");
        match (as_client, as_server) {
            (Err(Trouble::Failed(one)), Err(Trouble::Failed(two))) => {
                Err(Trouble::Failed(format!("{one}\n{two}")))
            }
            (one, two) => one.and(two),
        }
    })
}

/// Node's `ws`.
pub(crate) fn node(place: &Place) -> Outcome {
    outcome(place, || meet(place, script(place, "tests/foreign/node_echo.mjs")?))
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
    run(command, LIMIT, place.verbose).map(drop).map_err(Trouble::Failed)
}

fn program(place: &Place) -> Result<PathBuf, String> {
    if let Some(path) = env::var_os(PROGRAM_VARIABLE) {
        return Ok(PathBuf::from(path));
    }
    build_release(place)?;
    Ok(place.target.join("release/sockeye"))
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
