//! How a message is shown.

use super::json;
use crate::args::ConnectArgs;
use sockeye::{Message, MessageKind};
use std::io::{self, Write};

/// What is shown how.
#[derive(Clone, Copy)]
pub(crate) struct Show {
    /// JSON is laid out.
    json: bool,
    /// Binary messages are shown in hexadecimal.
    hex: bool,
    /// It goes to a terminal, which must not take it for commands.
    terminal: bool,
    colour: bool,
}

impl Show {
    /// As it came.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { json: false, hex: false, terminal: false, colour: false };

    pub(crate) fn new(args: &ConnectArgs, terminal: bool) -> Self {
        let wanted = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let colour = terminal && wanted("NO_COLOR") && !is_dumb();
        Self { json: args.json, hex: args.hex, terminal, colour }
    }

    /// Writes a message, and a newline behind it.
    pub(crate) fn message(self, message: &Message<'_>, out: &mut dyn Write) -> io::Result<()> {
        let bytes = message.as_bytes();
        match message.kind() {
            MessageKind::Binary if self.hex => return dump(bytes, out),
            MessageKind::Text if self.json => {
                if let Some(text) = std::str::from_utf8(bytes).ok().filter(|text| json::is(text)) {
                    json::lay_out(text, self, out)?;
                    return out.write_all(b"\n");
                }
            }
            MessageKind::Binary | MessageKind::Text => {}
        }
        self.bytes(bytes, out)?;
        out.write_all(b"\n")
    }

    /// Writes bytes as they are; to a terminal, so that it does nothing but print them.
    pub(crate) fn bytes(self, bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
        if self.terminal { harmless(bytes, out) } else { out.write_all(bytes) }
    }

    /// Writes text in a colour, if there are colours.
    pub(crate) fn coloured(self, sgr: &str, text: &str, out: &mut dyn Write) -> io::Result<()> {
        if !self.colour {
            return self.bytes(text.as_bytes(), out);
        }
        write!(out, "\x1b[{sgr}m")?;
        self.bytes(text.as_bytes(), out)?;
        out.write_all(b"\x1b[0m")
    }
}

/// A terminal that understands nothing but text.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb")
}

/// Writes text with everything escaped that would make a terminal do something, or turn the
/// direction of what follows; newlines and tabs stay. What is no UTF-8 is shown byte by byte.
fn harmless(bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        let valid = chunk.valid();
        let mut done = 0;
        for (at, c) in valid.char_indices().filter(|&(_, c)| acts(c)) {
            out.write_all(&valid.as_bytes()[done..at])?;
            write!(out, "\\u{:04x}", u32::from(c))?;
            done = at + c.len_utf8();
        }
        out.write_all(&valid.as_bytes()[done..])?;
        chunk.invalid().iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))?;
    }
    Ok(())
}

/// Whether a character is one that a terminal obeys, or that changes the writing direction.
fn acts(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}');
    turns || (c.is_control() && c != '\n' && c != '\t')
}

/// Writes bytes as `hexdump -C` does.
fn dump(bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    for (number, row) in bytes.chunks(16).enumerate() {
        write!(out, "{:08x} ", number * 16)?;
        for at in 0..16 {
            let gap = if at == 8 { " " } else { "" };
            match row.get(at) {
                Some(byte) => write!(out, "{gap} {byte:02x}")?,
                None => write!(out, "{gap}   ")?,
            }
        }
        let printed = |&byte: &u8| if matches!(byte, b' '..=b'~') { byte.into() } else { '.' };
        let printed: String = row.iter().map(printed).collect();
        writeln!(out, "  |{printed}|")?;
    }
    writeln!(out, "{:08x}", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(show: Show, message: Message<'_>) -> String {
        let mut out = Vec::new();
        show.message(&message, &mut out).expect("there is room");
        String::from_utf8(out).expect("it is text")
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_there() {
        let terminal = Show { terminal: true, ..Show::PLAIN };
        let nasty = "a\x1b[2J\x07\u{9b}1m\r\x7f\u{202e}b\tc\nd\u{0}\u{e9}";
        let expected = "a\\u001b[2J\\u0007\\u009b1m\\u000d\\u007f\\u202eb\tc\nd\\u0000\u{e9}\n";
        assert_eq!(shown(terminal, Message::text(nasty)), expected);
        let binary = Message::binary(&b"\x1b\xff\x9b\xc3"[..]);
        assert_eq!(shown(terminal, binary), "\\u001b\\xff\\x9b\\xc3\n");
        assert_eq!(shown(Show::PLAIN, Message::text(nasty)), format!("{nasty}\n"));
    }

    #[test]
    fn binary_messages_are_dumped_as_hexdump_does() {
        let hex = Show { hex: true, ..Show::PLAIN };
        let bytes: Vec<u8> = (b'A'..=b'Q').chain([0xff]).collect();
        let expected = "\
00000000  41 42 43 44 45 46 47 48  49 4a 4b 4c 4d 4e 4f 50  |ABCDEFGHIJKLMNOP|
00000010  51 ff                                             |Q.|
00000012
";
        assert_eq!(shown(hex, Message::binary(&bytes[..])), expected);
        assert_eq!(shown(hex, Message::binary(&b""[..])), "00000000\n");
        assert_eq!(shown(hex, Message::text("AB")), "AB\n");
    }
}
