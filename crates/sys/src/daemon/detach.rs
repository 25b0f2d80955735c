//! Forking away from who started us.
//!
//! ```text
//!  caller ──fork──▶ middle ──setsid, fork──▶ daemon ──▶ returns from `detach`
//!    │                └─ ends                  │
//!    └─ waits ◀──────────── link ──────────────┘ "pid", then "ready" or "failed"
//!       ends with 0 or 1
//! ```

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, signal};
use nix::unistd::{ForkResult, fork};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, WaitOptions, WaitStatus, chdir, getpid, setsid, umask, waitpid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::above_standard;
use crate::error::{context, retry};
use crate::lasting::Lasting;
#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::limits::entries;
use crate::socket::{recv, send};
use crate::stderr::to_stderr;
use crate::wait::wait;

/// The daemon's side of [`detach`]: what tells the process that waits how it went.
#[derive(Debug)]
pub struct Detached {
    link: Option<OwnedFd>,
    null: OwnedFd,
}

/// The most that the daemon can say about its failure: 8 KiB.
const MOST_SAID: usize = 8 << 10;

/// How long the end of a daemon that has hung up is awaited, to tell how it ended.
const DEATH: Duration = Duration::from_secs(1);

/// Goes on in a process of its own: no terminal, in a session that it does not lead, at `/`, with
/// nothing to read on standard input, with an umask of at least 022, and ignoring SIGHUP, which a
/// handler set later takes back. Returns there only.
///
/// The process that has called waits until the new one is [ready](Detached::ready) and ends with
/// status 0; or prints on standard error why it is not, and ends with status 1. It runs no exit
/// handlers. `patience` bounds the wait.
///
/// Standard output and standard error stay as they are until then, so what goes wrong before can
/// be said. Other descriptors that are not closed on exec are kept. Buffers of standard output are
/// the caller's to flush before: both processes have what is in them.
///
/// # Errors
///
/// In the calling process, before anything has happened: if other threads run, of which a fork
/// would make statues (where the system can tell: Linux, from `/proc`), if `/dev/null` cannot be
/// opened, or there can be no other process.
pub fn detach(patience: Duration) -> io::Result<Detached> {
    refuse_threads()?;
    let null = open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| context("open /dev/null", errno.into()))?;
    let null = above_standard(null)?;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None)?;
    let (ours, theirs) = (above_standard(ours)?, above_standard(theirs)?);
    for fd in [&ours, &theirs] {
        fcntl_setfd(fd, FdFlags::CLOEXEC)?;
        #[cfg(target_vendor = "apple")] // its `send` has no flag for this
        rustix::net::sockopt::set_socket_nosigpipe(fd, true)?;
    }
    adopt_orphans();
    // SAFETY: the child may do anything that its parent could, because the calling thread is the
    // only one: on Linux that was checked above. Elsewhere the documentation asks for it, and
    // what a fork beside other threads risks there is a lock that stays held, not memory.
    match unsafe { fork() }.map_err(|errno| context("fork", io::Error::from(errno)))? {
        ForkResult::Parent { child } => {
            drop(theirs);
            await_daemon(&ours, Pid::from_raw(child.as_raw()), patience)
        }
        ForkResult::Child => {
            drop(ours);
            let mut detached = Detached { link: Some(theirs), null };
            match detached.settle() {
                Ok(()) => Ok(detached),
                Err(error) => {
                    detached.fail(format_args!("cannot become a daemon: {error}"));
                    end(1)
                }
            }
        }
    }
}

impl Detached {
    /// Lets the waiting process end with status 0, and points standard output and standard error
    /// at `/dev/null`. A second call does nothing.
    ///
    /// # Errors
    ///
    /// If nobody waits any more: the caller's patience is at its end, or it was interrupted. It
    /// has reported a failure, so this process should end.
    pub fn ready(&mut self) -> io::Result<()> {
        let Some(link) = self.link.take() else { return Ok(()) };
        send(link.as_fd(), b"ready\n")
            .map_err(|error| context("the process that started this one has given up", error))?;
        dup2_stdout(&self.null)?;
        Ok(dup2_stderr(&self.null)?)
    }

    /// Lets the waiting process print `why` on standard error, after the program's name, and end
    /// with status 1. Whether there is one: if not, nobody is told.
    pub fn fail(&mut self, why: impl std::fmt::Display) -> bool {
        let Some(link) = self.link.take() else { return false };
        let mut text = format!("failed\n{why}").into_bytes();
        text.truncate(MOST_SAID);
        send(link.as_fd(), &text).is_ok()
    }

    /// The rest of the way, in the middle process and then in the daemon.
    fn settle(&mut self) -> io::Result<()> {
        // SAFETY: ignoring a signal installs no code of ours, so there is none that must be fit to
        // run in a handler.
        unsafe { signal(Signal::SIGHUP, SigHandler::SigIgn) }?;
        setsid()?;
        // SAFETY: as above; this process has been a copy of that one thread from its beginning.
        if let ForkResult::Parent { .. } = unsafe { fork() }? {
            end(0)
        }
        if let Some(link) = &self.link {
            // If nobody waits any more, `ready` will say so.
            let _ = send(link.as_fd(), format!("pid {}\n", getpid()).as_bytes());
        }
        chdir(c"/")?;
        let callers = umask(Mode::from_raw_mode(0o022));
        umask(callers | Mode::from_raw_mode(0o022));
        Ok(dup2_stdin(&self.null)?)
    }
}

/// The calling process's way to its end.
fn await_daemon(link: &OwnedFd, middle: Option<Pid>, patience: Duration) -> ! {
    if middle.is_some() {
        // It forks and ends. Once it has been waited for, the daemon is our child.
        let _ = retry(|| Ok(waitpid(middle, WaitOptions::empty())?));
    }
    match verdict(link, patience) {
        Ok(()) => end(0),
        Err(why) => {
            let program = std::env::args_os().next().unwrap_or_default();
            let name = program.as_bytes().rsplit(|&byte| byte == b'/').next();
            let name = name.and_then(|name| std::str::from_utf8(name).ok()).unwrap_or("daemon");
            to_stderr(format!("{name}: {why}\n").as_bytes());
            end(1)
        }
    }
}

/// How it went, from what the daemon says.
fn verdict(link: &OwnedFd, patience: Duration) -> Result<(), String> {
    let deadline = Instant::now().checked_add(patience); // none: it waits for ever
    let mut said = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = match wait(link.as_fd(), PollFlags::IN, deadline) {
            Ok(true) => recv(link.as_fd(), &mut buffer),
            Ok(false) => {
                return Err(format!("the daemon was not ready within {}", Lasting(patience)));
            }
            Err(error) => Err(error),
        };
        match count {
            // A daemon that dies with bytes unread resets the link: that is an end as well.
            Ok(0) | Err(_) => break,
            Ok(count) => said.extend_from_slice(&buffer[..count]),
        }
        if said.ends_with(b"ready\n") && failure(&said).is_none() {
            return Ok(());
        }
        if said.len() > 2 * MOST_SAID {
            break;
        }
    }
    Err(match failure(&said) {
        Some(why) => String::from_utf8_lossy(why).trim_ascii_end().to_owned(),
        None => {
            let pid = std::str::from_utf8(&said)
                .ok()
                .and_then(|said| said.trim_ascii().strip_prefix("pid "));
            obituary(pid.and_then(|pid| pid.parse().ok()))
        }
    })
}

/// What the daemon says of why it has failed, if it has.
fn failure(said: &[u8]) -> Option<&[u8]> {
    const FAILED: &[u8] = b"failed\n";
    let at = said.windows(FAILED.len()).position(|window| window == FAILED)?;
    said.get(at + FAILED.len()..)
}

/// What is known about a daemon that has hung up without a word.
fn obituary(pid: Option<i32>) -> String {
    let hung_up = Instant::now();
    while let Some(pid) = pid.and_then(Pid::from_raw)
        && hung_up.elapsed() < DEATH
    {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => return describe(pid, status),
            Ok(None) => std::thread::sleep(Duration::from_millis(5)),
            Err(_) => break, // not our child: the system does not hand us orphans
        }
    }
    "the daemon ended before it was ready".to_owned()
}

fn describe(pid: Pid, status: WaitStatus) -> String {
    let how = match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => format!("with status {status}"),
        (None, Some(signal)) => format!("by signal {signal}"),
        (None, None) => "in a way of its own".to_owned(),
    };
    format!("the daemon (process {pid}) ended {how} before it was ready")
}

/// Makes processes whose parent has ended this one's children, where there is such a thing.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn adopt_orphans() {
    // Without it the daemon's end is not explained, that is all.
    let _ = rustix::process::set_child_subreaper(Some(getpid()));
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn adopt_orphans() {}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn refuse_threads() -> io::Result<()> {
    let tasks = entries("/proc/self/task")
        .map_err(|error| context("count this process's threads in /proc/self/task", error))?;
    match tasks {
        0 | 1 => Ok(()),
        threads => Err(io::Error::other(format!(
            "this process has {threads} threads and a daemon would have one of them: \
             become a daemon before any is started"
        ))),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn refuse_threads() -> io::Result<()> {
    Ok(())
}

/// Ends this process and nothing else: what is registered to happen at exit is the daemon's.
fn end(status: i32) -> ! {
    // SAFETY: `_exit` has no preconditions; it does not return.
    unsafe { nix::libc::_exit(status) }
}
