//! Where things lie, and running what builds them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

/// The workspace.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) root: PathBuf,
    /// Where cargo builds, and where peers are built.
    pub(crate) target: PathBuf,
}

impl Place {
    /// The workspace that this program was built in.
    pub(crate) fn find() -> io::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => env::current_dir()?.join(dir),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// A directory for what is made of peers.
    pub(crate) fn peers(&self) -> Result<PathBuf, String> {
        let dir = self.target.join("peers");
        std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
        Ok(dir)
    }

    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(args).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// Runs a command to its end; `Err` has what it said.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot start {name}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = errors.lines().rev().take(5).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Err(format!("{name} ended with {}: {}", output.status, last.join(" / ")))
}
