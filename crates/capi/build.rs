//! Compiles the one function that Rust cannot define, a variadic one, and links the shared library
//! so that it is small and stays loaded.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where std is called when a panic begins, and when memory has run out, as the ends of names that
/// differ from compiler to compiler; and which of std's parts calls it.
const ENTRIES: [(&str, &str, &str); 2] = [
    ("SOCKEYE_PANIC_ENTRY", "7___rustc17rust_begin_unwind", "libcore-"),
    ("SOCKEYE_MEMORY_ENTRY", "7___rustc26___rust_alloc_error_handler", "liballoc-"),
];

fn main() {
    println!("cargo:rerun-if-changed=src/log.c");
    println!("cargo:rerun-if-changed=build.rs");
    cc::Build::new().file("src/log.c").warnings(true).extra_warnings(true).compile("sockeye_log");
    stay();
    take_panics();
    pack();
}

/// `dlclose` leaves the library where it is: signal handlers are in it, and perhaps a thread that
/// still looks a name up.
fn stay() {
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}

/// Has `panic.rs` take panics in std's place: what std would do with them is to print a backtrace,
/// and all that reads debug information for it is a fifth of the library. If a compiler calls
/// things differently, std stays in its place.
fn take_panics() {
    println!("cargo:rustc-check-cfg=cfg(sockeye_takes_panics)");
    let Some(dir) = libraries() else { return };
    let found = ENTRIES.map(|(_, end, library)| symbol(&dir, library, end));
    let [Some(panic), Some(memory)] = &found else { return };
    for ((variable, ..), name) in ENTRIES.iter().zip([panic, memory]) {
        println!("cargo:rustc-env={variable}=__wrap_{name}");
        println!("cargo:rustc-cdylib-link-arg=-Wl,--wrap={name}");
    }
    println!("cargo:rustc-cfg=sockeye_takes_panics");
}

/// Where std's libraries for the target are.
fn libraries() -> Option<PathBuf> {
    let mut rustc = Command::new(std::env::var_os("RUSTC")?);
    rustc.args(["--print", "target-libdir", "--target", &std::env::var("TARGET").ok()?]);
    let output = rustc.output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

/// The name that ends like this in a library whose file's name begins like that.
fn symbol(dir: &Path, library: &str, end: &str) -> Option<String> {
    let mut files = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.path());
    let file = files.find(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(library) && name.ends_with(".rlib")
    })?;
    let bytes = std::fs::read(file).ok()?;
    let at = bytes.windows(end.len()).position(|window| window == end.as_bytes())?;
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let before = bytes[..at].iter().rev().take_while(|byte| is_part(byte)).count();
    let name = std::str::from_utf8(&bytes[at - before..at + end.len()]).ok()?;
    let begin = name.rfind("_RNv")?;
    Some(name[begin..].to_owned())
}

/// Addresses to be set at loading take a bit each, wherever the loader can do that.
fn pack() {
    let target = std::env::var("TARGET").unwrap_or_default();
    let is_own = std::env::var("HOST").is_ok_and(|host| host == target);
    if target == "x86_64-unknown-linux-gnu" && is_own && loads_packed() {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the system's loader knows packed relocations: that of glibc does from 2.36.
fn loads_packed() -> bool {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let version = text.trim_end().strip_prefix("glibc ").and_then(|v| v.split_once('.'));
    version.is_some_and(|(major, minor)| {
        let number = |part: &str| part.parse::<u32>().unwrap_or(0);
        (number(major), number(minor)) >= (2, 36)
    })
}
