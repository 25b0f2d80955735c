//! Messages as lines on stdout.

use std::io::{self, BufWriter, Stdout, Write};

/// Stdout, until it fails.
pub(crate) struct Output {
    stdout: Option<BufWriter<Stdout>>,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { stdout: Some(BufWriter::with_capacity(64 << 10, io::stdout())) }
    }

    /// Prints one line, or keeps it for [`flush`](Self::flush).
    pub(crate) fn line(&mut self, text: &[u8]) -> io::Result<()> {
        self.attempt(|stdout| {
            stdout.write_all(text)?;
            stdout.write_all(b"\n")
        })
    }

    /// Prints what is kept.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.attempt(Write::flush)
    }

    /// After an error nothing is printed any more, and that is no further error.
    fn attempt(
        &mut self,
        write: impl FnOnce(&mut BufWriter<Stdout>) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(stdout) = &mut self.stdout else { return Ok(()) };
        let result = write(stdout);
        if result.is_err()
            && let Some(stdout) = self.stdout.take()
        {
            drop(stdout.into_parts()); // what could not be written is not tried again
        }
        result
    }
}
