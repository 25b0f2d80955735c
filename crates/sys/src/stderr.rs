//! Standard error, without std's lock and buffers.

use rustix::io::Errno;
use rustix::stdio::stderr;

/// Writes a line to standard error: at once, so that lines of several threads stay whole. If it
/// fails there is nowhere to say so.
pub fn to_stderr(line: &[u8]) {
    let mut rest = line;
    while !rest.is_empty() {
        match rustix::io::write(stderr(), rest) {
            Ok(0) => return,
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(_) => return,
        }
    }
}
