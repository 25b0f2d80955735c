//! What is logged, and where to.

use sockeye::log::Levels;
use std::path::PathBuf;

/// What is logged, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct LogArgs {
    /// Log these levels: err, warn, notice, info, debug, parser, header, ext, client, latency,
    /// all, none; several with commas between
    #[arg(long, value_name = "LEVELS")]
    pub(crate) log: Option<Levels>,
    /// Log the levels whose bits are set: 1 for err, 2 for warn, 4 for notice, 8 for info and so
    /// on
    #[arg(short, value_name = "NUMBER", value_parser = level_bits, conflicts_with = "log")]
    pub(crate) debug: Option<Levels>,
    /// Log to `stderr`; as `json` on stderr, an object a line; to `syslog` at /dev/log or to the
    /// `journal` of systemd, or with `:PATH` behind at another socket. Stderr by default, syslog
    /// in the background
    #[arg(long, value_name = "WHERE", value_parser = log_to)]
    pub(crate) log_to: Option<LogTo>,
}

/// Where the log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LogTo {
    Stderr,
    Json,
    /// The log daemon, at its usual socket or at this one.
    Syslog(Option<PathBuf>),
    /// The journal, at its usual socket or at this one.
    Journal(Option<PathBuf>),
}

fn level_bits(text: &str) -> Result<Levels, &'static str> {
    let bits = text.parse().map_err(|_| "it takes a number, the sum of the levels' bits")?;
    Ok(Levels::from_bits(bits))
}

fn log_to(text: &str) -> Result<LogTo, &'static str> {
    let (kind, path) = match text.split_once(':') {
        Some((kind, path)) if !path.is_empty() => (kind, Some(PathBuf::from(path))),
        Some(_) => return Err("there is no path behind the colon"),
        None => (text, None),
    };
    match (kind, path) {
        ("stderr", None) => Ok(LogTo::Stderr),
        ("json", None) => Ok(LogTo::Json),
        ("syslog", path) => Ok(LogTo::Syslog(path)),
        ("journal", path) => Ok(LogTo::Journal(path)),
        _ => Err("it takes stderr, json, syslog, syslog:PATH, journal and journal:PATH"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_to_log_to_are_checked() {
        assert_eq!(log_to("syslog"), Ok(LogTo::Syslog(None)));
        assert_eq!(log_to("journal:/a:b"), Ok(LogTo::Journal(Some("/a:b".into()))));
        for wrong in ["", "Syslog", "stderr:/x", "json:", "syslog:", ":/dev/log", "/dev/log"] {
            assert!(log_to(wrong).is_err(), "{wrong}");
        }
    }
}
