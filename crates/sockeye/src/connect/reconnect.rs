//! When to connect again: the policy, without connections and without a clock.

use super::ConnectError;
use crate::message::{By, Cause, Closed};
use sockeye_proto::CloseCode;
use sockeye_proto::proxy::TunnelError;
use std::time::Duration;

/// When a connection that has failed or been lost is opened again, and when not.
///
/// After the first failure it waits up to [`first`](Self::first), after each further one up to
/// twice as long, but never longer than [`longest`](Self::longest). How long exactly is a matter
/// of chance ([`Jitter::Full`]), so that the clients of a server that was restarted do not all
/// come back at once. Failures count from the last time the connection was open for
/// [`stable`](Self::stable).
///
/// | tried again | not tried again |
/// |---|---|
/// | name not looked up, no address connects | bad address, bad request, bad proxy |
/// | a deadline; lost, broken off, no pong | closed or aborted by this end |
/// | status 408, 425, 429, 500, 502, 503, 504 | any other status |
/// | closed by the peer without a code, or with 1001, 1011, 1012, 1013, 1014 | any other code; 1000 and 4000 to 4999 too |
/// | proxy: those statuses, SOCKS replies 1 and 3 to 6 | proxy: all else, a refused login too |
/// | | TLS does not agree, the answer is no handshake or not to ours, a broken protocol |
///
/// A server that says when it wants to be asked again (`Retry-After`) is not asked before, up to
/// [`longest_wish`](Self::longest_wish).
/// [`link_down`](crate::Protocol::link_down) may decide differently each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconnect {
    /// The longest delay after the first failure; 1 s by default.
    pub first: Duration,
    /// The longest delay at all; 30 s by default.
    pub longest: Duration,
    /// The most failures in a row; `None`, the default: any number. The link ends with one more.
    pub attempts: Option<u32>,
    /// How long a connection must have been open for the failures to be forgotten; 10 s by
    /// default.
    pub stable: Duration,
    /// The longest delay that a server may wish for with `Retry-After`; 10 minutes by default. A
    /// longer wish counts as this.
    pub longest_wish: Duration,
    /// What is left to chance; all of the delay by default.
    pub jitter: Jitter,
}

/// How much of a delay is left to chance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Jitter {
    /// Any delay from none to the longest, by the system's generator of random numbers.
    #[default]
    Full,
    /// The same by a generator that begins with this number: for tests.
    Seeded(u64),
    /// Nothing: the delay is always the longest. For a server with few clients.
    None,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
            attempts: None,
            stable: Duration::from_secs(10),
            longest_wish: Duration::from_secs(600),
            jitter: Jitter::Full,
        }
    }
}

impl Reconnect {
    /// The longest delay after so many failures in a row, one at least.
    pub fn ceiling(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let factor = doubled.filter(|&factor| factor != 0).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.longest)
    }

    /// Whether there is any use in trying again after a connection was not opened.
    pub fn retries_failure(error: &ConnectError) -> bool {
        match error {
            ConnectError::LookUp { .. }
            | ConnectError::Tcp(_)
            | ConnectError::TimedOut { .. }
            | ConnectError::Lost { .. }
            | ConnectError::TooManyConnections => true,
            ConnectError::Status(answer) => retries_status(answer.status),
            ConnectError::Tunnel(TunnelError::Status { status, .. }) => retries_status(*status),
            ConnectError::Tunnel(TunnelError::Reply(code)) => matches!(code, 1 | 3..=6),
            ConnectError::Proxy { error, .. } => Self::retries_failure(error),
            ConnectError::Tunnel(_)
            | ConnectError::Url(_)
            | ConnectError::NoTls
            | ConnectError::Request(_)
            | ConnectError::BadProxy { .. }
            | ConnectError::BadTunnel(_)
            | ConnectError::NoSuchProtocol
            | ConnectError::ShuttingDown
            | ConnectError::Tls(_)
            | ConnectError::Head(_)
            | ConnectError::Answer(_)
            | ConnectError::Extension(_)
            | ConnectError::Rejected(_)
            | ConnectError::Aborted => false,
        }
    }

    /// Whether there is any use in trying again after a connection has ended so.
    pub fn retries_closed(closed: &Closed) -> bool {
        match closed.cause {
            Cause::Close => closed.by == By::Peer && retries_code(closed.code),
            Cause::Vanished
            | Cause::Broken(_)
            | Cause::PongMissing(_)
            | Cause::Stalled(_)
            | Cause::QueueFull => true,
            Cause::CloseUnanswered(_) => false, // we wanted it to end
            Cause::Violation(_) | Cause::Tls(_) | Cause::Aborted => false,
        }
    }
}

fn retries_status(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

fn retries_code(code: Option<CloseCode>) -> bool {
    code.is_none_or(|code| matches!(code.as_u16(), 1001 | 1011..=1014))
}

/// The failures of one link, and what chance it has left.
#[derive(Debug)]
pub(super) struct Count {
    policy: Reconnect,
    /// Since the last time it was stable.
    failures: u32,
    /// The state of the seeded generator.
    seed: u64,
}

impl Count {
    pub(super) fn new(policy: Reconnect) -> Self {
        let seed = match policy.jitter {
            Jitter::Seeded(seed) => seed,
            Jitter::Full | Jitter::None => 0,
        };
        Self { policy, failures: 0, seed }
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// It has failed, or has ended after it was open for so long.
    pub(super) fn fail(&mut self, open: Option<Duration>) {
        if open.is_some_and(|open| open >= self.policy.stable) {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// When to try again; `None`: not any more. `random` is asked for a number if it is needed.
    pub(super) fn plan(
        &mut self,
        wish: Option<Duration>,
        random: impl FnOnce() -> u64,
    ) -> Option<Duration> {
        if self.policy.attempts.is_some_and(|most| self.failures > most) {
            return None;
        }
        let ceiling = self.policy.ceiling(self.failures);
        let random = match self.policy.jitter {
            Jitter::Full => random(),
            Jitter::Seeded(_) => split_mix(&mut self.seed),
            Jitter::None => u64::MAX,
        };
        let delay = part(ceiling, random);
        let wish = wish.map(|wish| wish.min(self.policy.longest_wish)).unwrap_or_default();
        Some(delay.max(wish))
    }
}

/// Of `whole`, as much as `random` is of the greatest number.
fn part(whole: Duration, random: u64) -> Duration {
    let nanos = whole.as_nanos().min(u128::from(u64::MAX)) * u128::from(random);
    Duration::from_nanos((nanos / u128::from(u64::MAX)) as u64) // no more than it was
}

/// The generator SplitMix64 (Steele, Lea, Flood 2014).
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// What the server wishes for.
pub(super) fn wish(error: &ConnectError) -> Option<Duration> {
    let ConnectError::Status(answer) = error else { return None };
    answer.retry_delay().filter(|_| retries_status(answer.status))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn count(policy: Reconnect) -> Count {
        Count::new(policy)
    }

    #[test]
    fn delays_double_up_to_the_longest() {
        let policy = Reconnect { jitter: Jitter::None, ..Reconnect::default() };
        let mut count = count(policy);
        let mut delays = Vec::new();
        for _ in 0..8 {
            count.fail(None);
            delays.push(count.plan(None, || 0).expect("no limit").as_secs());
        }
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30, 30]);
        for failures in [31, 32, 33, 64, 65, u32::MAX] {
            assert_eq!(policy.ceiling(failures), policy.longest);
        }
        let endless = Reconnect { first: Duration::MAX, longest: Duration::MAX, ..policy };
        assert_eq!(endless.ceiling(9), Duration::MAX);
        let mut count = self::count(endless);
        count.fail(None);
        assert!(count.plan(None, || 0).expect("no limit") > 1_000_000 * SECOND);
    }

    #[test]
    fn chance_covers_all_of_the_delay_and_seeds_repeat_it() {
        let policy = Reconnect::default();
        let mut count = count(policy);
        count.fail(None);
        assert_eq!(count.plan(None, || 0), Some(Duration::ZERO));
        assert_eq!(count.plan(None, || u64::MAX), Some(SECOND));
        let half = count.plan(None, || u64::MAX / 2).expect("no limit");
        assert!(half.abs_diff(SECOND / 2) < Duration::from_micros(1));
        let delays = |seed| {
            let mut count = self::count(Reconnect { jitter: Jitter::Seeded(seed), ..policy });
            count.fail(None);
            (0..100).map(|_| count.plan(None, || 0).expect("no limit")).collect::<Vec<_>>()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
        let (least, most) = (delays(3).into_iter().min(), delays(3).into_iter().max());
        assert!(least < Some(SECOND / 10) && most > Some(SECOND * 9 / 10) && most <= Some(SECOND));
    }

    #[test]
    fn failures_are_forgotten_after_a_stable_time_and_end_it_at_the_limit() {
        let policy = Reconnect { attempts: Some(2), jitter: Jitter::None, ..Reconnect::default() };
        let mut count = count(policy);
        for (open, delay) in [
            (None, Some(SECOND)),
            (Some(9 * SECOND), Some(2 * SECOND)),
            (Some(10 * SECOND), Some(SECOND)),
            (None, Some(2 * SECOND)),
            (None, None),
        ] {
            count.fail(open);
            assert_eq!(count.plan(None, || 0), delay);
        }
    }

    #[test]
    fn a_servers_wish_counts_if_it_is_longer_and_up_to_a_limit() {
        let mut count = count(Reconnect { jitter: Jitter::None, ..Reconnect::default() });
        count.fail(None);
        assert_eq!(count.plan(Some(Duration::ZERO), || 0), Some(SECOND));
        assert_eq!(count.plan(Some(7 * SECOND), || 0), Some(7 * SECOND));
        assert_eq!(count.plan(Some(Duration::MAX), || 0), Some(600 * SECOND));
    }

    #[test]
    fn codes_that_mean_come_back_are_told_from_those_that_do_not() {
        let retried = |by, code: Option<u16>, cause| {
            let code = code.and_then(CloseCode::new);
            let closed = Closed { code, reason: String::new(), clean: true, by, cause };
            Reconnect::retries_closed(&closed)
        };
        for code in [1001, 1011, 1012, 1013, 1014] {
            assert!(retried(By::Peer, Some(code), Cause::Close), "{code}");
            assert!(!retried(By::Us, Some(code), Cause::Close), "{code}");
        }
        assert!(retried(By::Peer, None, Cause::Close));
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000, 4999] {
            assert!(!retried(By::Peer, Some(code), Cause::Close), "{code}");
        }
        assert!(retried(By::Peer, None, Cause::Vanished));
        assert!(!retried(By::Us, None, Cause::Aborted));
        assert!(!retried(By::Us, Some(1000), Cause::CloseUnanswered(SECOND)));
    }

    #[test]
    fn statuses_that_mean_try_again_are_told_from_those_that_do_not() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            assert!(retries_status(status), "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 407, 410, 426, 501, 505] {
            assert!(!retries_status(status), "{status}");
        }
    }
}
