//! A server that runs.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// The processors of server and load, as `taskset` numbers them.
pub(crate) const SERVER: &str = "0";
pub(crate) const LOAD: &str = "1";

/// A server that runs; ended when this is dropped.
pub(crate) struct Running {
    child: Child,
    /// Kept open: who writes where nobody reads may end.
    _stdout: BufReader<ChildStdout>,
    /// Where it listens.
    pub(crate) port: String,
}

impl Running {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(command_line: &[String]) -> Result<Self, String> {
        let [name, ..] = command_line else { return Err("no command line".to_owned()) };
        let failed = |error| format!("cannot start {name}: {error}");
        let mut command = pinned(SERVER);
        command.args(command_line);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let Some(stdout) = child.stdout.take() else { return Err("it has no stdout".to_owned()) };
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        let read = stdout.read_line(&mut line).map_err(failed);
        let mut running = Self { child, _stdout: stdout, port: String::new() };
        read?;
        let port = line.trim_end().trim_end_matches('/').rsplit_once(':');
        match port {
            Some((_, port)) if line.starts_with("listening on ") => {
                running.port = port.to_owned();
                Ok(running)
            }
            _ => Err(format!("{name} said {line:?} and not where it listens")),
        }
    }

    /// Its process: `taskset` becomes it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident bytes (proc_pid_smaps(5)).
    pub(crate) fn memory(&self) -> Option<f64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid())).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib * 1024.0)
    }

    /// Waits until it has ended by itself.
    pub(crate) fn wait(mut self) {
        let _ = self.child.wait(); // there is nobody to tell
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended by itself
        let _ = self.child.wait();
    }
}

/// A command on one processor.
pub(crate) fn pinned(processor: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", processor]);
    command
}
