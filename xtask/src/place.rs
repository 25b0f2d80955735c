//! Where the project lies, and what kind of run this is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

/// The workspace and the conditions every step shares.
#[derive(Debug)]
pub(crate) struct Place {
    /// The workspace root.
    pub(crate) root: PathBuf,
    /// Where cargo builds, and where tools are kept.
    pub(crate) target: PathBuf,
    /// In CI a step whose tools are missing has failed.
    pub(crate) ci: bool,
    /// Show the output of every command while it runs.
    pub(crate) verbose: bool,
}

impl Place {
    /// Looks for the workspace from the current directory upwards.
    pub(crate) fn find(verbose: bool) -> io::Result<Self> {
        let here = env::current_dir()?;
        let root = here
            .ancestors()
            .find(|dir| is_workspace(dir))
            .ok_or_else(|| io::Error::other("no Cargo.toml with [workspace] here or above"))?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => here.join(dir),
            None => root.join("target"),
        };
        Ok(Self { root, target, ci: env::var_os("CI").is_some_and(|ci| ci == "true"), verbose })
    }

    /// Cargo, at the workspace root.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()), args)
    }

    /// A program, at the workspace root. It is not told what cargo tells xtask about its package:
    /// some build scripts take that for a change and run anew.
    pub(crate) fn command(&self, program: impl Into<OsString>, args: &[&str]) -> Command {
        let mut command = Command::new(program.into());
        command.args(args).current_dir(&self.root);
        for (name, _) in env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

fn is_workspace(dir: &Path) -> bool {
    fs::read_to_string(dir.join("Cargo.toml"))
        .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
}
