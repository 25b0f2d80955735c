//! A file that names a process, and that the kernel knows to be held by it.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{
    CWD, FileType, FlockOperation, Mode, OFlags, Stat, flock, fstat, ftruncate, lstat, openat,
};
use rustix::io::{Errno, pread, pwrite};
use rustix::process::{Pid, test_kill_process};

use super::above_standard;
use super::forks::forks;
use crate::absolute;
use crate::error::{context, retry};

/// A pid in decimal and a newline fit in here; a file that holds more is no lock file.
const LONGEST: usize = 32;

/// How long, and how often, the holder's number is awaited: half a second.
const WRITING: Duration = Duration::from_millis(5);
const WRITING_TRIES: usize = 100;

/// How often the file is opened again because its last holder has just removed it.
const TRIES: usize = 1000;

/// A file that is locked (`flock`) for as long as this value, or a process forked from its holder,
/// lives, and that says which process that is. Dropping it removes the file.
///
/// The lock is the kernel's: it goes when its holder goes, however that ends. What the file says
/// is for people to read and decides nothing.
#[derive(Debug)]
pub struct LockFile {
    /// Invariant: locked, and the file at `path` when it was taken.
    file: OwnedFd,
    /// Absolute, as the working directory may change.
    path: CString,
    /// [`forks`] of the process that removes it.
    owner: u32,
    left_by: Option<u32>,
}

impl LockFile {
    /// Takes the lock at `path`, making the file (mode 0644 less the umask) if there is none, and
    /// writes this process's id into it. A file that nobody holds is taken over.
    ///
    /// # Errors
    ///
    /// With the path in the text. `ResourceBusy` if it is held, naming the process;
    /// `InvalidInput` if there is something else at the path than a lock file: a symbolic link, no
    /// regular file, or one that holds other text than a process id, none of which is touched.
    pub fn acquire(path: &Path) -> io::Result<Self> {
        let named = |error| context(format_args!("lock file {}", path.to_string_lossy()), error);
        Self::open(path).map_err(named)
    }

    fn open(path: &Path) -> io::Result<Self> {
        let path = CString::new(absolute(path)?.into_os_string().into_vec())?;
        for _ in 0..TRIES {
            let file = open_or_make(&path)?;
            let found = fstat(&file)?;
            if !FileType::from_raw_mode(found.st_mode).is_file() {
                return Err(unfit("it is not a regular file; name a path of its own"));
            }
            match retry(|| Ok(flock(&file, FlockOperation::NonBlockingLockExclusive)?)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(held(&file)),
                Err(error) => return Err(error),
            }
            // Its last holder may have removed it after we opened it: then somebody else can hold
            // the lock of the file that has come in its place.
            if is_at(&path, &found) {
                let left_by = pid_in(&file)?;
                let lock = Self { file, path, owner: forks(), left_by };
                lock.write_pid()?;
                return Ok(lock);
            }
        }
        Err(io::Error::other("it is removed as often as it is made"))
    }

    /// Where it is: an absolute path.
    pub fn path(&self) -> &Path {
        Path::new(OsStr::from_bytes(self.path.as_bytes()))
    }

    /// The process that had left the file behind when it was taken, if any.
    pub fn left_by(&self) -> Option<u32> {
        self.left_by
    }

    /// Makes this process, forked from the one that has taken the lock, the one that the file
    /// names and that removes it.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn inherit(&mut self) -> io::Result<()> {
        self.owner = forks();
        self.write_pid().map_err(|error| {
            context(format_args!("lock file {}", self.path.to_string_lossy()), error)
        })
    }

    fn write_pid(&self) -> io::Result<()> {
        let pid = format!("{}\n", std::process::id());
        // In this order it names a process at every moment.
        let written = retry(|| Ok(pwrite(&self.file, pid.as_bytes(), 0)?))?;
        if written < pid.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(ftruncate(&self.file, pid.len() as u64)?)
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        if self.owner != forks() {
            return; // a copy in a forked process: the file is not its to remove
        }
        // Only what we hold: somebody may have put another file there by force.
        let ours = fstat(&self.file).is_ok_and(|ours| is_at(&self.path, &ours));
        if ours && rustix::fs::unlink(self.path.as_c_str()).is_err() {
            // After a change of user the directory may not be ours to change. An empty file says
            // that nobody is there.
            let _ = ftruncate(&self.file, 0);
        }
    }
}

fn open_or_make(path: &CStr) -> io::Result<OwnedFd> {
    // NONBLOCK: a pipe at the path shall not hold us up.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let flags = flags | OFlags::NONBLOCK | OFlags::NOCTTY;
    match retry(|| Ok(openat(CWD, path, flags, Mode::from_raw_mode(0o644))?)) {
        Ok(file) => above_standard(file),
        Err(error) if is_loop(&error) && is_link(path) => {
            Err(unfit("it is a symbolic link; name the file itself"))
        }
        Err(error) => Err(error),
    }
}

fn is_loop(error: &io::Error) -> bool {
    // NOFOLLOW: FreeBSD says MLINK, everybody else LOOP.
    error
        .raw_os_error()
        .map(Errno::from_raw_os_error)
        .is_some_and(|errno| [Errno::LOOP, Errno::MLINK].contains(&errno))
}

fn is_link(path: &CStr) -> bool {
    lstat(path).is_ok_and(|at| FileType::from_raw_mode(at.st_mode).is_symlink())
}

/// Whether the file at `path` is the one that `known` was asked of.
fn is_at(path: &CStr, known: &Stat) -> bool {
    lstat(path).is_ok_and(|at| (at.st_dev, at.st_ino) == (known.st_dev, known.st_ino))
}

/// The process that the file names; none in an empty one.
fn pid_in(file: &OwnedFd) -> io::Result<Option<u32>> {
    let mut bytes = [0; LONGEST];
    let length = retry(|| Ok(pread(file, &mut bytes, 0)?))?;
    let text = str::from_utf8(&bytes[..length]).ok();
    let first = text.and_then(|text| text.lines().next().or(Some("")));
    match first.map(str::trim_ascii) {
        Some("") if length < LONGEST => Ok(None),
        Some(digits) if length < LONGEST && digits.parse::<u32>().is_ok() => {
            Ok(digits.parse().ok())
        }
        Some(_) | None => Err(unfit(
            "it holds something else than a process id and is left alone; name a path of its own",
        )),
    }
}

fn held(file: &OwnedFd) -> io::Error {
    // Whoever has just taken it writes its number next; until then there may be an older one.
    for _ in 0..WRITING_TRIES {
        if let Ok(Some(pid)) = pid_in(file)
            && runs(pid)
        {
            let holder = format!("it is held by process {pid}, which is running");
            return io::Error::new(io::ErrorKind::ResourceBusy, holder);
        }
        std::thread::sleep(WRITING);
    }
    io::Error::new(io::ErrorKind::ResourceBusy, "it is held by another process")
}

fn runs(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

fn unfit(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}
