//! Places of a test's own: a network, and a file system to mount in. Each belongs to a process that
//! ends with this one, so nothing is left behind however it ends.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A process with a network of its own.
pub(crate) struct Namespace {
    holder: Child,
}

impl Namespace {
    /// With what else `unshare` is told to make; what is lacking, if there can be none.
    pub(crate) fn new(more: &[&str]) -> Result<Self, String> {
        // `cat` ends with its input, which ends with this process.
        let mut command = Command::new("unshare");
        command.arg("--net").args(more).arg("cat").stdin(Stdio::piped()).stdout(Stdio::piped());
        let holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let mut namespace = Self { holder };
        // Once it echoes, the namespace exists.
        let (stdin, stdout) = (&mut namespace.holder.stdin, &mut namespace.holder.stdout);
        let _ = stdin.as_mut().expect("it is piped").write_all(b"x");
        let read = stdout.as_mut().expect("it is piped").read_exact(&mut [0]);
        read.map_err(|_| "no network namespace can be made; it takes root".to_owned())?;
        Ok(namespace)
    }

    /// The process that it belongs to.
    pub(crate) fn id(&self) -> u32 {
        self.holder.id()
    }

    /// A program in it, not started.
    pub(crate) fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        let ns = format!("/proc/{}/ns", self.id());
        command.arg(format!("--net={ns}/net")).arg(format!("--mount={ns}/mnt"));
        command.arg(program).args(args);
        command
    }

    /// Runs a program in it that must succeed.
    pub(crate) fn run(&self, program: &str, args: &[&str]) -> Result<(), String> {
        run(self.command(program, args))
    }

    /// Where a file of its is seen from outside.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.id()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Runs a command that must succeed.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// What was made, unless this machine cannot make it; in CI it must.
pub(crate) fn or_skip<T>(made: Result<T, String>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(why) if std::env::var("CI").as_deref() == Ok("true") => panic!("{why}"),
        Err(why) => {
            println!("skipped: {why}");
            None
        }
    }
}
