//! io_uring(7), as a way to hand the kernel many sends at once. Nothing is ever on its way when a
//! call returns: a send that must not wait is complete once it has been handed in.

use std::io::ErrorKind;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::types::Fd;
use io_uring::{IoUring, opcode, squeue};
use nix::libc::{EAGAIN, EINVAL, EIO, MSG_DONTWAIT, MSG_NOSIGNAL};

use super::{SendBatch, Sent, UNSENT};
use crate::daemon::forks;
use crate::fault::{self, Call};

pub(super) struct Backend {
    ring: Ring,
    /// What is handed in next.
    entries: Vec<squeue::Entry>,
}

enum Ring {
    /// Nothing has been sent yet.
    Untried,
    /// With how many forks lie behind it: a copy of it in another process shares its memory with
    /// this one.
    Open(Box<IoUring>, u32),
    /// The kernel has none for us, or does not know how to send by it.
    Refused,
}

impl Backend {
    pub(super) fn new(allowed: bool) -> Self {
        let ring = if allowed { Ring::Untried } else { Ring::Refused };
        Self { ring, entries: Vec::new() }
    }

    /// Sends, and puts the results into `results`, which is empty.
    #[inline]
    pub(super) fn send<'o>(
        &mut self,
        outputs: impl Iterator<Item = (BorrowedFd<'o>, &'o [u8])>,
        results: &mut Vec<Sent>,
    ) {
        if !self.is_open() {
            return;
        }
        self.entries.clear();
        for (fd, output) in outputs.take(SendBatch::MOST) {
            let most = fault::limit(Call::Send, output.len());
            results.push(match &most {
                Ok(_) => UNSENT,
                Err(error) if error.kind() == ErrorKind::WouldBlock => -EAGAIN,
                Err(error) => -error.raw_os_error().unwrap_or(EIO),
            });
            if let Ok(most) = most {
                let most = u32::try_from(most).unwrap_or(u32::MAX);
                let send = opcode::Send::new(Fd(fd.as_raw_fd()), output.as_ptr(), most)
                    .flags(MSG_DONTWAIT | MSG_NOSIGNAL)
                    .build();
                self.entries.push(send.user_data(results.len() as u64 - 1));
            }
        }
        if let Ring::Open(ring, _) = &mut self.ring {
            // SAFETY: descriptors and bytes are borrowed for longer than this function runs.
            let can_send = unsafe { hand_in(ring, &self.entries, results) };
            if !can_send {
                self.ring = Ring::Refused;
            }
        }
    }

    fn is_open(&mut self) -> bool {
        match &self.ring {
            Ring::Open(_, made) => *made == forks(),
            Ring::Untried => self.open(),
            Ring::Refused => false,
        }
    }

    #[cold]
    fn open(&mut self) -> bool {
        let ring = IoUring::new(SendBatch::MOST as u32);
        let is_open = ring.is_ok();
        self.ring = ring.map_or(Ring::Refused, |ring| Ring::Open(Box::new(ring), forks()));
        is_open
    }
}

/// Has the kernel do what `entries` say, each for the result whose number it bears. Whether it can;
/// if not the ring must be dropped.
///
/// # Safety
///
/// What the entries name is valid until this function has returned and, if it returns `false`, the
/// ring has been dropped.
unsafe fn hand_in(ring: &mut IoUring, entries: &[squeue::Entry], results: &mut [Sent]) -> bool {
    // SAFETY: the kernel has completed all that it has taken when this function returns.
    if unsafe { ring.submission().push_multiple(entries) }.is_err() {
        return false; // it was empty, and has room for all of them
    }
    let mut pending = entries.len();
    let mut is_known = true;
    while pending > 0 {
        let entered = ring.submit_and_wait(pending);
        for completion in ring.completion() {
            pending = pending.saturating_sub(1);
            match (completion.result(), results.get_mut(completion.user_data() as usize)) {
                (code, _) if code == -EINVAL => is_known = false, // Linux before 5.6 says so
                (code, Some(result)) => *result = code,
                (_, None) => {}
            }
        }
        if entered.is_err_and(|error| error.kind() != ErrorKind::Interrupted)
            && ring.submission().len() == pending
        {
            return false; // it takes none of what is left
        }
    }
    is_known
}
