//! What keys send, taken apart as it comes.
//!
//! ```text
//!            ESC             [                final byte
//! Ground ──────────▶ Escape ─────▶ Sequence ──────────────▶ Ground
//!   ▲ │                 │ O           │ 200~
//!   │ └──▶ Ground       └──▶ Sequence └──▶ Paste ──201~──▶ Ground
//! ```

/// A key, or what several of them mean alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Up,
    Down,
    Backspace,
    Delete,
    /// Ctrl-D: the end if the line is empty, else what `Delete` does.
    EndOfInput,
    KillWord,
    KillNextWord,
    KillToStart,
    KillToEnd,
    Yank,
    Search,
    Abort,
    ClearScreen,
}

#[derive(Default)]
enum State {
    #[default]
    Ground,
    Escape,
    /// The parameters so far.
    Sequence(String),
    Paste,
}

/// Longer sequences are none that a key sends.
const SEQUENCE_MAX: usize = 16;

#[derive(Default)]
pub(super) struct Keys {
    state: State,
    /// What has come of a character, or of the end of a paste.
    partial: Vec<u8>,
}

const PASTE_END: &[u8] = b"\x1b[201~";

impl Keys {
    /// Takes what has come; the keys in it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Vec<Key> {
        bytes.iter().filter_map(|&byte| self.byte(byte)).collect()
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        match &mut self.state {
            State::Ground => match byte {
                0x1b => {
                    self.state = State::Escape;
                    None
                }
                _ => self.character(byte),
            },
            State::Escape => {
                self.state = State::Ground;
                match byte {
                    b'[' | b'O' => self.state = State::Sequence(String::new()),
                    0x1b => self.state = State::Escape,
                    b'b' => return Some(Key::WordLeft),
                    b'f' => return Some(Key::WordRight),
                    b'd' => return Some(Key::KillNextWord),
                    0x7f | 0x08 => return Some(Key::KillWord),
                    _ => {}
                }
                None
            }
            State::Sequence(parameters) => {
                if matches!(byte, b'0'..=b'?') && parameters.len() < SEQUENCE_MAX {
                    parameters.push(byte.into());
                    return None;
                }
                let parameters = std::mem::take(parameters);
                self.state = State::Ground;
                if byte == b'~' && parameters == "200" {
                    self.state = State::Paste;
                }
                sequence(&parameters, byte)
            }
            State::Paste => self.pasted(byte),
        }
    }

    /// What is pasted is text, newlines included.
    fn pasted(&mut self, byte: u8) -> Option<Key> {
        if self.partial.first().is_none_or(|&first| first == 0x1b) {
            let at = self.partial.len();
            if byte == PASTE_END[at] {
                self.partial.push(byte);
                if self.partial == PASTE_END {
                    self.partial.clear();
                    self.state = State::Ground;
                }
                return None;
            }
            self.partial.clear(); // a control sequence has no place in a line
            if byte == 0x1b {
                self.partial.push(byte);
                return None;
            }
        }
        match self.assemble(byte)? {
            '\r' => Some(Key::Char('\n')),
            c => Some(Key::Char(c)),
        }
    }

    fn character(&mut self, byte: u8) -> Option<Key> {
        Some(match self.assemble(byte)? {
            '\x01' => Key::Home,
            '\x02' => Key::Left,
            '\x04' => Key::EndOfInput,
            '\x05' => Key::End,
            '\x06' => Key::Right,
            '\x07' => Key::Abort,
            '\x08' | '\x7f' => Key::Backspace,
            '\r' | '\n' => Key::Enter,
            '\x0b' => Key::KillToEnd,
            '\x0c' => Key::ClearScreen,
            '\x0e' => Key::Down,
            '\x10' => Key::Up,
            '\x12' => Key::Search,
            '\x15' => Key::KillToStart,
            '\x17' => Key::KillWord,
            '\x19' => Key::Yank,
            '\t' => Key::Char('\t'),
            c if c.is_control() => return None,
            c => Key::Char(c),
        })
    }

    /// The character that this byte ends. What is no UTF-8 is left out.
    fn assemble(&mut self, byte: u8) -> Option<char> {
        let begins = !(0x80..0xc0).contains(&byte);
        if begins {
            self.partial.clear();
        }
        self.partial.push(byte);
        match std::str::from_utf8(&self.partial) {
            Ok(text) => {
                let c = text.chars().next();
                self.partial.clear();
                c
            }
            Err(error) => {
                if error.error_len().is_some() {
                    self.partial.clear();
                }
                None
            }
        }
    }
}

/// The key that sends ESC, `[` or `O`, and this.
fn sequence(parameters: &str, last: u8) -> Option<Key> {
    let (number, modifier) = parameters.split_once(';').unwrap_or((parameters, ""));
    let by_word = matches!(modifier, "3" | "5") || number == "3" || number == "5";
    Some(match (last, number) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'C', _) if by_word => Key::WordRight,
        (b'D', _) if by_word => Key::WordLeft,
        (b'C', _) => Key::Right,
        (b'D', _) => Key::Left,
        (b'H', _) | (b'~', "1" | "7") => Key::Home,
        (b'F', _) | (b'~', "4" | "8") => Key::End,
        (b'M', "") => Key::Enter,
        (b'~', "3") => Key::Delete,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let whole = Keys::default().take(bytes);
        let mut keys = Keys::default();
        let bit_by_bit: Vec<Key> = bytes.iter().flat_map(|&byte| keys.take(&[byte])).collect();
        assert_eq!(whole, bit_by_bit);
        whole
    }

    #[test]
    fn keys_are_known_by_what_terminals_send_for_them() {
        use Key::*;
        let all = b"a\xc3\xa9\x1b[D\x1b[C\x1bOA\x1b[B\x1b[H\x1bOF\x1b[1~\x1b[4~\x1b[3~\x7f\x08";
        let expected = [Char('a'), Char('é'), Left, Right, Up, Down, Home, End, Home, End, Delete];
        assert_eq!(keys(all)[..11], expected);
        assert_eq!(keys(all)[11..], [Backspace, Backspace]);
        let words = keys(b"\x1b[1;5D\x1b[1;3C\x1bb\x1bf\x1bd\x1b\x7f\x17\x15\x0b\x19");
        let expected = [WordLeft, WordRight, WordLeft, WordRight, KillNextWord, KillWord];
        assert_eq!(words[..6], expected);
        assert_eq!(words[6..], [KillWord, KillToStart, KillToEnd, Yank]);
        assert_eq!(
            keys(b"\r\n\x04\x12\x07\x0c"),
            [Enter, Enter, EndOfInput, Search, Abort, ClearScreen]
        );
    }

    #[test]
    fn what_is_no_key_is_left_out_and_nothing_else() {
        for noise in [
            &b"\x1b[99;99x"[..],
            b"\x1b[2~",
            b"\xff\xfe",
            b"\xc3",
            b"\x80\x80",
            b"\x00\x1c",
            b"\x1b\x1bx",
            b"\x1b[11111111111111111",
        ] {
            let text = [noise, b"ab"].concat();
            assert_eq!(keys(&text), [Key::Char('a'), Key::Char('b')], "{noise:x?}");
        }
    }

    #[test]
    fn what_is_pasted_is_text() {
        let pasted = keys(b"\x1b[200~a\rb\tc\x1b[31md\x1b\x1b[201~\r");
        let text: Vec<Key> = "a\nb\tc31md".chars().map(Key::Char).chain([Key::Enter]).collect();
        assert_eq!(pasted, text);
    }
}
