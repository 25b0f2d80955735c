//! To the system's log daemon.

use super::link::Link;
use super::{Emit, Levels, Record};
use std::path::PathBuf;
use std::process;

/// Where log daemons listen.
const SOCKET: &str = "/dev/log";

/// The facility `daemon` (RFC 5424 §6.2.1).
pub(super) const DAEMON: u8 = 3;

/// The longest identity, in bytes: a TAG of RFC 3164 §4.1.3.
const IDENTITY_BYTES: usize = 32;

/// Sends messages to the system's log daemon: a datagram each to `/dev/log`, in the form of
/// RFC 3164 with facility `daemon`. The time stamp is left to the daemon, which every one in use
/// adds by its own clock and time zone.
///
/// | level | severity |
/// |---|---|
/// | `ERR` | 3, error |
/// | `WARN` | 4, warning |
/// | `NOTICE` | 5, notice |
/// | `INFO` | 6, informational |
/// | all others | 7, debug |
///
/// It never waits. A daemon that is missing is looked for again with each message, one that was
/// restarted is found; what a missing or slow one does not take is counted and told it once it
/// is back. Daemons that listen for streams only are not spoken to.
#[derive(Debug)]
pub struct Syslog {
    identity: String,
    link: Link,
}

impl Syslog {
    /// As `identity`, usually the program's name; the process's number is put behind it. Of an
    /// identity only visible ASCII without `[`, `]` and `:` is kept, 32 bytes at most.
    pub fn new(identity: &str) -> Self {
        Self::at(SOCKET, identity)
    }

    /// The same at another socket.
    pub fn at(path: impl Into<PathBuf>, identity: &str) -> Self {
        Self { identity: tag(identity), link: Link::to(path.into()) }
    }

    /// How many messages were lost since it was made: the daemon was missing, or too slow.
    pub fn lost(&self) -> u64 {
        self.link.lost()
    }

    fn line(&self, level: Levels, text: &str) -> Vec<u8> {
        let priority = DAEMON << 3 | severity(level);
        // The number is asked for each time: a daemon forks after its logging has begun.
        format!("<{priority}>{}[{}]: {text}", self.identity, process::id()).into()
    }
}

impl Emit for Syslog {
    fn emit(&self, record: &Record<'_>) {
        self.link.send(&self.line(record.level(), record.text()), |lost| {
            self.line(Levels::WARN, &lament(lost))
        });
    }
}

/// What a daemon is told that has missed something.
pub(super) fn lament(lost: u64) -> String {
    format!("{lost} log messages were lost before this one")
}

/// The severity of RFC 5424 §6.2.1, mapped as the manual's `lwsl_emit_syslog` does.
pub(super) fn severity(level: Levels) -> u8 {
    match level {
        Levels::ERR => 3,
        Levels::WARN => 4,
        Levels::NOTICE => 5,
        Levels::INFO => 6,
        _ => 7,
    }
}

fn tag(identity: &str) -> String {
    let kept = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'[' | b']' | b':');
    identity.bytes().filter(kept).take(IDENTITY_BYTES).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_priority_identity_and_process() {
        let syslog = Syslog::at("/nowhere", "a b[1]:c\n");
        let pid = process::id();
        for (level, priority) in [
            (Levels::ERR, 27),
            (Levels::WARN, 28),
            (Levels::NOTICE, 29),
            (Levels::INFO, 30),
            (Levels::DEBUG, 31),
            (Levels::LATENCY, 31),
        ] {
            let expected = format!("<{priority}>ab1c[{pid}]: it is so");
            assert_eq!(syslog.line(level, "it is so"), expected.as_bytes());
        }
    }
}
