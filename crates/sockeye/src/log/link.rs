//! The way to a log daemon on this machine: datagrams, never waited for, counted when lost.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A local socket that a daemon may or may not be behind.
#[derive(Debug)]
pub(super) struct Link {
    path: PathBuf,
    lost: AtomicU64,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    /// Not there before the first message, and while the daemon is not.
    socket: Option<OwnedFd>,
    /// Messages lost since the daemon was last told of such.
    untold: u64,
}

impl Link {
    pub(super) fn to(path: PathBuf) -> Self {
        Self { path, lost: AtomicU64::new(0), line: Mutex::default() }
    }

    /// How many messages were lost.
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Sends a message, after what `lament` makes of the number of those lost before it.
    pub(super) fn send(&self, message: &[u8], lament: impl FnOnce(u64) -> Vec<u8>) {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        let Line { socket, untold } = &mut *line;
        if *untold > 0 && self.deliver(socket, &lament(*untold)) {
            *untold = 0;
        }
        if *untold > 0 || !self.deliver(socket, message) {
            *untold += 1;
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Whether the daemon's queue took it. A daemon that was restarted is found again.
    fn deliver(&self, socket: &mut Option<OwnedFd>, message: &[u8]) -> bool {
        if let Some(known) = socket {
            match sockeye_sys::send(known.as_fd(), message) {
                Ok(_) => return true,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Err(_) => *socket = None, // nobody is behind it any more
            }
        }
        let Ok(fresh) = sockeye_sys::connect_datagram(&self.path) else { return false };
        let taken = sockeye_sys::send(fresh.as_fd(), message).is_ok();
        *socket = Some(fresh);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::path::Path;

    fn place(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("sockeye-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path); // of an earlier run
        path
    }

    fn daemon(path: &Path) -> UnixDatagram {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket
    }

    fn read(daemon: &UnixDatagram) -> Option<String> {
        let mut buffer = [0; 100];
        let n = daemon.recv(&mut buffer).ok()?;
        Some(String::from_utf8(buffer[..n].to_vec()).unwrap())
    }

    fn say(link: &Link, message: &str) {
        link.send(message.as_bytes(), |lost| format!("{lost} lost").into());
    }

    #[test]
    fn a_daemon_that_is_missing_and_comes_back_is_told_what_it_missed() {
        let path = place("link-restart");
        let link = Link::to(path.clone());
        say(&link, "one");
        let first = daemon(&path);
        say(&link, "two");
        say(&link, "three");
        assert_eq!(read(&first).as_deref(), Some("1 lost"));
        assert_eq!(read(&first).as_deref(), Some("two"));
        assert_eq!(read(&first).as_deref(), Some("three"));

        drop(first);
        say(&link, "four");
        say(&link, "five");
        std::fs::remove_file(&path).unwrap();
        say(&link, "six");
        let second = daemon(&path);
        say(&link, "seven");
        assert_eq!(read(&second).as_deref(), Some("3 lost"));
        assert_eq!(read(&second).as_deref(), Some("seven"));
        assert_eq!((read(&second), link.lost()), (None, 4));

        // Restarted between two messages: nothing is lost.
        drop(second);
        std::fs::remove_file(&path).unwrap();
        let third = daemon(&path);
        say(&link, "eight");
        assert_eq!((read(&third).as_deref(), link.lost()), (Some("eight"), 4));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_daemon_that_does_not_read_holds_nobody_up() {
        let path = place("link-full");
        let slow = daemon(&path);
        let link = Link::to(path.clone());
        let mut sent = 0;
        while link.lost() == 0 {
            say(&link, &format!("{sent}"));
            sent += 1;
        }
        say(&link, "one more");
        assert_eq!(link.lost(), 2);
        for i in 0..sent - 1 {
            assert_eq!(read(&slow), Some(i.to_string()));
        }
        assert_eq!(read(&slow), None);
        say(&link, "again");
        assert_eq!(read(&slow).as_deref(), Some("2 lost"));
        assert_eq!(read(&slow).as_deref(), Some("again"));
        std::fs::remove_file(&path).unwrap();
    }
}
