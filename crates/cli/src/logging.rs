//! Where the library's log goes.

use crate::args::{LogArgs, LogTo, ServiceArgs};
use crate::ending::{Ending, MISUSED};
use sockeye::log::{self, Journal, Json, Levels, Stderr, Syslog};
use std::path::PathBuf;

/// What log daemons know the program by.
const IDENTITY: &str = "sockeye";

/// Begins to log for a server: to syslog if it goes to the background, where stderr leads nowhere.
pub(crate) fn begin_server(args: &LogArgs, service: &ServiceArgs) -> Result<(), Ending> {
    let to = match (&args.log_to, service.daemonize) {
        (Some(LogTo::Stderr | LogTo::Json), true) => {
            let why = "--log-to stderr and json lead nowhere with --daemonize; \
                       choose syslog or journal";
            return Err(Ending::with(MISUSED, why));
        }
        (Some(to), _) => to.clone(),
        (None, true) => LogTo::Syslog(None),
        (None, false) => LogTo::Stderr,
    };
    begin_at(args, Levels::DEFAULT, to);
    Ok(())
}

/// Begins to log: the levels that the command line names, else `default`.
pub(crate) fn begin(args: &LogArgs, default: Levels) {
    begin_at(args, default, args.log_to.clone().unwrap_or(LogTo::Stderr));
}

fn begin_at(args: &LogArgs, default: Levels, to: LogTo) {
    log::set_levels(args.log.or(args.debug).unwrap_or(default));
    match to {
        LogTo::Stderr => log::set_emitter(Stderr),
        LogTo::Json => log::set_emitter(Json::stderr()),
        LogTo::Syslog(None) => log::set_emitter(Syslog::new(IDENTITY)),
        LogTo::Syslog(Some(path)) => log::set_emitter(Syslog::at(absolute(path), IDENTITY)),
        LogTo::Journal(None) => log::set_emitter(Journal::new(IDENTITY)),
        LogTo::Journal(Some(path)) => log::set_emitter(Journal::at(absolute(path), IDENTITY)),
    }
}

/// A path that means the same once the server has changed its directory.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}
