//! The C library as a product: built small, measured, installed, packaged.

mod bitcode;
mod cargo;
mod deb;
mod install;
mod size;
mod whole;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use crate::place::Place;
use crate::run::run;
use crate::step::Outcome;
use crate::steps::LIMIT;
use crate::tools::Trouble;
use cargo::Crate;

pub(crate) use deb::run_deb;
pub(crate) use install::run_install;
pub(crate) use size::{run_size, step as size_step};
pub(crate) use whole::linked;

/// What programs that are linked with it ask the loader for. libwebsockets has counted from 0 to
/// some 20 (3 in February 2013, 17 in Debian 12), each number with structs of its own, and goes on
/// counting: no number of its would be ours for long, and no binary of its would be served well.
const SONAME: &str = "libwebsockets.so.2013";
/// The version of this workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What a program needs beside the static library: what rustc names for it, but for what compilers
/// themselves know how to unwind with.
const STATIC_LIBS: &str = "-lutil -lrt -lpthread -lm -ldl -lc";

/// Names to the tests of the C programs where the library is that they are to be linked with.
const LIBRARY_VARIABLE: &str = "SOCKEYE_C_LIBRARY";

/// The machine with 32 bits that x86-64 can be.
const I686: &str = "i686-unknown-linux-gnu";

/// What cargo has built.
struct Built {
    shared: PathBuf,
    archive: PathBuf,
}

/// Builds both libraries in their profile.
fn build(place: &Place, tls: bool) -> Result<Built, String> {
    let shared = build_shared(place, tls, &[])?;
    let archive = cargo::compile(place, &Crate { tls, kind: "staticlib", flags: &[], last: &[] })?;
    Ok(Built { shared, archive })
}

/// Builds the shared library, optimized as a whole where that can be done; `wishes` are for how.
fn build_shared(place: &Place, tls: bool, wishes: &[&str]) -> Result<PathBuf, String> {
    let soname = format!("link-arg=-Wl,-soname,{SONAME}");
    let soname = ["-C", &soname];
    let linker = whole::linker(place).and_then(|linker| {
        let linker = format!("linker={}", linker.display());
        let wishes: Vec<String> = wishes.iter().map(|wish| format!("-Clink-arg={wish}")).collect();
        let mut last = [&soname[..], &["-C", &linker]].concat();
        last.extend(wishes.iter().map(String::as_str));
        cargo::compile(place, &Crate { tls, kind: "cdylib", flags: &whole::FLAGS, last: &last })
    });
    match linker {
        Err(error) if error.contains(whole::CANNOT) => {
            eprintln!("{error}\nThe shared library will be a fifth larger than it could be.");
            cargo::compile(place, &Crate { tls, kind: "cdylib", flags: &[], last: &soname })
        }
        built => built,
    }
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
    let _alone = cargo::lock(place)?;
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

/// The step that runs the C programs with the library as it is installed, optimized as a whole:
/// other tests build it as one does while one works on it.
pub(crate) fn shipped_step(place: &Place) -> Outcome {
    shipped(place).into()
}

fn shipped(place: &Place) -> Result<(), String> {
    let dir = place.target.join("shipped");
    let (plain, soname) = (dir.join("libwebsockets.so"), dir.join(SONAME));
    let alone = cargo::lock(place)?;
    let library = build_shared(place, true, &[])?;
    empty(&dir)
        .and_then(|()| fs::copy(&library, &plain))
        .and_then(|_| std::os::unix::fs::symlink("libwebsockets.so", &soname))
        .map_err(|error| format!("{}: {error}", dir.display()))?;
    drop(alone);
    let mut tests = place.cargo(&["test", "--package", "sockeye-capi", "--test", "programs"]);
    // The header has been tried with every compiler, whatever the library.
    tests.args(["--", "--skip", "header::"]).env(LIBRARY_VARIABLE, &dir);
    run(tests, LIMIT, place.verbose).map(drop)
}

/// The step that builds the library and its programs for a machine with 32 bits, and runs them. The
/// standard library for that is a toolchain's to have or not: without it this is left out.
pub(crate) fn i686_step(place: &Place) -> Outcome {
    match has_std(place) {
        Ok(true) => {}
        Ok(false) => return Outcome::Skipped(format!("needs std: rustup target add {I686}")),
        Err(error) => return Outcome::Failed(error),
    }
    crate::foreign::outcome(place, || {
        let mut gcc = Command::new("gcc");
        gcc.args(["-m32", "-x", "c", "-include", "stdio.h", "-fsyntax-only", "/dev/null"]);
        if !gcc.output().is_ok_and(|output| output.status.success()) {
            let what = "needs a compiler for 32 bits: apt install gcc-multilib g++-multilib";
            return Err(Trouble::Lacking(what.to_owned()));
        }
        // Handles and structures, where they are 32 bits wide.
        let mut units = place.cargo(&["test", "--package", "sockeye-capi", "--lib"]);
        units.args(["--target", I686]);
        run(units, LIMIT, place.verbose).map_err(Trouble::Failed)?;
        let mut tests = place.cargo(&["test", "--package", "sockeye-capi", "--test", "programs"]);
        // valgrind wants debugging symbols of a C library that is not this machine's.
        tests.args(["--", "--skip", "valgrind", "--skip", "header::", "--skip", "sanitizers"]);
        tests.env("SOCKEYE_C_TARGET", I686);
        run(tests, LIMIT, place.verbose).map(drop).map_err(Trouble::Failed)
    })
}

fn has_std(place: &Place) -> Result<bool, String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let dir = place.command(rustc, &["--print", "target-libdir", "--target", I686]);
    let dir = run(dir, Duration::from_secs(60), false)?;
    Ok(fs::read_dir(dir.trim_end()).is_ok_and(|mut entries| entries.next().is_some()))
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
