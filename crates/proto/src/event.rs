//! What reading goes by, and what it finds: rules, events, violations.

use crate::close::{BadClose, CloseCode, CloseFrame};
use crate::frame::Opcode;
use std::fmt;
use std::ops::Deref;

/// Which end of the connection this is: a server gets masked frames, a client unmasked ones (§5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Accepted the connection.
    Server,
    /// Opened the connection.
    Client,
}

/// What a [`Reader`](crate::Reader) goes by. Shared by all connections of a kind, so handed to each
/// call.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Which end this is.
    pub role: Role,
    /// Deliver [`Event::Chunk`]s as they come instead of whole messages.
    pub streaming: bool,
    /// Close with 1007 at the first byte of a text message that cannot be UTF-8 (§8.1).
    pub check_utf8: bool,
    /// The longest message that is assembled, in bytes; over it the connection fails with 1009.
    /// Streaming holds nothing back and is not limited.
    pub message_bytes: u64,
    /// The most frames in one message, empty ones counted; over it the connection fails with 1009.
    pub fragments: u32,
}

impl Rules {
    /// Assembles messages of up to 1 MiB in up to 4096 fragments, and checks UTF-8.
    pub fn new(role: Role) -> Self {
        Self { role, streaming: false, check_utf8: true, message_bytes: 1 << 20, fragments: 4096 }
    }
}

/// Text or binary (§5.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8 text.
    Text,
    /// Bytes of any kind.
    Binary,
}

impl MessageKind {
    /// The opcode of the message's first frame.
    pub const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// Unmasked payload: in the input where it arrived, or assembled from several reads.
pub enum Payload<'b> {
    /// Lies in the input buffer.
    Borrowed(&'b mut [u8]),
    /// Was put together from pieces.
    Owned(Vec<u8>),
}

impl Deref for Payload<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.deref().escape_ascii().to_string())
    }
}

/// A message that came as one frame, where it lies in the input, unmasked; and with the header that
/// it has without a mask, so that it can be passed on as it is.
#[derive(Debug)]
pub struct WholeMessage<'b> {
    /// Text or binary.
    pub kind: MessageKind,
    /// Header and payload, as a server sends them (§5.1).
    pub frame: &'b mut [u8],
    /// How long the header is, in bytes.
    pub header: usize,
}

impl<'b> WholeMessage<'b> {
    /// All of the message.
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.header..]
    }

    /// The same, out of the frame.
    pub fn into_payload(self) -> &'b mut [u8] {
        &mut self.frame[self.header..]
    }
}

/// What [`Reader::next`](crate::Reader::next) found.
#[derive(Debug)]
pub enum Event<'b> {
    /// The input is used up. Not an error: call again with more.
    NeedMore,
    /// A whole message; only without [`Rules::streaming`].
    Message {
        /// Text or binary.
        kind: MessageKind,
        /// All of it.
        payload: Payload<'b>,
    },
    /// A piece of a message; only with [`Rules::streaming`]. Empty only if it is the final one.
    Chunk {
        /// The kind of the message that this is part of.
        kind: MessageKind,
        /// The piece, inflated.
        payload: Payload<'b>,
        /// Bytes of the current frame still to come after this piece, as they are on the wire.
        remaining: u64,
        /// The message ends here: the frame has FIN and nothing of it remains.
        is_final: bool,
    },
    /// A Ping, to be answered by a Pong with the same payload (§5.5.2).
    Ping(Payload<'b>),
    /// A Pong (§5.5.3).
    Pong(Payload<'b>),
    /// A Close (§5.5.1). Nothing after it is looked at: from here on every input is discarded.
    Close(CloseFrame),
}

/// How the peer broke the protocol, or which limit it went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A client sent a frame without a mask (§5.1).
    Unmasked,
    /// A server sent a masked frame (§5.1).
    Masked,
    /// RSV bits that no extension has given a meaning (§5.2).
    ReservedBits(u8),
    /// An opcode without meaning (§5.2).
    ReservedOpcode(u8),
    /// A length of this value was not in its shortest form (§5.2).
    LengthNotShortest(u64),
    /// A 64-bit length with its top bit set (§5.2).
    LengthOutOfRange(u64),
    /// A control frame without FIN (§5.5).
    FragmentedControl(Opcode),
    /// A control frame of more than 125 bytes (§5.5).
    LongControl(u64),
    /// A continuation frame while no message was begun (§5.4).
    NothingToContinue,
    /// A new message before the last one had ended (§5.4).
    MessageInMessage,
    /// Over [`Rules::message_bytes`], which is given.
    MessageTooBig(u64),
    /// Over [`Rules::fragments`], which is given.
    TooManyFragments(u32),
    /// A text message that is not UTF-8 (§8.1).
    InvalidUtf8,
    /// A compressed message that does not inflate (RFC 7692 §7.2.2).
    CorruptDeflate,
    /// A Close frame of one byte (§5.5.1).
    HalfACloseCode,
    /// A Close frame with a code that must not be sent (§7.4).
    BadCloseCode(u16),
    /// A Close frame with a reason that is not UTF-8 (§5.5.1).
    BadCloseReason,
}

impl Violation {
    /// The code to close with.
    pub fn close_code(self) -> CloseCode {
        match self {
            Self::MessageTooBig(_) | Self::TooManyFragments(_) => CloseCode::TOO_BIG,
            Self::InvalidUtf8 | Self::CorruptDeflate | Self::BadCloseReason => {
                CloseCode::INVALID_PAYLOAD
            }
            Self::Unmasked
            | Self::Masked
            | Self::ReservedBits(_)
            | Self::ReservedOpcode(_)
            | Self::LengthNotShortest(_)
            | Self::LengthOutOfRange(_)
            | Self::FragmentedControl(_)
            | Self::LongControl(_)
            | Self::NothingToContinue
            | Self::MessageInMessage
            | Self::HalfACloseCode
            | Self::BadCloseCode(_) => CloseCode::PROTOCOL_ERROR,
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unmasked => write!(f, "frame from a client is not masked"),
            Self::Masked => write!(f, "frame from a server is masked"),
            Self::ReservedBits(bits) => write!(f, "reserved bits {:#05b} are set", bits >> 4),
            Self::ReservedOpcode(opcode) => write!(f, "opcode {opcode} is reserved"),
            Self::LengthNotShortest(len) => write!(f, "length {len} is not in its shortest form"),
            Self::LengthOutOfRange(len) => write!(f, "length {len} is over 2^63-1"),
            Self::FragmentedControl(opcode) => write!(f, "{opcode:?} frame is fragmented"),
            Self::LongControl(len) => write!(f, "control frame of {len} bytes, 125 is the most"),
            Self::NothingToContinue => write!(f, "continuation frame without a message"),
            Self::MessageInMessage => write!(f, "new message before the last one ended"),
            Self::MessageTooBig(limit) => write!(f, "message over {limit} bytes"),
            Self::TooManyFragments(limit) => write!(f, "message of over {limit} fragments"),
            Self::InvalidUtf8 => write!(f, "text is not UTF-8"),
            Self::CorruptDeflate => write!(f, "compressed message does not inflate"),
            Self::HalfACloseCode => write!(f, "close frame of one byte"),
            Self::BadCloseCode(code) => write!(f, "close code {code} must not be sent"),
            Self::BadCloseReason => write!(f, "close reason is not UTF-8"),
        }
    }
}

impl std::error::Error for Violation {}

impl From<BadClose> for Violation {
    fn from(bad: BadClose) -> Self {
        match bad {
            BadClose::HalfACode => Self::HalfACloseCode,
            BadClose::Code(code) => Self::BadCloseCode(code),
            BadClose::Reason => Self::BadCloseReason,
        }
    }
}
