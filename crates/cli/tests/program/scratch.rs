//! A directory of a test's own, and processes that are not its children.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory that goes with the test.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A path in it, as an argument.
    pub(crate) fn name(&self, name: &str) -> String {
        self.path(name).to_str().expect("a name in ASCII").to_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Some process, by a descriptor, so that its number cannot come to mean another. Killed with the
/// test.
pub(crate) struct Process {
    pub(crate) pid: u32,
    fd: OwnedFd,
}

impl Process {
    /// The process that a lock file names.
    pub(crate) fn named_in(lock: &Path) -> Self {
        let text = fs::read_to_string(lock).expect("a lock file");
        let pid = text.strip_suffix('\n').and_then(|pid| pid.parse().ok());
        Self::of(pid.unwrap_or_else(|| panic!("{text:?} is no pid and a newline")))
    }

    pub(crate) fn of(pid: u32) -> Self {
        let number = Pid::from_raw(pid.try_into().expect("a pid"));
        let fd = pidfd_open(number.expect("a pid"), PidfdFlags::empty()).expect("it runs");
        Self { pid, fd }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        pidfd_send_signal(&self.fd, signal).expect("it runs");
    }

    /// Waits for its end.
    pub(crate) fn wait(&self) {
        let patience = rustix::event::Timespec { tv_sec: 60, tv_nsec: 0 };
        let ended = poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&patience));
        assert_eq!(ended, Ok(1), "process {} goes on", self.pid);
    }

    /// A file of `/proc` about it.
    pub(crate) fn proc(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.pid))
    }
}

/// The fields of `/proc/PID/stat` from the third on: the first is the state.
pub(crate) fn stat(pid: u32) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let (_, fields) = stat.rsplit_once(") ").expect("its name is in brackets");
    fields.split_whitespace().map(str::to_owned).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended, or the test has failed.
        let _ = pidfd_send_signal(&self.fd, Signal::KILL);
    }
}
