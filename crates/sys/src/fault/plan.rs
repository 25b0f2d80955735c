//! The faults a thread's next calls meet.

use std::cell::RefCell;
use std::io;

use super::Call;

/// What a call meets instead of success. The call itself is not made, except for a `Short` one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The system's error of that number; see [`errno`].
    Errno(i32),
    /// An error of that kind, with no number.
    Error(io::ErrorKind),
    /// Only so many bytes may be moved, by [`Call::Recv`] and [`Call::Send`]; other calls pass.
    /// Receiving 0 bytes looks like the end of the stream.
    Short(usize),
}

/// Numbers for [`Fault::Errno`], which differ from system to system.
pub mod errno {
    use rustix::io::Errno;

    /// `EAGAIN`: not now.
    pub const AGAIN: i32 = Errno::AGAIN.raw_os_error();
    /// `ECONNABORTED`: gone before it was accepted.
    pub const CONNABORTED: i32 = Errno::CONNABORTED.raw_os_error();
    /// `ECONNREFUSED`: nobody listens.
    pub const CONNREFUSED: i32 = Errno::CONNREFUSED.raw_os_error();
    /// `ECONNRESET`: the peer has broken off.
    pub const CONNRESET: i32 = Errno::CONNRESET.raw_os_error();
    /// `EINTR`: a signal came.
    pub const INTR: i32 = Errno::INTR.raw_os_error();
    /// `EMFILE`: the process has no descriptor left.
    pub const MFILE: i32 = Errno::MFILE.raw_os_error();
    /// `ENFILE`: the system has no descriptor left.
    pub const NFILE: i32 = Errno::NFILE.raw_os_error();
    /// `ENOBUFS`: the system has no buffer left.
    pub const NOBUFS: i32 = Errno::NOBUFS.raw_os_error();
    /// `ENOMEM`: the system has no memory left.
    pub const NOMEM: i32 = Errno::NOMEM.raw_os_error();
    /// `ENOSPC`: the user watches as many descriptors as epoll allows.
    pub const NOSPC: i32 = Errno::NOSPC.raw_os_error();
    /// `EPIPE`: the peer does not receive any more.
    pub const PIPE: i32 = Errno::PIPE.raw_os_error();
    /// `ETIMEDOUT`: the peer does not answer.
    pub const TIMEDOUT: i32 = Errno::TIMEDOUT.raw_os_error();
}

struct Plan {
    call: Call,
    /// How many more such calls pass before this is due.
    passing: u32,
    /// Met one after the other; the last is followed by the first.
    faults: Vec<Fault>,
    /// How many have been met so far.
    met: usize,
    repeats: bool,
}

thread_local! {
    static PLANS: RefCell<Vec<Plan>> = const { RefCell::new(Vec::new()) };
}

/// The `nth` such call of this thread from now on meets `fault`: the very next is 0, as in
/// [`Iterator::nth`]. Several plans may be made; each counts every such call, and of two that are
/// due at the same call the later made waits for the next.
pub fn plan(call: Call, nth: u32, fault: Fault) {
    add(Plan { call, passing: nth, faults: vec![fault], met: 0, repeats: false });
}

/// Every such call of this thread from now on meets `fault`, until [`clear`]. Do not repeat an
/// interruption (`EINTR`): the calls that are made again after one would never return.
pub fn repeat(call: Call, fault: Fault) {
    cycle(call, vec![fault]);
}

/// Every such call of this thread from now on meets the next of `faults`, and after the last of
/// them the first again, until [`clear`]. As for [`repeat`], no interruption.
///
/// # Panics
///
/// If there are no faults.
pub fn cycle(call: Call, faults: Vec<Fault>) {
    assert!(!faults.is_empty(), "a cycle of no faults");
    add(Plan { call, passing: 0, faults, met: 0, repeats: true });
}

/// Forgets all plans of this thread. A test that planned anything ends with it.
pub fn clear() {
    PLANS.with_borrow_mut(Vec::clear);
}

/// How many plans of this thread still wait for their call, so that a test can tell whether the
/// code it tests came there. Repeated ones always count.
pub fn unmet() -> usize {
    PLANS.with_borrow(Vec::len)
}

fn add(plan: Plan) {
    PLANS.with_borrow_mut(|plans| plans.push(plan));
}

/// What a call that moves no bytes meets.
pub(crate) fn check(call: Call) -> io::Result<()> {
    limit(call, 0).map(|_| ())
}

/// How many of `len` bytes a call may move.
pub(crate) fn limit(call: Call, len: usize) -> io::Result<usize> {
    match due(call) {
        None => Ok(len),
        Some(Fault::Short(most)) => Ok(most.min(len)),
        Some(Fault::Errno(number)) => Err(io::Error::from_raw_os_error(number)),
        Some(Fault::Error(kind)) => Err(kind.into()),
    }
}

/// Counts the call, and takes the fault that is due at it.
fn due(call: Call) -> Option<Fault> {
    // A signal handler that wakes may find the plans in use, and an ending thread may find them
    // gone: then the call passes.
    PLANS
        .try_with(|plans| plans.try_borrow_mut().ok().and_then(|mut plans| take(&mut plans, call)))
        .ok()
        .flatten()
}

fn take(plans: &mut Vec<Plan>, call: Call) -> Option<Fault> {
    let mut due = None;
    for (index, plan) in plans.iter_mut().enumerate().filter(|(_, plan)| plan.call == call) {
        match plan.passing {
            0 => due = due.or(Some(index)),
            _ => plan.passing -= 1,
        }
    }
    let index = due?;
    let plan = &mut plans[index];
    let fault = plan.faults[plan.met % plan.faults.len()];
    plan.met += 1;
    if !plan.repeats {
        plans.remove(index);
    }
    Some(fault)
}
