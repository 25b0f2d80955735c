//! How the program ends.

use std::io::{self, Write};
use std::process::ExitCode;

/// An exit status, and the sentence that says why on stderr.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ending {
    status: u8,
    sentence: Option<String>,
}

/// The status of a command that could not do what it is for.
pub(crate) const FAILED: u8 = 1;
/// The status of a command that was asked for wrongly.
pub(crate) const MISUSED: u8 = 2;

impl Ending {
    /// Status 0, and nothing to say.
    pub(crate) const fn success() -> Self {
        Self { status: 0, sentence: None }
    }

    /// Another status, of which all has been said.
    pub(crate) const fn silent(status: u8) -> Self {
        Self { status, sentence: None }
    }

    /// Another status, and why.
    pub(crate) fn with(status: u8, sentence: impl Into<String>) -> Self {
        Self { status, sentence: Some(sentence.into()) }
    }

    /// Status 128 and the signal's number, as shells count.
    pub(crate) fn by_signal(signal: i32, sentence: impl Into<String>) -> Self {
        let status = u8::try_from(128 + signal).unwrap_or(u8::MAX);
        Self::with(status, sentence)
    }

    /// What a failed write to stdout means: whoever reads it may have seen enough, which is no
    /// fault; anything else is.
    pub(crate) fn of_stdout(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::success();
        }
        Self::with(FAILED, format!("cannot write to standard output: {error}"))
    }

    /// The same status without the sentence, if `tell` passes that on (with the program's name
    /// before it).
    pub(crate) fn told_by(mut self, tell: impl FnOnce(&str) -> bool) -> Self {
        if self.sentence.as_deref().is_some_and(tell) {
            self.sentence = None;
        }
        self
    }

    /// Says what there is to say, and gives the status.
    pub(crate) fn report(&self) -> ExitCode {
        if let Some(sentence) = &self.sentence {
            // With stderr gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "sockeye: {sentence}");
        }
        ExitCode::from(self.status)
    }
}
