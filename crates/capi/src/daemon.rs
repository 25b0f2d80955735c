//! `lws_daemonize` (manual, "Daemonization").

use crate::http::open_to_read;
use crate::panic::export;
use sockeye::{Daemon, Daemonize, LockFile};
use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicI32, AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

/// This process, if it is a daemon.
pub(crate) static PID: AtomicI32 = AtomicI32::new(0);

/// The hold on the lock file, for as long as the daemon lives.
static DAEMON: Mutex<Option<Daemon>> = Mutex::new(None);
/// The path of the lock file, for the signal handler. Never freed.
static LOCK: AtomicPtr<c_char> = AtomicPtr::new(std::ptr::null_mut());

/// Writes a line to stderr, which is where programs of the time have it. Less than `eprintln!`,
/// which lets tests capture what it writes.
macro_rules! tell {
    ($($what:tt)*) => {
        sockeye::to_stderr(format!("{}\n", format_args!($($what)*)).as_bytes())
    };
}

export! {
    /// Goes on in the background; returns 0 there. The calling process ends with status 0 once
    /// that has begun, and with 1 if another daemon runs.
    fn lws_daemonize(lock_path: *const c_char) -> c_int {
        if lock_path.is_null() {
            tell!("lws_daemonize: a path for the lock file is needed, NULL was given");
            return 1;
        }
        // SAFETY: not NULL, and the caller says that it is a string.
        let path = unsafe { CStr::from_ptr(lock_path) };
        // SAFETY: it has no preconditions.
        if unsafe { libc::getppid() } == 1 {
            return 1; // already a daemon
        }
        match daemonize(path) {
            Ok(()) => 0,
            Err(error) => {
                tell!("{error}");
                1
            }
        }
    } else 1;
}

fn daemonize(path: &CStr) -> io::Result<()> {
    let path = sockeye::absolute(Path::new(OsStr::from_bytes(path.to_bytes())))?;
    let name = CString::new(path.as_os_str().as_bytes())?;
    let lock = match acquire(&path) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
            match holder(&name) {
                Some(pid) => tell!("Daemon already running from pid {pid}"),
                None => tell!("Daemon already running: {error}"),
            }
            // SAFETY: it has no preconditions.
            unsafe { libc::exit(1) };
        }
        Err(error) => return Err(error),
    };
    if let Some(pid) = lock.left_by() {
        tell!("Removing stale lock file {} from dead pid {pid}", path.to_string_lossy());
    }
    let mut daemon = Daemonize::new(lock).start_unflushed()?;
    end_with_digit(&name);
    LOCK.store(name.into_raw(), Ordering::SeqCst);
    settle();
    daemon.ready()?;
    *DAEMON.lock().unwrap_or_else(PoisonError::into_inner) = Some(daemon);
    Ok(())
}

/// Takes the lock. What is made for it has the manual's mode, 0640 less the umask.
fn acquire(path: &Path) -> io::Result<LockFile> {
    // SAFETY: it has no preconditions.
    let umask = unsafe { libc::umask(0o077) };
    // SAFETY: as above.
    unsafe { libc::umask(umask | 0o004) };
    let lock = LockFile::acquire(path);
    // SAFETY: as above.
    unsafe { libc::umask(umask) };
    lock
}

/// Takes the line's end from the lock file: here it holds the number and nothing else. If that
/// cannot be done there is one more byte, which no reader minds.
fn end_with_digit(path: &CStr) {
    let digits = std::process::id().to_string().len();
    // SAFETY: the path ends with a NUL.
    unsafe { libc::truncate(path.as_ptr(), digits as libc::off_t) };
}

/// The number that a held lock file holds.
fn holder(path: &CStr) -> Option<u32> {
    let mut text = [0; 16];
    let len = open_to_read(path).and_then(|mut file| file.read(&mut text)).ok()?;
    str::from_utf8(&text[..len]).ok()?.trim_ascii().parse().ok()
}

/// What the manual says of a daemon besides: signals, umask, directory.
fn settle() {
    // SAFETY: none of these has preconditions but the handler's: it calls nothing that a signal
    // handler must not.
    unsafe {
        PID.store(libc::getpid(), Ordering::SeqCst);
        for signal in [libc::SIGTSTP, libc::SIGTTOU, libc::SIGTTIN, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::umask(0);
        let handler: extern "C" fn(c_int) = on_term;
        libc::signal(libc::SIGTERM, handler as libc::sighandler_t);
    }
}

/// Removes the lock file and ends at once.
extern "C" fn on_term(_: c_int) {
    let path = LOCK.load(Ordering::SeqCst);
    // SAFETY: both calls may be made in a signal handler, and the path is never freed.
    unsafe {
        if !path.is_null() {
            libc::unlink(path);
        }
        libc::kill(libc::getpid(), libc::SIGKILL);
    }
}
