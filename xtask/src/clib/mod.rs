//! The C library as a product: built small, measured, installed, packaged.

mod bitcode;
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

pub(crate) use deb::run_deb;
pub(crate) use install::run_install;
pub(crate) use size::{run_size, step as size_step};
pub(crate) use whole::linked;

/// The profile of the workspace's `Cargo.toml` it is built in.
const PROFILE: &str = "capi";
/// Functions with a frame pointer: the tables that say how to unwind them are a fifth smaller.
const FRAMES: &str = "-Cforce-frame-pointers=yes";
/// Structures of more than 32 bytes are copied by `memcpy`, not by two instructions for each 16;
/// std's loops begin where they come, as ours do.
const LLVM: [&str; 4] = [
    "-Cllvm-args=-max-store-memcpy=2",
    "-Cllvm-args=-max-store-memmove=2",
    "-Cllvm-args=-max-store-memset=2",
    "-Cllvm-args=-align-loops=1",
];
/// What programs that are linked with it ask the loader for. libwebsockets has counted from 0 to
/// some 20 (3 in February 2013, 17 in Debian 12), each number with structs of its own, and goes on
/// counting: no number of its would be ours for long, and no binary of its would be served well.
const SONAME: &str = "libwebsockets.so.2013";
/// The version of this workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What a program needs beside the static library: what rustc names for it.
const STATIC_LIBS: &str = "-lgcc_s -lutil -lrt -lpthread -lm -ldl -lc";

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
    compile(place, tls, "staticlib", &[], &[])?;
    let archive = place.target.join(PROFILE).join("libwebsockets.a");
    Ok(Built { shared: build_shared(place, tls, &[])?, archive })
}

/// Builds the shared library, optimized as a whole where that can be done; `wishes` are for how.
fn build_shared(place: &Place, tls: bool, wishes: &[&str]) -> Result<PathBuf, String> {
    let soname = format!("link-arg=-Wl,-soname,{SONAME}");
    let soname = ["-C", &soname];
    if whole::is_possible(place) {
        let linker = format!("linker={}", whole::linker(place)?.display());
        let wishes: Vec<String> = wishes.iter().map(|wish| format!("-Clink-arg={wish}")).collect();
        let mut link = [&soname[..], &["-C", &linker]].concat();
        link.extend(wishes.iter().map(String::as_str));
        match compile(place, tls, "cdylib", &whole::FLAGS, &link) {
            Ok(()) => return Ok(shared(place)),
            Err(error) => eprintln!("{error}\nThe library cannot be optimized as a whole."),
        }
    }
    compile(place, tls, "cdylib", &[], &soname).map(|()| shared(place))
}

fn shared(place: &Place) -> PathBuf {
    place.target.join(PROFILE).join("libwebsockets.so")
}

/// Has cargo build one of them, all crates with these flags and the last with those too.
fn compile(
    place: &Place,
    tls: bool,
    kind: &str,
    flags: &[&str],
    last: &[&str],
) -> Result<(), String> {
    let mut cargo = place.cargo(&["rustc", "--package", "sockeye-capi", "--lib"]);
    let llvm = LLVM.into_iter().filter(|_| knows(place, &LLVM));
    let own = [FRAMES].into_iter().chain(llvm).chain(flags.iter().copied()).map(str::to_owned);
    let flags: Vec<String> = own.chain(short_paths()).collect();
    cargo.args(["--profile", PROFILE, "--config", &format!("build.rustflags = {flags:?}")]);
    if last.iter().any(|arg| arg.starts_with("linker=")) {
        cargo.args(["--config", &format!("profile.{PROFILE}.lto = \"off\"")]);
    }
    if !tls {
        cargo.arg("--no-default-features");
    }
    cargo.args(["--crate-type", kind, "--"]).args(last);
    run(cargo, LIMIT, place.verbose).map(drop)
}

/// Whether the compiler takes these flags: those for LLVM come and go with its versions.
fn knows(place: &Place, flags: &[&str]) -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = place.command(rustc, flags);
    rustc.arg("--print=cfg");
    run(rustc, Duration::from_secs(60), false).is_ok()
}

/// Has messages of panics name files of other crates without where they lie on this machine.
fn short_paths() -> Vec<String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let dirs = registries.into_iter().flatten().flatten().map(|entry| entry.path());
    dirs.map(|dir| format!("--remap-path-prefix={}/=", dir.display())).collect()
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

/// The step that runs the C programs with the library as it is installed, optimized as a whole:
/// other tests build it as one does while one works on it.
pub(crate) fn shipped_step(place: &Place) -> Outcome {
    shipped(place).into()
}

fn shipped(place: &Place) -> Result<(), String> {
    let dir = place.target.join("shipped");
    let (plain, soname) = (dir.join("libwebsockets.so"), dir.join(SONAME));
    let library = build_shared(place, true, &[])?;
    empty(&dir)
        .and_then(|()| fs::copy(&library, &plain))
        .and_then(|_| std::os::unix::fs::symlink("libwebsockets.so", &soname))
        .map_err(|error| format!("{}: {error}", dir.display()))?;
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
