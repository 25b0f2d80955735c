//! The terminal: a line that is edited at its bottom, everything else above it.
//!
//! It is all done in the loop, with what `stdin` has at hand: nothing waits, and a message that
//! comes while a line is edited is printed above it. The editor is our own for that: those there
//! are wait for keys on a thread of theirs, and hold back what is to be printed meanwhile.
//!
//! When the screen gets another width, terminals break lines anew by themselves: nothing is drawn
//! then, which could only get in their way, but from where things stand now it is known how to
//! erase them. Rows that a screen grown too small for the line has scrolled away stay where nothing
//! reaches them.

mod editor;
mod history;
mod keys;
mod layout;

use editor::{Deed, Editor};
use history::History;
use keys::Keys;
use layout::Drawing;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};
use std::io::{self, IsTerminal, Write};

/// The terminal that the program talks to its user at.
pub(crate) struct Terminal {
    /// As it was found, and will be left.
    before: Termios,
    raw: bool,
    keys: Keys,
    editor: Editor,
    history: History,
    /// What is on the screen of it.
    drawn: Option<Drawing>,
}

/// What the user wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A line is finished.
    Line(String),
    /// There will be no more.
    End,
}

/// Sends what is pasted between marks, or not.
const PASTE_ON: &[u8] = b"\x1b[?2004h";
const PASTE_OFF: &[u8] = b"\x1b[?2004l";
/// To the first column, and everything from there on away.
const ERASE: &[u8] = b"\r\x1b[J";

impl Terminal {
    /// Whether there is somebody to talk to, who can edit.
    pub(crate) fn is_there() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal() && !super::show::is_dumb()
    }

    /// Takes the terminal over; with it comes what there is to say about the history.
    pub(crate) fn take(with_history: bool) -> io::Result<(Self, Option<String>)> {
        let (history, trouble) =
            if with_history { History::load() } else { (History::default(), None) };
        let mut terminal = Self {
            before: tcgetattr(io::stdin())?,
            raw: false,
            keys: Keys::default(),
            editor: Editor::default(),
            history,
            drawn: None,
        };
        terminal.resume()?;
        Ok((terminal, trouble))
    }

    /// Takes the keys one by one; signals are still the system's.
    pub(crate) fn resume(&mut self) -> io::Result<()> {
        let mut modes = self.before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        modes.special_codes[SpecialCodeIndex::VQUIT] = 0; // it would leave the terminal like this
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        self.raw = true;
        let mut stdout = io::stdout();
        stdout.write_all(PASTE_ON).and_then(|()| stdout.flush())
    }

    /// Leaves the terminal as it was found, the line away.
    pub(crate) fn leave(&mut self) {
        if !self.raw {
            return;
        }
        self.raw = false;
        let mut last = Vec::new();
        let mut stdout = io::stdout();
        // A terminal that is gone needs nothing.
        let _ = self.hide(&mut last);
        let _ = stdout.write_all(&[&last, PASTE_OFF].concat()).and_then(|()| stdout.flush());
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }

    /// Takes keys; what is to be shown of that goes to `out`.
    pub(crate) fn typed(&mut self, bytes: &[u8], out: &mut dyn Write) -> io::Result<Vec<Wish>> {
        let mut wishes = Vec::new();
        for key in self.keys.take(bytes) {
            match self.editor.key(key, &self.history) {
                Deed::Edited => {}
                Deed::Entered(line) => {
                    self.settle(&line, out)?;
                    wishes.push(Wish::Line(line));
                }
                Deed::Ended => wishes.push(Wish::End),
                Deed::ClearScreen => {
                    out.write_all(b"\x1b[H\x1b[2J")?;
                    self.drawn = None;
                }
            }
        }
        self.hide(out)?;
        Ok(wishes)
    }

    /// Keeps a line for later; says why it cannot be written.
    pub(crate) fn remember(&mut self, line: &str) -> Option<String> {
        self.history.add(line)
    }

    /// A finished line stays on the screen.
    fn settle(&mut self, line: &str, out: &mut dyn Write) -> io::Result<()> {
        self.hide(out)?;
        writeln!(out, "{}", Drawing::new("> ", line, line.len()).text())
    }

    /// Takes the line off the screen, so that something can be printed.
    pub(crate) fn hide(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let Some(drawn) = self.drawn.take() else { return Ok(()) };
        // If the screen has another width by now, the terminal has broken the line anew.
        let (cursor, _) = drawn.places(size().0);
        if cursor.row > 0 {
            write!(out, "\x1b[{}A", cursor.row)?;
        }
        out.write_all(ERASE)
    }

    /// Puts the line onto the screen, if it is not there.
    pub(crate) fn draw(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.drawn.is_some() || !self.raw {
            return Ok(());
        }
        let (columns, rows) = size();
        let editor = &self.editor;
        let drawing = Drawing::new(&editor.prompt(), editor.text(), editor.cursor());
        let drawing = drawing.cut_to(columns, rows.saturating_sub(1).max(1));
        out.write_all(drawing.text().as_bytes())?;
        let (cursor, end) = drawing.places(columns);
        if end.column == 0 {
            out.write_all(b"\n")?; // the last row is full: the terminal waits for another character
        }
        if end.row > cursor.row {
            write!(out, "\x1b[{}A", end.row - cursor.row)?;
        }
        out.write_all(b"\r")?;
        if cursor.column > 0 {
            write!(out, "\x1b[{}C", cursor.column)?;
        }
        self.drawn = Some(drawing);
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Columns and rows; what terminals had for long, if it does not say.
fn size() -> (usize, usize) {
    match tcgetwinsize(io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
        Ok(_) | Err(_) => (80, 24),
    }
}
