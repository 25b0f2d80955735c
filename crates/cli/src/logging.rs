//! Where the library's log goes.

use crate::args::{LogArgs, LogTo};
use sockeye::log::{self, Journal, Json, Levels, Stderr, Syslog};

/// What log daemons know the program by.
const IDENTITY: &str = "sockeye";

/// Begins to log: the levels that the command line names, else `default`.
pub(crate) fn begin(args: &LogArgs, default: Levels) {
    log::set_levels(args.log.or(args.debug).unwrap_or(default));
    match &args.log_to {
        LogTo::Stderr => log::set_emitter(Stderr),
        LogTo::Json => log::set_emitter(Json::stderr()),
        LogTo::Syslog(None) => log::set_emitter(Syslog::new(IDENTITY)),
        LogTo::Syslog(Some(path)) => log::set_emitter(Syslog::at(path, IDENTITY)),
        LogTo::Journal(None) => log::set_emitter(Journal::new(IDENTITY)),
        LogTo::Journal(Some(path)) => log::set_emitter(Journal::at(path, IDENTITY)),
    }
}
