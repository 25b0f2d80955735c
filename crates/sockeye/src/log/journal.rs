//! To the journal of systemd.

use super::link::Link;
use super::syslog::{DAEMON, lament, severity};
use super::{Emit, Field, Levels, Record};
use std::fmt::Write;
use std::path::PathBuf;

/// Where the journal listens.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Sends messages to the journal of systemd, in its native protocol: `MESSAGE`, `PRIORITY` (as
/// [`Syslog`](super::Syslog)'s severity), `SYSLOG_IDENTIFIER`, `SYSLOG_FACILITY`, `SOCKEYE_LEVEL`,
/// and the message's fields under their names with `SOCKEYE_` before them, as
/// `SOCKEYE_BYTES_IN=12`. Control characters in fields are escaped.
///
/// It never waits, and counts what is lost, as [`Syslog`](super::Syslog) does.
#[derive(Debug)]
pub struct Journal {
    identity: String,
    link: Link,
}

impl Journal {
    /// As `identity`, usually the program's name.
    pub fn new(identity: &str) -> Self {
        Self::at(SOCKET, identity)
    }

    /// The same at another socket.
    pub fn at(path: impl Into<PathBuf>, identity: &str) -> Self {
        let identity = identity.chars().filter(|char| !char.is_control()).collect();
        Self { identity, link: Link::to(path.into()) }
    }

    /// How many messages were lost since it was made: the journal was missing, or too slow.
    pub fn lost(&self) -> u64 {
        self.link.lost()
    }

    /// An entry: one `NAME=value` a line. No value has a newline, so none needs its length told.
    fn entry(&self, level: Levels, text: &str, fields: &[Field<'_>]) -> Vec<u8> {
        let (priority, name, identity) = (severity(level), level.name(), &self.identity);
        let mut entry = format!(
            "MESSAGE={text}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER={identity}\n\
             SYSLOG_FACILITY={DAEMON}\nSOCKEYE_LEVEL={name}\n"
        );
        for field in fields {
            let (name, value) = (field.name.to_ascii_uppercase(), field.value.line());
            // Writing to a string cannot fail.
            let _ = writeln!(entry, "SOCKEYE_{name}={value}");
        }
        entry.into()
    }
}

impl Emit for Journal {
    fn emit(&self, record: &Record<'_>) {
        let entry = self.entry(record.level(), record.text(), record.fields());
        self.link.send(&entry, |lost| self.entry(Levels::WARN, &lament(lost), &[]));
    }
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;

    #[test]
    fn an_entry_has_one_line_for_each_field() {
        let journal = Journal::at("/nowhere", "my\nserver");
        let fields = [
            Field { name: "reason", value: Value::Text("a\nPRIORITY=0\u{1b}") },
            Field { name: "bytes_in", value: Value::Number(12) },
        ];
        let entry = journal.entry(Levels::INFO, "closed", &fields);
        assert_eq!(
            String::from_utf8(entry).unwrap(),
            "MESSAGE=closed\nPRIORITY=6\nSYSLOG_IDENTIFIER=myserver\nSYSLOG_FACILITY=3\n\
             SOCKEYE_LEVEL=INFO\nSOCKEYE_REASON=a\\nPRIORITY=0\\u{1b}\nSOCKEYE_BYTES_IN=12\n"
        );
    }
}
