//! Messages as lines on stdout, and what else there is to say.

use super::show::Show;
use super::terminal::{Terminal, Wish};
use crate::args::ConnectArgs;
use sockeye::Message;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// What is to be said from anywhere in this process: on stderr, or above the line of a terminal.
#[derive(Default)]
pub(crate) struct Remarks {
    /// Those that wait for the terminal's next turn, if there is one.
    waiting: Mutex<Option<Vec<String>>>,
}

impl Remarks {
    /// Says something: on stderr at once, unless there is a terminal.
    pub(crate) fn push(&self, line: String) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *waiting {
            Some(waiting) => waiting.push(line),
            // With stderr gone there is nobody left to tell.
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }

    fn take(&self) -> Vec<String> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on they wait for a terminal, or do no longer.
    fn wait(&self, yes: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        *waiting = yes.then(Vec::new);
    }
}

/// Stdout, until it fails.
pub(crate) struct Output {
    stdout: Option<BufWriter<Stdout>>,
    show: Show,
    /// Where somebody types, if that is so.
    terminal: Option<Terminal>,
    remarks: Arc<Remarks>,
}

impl Output {
    pub(crate) fn new(args: &ConnectArgs) -> Self {
        let stdout = Some(BufWriter::with_capacity(64 << 10, io::stdout()));
        Self {
            stdout,
            show: Show::new(args, io::stdout().is_terminal()),
            terminal: None,
            remarks: Arc::default(),
        }
    }

    /// What may be said from anywhere.
    pub(crate) fn remarks(&self) -> &Arc<Remarks> {
        &self.remarks
    }

    /// From now on somebody types.
    pub(crate) fn take_over(&mut self, terminal: Terminal) {
        self.remarks.wait(true);
        self.terminal = Some(terminal);
    }

    /// Prints a message, or keeps it for [`flush`](Self::flush).
    pub(crate) fn message(&mut self, message: &Message<'_>) -> io::Result<()> {
        let show = self.show;
        self.attempt(|stdout, terminal| {
            if let Some(terminal) = terminal {
                terminal.hide(stdout)?;
                stdout.write_all(b"< ")?;
            }
            show.message(message, stdout)
        })
    }

    /// Says something to the user: above the line on a terminal, else on stderr.
    pub(crate) fn note(&mut self, text: &str) {
        if self.terminal.is_none() {
            // With stderr gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "sockeye: {text}");
            return;
        }
        self.remark(text);
    }

    /// Says something to somebody at a terminal only.
    pub(crate) fn remark(&mut self, text: &str) {
        self.above(&format!("* {text}"));
    }

    fn above(&mut self, text: &str) {
        let show = self.show;
        // What fails here fails again with the next message.
        let _ = self.attempt(|stdout, terminal| {
            let Some(terminal) = terminal else { return Ok(()) };
            terminal.hide(stdout)?;
            show.bytes(text.as_bytes(), stdout)?;
            stdout.write_all(b"\n")
        });
    }

    /// Takes what was typed.
    pub(crate) fn typed(&mut self, bytes: &[u8]) -> Vec<Wish> {
        let mut wishes = Vec::new();
        let typed = self.attempt(|stdout, terminal| {
            if let Some(terminal) = terminal {
                wishes = terminal.typed(bytes, stdout)?;
            }
            Ok(())
        });
        if typed.is_err() {
            wishes.push(Wish::End); // nobody sees any more what is typed
        }
        wishes
    }

    /// Keeps a typed line for later.
    pub(crate) fn remember(&mut self, line: &str) {
        let trouble = self.terminal.as_mut().and_then(|terminal| terminal.remember(line));
        if let Some(why) = trouble {
            self.no_history(&why);
        }
    }

    pub(crate) fn no_history(&mut self, why: &str) {
        self.remark(&format!("the history is not kept: {why}"));
    }

    /// Leaves the terminal as it was found, for a while or for good.
    pub(crate) fn leave(&mut self) {
        self.remarks.take().iter().for_each(|line| self.above(line));
        self.hide();
        let _ = self.attempt(|stdout, _| stdout.flush()); // it has been told, or nobody is there
        if let Some(terminal) = &mut self.terminal {
            terminal.leave();
        }
    }

    /// Takes the terminal over again.
    pub(crate) fn resume(&mut self) {
        // A terminal that is gone is noticed at the next read.
        let _ = self.terminal.as_mut().map_or(Ok(()), Terminal::resume);
    }

    fn hide(&mut self) {
        // What fails here fails again with the next message.
        let _ = self.attempt(|stdout, terminal| {
            terminal.as_mut().map_or(Ok(()), |terminal| terminal.hide(stdout))
        });
    }

    /// Prints what is kept.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.remarks.take().iter().for_each(|line| self.above(line));
        self.attempt(|stdout, terminal| {
            if let Some(terminal) = terminal {
                terminal.draw(stdout)?;
            }
            stdout.flush()
        })
    }

    /// After an error nothing is printed any more, and that is no further error.
    fn attempt(
        &mut self,
        write: impl FnOnce(&mut BufWriter<Stdout>, &mut Option<Terminal>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(stdout) = &mut self.stdout else { return Ok(()) };
        let result = write(stdout, &mut self.terminal);
        if result.is_err()
            && let Some(stdout) = self.stdout.take()
        {
            drop(stdout.into_parts()); // what could not be written is not tried again
        }
        result
    }
}
