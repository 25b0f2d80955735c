//! One message on its way to an emitter, made harmless.

use super::Levels;
use std::borrow::Cow;
use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest text of a message in bytes, and the longest of a field; what is cut off is shown
/// as `…`.
pub const LINE_BYTES: usize = 4096;

/// A message as an [`Emit`](super::Emit) gets it.
#[derive(Debug)]
pub struct Record<'r> {
    level: Levels,
    text: String,
    fields: &'r [Field<'r>],
    time: SystemTime,
}

/// A fact that a message tells, under a name of lower-case letters and `_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'f> {
    /// What it is, as `peer` or `bytes_in`.
    pub name: &'static str,
    /// The fact.
    pub value: Value<'f>,
}

/// What a [`Field`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'v> {
    /// Text just as it came, maybe from the peer: whoever shows it escapes it.
    Text(&'v str),
    /// A number.
    Number(u64),
    /// Yes or no.
    Flag(bool),
}

impl<'r> Record<'r> {
    pub(super) fn new(level: Levels, message: fmt::Arguments<'_>, fields: &'r [Field<'r>]) -> Self {
        Self { level, text: harmless(message), fields, time: SystemTime::now() }
    }

    /// Its level: a single one.
    pub fn level(&self) -> Levels {
        self.level
    }

    /// What it says: one line without a newline, at most [`LINE_BYTES`] and the mark of a cut,
    /// with all control characters escaped.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The facts in it, for emitters that keep them apart. Most messages have none.
    pub fn fields(&self) -> &'r [Field<'r>] {
        self.fields
    }

    /// When it was made.
    pub fn time(&self) -> SystemTime {
        self.time
    }

    /// [`time`](Self::time) since 1970, zero for clocks that are set before it.
    pub(super) fn since_epoch(&self) -> Duration {
        self.time.duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn at(mut self, since_epoch: Duration) -> Self {
        self.time = UNIX_EPOCH + since_epoch;
        self
    }
}

impl Value<'_> {
    /// The value as one harmless line.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Text(text) => harmless(format_args!("{text}")),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
        }
    }
}

/// The start of `text` that a field may have.
pub(super) fn cut(text: &str) -> Cow<'_, str> {
    match text.len() {
        ..=LINE_BYTES => Cow::Borrowed(text),
        _ => Cow::Owned(format!("{}…", &text[..text.floor_char_boundary(LINE_BYTES)])),
    }
}

/// The message as one line that is safe to show in a terminal.
fn harmless(message: fmt::Arguments<'_>) -> String {
    let mut line = Line { text: String::new() };
    if line.write_fmt(message).is_err() && line.text.len() > LINE_BYTES {
        line.text.truncate(line.text.floor_char_boundary(LINE_BYTES));
        line.text.push('…');
    }
    line.text
}

/// Text that escapes what is written to it, and is full after [`LINE_BYTES`].
struct Line {
    text: String,
}

impl Write for Line {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = LINE_BYTES.saturating_sub(self.text.len());
        if piece.len() <= room && piece.bytes().all(|byte| matches!(byte, 0x20..0x7f)) {
            self.text.push_str(piece);
            return Ok(());
        }
        for char in piece.chars() {
            if is_harmful(char) {
                self.text.extend(char.escape_default());
            } else {
                self.text.push(char);
            }
            if self.text.len() > LINE_BYTES {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// Whether a character can end a line, steer a terminal, or show text in another order.
pub(crate) fn is_harmful(char: char) -> bool {
    let separates_or_turns = matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}');
    char.is_control() || separates_or_turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_peer_sends_stays_on_its_line() {
        let sent = "a\r\nFeb 30 root: \x1b[2J\u{9b}31m\u{2028}b\0\u{202e}\u{7f}é\t";
        let shown = harmless(format_args!("{sent}"));
        assert_eq!(
            shown,
            "a\\r\\nFeb 30 root: \\u{1b}[2J\\u{9b}31m\\u{2028}b\\u{0}\\u{202e}\\u{7f}é\\t"
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let long = "é".repeat(LINE_BYTES);
        let shown = harmless(format_args!("x{long}"));
        assert_eq!(shown, format!("x{}…", "é".repeat(LINE_BYTES / 2 - 1)));
        assert_eq!(cut(&long), format!("{}…", "é".repeat(LINE_BYTES / 2)));
        let fits = "y".repeat(LINE_BYTES);
        assert_eq!(harmless(format_args!("{fits}")), fits);
        assert_eq!(cut(&fits), fits);
    }
}
