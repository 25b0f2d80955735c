//! The line that is being edited.

use super::history::History;
use super::keys::Key;
use unicode_segmentation::UnicodeSegmentation;

/// The longest line that can be typed or pasted, in bytes.
pub(super) const LINE_BYTES: usize = 1 << 20;

/// What came of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// The line, or the place in it, may be another.
    Edited,
    /// This line is finished.
    Entered(String),
    /// There will be no more.
    Ended,
    /// The screen is wanted empty.
    ClearScreen,
}

#[derive(Default)]
pub(super) struct Editor {
    text: String,
    /// Where the cursor is, in bytes, at the edge of a character as people see them.
    cursor: usize,
    /// What was killed last.
    killed: String,
    /// How many lines back in the history this one is, and what was typed before.
    back: usize,
    draft: String,
    /// What is searched for in the history.
    search: Option<String>,
}

impl Editor {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn cursor(&self) -> usize {
        self.cursor
    }

    /// What stands before the line.
    pub(super) fn prompt(&self) -> String {
        match &self.search {
            None => "> ".to_owned(),
            Some(wanted) => format!("(search) {wanted}: "),
        }
    }

    pub(super) fn key(&mut self, key: Key, history: &History) -> Deed {
        if self.search.is_some() && self.searched(&key, history) {
            return Deed::Edited;
        }
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            Key::Enter => return Deed::Entered(self.enter()),
            Key::EndOfInput if self.text.is_empty() => return Deed::Ended,
            Key::Left => self.cursor = self.left(),
            Key::Right => self.cursor = self.right(),
            Key::WordLeft => self.cursor = self.word_left(),
            Key::WordRight => self.cursor = self.word_right(),
            Key::Home => self.cursor = 0,
            Key::End => self.cursor = self.text.len(),
            Key::Up => self.go_back(self.back + 1, history),
            Key::Down => self.go_back(self.back.saturating_sub(1), history),
            Key::Backspace => self.remove(self.left(), self.cursor),
            Key::Delete | Key::EndOfInput => self.remove(self.cursor, self.right()),
            Key::KillWord => self.kill(self.space_left(), self.cursor),
            Key::KillNextWord => self.kill(self.cursor, self.word_right()),
            Key::KillToStart => self.kill(0, self.cursor),
            Key::KillToEnd => self.kill(self.cursor, self.text.len()),
            Key::Yank => self.insert(&self.killed.clone()),
            Key::Search => self.search = Some(String::new()),
            Key::Abort => {}
            Key::ClearScreen => return Deed::ClearScreen,
        }
        Deed::Edited
    }

    fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() <= LINE_BYTES {
            self.text.insert_str(self.cursor, text);
            self.cursor += text.len();
        }
    }

    fn enter(&mut self) -> String {
        (self.cursor, self.back, self.search) = (0, 0, None);
        self.draft.clear();
        std::mem::take(&mut self.text)
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.drain(from..to);
        self.cursor = from;
    }

    fn kill(&mut self, from: usize, to: usize) {
        if from < to {
            self.killed = self.text[from..to].to_owned();
            self.remove(from, to);
        }
    }

    fn left(&self) -> usize {
        let before = self.text[..self.cursor].grapheme_indices(true).next_back();
        before.map_or(0, |(at, _)| at)
    }

    fn right(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn word_left(&self) -> usize {
        let before = &self.text[..self.cursor];
        let word = before.trim_end_matches(|c: char| !c.is_alphanumeric());
        word.trim_end_matches(char::is_alphanumeric).len()
    }

    fn word_right(&self) -> usize {
        let behind = &self.text[self.cursor..];
        let word = behind.trim_start_matches(|c: char| !c.is_alphanumeric());
        self.text.len() - word.trim_start_matches(char::is_alphanumeric).len()
    }

    /// As Ctrl-W takes words: whatever stands between blanks.
    fn space_left(&self) -> usize {
        let before = self.text[..self.cursor].trim_end();
        before.trim_end_matches(|c: char| !c.is_whitespace()).len()
    }

    fn go_back(&mut self, back: usize, history: &History) {
        if back > history.len() {
            return;
        }
        if self.back == 0 {
            self.draft.clone_from(&self.text);
        }
        self.text = match history.back(back) {
            Some(line) => line.to_owned(),
            None => std::mem::take(&mut self.draft),
        };
        (self.back, self.cursor) = (back, self.text.len());
    }

    /// Whether this key belongs to the search; any other ends it and does what it does.
    fn searched(&mut self, key: &Key, history: &History) -> bool {
        let Some(wanted) = &mut self.search else { return false };
        let from = if let Key::Char(c) = key {
            wanted.push(*c);
            self.back.max(1)
        } else if *key == Key::Backspace {
            wanted.pop();
            1
        } else if *key == Key::Search {
            self.back + 1
        } else {
            self.search = None;
            if *key == Key::Abort && self.back > 0 {
                self.go_back(0, history);
            }
            return *key == Key::Abort;
        };
        let wanted = wanted.clone();
        let fits = |&back: &usize| {
            !wanted.is_empty() && history.back(back).is_some_and(|line| line.contains(&wanted))
        };
        if let Some(back) = (from..=history.len()).find(fits) {
            self.go_back(back, history);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::Keys;
    use super::*;

    /// The line after these keys, with `|` where the cursor is.
    fn edited(keys: &[u8]) -> String {
        let mut history = History::default();
        for line in ["first", "second", "third one"] {
            history.add(line);
        }
        let mut editor = Editor::default();
        for key in Keys::default().take(keys) {
            assert_eq!(editor.key(key, &history), Deed::Edited);
        }
        let (before, behind) = editor.text.split_at(editor.cursor);
        format!("{before}|{behind}")
    }

    #[test]
    fn lines_are_edited_as_readline_does() {
        for (keys, line) in [
            (&b"helo\x1b[Dl"[..], "hell|o"),
            (b"ello\x01h\x05!", "hello!|"),
            (b"abc\x7f\x7fx", "ax|"),
            (b"abc\x1b[D\x1b[D\x1b[3~", "a|c"),
            (b"abc\x01\x04", "|bc"),
            (b"one two  \x17three", "one three|"),
            (b"one two\x15three \x19", "three one two|"),
            (b"one two\x1bb\x0b", "one |"),
            (b"one-two\x1b\x7f\x1bb\x1bd", "|"),
            (b"one two\x01\x1bf\x1bf!", "one two!|"),
            (b"\xc3\xa9\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7x\x02\x7f", "é|x"),
            (b"\x7f\x1b[3~\x1b[D\x1b[C\x17\x15\x0b\x19", "|"),
        ] {
            assert_eq!(edited(keys), line, "{keys:?}");
        }
    }

    #[test]
    fn the_history_is_gone_through_and_the_draft_comes_back() {
        const UP: &[u8] = b"\x1b[A";
        const DOWN: &[u8] = b"\x1b[B";
        assert_eq!(edited(UP), "third one|");
        assert_eq!(edited(&[UP, UP, UP, UP].concat()), "first|");
        assert_eq!(edited(&[b"draft", UP, UP, DOWN, DOWN, DOWN].concat()), "draft|");
        assert_eq!(edited(&[UP, b"!"].concat()), "third one!|");
    }

    #[test]
    fn the_history_is_searched_from_the_newest_line() {
        assert_eq!(edited(b"\x12ir"), "third one|");
        assert_eq!(edited(b"\x12ir\x12"), "first|");
        assert_eq!(edited(b"\x12ir\x12\x7f\x05x"), "third onex|");
        assert_eq!(edited(b"\x12seco\x05!"), "second!|");
        assert_eq!(edited(b"mine\x12nowhere\x07"), "mine|");
    }

    #[test]
    fn a_line_is_entered_and_an_empty_one_ends() {
        let (mut editor, history) = (Editor::default(), History::default());
        editor.key(Key::Char('a'), &history);
        editor.key(Key::Left, &history);
        assert_eq!(editor.key(Key::Enter, &history), Deed::Entered("a".into()));
        assert_eq!((editor.text(), editor.cursor()), ("", 0));
        assert_eq!(editor.key(Key::EndOfInput, &history), Deed::Ended);
    }

    #[test]
    fn a_line_has_a_limit() {
        let (mut editor, history) = (Editor::default(), History::default());
        editor.insert(&"x".repeat(LINE_BYTES - 1));
        editor.insert("y");
        editor.insert("z");
        assert!(editor.text.len() == LINE_BYTES && editor.text.ends_with("xy"));
        let entered = editor.key(Key::Enter, &history);
        assert!(matches!(entered, Deed::Entered(line) if line.len() == LINE_BYTES));
    }
}
