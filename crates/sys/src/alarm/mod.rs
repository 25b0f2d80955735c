//! Something that makes a descriptor readable at a moment: a timerfd(2) of its own on Linux, a
//! thread that writes to the wake-up pipe elsewhere.

#[cfg(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend)))]
#[path = "timerfd.rs"]
mod backend;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(sockeye_poll_backend))))]
#[path = "thread.rs"]
mod backend;

pub(crate) use backend::Alarm;

use std::time::Duration;

/// The furthest moment an alarm is set to, about 34 years: every clock and every `timespec` can
/// take it.
const FURTHEST: Duration = Duration::from_secs(1 << 30);
