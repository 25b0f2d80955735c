//! How many descriptors the process may have, and how many it has.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};

use rustix::io::{Errno, fcntl_getfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::error::context;

/// Where the system lists the open descriptors of the process that reads it. The BSDs list only
/// the first three in their `/dev/fd`, so there they are counted one by one.
const LISTING: Option<&str> = if cfg!(any(target_os = "linux", target_os = "android")) {
    Some("/proc/self/fd")
} else if cfg!(target_vendor = "apple") {
    Some("/dev/fd")
} else {
    None
};

/// How far descriptors are counted one by one: 65,536. Numbers are given out from the bottom, and
/// a limit may be a billion.
const COUNTED: u64 = 1 << 16;

/// What macOS grants a process at most (`OPEN_MAX`), whatever it says the hard limit is.
const MACOS_MOST: u64 = 10_240;

/// The soft limit, which is in force, and the hard limit, up to which it may be raised. No limit
/// reads as `u64::MAX`.
///
/// # Errors
///
/// None on the systems known.
pub fn descriptor_limits() -> io::Result<(u64, u64)> {
    let limit = getrlimit(Resource::Nofile);
    Ok((limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX)))
}

/// Raises the soft limit as far as it goes and returns it.
///
/// # Errors
///
/// If the system does not allow it.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })
            .or_else(|errno| match limit.current {
                Some(soft) if cfg!(target_vendor = "apple") && soft < MACOS_MOST => {
                    setrlimit(Resource::Nofile, Rlimit { current: Some(MACOS_MOST), ..limit })
                }
                Some(_) | None => Err(errno),
            })
            .map_err(|errno| context("raise the limit of open descriptors", errno.into()))?;
    }
    descriptor_limits().map(|(soft, _)| soft)
}

/// How many descriptors the process has open. Where the system has no list of them, those with
/// numbers below 65,536 are counted.
///
/// # Errors
///
/// If the system can tell of none of them.
pub fn open_descriptors() -> io::Result<u64> {
    match LISTING.map(count_listing) {
        Some(Ok(count)) => Ok(count),
        // No /proc, as in a bare chroot, or no descriptor left to read it with.
        Some(Err(_)) | None => count_one_by_one(),
    }
}

fn count_listing(directory: &str) -> io::Result<u64> {
    // The directory itself is open while it is read.
    Ok(entries(directory)?.saturating_sub(1))
}

/// How many entries a directory has.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn entries(directory: &str) -> io::Result<u64> {
    use rustix::fs::{Mode, OFlags, RawDir, open};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = open(directory, flags, Mode::empty())?;
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut listing = RawDir::new(directory, &mut buffer);
    let mut count: u64 = 0;
    while let Some(entry) = listing.next() {
        entry?;
        count += 1;
    }
    Ok(count.saturating_sub(2)) // itself and the one above
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn entries(directory: &str) -> io::Result<u64> {
    let mut count: u64 = 0;
    for entry in std::fs::read_dir(directory)? {
        entry?;
        count += 1;
    }
    Ok(count)
}

fn count_one_by_one() -> io::Result<u64> {
    let (soft, _) = descriptor_limits()?;
    let mut count = 0;
    for number in 0..soft.min(COUNTED) {
        let number = RawFd::try_from(number).map_err(io::Error::other)?;
        // SAFETY: a borrowed descriptor should be open, which is just what is asked here. The
        // borrow ends with the call, which reads a flag if the number is in use and fails with
        // BADF if not; the number is not -1.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_getfd(fd) {
            Ok(_) => count += 1,
            Err(Errno::BADF) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_counting_agree() {
        // Other tests of this process may open and close descriptors meanwhile.
        let agree = || {
            let listed = LISTING.map(count_listing).expect("a listing").expect("readable");
            listed == count_one_by_one().expect("countable")
        };
        assert!((0..100).any(|_| agree()));
    }

    #[test]
    fn a_missing_listing_is_an_error_and_not_zero() {
        assert_eq!(count_listing("/nowhere/fd").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
