//! TCP's own ways to notice that a peer is gone.

#[cfg(any(target_os = "openbsd", sockeye_keepalive_switch))]
mod switch;
#[cfg(not(any(target_os = "openbsd", sockeye_keepalive_switch)))]
mod times;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
#[path = "no_user_timeout.rs"]
mod user_timeout;
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
mod user_timeout;

#[cfg(any(target_os = "openbsd", sockeye_keepalive_switch))]
use switch as system;
#[cfg(not(any(target_os = "openbsd", sockeye_keepalive_switch)))]
use times as system;

pub use user_timeout::{HAS_USER_TIMEOUT, set_user_timeout};

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::net::sockopt;

/// When TCP itself looks whether a silent peer is still there (manual, "TCP Keepalive": `ka_time`,
/// `ka_probes`, `ka_interval`).
///
/// It looks after connections on which nothing waits to be acknowledged; the others are looked
/// after by retransmission, which [`set_user_timeout`] bounds.
///
/// ```
/// use sockeye_sys::TcpKeepalive;
/// use std::time::Duration;
///
/// let soon = TcpKeepalive { time: Duration::from_secs(20), ..TcpKeepalive::default() };
/// assert!(soon.check().is_ok());
/// assert!(TcpKeepalive { probes: 0, ..soon }.check().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// After so long a silence it sends a probe (`TCP_KEEPIDLE`); 60 s by default. Systems count
    /// whole seconds: rounded up.
    pub time: Duration,
    /// After so many unanswered probes the connection has failed (`TCP_KEEPCNT`); 6 by default.
    pub probes: u32,
    /// So long it waits for the answer to each (`TCP_KEEPINTVL`); 10 s by default. Systems count
    /// whole seconds: rounded up.
    pub interval: Duration,
}

impl Default for TcpKeepalive {
    fn default() -> Self {
        Self { time: Duration::from_secs(60), probes: 6, interval: Duration::from_secs(10) }
    }
}

impl TcpKeepalive {
    /// The longest time and interval, in seconds, that every system takes.
    pub const MOST_SECONDS: u64 = 32_767;
    /// The most probes that every system takes.
    pub const MOST_PROBES: u32 = 127;

    /// Whether every system takes these values.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, with a sentence about the value that is out of range.
    pub fn check(&self) -> io::Result<()> {
        let fits =
            |time: Duration| !time.is_zero() && time <= Duration::from_secs(Self::MOST_SECONDS);
        let (what, most) = if !fits(self.time) {
            ("time", "32767 seconds")
        } else if !fits(self.interval) {
            ("interval", "32767 seconds")
        } else if self.probes == 0 || self.probes > Self::MOST_PROBES {
            ("number of probes", "127")
        } else {
            return Ok(());
        };
        let why = format!("the keepalive {what} must be more than 0 and at most {most}");
        Err(io::Error::new(io::ErrorKind::InvalidInput, why))
    }
}

/// Turns TCP's keepalive probes on or off. Where a system has no times of its own for each socket
/// (OpenBSD; any, with `--cfg sockeye_keepalive_switch`), they are those of the system.
///
/// # Errors
///
/// If `fd` is not a TCP socket, or a value is out of the system's range; see
/// [`TcpKeepalive::check`].
pub fn set_keepalive(fd: BorrowedFd<'_>, keepalive: Option<&TcpKeepalive>) -> io::Result<()> {
    if let Some(keepalive) = keepalive {
        system::set_times(fd, keepalive)?;
    }
    Ok(sockopt::set_socket_keepalive(fd, keepalive.is_some())?)
}
