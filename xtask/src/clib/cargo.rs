//! How cargo builds the C library.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use crate::place::Place;
use crate::run::run;
use crate::steps::LIMIT;

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

/// What is built of the crate, and how.
pub(super) struct Crate<'a> {
    pub(super) tls: bool,
    /// `cdylib` or `staticlib`.
    pub(super) kind: &'a str,
    /// What rustc is told for all crates beside what is always so. With some, rustc leaves the
    /// optimizing of all of it to the linker.
    pub(super) flags: &'a [&'a str],
    /// What it is told for the last.
    pub(super) last: &'a [&'a str],
}

/// Builds it; where it is.
pub(super) fn compile(place: &Place, what: &Crate<'_>) -> Result<PathBuf, String> {
    let host = host(place)?;
    let mut cargo = place.cargo(&["rustc", "--package", "sockeye-capi", "--lib"]);
    // With a target build scripts are not compiled with these flags.
    cargo.args(["--profile", PROFILE, "--target", &host]).arg("--target-dir").arg(&place.target);
    if !what.flags.is_empty() {
        cargo.args(["--config", &format!("profile.{PROFILE}.lto = \"off\"")]);
    }
    if !what.tls {
        cargo.arg("--no-default-features");
    }
    let llvm = LLVM.into_iter().filter({
        let known = knows(place, &LLVM);
        move |_| known
    });
    let own = [FRAMES].into_iter().chain(llvm).chain(what.flags.iter().copied());
    let own: Vec<String> = own.map(str::to_owned).chain(short_paths()).collect();
    // Beside the flags of who builds it: cargo takes those of the environment alone, if there are.
    match flags_of_environment() {
        Some(flags) => {
            let all: Vec<String> = flags.into_iter().chain(own).collect();
            cargo.env("CARGO_ENCODED_RUSTFLAGS", all.join("\u{1f}"));
        }
        None => {
            cargo.args(["--config", &format!("target.{host}.rustflags = {own:?}")]);
        }
    }
    cargo.args(["--crate-type", what.kind, "--"]).args(what.last);
    run(cargo, LIMIT, place.verbose)?;
    let name = if what.kind == "cdylib" { "libwebsockets.so" } else { "libwebsockets.a" };
    Ok(place.target.join(host).join(PROFILE).join(name))
}

/// Where what is needed for building may be put.
pub(super) fn scratch(place: &Place) -> PathBuf {
    place.target.join(PROFILE)
}

/// Keeps others from building the library in the same place, until it is dropped.
pub(super) fn lock(place: &Place) -> Result<File, String> {
    let dir = scratch(place);
    let path = dir.join("lock");
    let locked = fs::create_dir_all(&dir).and_then(|()| {
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|error| format!("{}: {error}", path.display()))
}

/// The machine that this is, as rustc calls it.
pub(super) fn host(place: &Place) -> Result<String, String> {
    let told = run(place.command(rustc(), &["-vV"]), Duration::from_secs(60), false)?;
    let host = told.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV names no host".to_owned())
}

pub(super) fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

fn flags_of_environment() -> Option<Vec<String>> {
    let words = |flags: String| flags.split_whitespace().map(str::to_owned).collect();
    let encoded = env::var("CARGO_ENCODED_RUSTFLAGS").ok().map(|flags| {
        flags.split('\u{1f}').filter(|flag| !flag.is_empty()).map(str::to_owned).collect()
    });
    encoded.or_else(|| env::var("RUSTFLAGS").ok().map(words))
}

/// Whether the compiler takes these flags: those for LLVM come and go with its versions.
fn knows(place: &Place, flags: &[&str]) -> bool {
    let mut rustc = place.command(rustc(), flags);
    rustc.arg("--print=cfg");
    run(rustc, Duration::from_secs(60), false).is_ok()
}

/// Has messages of panics name files of other crates without where they lie on this machine.
fn short_paths() -> Vec<String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let registries = home.and_then(|home| fs::read_dir(home.join("registry/src")).ok());
    let dirs = registries.into_iter().flatten().flatten().map(|entry| entry.path());
    dirs.map(|dir| format!("--remap-path-prefix={}/=", dir.display())).collect()
}
