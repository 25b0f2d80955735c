//! The C library as a product: built small, measured, installed, packaged.

mod deb;
mod install;
mod size;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use crate::place::Place;
use crate::run::run;
use crate::step::Outcome;
use crate::steps::LIMIT;
use crate::tools::Trouble;

pub(crate) use deb::run_deb;
pub(crate) use install::run_install;
pub(crate) use size::{run_size, step as size_step};

/// The profile of the workspace's `Cargo.toml` it is built in.
const PROFILE: &str = "capi";
/// What programs that are linked with it ask the loader for. libwebsockets has counted from 0 to
/// some 20 (3 in February 2013, 17 in Debian 12), each number with structs of its own, and goes on
/// counting: no number of its would be ours for long, and no binary of its would be served well.
const SONAME: &str = "libwebsockets.so.2013";
/// The version of this workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What a program needs beside the static library: what rustc names for it.
const STATIC_LIBS: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

/// What cargo has built.
struct Built {
    shared: PathBuf,
    archive: PathBuf,
}

/// Builds the library in its profile.
fn build(place: &Place, tls: bool) -> Result<Built, String> {
    let mut cargo = place.cargo(&["rustc", "--package", "sockeye-capi", "--lib"]);
    cargo.args(["--profile", PROFILE]);
    if !tls {
        cargo.arg("--no-default-features");
    }
    cargo.args(["--", "-C", &format!("link-arg=-Wl,-soname,{SONAME}")]);
    run(cargo, LIMIT, place.verbose)?;
    let dir = place.target.join(PROFILE);
    Ok(Built { shared: dir.join("libwebsockets.so"), archive: dir.join("libwebsockets.a") })
}

/// The step that installs the library without TLS and has programs find it in every way.
pub(crate) fn install_step(place: &Place) -> Outcome {
    crate::foreign::outcome(place, || {
        let lacking: Vec<&str> = ["pkg-config", "cmake", "dpkg-deb", "mandoc", "gcc", "g++"]
            .into_iter()
            .filter(|tool| Command::new(tool).arg("--version").output().is_err())
            .collect();
        if !lacking.is_empty() {
            return Err(Trouble::Lacking(format!("needs {}", lacking.join(", "))));
        }
        check(place).map_err(Trouble::Failed)
    })
}

fn check(place: &Place) -> Result<(), String> {
    let dir = place.target.join("installed");
    empty(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let prefix = dir.join("prefix");
    for level in install::LEVELS {
        let dir = prefix.join(level.version);
        install::install(place, &install::Options::checked(&dir, level))?;
    }
    let packages = deb::make(place, &dir.join("deb"), false)?;
    let mut script = place.command("sh", &["tests/install/check.sh"]);
    script.arg(&prefix).arg(dir.join("work")).args(&packages);
    run(script, LIMIT, place.verbose).map(drop)
}

/// Makes a directory that is empty.
fn empty(dir: &Path) -> io::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    fs::create_dir_all(dir)
}

/// A template with each `@NAME@` replaced.
fn filled(template: &str, values: &[(&str, &str)]) -> String {
    let mut text = template.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("@{name}@"), value);
    }
    text
}
