//! Where a head ends, found piece by piece without looking at any byte twice.

use super::error::HeadError;

/// What a head may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Length of the whole head, its final empty line included. Default 16 KiB.
    pub bytes: usize,
    /// Number of header fields. Default 100.
    pub headers: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes: 16 * 1024, headers: 100 }
    }
}

/// Empty lines tolerated before a request line (RFC 9112 §2.2 asks for at least one).
const BLANK_LINES: u8 = 2;

/// Finds the end of a head that arrives in pieces.
///
/// It keeps no bytes, so it cannot rescan: whatever the pieces, each byte is looked at once.
/// ```
/// use sockeye_proto::http::{HeadLimits, HeadScanner};
///
/// let (mut scanner, limits) = (HeadScanner::default(), HeadLimits::default());
/// assert_eq!(scanner.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r", &limits), Ok(None));
/// assert_eq!(scanner.feed(b"\nnot the head any more", &limits), Ok(Some(1)));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeadScanner {
    seen: u32,
    headers: u16,
    at: At,
}

/// ```text
/// Blank ⇄ BlankCr          Start ← BlankCr, at a first byte that is no CR
///   └──→ Start → StartCr → LineStart → Line → LineCr ─┐
///                             ↑ └→ EndCr → End        │
///                             └───────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// Before the first line, after so many empty ones.
    Blank(u8),
    BlankCr(u8),
    /// In the first line.
    Start,
    StartCr,
    /// At the first byte of a header line, or of the empty line that ends the head.
    LineStart,
    Line,
    LineCr,
    EndCr,
    End,
}

impl Default for At {
    fn default() -> Self {
        Self::Blank(0)
    }
}

impl HeadScanner {
    /// A scanner for lines that follow no first line: the trailer section of a chunked body.
    pub(crate) fn for_trailers() -> Self {
        Self { seen: 0, headers: 0, at: At::LineStart }
    }

    /// Looks at the next piece. `Some(n)`: the head ends `n` bytes into it; `None`: all of it
    /// belongs to the head, and more is wanted. What is already known to be wrong is an error at
    /// once. After an error the scanner is of no further use; after the end it says `Some(0)`.
    pub fn feed(&mut self, piece: &[u8], limits: &HeadLimits) -> Result<Option<usize>, HeadError> {
        if self.at == At::End {
            return Ok(Some(0));
        }
        let limit = u32::try_from(limits.bytes).unwrap_or(u32::MAX);
        let room = limit.saturating_sub(self.seen) as usize;
        let window = &piece[..piece.len().min(room)];
        let mut looked_at = 0;
        while looked_at < window.len() {
            if matches!(self.at, At::Start | At::Line) {
                looked_at += plain_run(&window[looked_at..]);
                if begins_field(&window[looked_at..]) {
                    self.at = self.count_header(limits)?;
                    looked_at += 3;
                    continue;
                }
                if looked_at == window.len() {
                    break;
                }
            }
            self.at = self.step(window[looked_at], self.seen as usize + looked_at, limits)?;
            looked_at += 1;
            if self.at == At::End {
                break;
            }
        }
        self.seen += looked_at as u32; // at most `room`, which came from a u32
        if self.at == At::End {
            Ok(Some(looked_at))
        } else if self.seen >= limit {
            Err(self.too_long(limits.bytes))
        } else {
            Ok(None)
        }
    }

    /// How many bytes of the head have been seen. Zero: the peer has not begun one.
    pub fn seen(&self) -> usize {
        self.seen as usize
    }

    /// Whether all of a head has been seen, and it was so long.
    pub(crate) fn has_seen(&self, len: usize) -> bool {
        self.at == At::End && self.seen() == len
    }

    /// How many header fields have been seen.
    pub(crate) fn headers(&self) -> usize {
        usize::from(self.headers)
    }

    fn step(&mut self, byte: u8, at: usize, limits: &HeadLimits) -> Result<At, HeadError> {
        match (self.at, byte) {
            (_, 0) => Err(HeadError::Nul { at }),
            (At::BlankCr(lines), b'\n') if lines < BLANK_LINES => Ok(At::Blank(lines + 1)),
            (At::BlankCr(_), b'\n') => Err(HeadError::BlankLines),
            (At::StartCr | At::LineCr, b'\n') => Ok(At::LineStart),
            (At::EndCr | At::End, b'\n') => Ok(At::End),
            (At::BlankCr(_) | At::StartCr | At::LineCr | At::EndCr | At::End, _) => {
                Err(HeadError::BareCr { at })
            }
            (At::Blank(_) | At::Start | At::LineStart | At::Line, b'\n') => {
                Err(HeadError::BareLf { at })
            }
            (At::Blank(lines), b'\r') => Ok(At::BlankCr(lines)),
            (At::Start, b'\r') => Ok(At::StartCr),
            (At::LineStart, b'\r') => Ok(At::EndCr),
            (At::Line, b'\r') => Ok(At::LineCr),
            (At::Blank(_) | At::Start, _) => Ok(At::Start),
            (At::LineStart, b' ' | b'\t') => Err(HeadError::FoldedLine { at }), // RFC 9112 §5.2
            (At::LineStart, _) => self.count_header(limits),
            (At::Line, _) => Ok(At::Line),
        }
    }

    fn count_header(&mut self, limits: &HeadLimits) -> Result<At, HeadError> {
        if self.headers() >= limits.headers.min(usize::from(u16::MAX)) {
            return Err(HeadError::TooManyHeaders { limit: limits.headers });
        }
        self.headers += 1;
        Ok(At::Line)
    }

    fn too_long(&self, limit: usize) -> HeadError {
        match self.at {
            At::Blank(_) | At::BlankCr(_) | At::Start | At::StartCr => {
                HeadError::FirstLineTooLong { limit }
            }
            At::LineStart | At::Line | At::LineCr | At::EndCr | At::End => {
                HeadError::TooLong { limit }
            }
        }
    }
}

/// Whether a line ends here and one begins that is neither empty nor folded, as most do: what the
/// single steps would find too.
fn begins_field(bytes: &[u8]) -> bool {
    matches!(bytes, [b'\r', b'\n', first, ..] if !matches!(first, 0 | b'\r' | b'\n' | b' ' | b'\t'))
}

/// How many bytes come before the next that could matter inside a line.
fn plain_run(bytes: &[u8]) -> usize {
    memchr::memchr3(b'\r', b'\n', 0, bytes).unwrap_or(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The state is too small to hold what was seen: looking back is impossible by structure.
    #[test]
    fn scanner_is_eight_bytes_and_so_cannot_look_back() {
        assert!(size_of::<HeadScanner>() <= 8);
    }

    #[test]
    fn a_plain_run_stops_before_each_byte_that_matters() {
        assert_eq!(plain_run(b"abc"), 3);
        assert_eq!(plain_run(b"ab\rc"), 2);
        assert_eq!(plain_run(b"a\nbc"), 1);
        assert_eq!(plain_run(b"\0abc"), 0);
    }
}
