//! Threads that nobody waits for.

use nix::libc;
use std::ffi::{CStr, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// What a thread is called and does. Boxed twice, as C hands over one word.
struct Task(&'static CStr, Box<dyn FnOnce() + Send>);

/// Runs a task on a thread of its own, which ends with it. A panic ends that thread only.
///
/// Small beside std's threads, which can be waited for, named at length, parked and scoped; the
/// name is shown by debuggers and ps(1), up to 15 bytes, where the system is Linux.
///
/// # Errors
///
/// What pthread_create(3) says: `WouldBlock` if there are as many threads as may be.
pub fn spawn(name: &'static CStr, task: impl FnOnce() + Send + 'static) -> io::Result<()> {
    start(Task(name, Box::new(task)))
}

fn start(task: Task) -> io::Result<()> {
    let task = Box::into_raw(Box::new(task));
    let mut thread = MaybeUninit::uninit();
    // SAFETY: `thread` is written to before the call returns, the attributes may be null, and `run`
    // gets what it wants.
    let result =
        unsafe { libc::pthread_create(thread.as_mut_ptr(), ptr::null(), run, task.cast()) };
    if result != 0 {
        // SAFETY: it came from `into_raw` and there is no thread that would take it.
        drop(unsafe { Box::from_raw(task) });
        return Err(io::Error::from_raw_os_error(result));
    }
    // SAFETY: the thread has been made, is joinable, and nobody else knows of it.
    unsafe { libc::pthread_detach(thread.assume_init()) };
    Ok(())
}

extern "C" fn run(task: *mut c_void) -> *mut c_void {
    // SAFETY: it came from `into_raw` in `spawn`, which gives it to this thread only.
    let Task(name, task) = *unsafe { Box::from_raw(task.cast::<Task>()) };
    set_name(name);
    if let Err(payload) = catch_unwind(AssertUnwindSafe(task)) {
        std::mem::forget(payload); // dropping it could panic again
    }
    ptr::null_mut()
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_name(name: &CStr) {
    // SAFETY: the name ends with a NUL; of a longer one than fits, the kernel takes the beginning.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set_name(_: &CStr) {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_task_runs_elsewhere_and_may_panic() {
        spawn(c"sockeye-panics", || panic!("as it should")).unwrap();
        let (sender, receiver) = mpsc::channel();
        let task = move || sender.send(std::thread::current().id()).unwrap();
        spawn(c"sockeye-test", task).unwrap();
        assert_ne!(receiver.recv().unwrap(), std::thread::current().id());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_has_its_name() {
        let (sender, receiver) = mpsc::channel();
        let task = move || sender.send(std::fs::read("/proc/thread-self/comm").unwrap()).unwrap();
        spawn(c"sockeye-resolver", task).unwrap();
        assert_eq!(receiver.recv().unwrap(), b"sockeye-resolve\n");
    }
}
