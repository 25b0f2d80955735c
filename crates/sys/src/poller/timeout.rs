//! How long a wait may last, in the form the system calls take.

use std::time::Duration;

use rustix::event::Timespec;

/// The longest wait asked of the system, about 24 days. Calls that count milliseconds in an `int`
/// cannot wait longer, and the newer ones that can are missing or forbidden on some systems; to
/// wake up once in 24 days for nothing costs less than to tell these apart.
const LONGEST: Duration = Duration::from_millis(i32::MAX as u64);

/// `timeout` as a `timespec`, never longer than [`LONGEST`]. Where a call knows only milliseconds,
/// `rustix` rounds up, so a wait does not end before its time and spin through the rest of it.
pub(super) fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    timeout
        .map(|limit| limit.min(LONGEST))
        .map(|limit| Timespec { tv_sec: limit.as_secs() as _, tv_nsec: limit.subsec_nanos() as _ })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endless_and_overlong_waits_are_told_apart() {
        assert_eq!(timespec(None), None);
        let longest = timespec(Some(Duration::MAX)).unwrap();
        assert_eq!((longest.tv_sec, longest.tv_nsec), (2_147_483, 647_000_000));
        let short = timespec(Some(Duration::from_nanos(1_000_000_007))).unwrap();
        assert_eq!((short.tv_sec, short.tv_nsec), (1, 7));
    }
}
