//! What the socket of every connection is told about TCP.

use crate::log::note;
use crate::state::State;
use sockeye_sys::TcpKeepalive;
use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

/// The options that the application chooses, for server and client alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct TcpOptions {
    pub(crate) keepalive: Option<TcpKeepalive>,
    pub(crate) user_timeout: Option<Duration>,
}

impl TcpOptions {
    /// Whether this system takes them: tried on a socket, before there are connections.
    pub(crate) fn check(&self) -> io::Result<()> {
        if let Some(keepalive) = &self.keepalive {
            keepalive.check()?;
        }
        let Some(timeout) = self.user_timeout else { return Ok(()) };
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        if milliseconds == 0 || milliseconds > i32::MAX as u128 {
            let why = "the TCP user timeout must be more than 0 and at most 24 days";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        if !sockeye_sys::HAS_USER_TIMEOUT {
            let why = "this system has no TCP user timeout";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        Ok(())
    }

    /// Tells a socket that will listen, where those it accepts take over what it was told: a
    /// system call less for each connection.
    pub(crate) fn prepare(&self, fd: BorrowedFd<'_>) {
        if sockeye_sys::ACCEPT_INHERITS_OPTIONS
            && let Some(error) = self.refused_by(fd)
        {
            note!(WARN, "a listening socket does not take its TCP options: {error}");
        }
    }

    /// Tells a new socket; what is the matter with an option that it does not take.
    fn refused_by(&self, fd: BorrowedFd<'_>) -> Option<io::Error> {
        // Not fatal: without it, small messages are slower.
        let _ = sockeye_sys::set_nodelay(fd, true);
        let keepalive = self.keepalive.map(|k| sockeye_sys::set_keepalive(fd, Some(&k)));
        let timeout = self.user_timeout.map(|t| sockeye_sys::set_user_timeout(fd, t));
        refusal(keepalive).or(refusal(timeout))
    }
}

/// Why an option was not taken. A Unix socket has none, and needs none.
fn refusal(told: Option<io::Result<()>>) -> Option<io::Error> {
    told?.err().filter(|error| error.kind() != io::ErrorKind::Unsupported)
}

impl State {
    /// Tells the socket of a new connection. That one does not take it is not fatal.
    pub(crate) fn set_tcp_options(&mut self, fd: BorrowedFd<'_>) {
        if let Some(error) = self.tcp.refused_by(fd) {
            self.log_tcp_refused(&error);
        }
    }
}
