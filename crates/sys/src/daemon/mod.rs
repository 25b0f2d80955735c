//! Leaving the terminal: a lock file that the kernel keeps, and forking away from who started us.

mod detach;
mod forks;
mod lock;

pub use detach::{Detached, detach};
pub use forks::forks;
pub use lock::LockFile;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// Moves a descriptor out of the way of the three standard ones, if they were closed and it has
/// taken the place of one.
fn above_standard(fd: OwnedFd) -> io::Result<OwnedFd> {
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(rustix::io::fcntl_dupfd_cloexec(&fd, 3)?) }
}
