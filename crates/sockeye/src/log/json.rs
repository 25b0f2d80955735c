//! As JSON, for programs that read logs.

use super::{Emit, Record, Value, record};
use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

/// Writes messages as JSON (RFC 8259), one object a line: `time` (RFC 3339, UTC, microseconds),
/// `level`, `message`, and the message's fields under their names, with the text of peers just as
/// they sent it.
pub struct Json {
    writer: Mutex<Box<dyn Write + Send>>,
}

impl Json {
    /// Writes to `writer`, each line in one call. What it fails to write is lost.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self { writer: Mutex::new(Box::new(writer)) }
    }

    /// Writes to stderr.
    pub fn stderr() -> Self {
        Self::new(io::stderr())
    }
}

impl Emit for Json {
    fn emit(&self, record: &Record<'_>) {
        let line = line(record);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // If it fails there is nowhere to say so.
        let _ = writer.write_all(line.as_bytes()).and_then(|()| writer.flush());
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json")
    }
}

fn line(record: &Record<'_>) -> String {
    let time = Rfc3339(record.since_epoch());
    let level = record.level().name();
    let mut line = format!(r#"{{"time":"{time}","level":"{level}","message":"#);
    push_string(&mut line, record.text());
    for field in record.fields() {
        line.push(',');
        push_string(&mut line, field.name);
        line.push(':');
        match field.value {
            Value::Text(text) => push_string(&mut line, &record::cut(text)),
            Value::Number(_) | Value::Flag(_) => line.push_str(&field.value.line()),
        }
    }
    line.push_str("}\n");
    line
}

/// A string of JSON. More is escaped than must be: a line shall be safe to show in a terminal.
fn push_string(line: &mut String, text: &str) {
    line.push('"');
    for char in text.chars() {
        match char {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            _ if record::is_harmful(char) => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(line, "\\u{unit:04x}");
                }
            }
            _ => line.push(char),
        }
    }
    line.push('"');
}

/// A time since 1970 as RFC 3339 writes it, in UTC.
struct Rfc3339(std::time::Duration);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let micros = self.0.subsec_micros();
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
    }
}

/// Year, month and day of a day since 1970, by counting from a first of March: the leap day is a
/// year's last then, and the lengths of months follow one line.
fn civil(day: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097; // days in 400 years
    let from_march_0000 = day + 719_468;
    let (era, day_of_era) = (from_march_0000 / ERA, from_march_0000 % ERA);
    let leaps = day_of_era / 1460 + day_of_era / (ERA - 1) - day_of_era / 36_524;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::super::{Field, Levels};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_line_is_an_object() {
        let fields = [
            Field { name: "reason", value: Value::Text("\"bye\"\n\\\x1b\u{202e}😀") },
            Field { name: "bytes_in", value: Value::Number(u64::MAX) },
        ];
        let record = Record::new(Levels::INFO, format_args!("it's {}", "over\n"), &fields)
            .at(Duration::new(1_795_385_775, 25_499_999));
        assert_eq!(
            line(&record),
            concat!(
                r#"{"time":"2026-11-22T22:16:15.025499Z","level":"INFO","#,
                r#""message":"it's over\\n","reason":"\"bye\"\n\\\u001b\u202e😀","#,
                r#""bytes_in":18446744073709551615}"#,
                "\n"
            )
        );
    }

    /// Times as `date -u` writes them.
    #[test]
    fn times_are_those_of_the_calendar() {
        let times = [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000000Z"),
        ];
        for (seconds, expected) in times {
            assert_eq!(Rfc3339(Duration::from_secs(seconds)).to_string(), expected);
        }
    }
}
