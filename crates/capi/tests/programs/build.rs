//! Compiling C and C++ against the library.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Warnings that every program here must be free of.
pub(crate) const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-pedantic", "-Werror"];

/// The directory of this package.
pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The directory of the header.
pub(crate) fn include() -> PathBuf {
    package().join("include")
}

/// Names another machine than this to build library and programs for, which must be able to run
/// them: `i686-unknown-linux-gnu` on x86-64.
const TARGET_VARIABLE: &str = "SOCKEYE_C_TARGET";

/// Names a directory with a shared library to test in place of the one that is built here, and its
/// soname.
const LIBRARY_VARIABLE: &str = "SOCKEYE_C_LIBRARY";

fn given() -> Option<PathBuf> {
    std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from)
}

fn target() -> Option<String> {
    std::env::var(TARGET_VARIABLE).ok()
}

/// What compilers must be told of that machine.
pub(crate) fn machine() -> &'static [&'static str] {
    match target() {
        Some(target) if target.starts_with("i686-") => &["-m32"],
        Some(target) => panic!("{TARGET_VARIABLE}: {target} is not one that the tests know"),
        None => &[],
    }
}

/// Where cargo puts what it builds in the test's profile for this machine.
fn own_profile() -> PathBuf {
    let test = std::env::current_exe().unwrap(); // …/target/debug/deps/programs-0123456789
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Where cargo puts what it builds in the test's profile, the library among it unless one is given.
pub(crate) fn profile() -> &'static Path {
    static PROFILE: OnceLock<PathBuf> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let own = own_profile();
        let what = ["--package", "sockeye-capi", "--lib"];
        let Some(target) = target() else {
            if given().is_none() {
                build(&what);
            }
            return own;
        };
        build(&[&what[..], &["--target", &target]].concat());
        own.with_file_name(target).join(own.file_name().unwrap())
    })
}

/// Has cargo build something in the test's profile.
fn build(what: &[&str]) {
    let profile = own_profile();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("build").args(what).arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    // What cargo tells tests about their package would have build scripts run anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let of_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"];
        if of_package.iter().any(|start| text.starts_with(start)) {
            cargo.env_remove(&name);
        }
    }
    assert!(cargo.status().unwrap().success(), "cargo build {what:?} fails");
}

/// The program `sockeye`, as a peer for those in C.
pub(crate) fn sockeye() -> PathBuf {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| build(&["--package", "sockeye-cli", "--bin", "sockeye"]));
    own_profile().join("sockeye")
}

/// The library.
pub(crate) fn library() -> PathBuf {
    libraries().join("libwebsockets.so")
}

/// Where it is.
fn libraries() -> PathBuf {
    given().unwrap_or_else(|| profile().to_owned())
}

/// Whether a compiler is there. In CI all must be.
pub(crate) fn has(compiler: &str) -> bool {
    let found = Command::new(compiler).arg("--version").output().is_ok();
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{compiler} is missing: install it");
        println!("skipped: no {compiler} here");
    }
    found
}

/// The program made of a source file below this package, dynamically linked; compiled once.
pub(crate) fn program(source: &str) -> PathBuf {
    compiled(source, "gcc", &["-std=gnu99"])
}

/// The same, by a certain compiler with certain options.
pub(crate) fn compiled(source: &str, compiler: &str, options: &[&str]) -> PathBuf {
    static DONE: Mutex<Option<HashMap<String, PathBuf>>> = Mutex::new(None);
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    let key = format!("{compiler} {} {source}", options.join(" "));
    if let Some(path) = done.get_or_insert_default().get(&key) {
        return path.clone();
    }
    let name: String =
        key.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let dir = profile().join(if given().is_some() { "c-programs/given" } else { "c-programs" });
    std::fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    let mut cc = Command::new(compiler);
    cc.args(STRICT).args(machine()).args(options).arg("-g").arg("-I").arg(include());
    cc.arg(package().join(source)).arg("-o").arg(&path);
    cc.arg("-L").arg(libraries()).args(["-lwebsockets", "-lpthread"]);
    cc.arg(format!("-Wl,-rpath,{}", libraries().display()));
    let output = cc.output().unwrap_or_else(|error| panic!("{compiler}: {error}"));
    assert!(output.status.success(), "{cc:?}\n{}", String::from_utf8_lossy(&output.stderr));
    done.get_or_insert_default().insert(key, path.clone());
    path
}
