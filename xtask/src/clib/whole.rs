//! The shared library optimized as a whole, std included, while it is linked.
//!
//! rustc can join all modules itself (`lto = "fat"`), but then std's way of printing panics stays
//! in, which `crates/capi/build.rs` has the linker replace, and std's functions are optimized for
//! speed. So the linker does it: rustc leaves the modules of the workspace as bitcode
//! (`-Clinker-plugin-lto`) and calls this program as its linker, which takes the bitcode out of
//! std's libraries too, has all of it be one module, and calls the linker proper.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use super::{bitcode, cargo, empty};
use crate::place::Place;
use crate::run::run;

/// What this program is called when it is to be a linker. rustc takes what ends like that for a C
/// compiler that links.
const NAME: &str = "sockeye-cc";
/// The linker proper: rustc says with which linker behind it, and where that is.
const LINKER: &str = "cc";
/// The one machine whose toolchain brings lld along.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// What std calls when memory has run out. It does not return.
const MEMORY_ENTRY: &str = "rust_alloc_error_handler";
/// Functions that code is made to call by the linker itself, when it has read all bitcode.
const LATE: &str = "libcompiler_builtins-";
/// Libraries without whose bitcode it is not worth while.
const STD: [&str; 3] = ["libcore-", "liballoc-", "libstd-"];
/// Begins every error after which the library can be made in another way.
pub(super) const CANNOT: &str = "the library cannot be optimized as a whole";
const TOOLS: Duration = Duration::from_secs(60);

/// What rustc is told beside the flags of the profile.
pub(super) const FLAGS: [&str; 2] = ["-Clinker-plugin-lto", "-Cllvm-args=-inline-threshold=10"];

/// What is done with the module: first all functions get the attributes below. What is the same is
/// joined before and after everything else.
const PASSES: &str = "forceattrs,mergefunc,\
                      lto<Oz>,lto<Oz>,default<Oz>,default<Oz>,mergefunc,globaldce";
/// Before that debugging information goes, for which tables would be made, and names with it: those
/// of functions that nobody outside can call.
const STRIP: &str = "strip";
/// What has names stay. The code is the same, and there are more tables.
pub(super) const NAMES: &str = "--keep-names";
/// How LLVM does it.
const LLVM: [&str; 8] = [
    // Everything for size, what std's authors compiled for speed too.
    "-force-attribute=minsize",
    "-force-attribute=optsize",
    // Tables for unwinding only for what something can unwind through.
    "-force-remove-attribute=uwtable",
    "-inline-threshold=10",
    // As in `super::LLVM`, which rustc hands to its own LLVM only.
    "-max-store-memcpy=2",
    "-max-store-memmove=2",
    "-max-store-memset=2",
    "-align-loops=1",
];

/// This program under the name by which it is a linker; `Err` with [`CANNOT`] where it cannot be.
pub(super) fn linker(place: &Place) -> Result<PathBuf, String> {
    let asked = |program: &OsStr, args: &[&str]| run(place.command(program, args), TOOLS, false);
    if cargo::host(place)? != TARGET {
        return Err(format!("{CANNOT}: only for {TARGET} rustc brings lld along"));
    }
    let libraries = asked(&cargo::rustc(), &["--print=target-libdir"])?;
    let lld = Path::new(libraries.trim_end()).with_file_name("bin/gcc-ld/ld.lld");
    if !lld.exists() {
        return Err(format!("{CANNOT}: there is no {}", lld.display()));
    }
    for tool in ["ar", "objcopy", LINKER] {
        if asked(OsStr::new(tool), &["--version"]).is_err() {
            return Err(format!("{CANNOT}: `{tool}` is missing"));
        }
    }
    // Cargo links anew if the linker's path is another.
    let all = cargo::scratch(place).join("linker");
    let made = env::current_exe().and_then(|own| {
        let mut hasher = DefaultHasher::new();
        (PASSES, LLVM, &own, fs::metadata(&own)?.modified()?).hash(&mut hasher);
        let dir = all.join(format!("{:016x}", hasher.finish()));
        let path = dir.join(NAME);
        if !path.exists() {
            empty(&all)?;
            fs::create_dir(&dir)?;
            fs::copy(own, &path)?;
        }
        Ok(path)
    });
    made.map_err(|error| format!("{CANNOT}: {}: {error}", all.display()))
}

/// Links, if this program has been called as a linker. What is the same in two functions is joined
/// by the passes alone: lld's own folding looks at code, not at the tables of what may unwind.
pub(crate) fn linked() -> Option<ExitCode> {
    let own = PathBuf::from(env::args_os().next()?);
    (own.file_name() == Some(NAME.as_ref())).then(|| {
        let args: Vec<String> = env::args().skip(1).collect();
        match link(&own.with_extension("d"), &args) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        }
    })
}

/// Links what rustc names in `args`, with copies in `dir`.
fn link(dir: &Path, args: &[String]) -> Result<(), String> {
    empty(dir).map_err(|error| format!("{CANNOT}: {}: {error}", dir.display()))?;
    let mut linker = Command::new(LINKER);
    let names = args.iter().any(|arg| arg == NAMES);
    let args = args.iter().filter(|arg| *arg != NAMES);
    let (mut std, mut own) = (0, 0);
    for (number, arg) in args.enumerate() {
        let path = Path::new(arg);
        let copies = dir.join(number.to_string());
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        match path.extension().and_then(OsStr::to_str) {
            Some("rlib") if !name.starts_with(LATE) => {
                let members = members(path, &copies)?;
                let joinable = members.iter().filter(|member| member.is_bitcode).count();
                std += if STD.iter().any(|of| name.starts_with(of)) { joinable } else { 0 };
                let members = members.into_iter().map(|member| member.path);
                linker.arg("-Wl,--start-lib").args(members).arg("-Wl,--end-lib");
            }
            Some("o") => {
                fs::create_dir_all(&copies).map_err(|error| format!("{arg}: {error}"))?;
                let object = joinable(path, copies.join("object.o"))?;
                own += usize::from(object.is_bitcode);
                linker.arg(object.path);
            }
            _ => {
                linker.arg(arg);
            }
        }
        if arg.starts_with("-Wl,--wrap=") && arg.ends_with(MEMORY_ENTRY) {
            let function = &arg["-Wl,--wrap=".len()..];
            linker.arg(format!("-Wl,-mllvm,-force-attribute={function}:nounwind"));
        }
    }
    if own == 0 || std < STD.len() {
        let which = if own == 0 { "the library's own objects" } else { "std's libraries" };
        return Err(format!("{CANNOT}: there is no bitcode in {which}"));
    }
    let strip = if names { String::new() } else { format!("{STRIP},") };
    linker.arg("-Xlinker").arg(format!("--lto-newpm-passes={strip}{PASSES}"));
    linker.args(LLVM.map(|option| format!("-Wl,-mllvm,{option}")));
    run(linker, TOOLS * 10, false).map_err(|error| format!("{CANNOT}: {error}"))?;
    fs::remove_dir_all(dir).map_err(|error| format!("{}: {error}", dir.display()))
}

/// What the linker gets in place of an object.
struct Object {
    path: PathBuf,
    is_bitcode: bool,
}

/// The objects in a library of rustc's, copied.
fn members(library: &Path, copies: &Path) -> Result<Vec<Object>, String> {
    let trouble = |error| format!("{CANNOT}: {}: {error}", library.display());
    fs::create_dir_all(copies).map_err(trouble)?;
    let mut ar = Command::new("ar");
    ar.arg("x").arg(library).current_dir(copies);
    run(ar, TOOLS, false).map_err(|error| format!("{CANNOT}: {error}"))?;
    let entries = fs::read_dir(copies).map_err(trouble)?.flatten().map(|entry| entry.path());
    let is_object = |path: &PathBuf| path.extension() == Some("o".as_ref());
    let mut objects: Vec<PathBuf> = entries.filter(is_object).collect();
    objects.sort_unstable();
    objects.into_iter().map(|object| joinable(&object, object.with_extension("one.o"))).collect()
}

/// The bitcode that an object is or has, without a summary, in a file of its own; the object itself
/// if it has none.
fn joinable(object: &Path, copy: PathBuf) -> Result<Object, String> {
    let read = |path: &Path| {
        fs::read(path).map_err(|error| format!("{CANNOT}: {}: {error}", path.display()))
    };
    let mut bytes = read(object)?;
    if !bitcode::is(&bytes) {
        let mut objcopy = Command::new("objcopy");
        objcopy.args(["-O", "binary", "--only-section=.llvmbc"]);
        objcopy.arg("--set-section-flags=.llvmbc=alloc").args([object, &copy]);
        run(objcopy, TOOLS, false).map_err(|error| format!("{CANNOT}: {error}"))?;
        bytes = read(&copy)?;
        if !bitcode::is(&bytes) {
            return Ok(Object { path: object.to_owned(), is_bitcode: false });
        }
    }
    let unknown = || format!("{CANNOT}: {}: bitcode of a kind not known here", object.display());
    bitcode::hide_summary(&mut bytes).ok_or_else(unknown)?;
    fs::write(&copy, bytes).map_err(|error| format!("{CANNOT}: {}: {error}", copy.display()))?;
    Ok(Object { path: copy, is_bitcode: true })
}
