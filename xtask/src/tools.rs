//! Tools from outside: what is pinned is fetched once under `target/tools`, what only a system
//! package can give is named when it is missing.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, io};

use crate::place::Place;
use crate::run::run;

/// Python packages of the foreign clients.
const PYTHON_PACKAGES: &[&str] =
    &["websockets==17.4", "tlslite-ng==0.8.2", "ecdsa==0.19.2", "six==1.17.0"];
/// The Autobahn test suite.
const AUTOBAHN_PACKAGES: &[&str] = &["kosoku==0.1.0"];
/// npm packages of the foreign clients and the browser tests.
const NODE_PACKAGES: &[&str] = &["ws@8.23.0", "playwright-core@1.65.1"];
/// What a browser may be called, best first.
const BROWSERS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];
/// Names a browser outside PATH.
const BROWSER_VARIABLE: &str = "SOCKEYE_CHROMIUM";

/// Bounds an installation.
const LIMIT: Duration = Duration::from_secs(600);

/// Why a tool cannot be had, or what came of using it.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A system package is not installed: one line says which.
    Lacking(String),
    /// A command failed: this is what it printed.
    Failed(String),
}

/// The interpreter of a virtual environment that has the foreign clients' packages.
pub(crate) fn python(place: &Place) -> Result<PathBuf, Trouble> {
    virtual_environment(&place.target.join("tools/venv"), PYTHON_PACKAGES)
}

/// The directory of programs of one that has the Autobahn test suite.
pub(crate) fn autobahn(place: &Place) -> Result<PathBuf, Trouble> {
    let dir = place.target.join("tools/autobahn");
    virtual_environment(&dir, AUTOBAHN_PACKAGES).map(|_| dir.join("bin"))
}

fn virtual_environment(dir: &Path, packages: &[&str]) -> Result<PathBuf, Trouble> {
    if !works(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        return Err(Trouble::Lacking("needs Python: apt install python3 python3-venv".to_owned()));
    }
    let interpreter = dir.join("bin/python");
    once(dir, packages, || {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv"]).arg(dir);
        let mut pip = Command::new(&interpreter);
        pip.args(["-m", "pip", "install", "--quiet", "--no-deps"]).args(packages);
        vec![venv, pip]
    })?;
    Ok(interpreter)
}

/// The directory that has `node_modules` with the pinned packages.
pub(crate) fn node(place: &Place) -> Result<PathBuf, Trouble> {
    for tool in ["node", "npm"] {
        if !works(Command::new(tool).arg("--version")) {
            return Err(Trouble::Lacking("needs Node.js: apt install nodejs npm".to_owned()));
        }
    }
    let dir = place.target.join("tools/node");
    once(&dir, NODE_PACKAGES, || {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]);
        npm.arg("--prefix").arg(&dir).args(NODE_PACKAGES);
        vec![npm]
    })?;
    Ok(dir)
}

/// The valgrind that is on this machine, with its version.
pub(crate) fn valgrind() -> Result<String, Trouble> {
    let output = Command::new("valgrind").arg("--version").output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(_) | Err(_) => Err(Trouble::Lacking("needs valgrind: apt install valgrind".to_owned())),
    }
}

/// The development files of GLib.
pub(crate) fn glib() -> Result<(), Trouble> {
    if works(Command::new("pkg-config").args(["--exists", "glib-2.0"])) {
        return Ok(());
    }
    let line = "needs GLib's development files: apt install libglib2.0-dev pkg-config";
    Err(Trouble::Lacking(line.to_owned()))
}

/// Programs that the tests of TLS meet, by the packages they are in.
pub(crate) fn tls() -> Result<(), Trouble> {
    let lacks = |program: &str| {
        let path = env::var_os("PATH").unwrap_or_default();
        // nginx lies where only root looks.
        let dirs = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        !dirs.into_iter().any(|dir| dir.join(program).is_file())
    };
    let packages = ["openssl", "curl", "sslscan"].map(|name| (name, name));
    let packages = packages.into_iter().chain([("nginx", "nginx-light")]);
    let lacking = packages.filter(|(program, _)| lacks(program));
    let lacking: Vec<&str> = lacking.map(|(_, package)| package).collect();
    match lacking.is_empty() {
        true => Ok(()),
        false => {
            let packages = lacking.join(" ");
            Err(Trouble::Lacking(format!("needs programs for TLS: apt install {packages}")))
        }
    }
}

/// A Chromium that is on this machine.
pub(crate) fn chromium() -> Result<PathBuf, Trouble> {
    if let Some(path) = env::var_os(BROWSER_VARIABLE) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            let line = format!("{BROWSER_VARIABLE} names {}, which is no file", path.display());
            Err(Trouble::Lacking(line))
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path)
        .flat_map(|dir| BROWSERS.iter().map(move |name| dir.join(name)))
        .find(|file| file.is_file());
    found.ok_or_else(|| Trouble::Lacking("needs Chromium: apt install chromium".to_owned()))
}

/// Runs `commands` to fill `dir` unless its stamp says that these very packages are there, made for
/// this very place: scripts of a virtual environment name it, so a moved one does not run.
/// The stamp is written last, so a broken installation is begun anew.
fn once(
    dir: &Path,
    packages: &[&str],
    commands: impl FnOnce() -> Vec<Command>,
) -> Result<(), Trouble> {
    let stamp = dir.join("stamp");
    let wanted = format!("{}\n{}\n", dir.display(), packages.join("\n"));
    if fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == wanted) {
        return Ok(());
    }
    let failed = |error: io::Error| Trouble::Failed(format!("{}: {error}", dir.display()));
    if dir.exists() {
        fs::remove_dir_all(dir).map_err(failed)?;
    }
    fs::create_dir_all(dir).map_err(failed)?;
    for command in commands() {
        run(command, LIMIT, false).map_err(Trouble::Failed)?;
    }
    fs::write(stamp, wanted).map_err(failed)
}

fn works(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
