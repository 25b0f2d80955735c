//! Where text comes to stand on a screen of so many columns.

use std::borrow::Cow;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// A row and a column, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) row: usize,
    pub(super) column: usize,
}

/// A prompt and a line as they are drawn: all characters show, and a cell for each is known.
#[derive(Default)]
pub(super) struct Drawing {
    text: String,
    /// Where the cursor is, in bytes.
    cursor: usize,
}

impl Drawing {
    /// Of a line with the cursor at this byte.
    pub(super) fn new(prompt: &str, line: &str, cursor: usize) -> Self {
        let (before, behind) = line.split_at(cursor);
        let mut text = shown(prompt);
        text.push_str(&shown(before));
        let cursor = text.len();
        text.push_str(&shown(behind));
        Self { text, cursor }
    }

    /// As much of it around the cursor as fits a screen of so many columns and rows.
    pub(super) fn cut_to(self, columns: usize, rows: usize) -> Self {
        let starts = self.rows(columns);
        if starts.len() <= rows {
            return self;
        }
        let at = starts.iter().rposition(|&start| start <= self.cursor).unwrap_or_default();
        let first = (at + 1).saturating_sub(rows);
        let end = starts.get(first + rows).copied().unwrap_or(self.text.len());
        let text = self.text[starts[first]..end].to_owned();
        Self { text, cursor: self.cursor - starts[first] }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Where the cursor and the end are. A row that is full has its end at the start of the next.
    pub(super) fn places(&self, columns: usize) -> (Place, Place) {
        let starts = self.rows(columns);
        let place = |at: usize| -> Place {
            let row = starts.iter().rposition(|&start| start <= at).unwrap_or_default();
            let column = self.text[starts[row]..at].graphemes(true).map(str::width).sum();
            if column >= columns {
                return Place { row: row + 1, column: 0 };
            }
            Place { row, column }
        };
        (place(self.cursor), place(self.text.len()))
    }

    /// The byte that each row begins with: terminals begin a new one with a character that has no
    /// room any more.
    fn rows(&self, columns: usize) -> Vec<usize> {
        let (mut starts, mut column) = (vec![0], 0);
        for (at, grapheme) in self.text.grapheme_indices(true) {
            let width = grapheme.width();
            if column + width > columns && column > 0 {
                starts.push(at);
                column = 0;
            }
            column += width;
        }
        starts
    }
}

/// A line with signs for what has none: `↵` for newlines, `^I` for tabs, and so on.
fn shown(line: &str) -> String {
    let sign = |c: char| match c {
        '\n' => Cow::Borrowed("↵"),
        c if c.is_ascii_control() => format!("^{}", char::from(c as u8 ^ 0x40)).into(),
        c if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') => {
            format!("\\u{:04x}", u32::from(c)).into()
        }
        c => c.to_string().into(),
    };
    line.chars().map(sign).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(line: &str, cursor: usize, columns: usize) -> [(usize, usize); 2] {
        let (cursor, end) = Drawing::new("> ", line, cursor).places(columns);
        [cursor, end].map(|place| (place.row, place.column))
    }

    #[test]
    fn text_goes_on_in_the_next_row() {
        assert_eq!(places("", 0, 10), [(0, 2), (0, 2)]);
        assert_eq!(places("abcdefg", 7, 10), [(0, 9), (0, 9)]);
        assert_eq!(places("abcdefgh", 8, 10), [(1, 0), (1, 0)]);
        assert_eq!(places("abcdefghi", 3, 10), [(0, 5), (1, 1)]);
        assert_eq!(places(&"x".repeat(28), 8, 10), [(1, 0), (3, 0)]);
    }

    #[test]
    fn wide_characters_are_not_torn() {
        assert_eq!(places("日本語日", 12, 10), [(1, 0), (1, 0)]);
        assert_eq!(places("a日本語日", 13, 10), [(1, 2), (1, 2)]);
        assert_eq!(places("a日本語日", 10, 10), [(1, 0), (1, 2)]);
        assert_eq!(places("e\u{301}", 3, 10), [(0, 3), (0, 3)]);
    }

    #[test]
    fn what_has_no_sign_gets_one() {
        assert_eq!(Drawing::new("> ", "a\nb\tc\u{9b}\x7f", 0).text(), "> a↵b^Ic\\u009b^?");
    }

    #[test]
    fn no_more_is_drawn_than_the_screen_holds() {
        let line: String = ('a'..='z').collect();
        let cut = |cursor, rows| Drawing::new("> ", &line, cursor).cut_to(5, rows);
        assert_eq!(cut(26, 2).text(), "stuvwxyz");
        assert_eq!(cut(0, 2).text(), "> abcdefgh");
        assert_eq!(cut(9, 2).text(), "defghijklm");
        assert_eq!(cut(9, 1).text(), "ijklm");
        assert_eq!(cut(9, 9).text(), format!("> {line}"));
        assert_eq!(cut(26, 2).places(5).0, cut(26, 2).places(5).1);
    }
}
