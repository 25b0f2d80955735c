//! Sending on several sockets by one system call: io_uring(7) on Linux, none elsewhere.

#[cfg(all(feature = "io-uring", target_os = "linux", not(sockeye_poll_backend)))]
#[path = "uring.rs"]
mod backend;
#[cfg(not(all(feature = "io-uring", target_os = "linux", not(sockeye_poll_backend))))]
#[path = "none.rs"]
mod backend;

use std::io;
use std::os::fd::BorrowedFd;

/// Sends on several sockets by one system call, on Linux 5.6 and later with the feature `io-uring`,
/// unless the kernel refuses it.
pub struct SendBatch {
    backend: backend::Backend,
    results: Vec<Sent>,
}

/// What came of one send: how many bytes, or the negative number of an error, or [`UNSENT`].
type Sent = i32;

/// It has not been sent. Sends are made again where a signal has interrupted them, so no result of
/// one looks like this.
const UNSENT: Sent = -nix::libc::EINTR;

impl SendBatch {
    /// How many sends there may be at once.
    pub const MOST: usize = 64;

    /// Nothing is asked of the kernel before there is something to send; never, if `allowed` is
    /// false.
    pub fn new(allowed: bool) -> Self {
        Self { backend: backend::Backend::new(allowed), results: Vec::new() }
    }

    /// Sends what each socket takes of its output, of [`MOST`](Self::MOST) outputs at most. The
    /// results, in the same order, are those of [`send`](crate::send); `None`, and nothing behind
    /// the last, stand for what has not been sent, and must be sent otherwise.
    #[inline]
    pub fn send<'o>(
        &mut self,
        outputs: impl Iterator<Item = (BorrowedFd<'o>, &'o [u8])>,
    ) -> Results<'_> {
        self.results.clear();
        self.backend.send(outputs, &mut self.results);
        Results(self.results.iter())
    }

    /// The results of sending nothing.
    pub fn nothing(&self) -> Results<'_> {
        Results([].iter())
    }
}

/// What [`SendBatch::send`] gives.
pub struct Results<'b>(std::slice::Iter<'b, Sent>);

impl Iterator for Results<'_> {
    type Item = Option<io::Result<usize>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(match *self.0.next()? {
            UNSENT => None,
            code => Some(match usize::try_from(code) {
                Ok(sent) => Ok(sent),
                Err(_) => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            }),
        })
    }
}
