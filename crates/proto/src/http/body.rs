//! Bodies of requests (RFC 9112 §6, §7): how they are delimited, and reading them in pieces.

use std::error::Error;
use std::fmt;

use super::error::HeadError;
use super::head::RequestHead;
use super::scan::{HeadLimits, HeadScanner};
use super::syntax::is_value_byte;

/// How a body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none.
    None,
    /// That many bytes.
    Length(u64),
    /// Chunks, up to one of length zero (RFC 9112 §7.1).
    Chunked,
}

impl Framing {
    /// How the body of a request is delimited. What could be read in two ways was refused when
    /// the head was parsed.
    pub fn of_request(head: &RequestHead<'_>) -> Self {
        head.framing()
    }
}

/// The longest extension of one chunk, in bytes.
pub const MAX_CHUNK_EXTENSION: u16 = 256;

/// The sum of all chunk extensions of one body, in bytes.
pub const MAX_CHUNK_EXTENSIONS: u16 = 16 * 1024;

/// What the trailer section may cost. Its fields are checked and dropped.
pub const TRAILER_LIMITS: HeadLimits = HeadLimits { bytes: 4096, headers: 32 };

/// Digits of a chunk size: 64 bits, leading zeros included.
const MAX_SIZE_DIGITS: u8 = 16;

/// What a [`BodyReader`] found.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyEvent<'b> {
    /// All input has been consumed, and the body is not at its end.
    NeedMore,
    /// Some of the body, never empty.
    Data(&'b [u8]),
    /// The body is complete; what is left of the input belongs to the next message.
    End,
}

/// Reads a body in pieces, and not a byte more. Holds none of it.
/// ```
/// use sockeye_proto::http::{BodyEvent, BodyReader, Framing};
///
/// let mut body = BodyReader::new(Framing::Chunked, 1024)?;
/// let mut input = &b"5\r\nhello\r\n0\r\n\r\nGET /next"[..];
/// assert_eq!(body.next(&mut input)?, BodyEvent::Data(b"hello"));
/// assert_eq!(body.next(&mut input)?, BodyEvent::End);
/// assert_eq!(input, b"GET /next");
/// # Ok::<(), sockeye_proto::http::BodyError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BodyReader {
    state: State,
    limit: u64,
    /// How much more data the limit leaves room for.
    room: u64,
    /// How much more the chunk extensions may take.
    extensions: u16,
}

/// ```text
/// Length → End
/// Size → (Pad →) (Extension →) SizeLf → Chunk → ChunkCr → ChunkLf → Size
///                                 └─ size 0 → Trailers → End
/// any → Failed
/// ```
#[derive(Clone, Copy, Debug)]
enum State {
    Length { left: u64 },
    Size { size: u64, digits: u8 },
    Pad { size: u64, length: u16 },
    Extension { size: u64, length: u16 },
    SizeLf { size: u64 },
    Chunk { left: u64 },
    ChunkCr,
    ChunkLf,
    Trailers(HeadScanner),
    End,
    Failed(BodyError),
}

const NEXT_SIZE: State = State::Size { size: 0, digits: 0 };

impl BodyReader {
    /// A reader for a body of at most `limit` bytes. One announced as longer is refused here,
    /// before the client is told to go on sending it.
    pub fn new(framing: Framing, limit: u64) -> Result<Self, BodyError> {
        let state = match framing {
            Framing::None | Framing::Length(0) => State::End,
            Framing::Length(left) if left > limit => return Err(BodyError::TooLarge { limit }),
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => NEXT_SIZE,
        };
        Ok(Self { state, limit, room: limit, extensions: MAX_CHUNK_EXTENSIONS })
    }

    /// The next event; `input` is advanced past what it took. After an error the
    /// same error, and where `input` stands then means nothing.
    pub fn next<'b>(&mut self, input: &mut &'b [u8]) -> Result<BodyEvent<'b>, BodyError> {
        while !input.is_empty() {
            match self.state {
                State::End | State::Failed(_) => break,
                State::Length { left } => {
                    let (data, left) = take(input, left);
                    self.state = if left == 0 { State::End } else { State::Length { left } };
                    return Ok(BodyEvent::Data(data));
                }
                State::Chunk { left } => {
                    let (data, left) = take(input, left);
                    self.state = if left == 0 { State::ChunkCr } else { State::Chunk { left } };
                    return Ok(BodyEvent::Data(data));
                }
                State::Trailers(scanner) => self.settle(read_trailers(scanner, input)),
                State::Size { .. }
                | State::Pad { .. }
                | State::Extension { .. }
                | State::SizeLf { .. }
                | State::ChunkCr
                | State::ChunkLf => {
                    let byte = input[0];
                    *input = &input[1..];
                    let next = self.step(byte);
                    self.settle(next);
                }
            }
        }
        match self.state {
            State::End => Ok(BodyEvent::End),
            State::Failed(error) => Err(error),
            State::Length { .. } | State::Chunk { .. } | State::Trailers(_) => {
                Ok(BodyEvent::NeedMore)
            }
            State::Size { .. }
            | State::Pad { .. }
            | State::Extension { .. }
            | State::SizeLf { .. }
            | State::ChunkCr
            | State::ChunkLf => Ok(BodyEvent::NeedMore),
        }
    }

    /// Whether the body has been read to its end.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::End)
    }

    fn settle(&mut self, next: Result<State, BodyError>) {
        self.state = next.unwrap_or_else(State::Failed);
    }

    /// One byte of what stands between the data of two chunks (RFC 9112 §7.1).
    fn step(&mut self, byte: u8) -> Result<State, BodyError> {
        match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                self.add_digit(size, digits, byte)
            }
            (State::Size { digits: 0, .. }, _) => Err(BodyError::ChunkSize),
            (State::Size { size, .. } | State::Extension { size, .. }, b'\r') => {
                Ok(State::SizeLf { size })
            }
            // Space may precede an extension (§7.1.1), and nothing else.
            (State::Size { size, .. }, b' ' | b'\t') => self.pad(size, 0),
            (State::Pad { size, length }, b' ' | b'\t') => self.pad(size, length),
            (State::Size { size, .. }, b';') => self.extend(size, 0),
            (State::Pad { size, length }, b';') => self.extend(size, length),
            (State::Extension { size, length }, _) if is_value_byte(byte) => {
                self.extend(size, length)
            }
            (State::Extension { .. } | State::Pad { .. }, _) => Err(BodyError::ChunkExtension),
            (State::Size { .. }, _) => Err(BodyError::ChunkSize),
            (State::SizeLf { size: 0 }, b'\n') => Ok(State::Trailers(HeadScanner::for_trailers())),
            (State::SizeLf { size }, b'\n') => {
                self.room -= size; // `add_digit` saw to it that it fits
                Ok(State::Chunk { left: size })
            }
            (State::ChunkCr, b'\r') => Ok(State::ChunkLf),
            (State::ChunkLf, b'\n') => Ok(NEXT_SIZE),
            (State::SizeLf { .. } | State::ChunkCr | State::ChunkLf, _) => Err(BodyError::ChunkEnd),
            // `next` deals with these itself.
            (State::Length { .. } | State::Chunk { .. } | State::Trailers(_), _)
            | (State::End | State::Failed(_), _) => Ok(self.state),
        }
    }

    fn add_digit(&mut self, size: u64, digits: u8, digit: u8) -> Result<State, BodyError> {
        let value = char::from(digit).to_digit(16).ok_or(BodyError::ChunkSize)?;
        let size = size.checked_mul(16).and_then(|size| size.checked_add(u64::from(value)));
        let size = size.filter(|_| digits < MAX_SIZE_DIGITS).ok_or(BodyError::ChunkSize)?;
        if size > self.room {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        Ok(State::Size { size, digits: digits + 1 })
    }

    fn pad(&mut self, size: u64, length: u16) -> Result<State, BodyError> {
        Ok(State::Pad { size, length: self.count_extension(length)? })
    }

    fn extend(&mut self, size: u64, length: u16) -> Result<State, BodyError> {
        Ok(State::Extension { size, length: self.count_extension(length)? })
    }

    fn count_extension(&mut self, length: u16) -> Result<u16, BodyError> {
        self.extensions = self.extensions.checked_sub(1).ok_or(BodyError::ChunkExtension)?;
        if length == MAX_CHUNK_EXTENSION { Err(BodyError::ChunkExtension) } else { Ok(length + 1) }
    }
}

/// Cuts up to `left` bytes off the front, and says how many are left to come.
fn take<'b>(input: &mut &'b [u8], left: u64) -> (&'b [u8], u64) {
    let length = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
    let (data, rest) = input.split_at(length);
    *input = rest;
    (data, left - length as u64)
}

fn read_trailers(mut scanner: HeadScanner, input: &mut &[u8]) -> Result<State, BodyError> {
    let end = scanner.feed(input, &TRAILER_LIMITS).map_err(BodyError::Trailer)?;
    *input = &input[end.unwrap_or(input.len())..];
    Ok(if end.is_some() { State::End } else { State::Trailers(scanner) })
}

/// A body that is refused. The connection should close after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// Longer than the limit the reader was made with.
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// A chunk size is no hexadecimal number, or does not fit.
    ChunkSize,
    /// A chunk extension is malformed or too long.
    ChunkExtension,
    /// A chunk size, or the data of a chunk, is not followed by CRLF.
    ChunkEnd,
    /// The trailer section is malformed or too long.
    Trailer(HeadError),
}

impl BodyError {
    /// The status a server answers with.
    pub fn status(&self) -> u16 {
        match self {
            Self::TooLarge { .. } => 413,
            Self::ChunkSize | Self::ChunkExtension | Self::ChunkEnd => 400,
            Self::Trailer(error) => error.status(),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "the body is longer than {limit} bytes"),
            Self::ChunkSize => f.write_str("a chunk size is no hexadecimal number that fits"),
            Self::ChunkExtension => f.write_str("a chunk extension is malformed or too long"),
            Self::ChunkEnd => f.write_str("a chunk does not end in CRLF"),
            Self::Trailer(error) => write!(f, "in the trailer section: {error}"),
        }
    }
}

impl Error for BodyError {}
