//! The service manager that has started this process, if one has: what systemd tells its services
//! by their environment (sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3)).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, FdFlags, fcntl_getfd, fcntl_setfd};
use rustix::net::{SendFlags, sendto};

use crate::error::context;
use crate::socket::{Address, local_datagram_socket};

/// The first descriptor that is handed over.
const FIRST: RawFd = 3;

/// The most descriptors taken over: 1024.
const MOST: u32 = 1024;

/// A descriptor that the service manager has handed over.
#[derive(Debug)]
pub struct HandedOver {
    /// Its name in the socket unit (`FileDescriptorName=`, by default that of the unit), or
    /// `unknown`.
    pub name: String,
    /// Its number, for messages.
    pub number: RawFd,
    /// The descriptor, closed on exec from now on.
    pub fd: OwnedFd,
}

/// Takes the descriptors that were handed to this process (`LISTEN_FDS`), in order. Those that
/// were meant for another (`LISTEN_PID`) are none, and so are those of a second call.
///
/// # Errors
///
/// `InvalidData` if `LISTEN_FDS` or `LISTEN_PID` is no number, or there are fewer descriptors than
/// it says, or more than 1024.
pub fn handed_over() -> io::Result<Vec<HandedOver>> {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let Some(pid) = number("LISTEN_PID")? else { return Ok(Vec::new()) };
    let Some(count) = number("LISTEN_FDS")? else { return Ok(Vec::new()) };
    if pid != u64::from(std::process::id()) {
        return Ok(Vec::new());
    }
    let Some(count) = u32::try_from(count).ok().filter(|&count| count <= MOST) else {
        return Err(invalid(format!("LISTEN_FDS={count}: at most {MOST} are taken over")));
    };
    let numbers = FIRST..FIRST + count as RawFd;
    for number in numbers.clone() {
        // SAFETY: a borrowed descriptor should be open, which is just what is asked here, as in
        // `limits.rs`: the call fails with BADF if it is not. The number is not -1.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        if let Err(errno) = fcntl_getfd(fd) {
            let error = context(format_args!("descriptor {number}"), errno.into());
            return Err(invalid(format!("LISTEN_FDS={count}, but {error}")));
        }
    }
    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    let names = std::env::var_os("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.as_bytes().split(|&byte| byte == b':');
    let mut all = Vec::new();
    for number in numbers {
        // SAFETY: the descriptor is open, as was just checked, and nobody else owns it: by
        // LISTEN_PID the service manager says that it has left these open for this very process,
        // and they are taken once only.
        let fd = unsafe { OwnedFd::from_raw_fd(number) };
        fcntl_setfd(&fd, FdFlags::CLOEXEC)?;
        let name = names.next().filter(|name| !name.is_empty()).unwrap_or(b"unknown");
        all.push(HandedOver { name: String::from_utf8_lossy(name).into_owned(), number, fd });
    }
    Ok(all)
}

/// Tells the service manager something (`NOTIFY_SOCKET`), as `READY=1`; several assignments with
/// newlines between. Waits at most `patience` for it to take that. Whether there is one.
///
/// # Errors
///
/// `InvalidData` if `NOTIFY_SOCKET` is no address of a Unix socket; `WouldBlock` if it was not
/// taken in time; else what the socket has met.
pub fn notify(state: &str, patience: Duration) -> io::Result<bool> {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty()) else {
        return Ok(false);
    };
    tell(&name, state, patience)
        .map_err(|error| context(format_args!("tell NOTIFY_SOCKET={}", name.display()), error))?;
    Ok(true)
}

/// How often the service manager wants to hear `WATCHDOG=1`, at least (`WATCHDOG_USEC`); none if
/// it does not watch this process.
///
/// # Errors
///
/// `InvalidData` if what the environment says is no number.
pub fn watchdog() -> io::Result<Option<Duration>> {
    let ours = u64::from(std::process::id());
    if number("WATCHDOG_PID")?.is_some_and(|pid| pid != ours) {
        return Ok(None);
    }
    Ok(number("WATCHDOG_USEC")?.filter(|&micros| micros > 0).map(Duration::from_micros))
}

fn tell(name: &OsStr, state: &str, patience: Duration) -> io::Result<()> {
    let address = match name.as_bytes() {
        [b'@', name @ ..] if !name.is_empty() => Address::Abstract(name.to_vec()),
        [b'/', ..] => Address::Path(PathBuf::from(name)),
        _ => return Err(invalid("it is neither a path from / nor a name after @".into())),
    };
    let socket = local_datagram_socket()?;
    let address = address.to_unix()?;
    let deadline = Instant::now() + patience;
    loop {
        match sendto(&socket, state.as_bytes(), SendFlags::empty(), &address) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if Instant::now() < deadline => {
                let left = deadline.saturating_duration_since(Instant::now());
                let timeout = left.min(RETRY).try_into().ok();
                let _ = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], timeout.as_ref());
            }
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// A datagram socket is not always writable when its peer's queue has room, so it is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// The number that an environment variable holds, if it is set.
fn number(variable: &str) -> io::Result<Option<u64>> {
    let Some(value) = std::env::var_os(variable) else { return Ok(None) };
    parse(&value)
        .map(Some)
        .ok_or_else(|| invalid(format!("{variable}={}: it is no number", value.display())))
}

fn parse(value: &OsString) -> Option<u64> {
    value.to_str()?.parse().ok()
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
