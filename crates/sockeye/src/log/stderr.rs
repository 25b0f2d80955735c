//! To stderr, in the manual's form.

use super::{Emit, Record};
use std::io::{self, Write};

/// Writes messages to stderr, each as one line: `[seconds:4 digits] LEVEL: text`, the time since
/// 1970 in seconds and tenths of milliseconds.
///
/// A stderr that nobody reads holds its writer up once its pipe is full; daemons use
/// [`Syslog`](super::Syslog).
#[derive(Clone, Copy, Debug, Default)]
pub struct Stderr;

impl Emit for Stderr {
    fn emit(&self, record: &Record<'_>) {
        // One write, so that lines of several processes on one terminal stay whole. If it fails
        // there is nowhere to say so.
        let _ = io::stderr().write_all(line(record).as_bytes());
    }
}

fn line(record: &Record<'_>) -> String {
    let now = record.since_epoch();
    let (seconds, digits) = (now.as_secs(), now.subsec_micros() / 100);
    format!("[{seconds}:{digits:04}] {}: {}\n", record.level().name(), record.text())
}

#[cfg(test)]
mod tests {
    use super::super::Levels;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_line_has_the_form_of_the_manual() {
        let record = Record::new(Levels::NOTICE, format_args!("initial level {}", 7), &[])
            .at(Duration::new(1_795_385_775, 25_499_999));
        assert_eq!(line(&record), "[1795385775:0254] NOTICE: initial level 7\n");
    }
}
