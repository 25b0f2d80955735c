//! `cargo xtask deb`: Debian packages of the C library.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::install::{Options, install};
use super::{SONAME, VERSION, cargo, empty};
use crate::place::Place;
use crate::run::run;

/// Named after the soname, as Debian does.
const RUNTIME: &str = "libwebsockets2013";
const DEVELOPMENT: &str = "libwebsockets2013-dev";
const MAINTAINER: &str = "The Sockeye developers <sockeye@localhost.invalid>";
const TOOLS: Duration = Duration::from_secs(60);

/// `cargo xtask deb`.
pub(crate) fn run_deb(place: &Place, args: &[&str]) -> Result<(), String> {
    let tls = match args {
        [] => true,
        ["--without-tls"] => false,
        [other, ..] => return Err(format!("unknown argument `{other}` of `deb`")),
    };
    let _alone = cargo::lock(place)?;
    for package in make(place, &place.target.join("deb"), tls)? {
        println!("{}", package.display());
    }
    Ok(())
}

/// Makes both packages in `dir`, which is emptied; where they are.
pub(super) fn make(place: &Place, dir: &Path, tls: bool) -> Result<[PathBuf; 2], String> {
    empty(dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let architecture = asked("dpkg", &["--print-architecture"])?;
    let triplet = asked("gcc", &["-print-multiarch"])?;
    let libdir = format!("lib/{triplet}");
    let (runtime, development) = (dir.join(RUNTIME), dir.join(DEVELOPMENT));
    install(place, &Options::packaged(&development, libdir.clone(), tls))?;
    let shared = format!("{SONAME}.{VERSION}");
    for name in [SONAME, &shared] {
        let to = runtime.join("usr").join(&libdir).join(name);
        moved(&development.join("usr").join(&libdir).join(name), &to)?;
    }
    let library = runtime.join("usr").join(&libdir).join(&shared);
    let depends = format!("{}, libgcc-s1", c_library(&library)?);
    let common = Common { architecture: &architecture, dir };
    Ok([
        common.pack(
            place,
            RUNTIME,
            &format!(
                "Section: libs\nDepends: {depends}\n\
                 Description: WebSocket library with the API of libwebsockets of 2013\n \
                 Sockeye's C library: WebSocket servers and clients on one thread and one\n \
                 poll loop, written in Rust. Its soname is none of libwebsockets' own, so\n \
                 both can be installed.\n"
            ),
            &[
                ("shlibs", &format!("libwebsockets 2013 {RUNTIME} (>= {VERSION})\n")),
                ("triggers", "activate-noawait ldconfig\n"),
            ],
        )?,
        common.pack(
            place,
            DEVELOPMENT,
            &format!(
                "Section: libdevel\nDepends: {RUNTIME} (= {VERSION})\n\
                 Conflicts: libwebsockets-dev\n\
                 Description: development files of Sockeye's libwebsockets\n \
                 Header, static library, pkg-config and CMake files and the manual page of\n \
                 {RUNTIME}. The files have the names of those of libwebsockets-dev, whose\n \
                 API is another.\n"
            ),
            &[],
        )?,
    ])
}

struct Common<'a> {
    architecture: &'a str,
    dir: &'a Path,
}

impl Common<'_> {
    /// Makes a package of the tree of its name.
    fn pack(
        &self,
        place: &Place,
        name: &str,
        fields: &str,
        files: &[(&str, &str)],
    ) -> Result<PathBuf, String> {
        let tree = self.dir.join(name);
        write(&tree.join("usr/share/doc").join(name).join("copyright"), &copyright(place)?)?;
        let sums = sums(&tree)?;
        let kib = size_of_tree(&tree.join("usr"))?.div_ceil(1024);
        let control = format!(
            "Package: {name}\nSource: sockeye\nVersion: {VERSION}\nArchitecture: {}\n\
             Maintainer: {MAINTAINER}\nInstalled-Size: {kib}\nMulti-Arch: same\n\
             Priority: optional\n{fields}",
            self.architecture
        );
        for (file, text) in [("control", &*control), ("md5sums", &sums)].iter().chain(files) {
            write(&tree.join("DEBIAN").join(file), text)?;
        }
        let package = self.dir.join(format!("{name}_{VERSION}_{}.deb", self.architecture));
        let mut build = place.command("dpkg-deb", &["--root-owner-group", "--build"]);
        build.arg(&tree).arg(&package);
        run(build, TOOLS, false)?;
        Ok(package)
    }
}

fn copyright(place: &Place) -> Result<String, String> {
    let path = place.root.join("LICENSE-MIT");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(format!("Sockeye is under the MIT licence, below, or Apache-2.0, as you like.\n\n{text}"))
}

/// The C library it needs: the newest version that it asks for symbols or features of.
fn c_library(library: &Path) -> Result<String, String> {
    let mut objdump = Command::new("objdump");
    objdump.arg("-p").arg(library);
    let text = run(objdump, TOOLS, false)?;
    let words = text.split_whitespace();
    let minors = words.filter_map(|word| match word {
        "GLIBC_ABI_DT_RELR" => Some(36),
        _ => word.strip_prefix("GLIBC_2.")?.split('.').next()?.parse::<u32>().ok(),
    });
    let minor = minors.max().ok_or("the library asks for no version of glibc")?;
    Ok(format!("libc6 (>= 2.{minor})"))
}

/// What `md5sum` says of every file, with paths from the root.
fn sums(tree: &Path) -> Result<String, String> {
    let mut find = Command::new("find");
    find.args(["usr", "-type", "f", "-exec", "md5sum", "{}", "+"]).current_dir(tree);
    run(find, TOOLS, false)
}

fn size_of_tree(dir: &Path) -> Result<u64, String> {
    let mut du = Command::new("du");
    du.args(["--bytes", "--summarize"]).arg(dir);
    let text = run(du, TOOLS, false)?;
    let bytes = text.split_whitespace().next().and_then(|bytes| bytes.parse().ok());
    bytes.ok_or_else(|| format!("cannot read what `du` says: {text}"))
}

fn asked(program: &str, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(args);
    run(command, TOOLS, false).map(|text| text.trim_end().to_owned())
}

fn moved(from: &Path, to: &Path) -> Result<(), String> {
    let moved = fs::create_dir_all(to.parent().unwrap_or(to)).and_then(|()| fs::rename(from, to));
    moved.map_err(|error| format!("{}: {error}", from.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    let written = fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| fs::write(path, text))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o644)));
    written.map_err(|error| format!("{}: {error}", path.display()))
}
