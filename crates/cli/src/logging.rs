//! The log on stderr, in the manual's form.

use crate::args::LogArgs;
use sockeye::log::{self, Levels};
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sends the library's log to stderr: the levels that the command line names, else `default`.
pub(crate) fn begin(args: &LogArgs, default: Levels) {
    log::set_levels(args.log.or(args.debug).unwrap_or(default));
    log::set_emitter(Box::new(|level, message| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // One write, so that lines of several processes on one terminal stay whole. If it fails
        // there is nowhere to say so.
        let _ = io::stderr().write_all(line(now, level, message).as_bytes());
    }));
}

/// `[seconds:4 digits] LEVEL: text`
fn line(now: Duration, level: Levels, message: &fmt::Arguments<'_>) -> String {
    let (seconds, digits) = (now.as_secs(), now.subsec_micros() / 100);
    format!("[{seconds}:{digits:04}] {}: {message}\n", level.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_form_of_the_manual() {
        let now = Duration::new(1_795_385_775, 25_499_999);
        let text = line(now, Levels::NOTICE, &format_args!("initial level {}", 7));
        assert_eq!(text, "[1795385775:0254] NOTICE: initial level 7\n");
    }
}
