//! What goes in and out of callbacks: messages, actions, endings.

use crate::tls::TlsError;
use crate::transport::Lost;
use bytes::Bytes;
use sockeye_proto::{
    CloseCode, FrameHeader, HEADER_MAX, MessageKind, Payload, Violation, WholeMessage, push_frame,
};
use sockeye_sys::Lasting;
use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A whole text or binary message, received or to be sent.
///
/// ```
/// use sockeye::Message;
///
/// assert_eq!(Message::text("hi").as_text(), Some("hi"));
/// assert_eq!(Message::binary(b"\xff").as_text(), None);
/// ```
pub struct Message<'m> {
    kind: MessageKind,
    /// How long the frame's header is that stands before the payload; 0 if there is none.
    header: usize,
    bytes: Cow<'m, [u8]>,
}

impl<'m> Message<'m> {
    /// A text message.
    pub fn text(text: impl Into<Cow<'m, str>>) -> Self {
        let bytes = match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        Self { kind: MessageKind::Text, header: 0, bytes }
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Cow<'m, [u8]>>) -> Self {
        Self { kind: MessageKind::Binary, header: 0, bytes: bytes.into() }
    }

    pub(crate) fn received(kind: MessageKind, payload: Payload<'m>) -> Self {
        let bytes = match payload {
            Payload::Borrowed(bytes) => Cow::Borrowed(&*bytes),
            Payload::Owned(bytes) => Cow::Owned(bytes),
        };
        Self { kind, header: 0, bytes }
    }

    /// One that keeps the header it came with, so that to send it back or on takes no other.
    pub(crate) fn whole(whole: WholeMessage<'m>) -> Self {
        let WholeMessage { kind, frame, header } = whole;
        Self { kind, header, bytes: Cow::Borrowed(frame) }
    }

    /// Header and payload as a server sends them, if they lie together.
    pub(crate) fn as_frame(&self) -> Option<&[u8]> {
        (self.header > 0).then_some(&self.bytes)
    }

    /// Text or binary.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.header..]
    }

    /// The text of a text message; `None` for a binary one.
    pub fn as_text(&self) -> Option<&str> {
        match self.kind {
            MessageKind::Text => sockeye_proto::as_text(self.as_bytes()),
            MessageKind::Binary => None,
        }
    }

    /// The payload, to keep; copies only if it still lies in the receive buffer.
    pub fn into_bytes(self) -> Vec<u8> {
        match self.bytes {
            Cow::Borrowed(bytes) => bytes[self.header..].to_vec(),
            Cow::Owned(bytes) => bytes, // which has no header
        }
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:?})", self.kind, self.as_bytes().escape_ascii().to_string())
    }
}

impl<'m> From<&'m str> for Message<'m> {
    fn from(text: &'m str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message<'_> {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl<'m> From<&'m [u8]> for Message<'m> {
    fn from(bytes: &'m [u8]) -> Self {
        Self::binary(bytes)
    }
}

impl From<Vec<u8>> for Message<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

/// A message framed once, to be sent to many connections without copying it for each.
#[derive(Clone, Debug)]
pub struct Shared {
    pub(crate) kind: MessageKind,
    /// Header and payload as a server sends them.
    pub(crate) frame: Bytes,
    pub(crate) header_len: usize,
    /// The frame compressed, made for the first receiver that takes it so; `None` inside if it
    /// does not pay.
    pub(crate) deflated: Arc<OnceLock<Option<Bytes>>>,
}

impl Shared {
    /// Frames `message`.
    pub fn new<'m>(message: impl Into<Message<'m>>) -> Self {
        let message = message.into();
        let payload = message.as_bytes();
        let header = data_header(message.kind, None);
        let mut frame = Vec::with_capacity(HEADER_MAX + payload.len());
        push_frame(&mut frame, header, payload);
        let header_len = frame.len() - payload.len();
        Self { kind: message.kind, frame: frame.into(), header_len, deflated: Arc::default() }
    }

    /// The payload.
    pub fn as_bytes(&self) -> &[u8] {
        &self.frame[self.header_len..]
    }

    /// Text or binary.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// It, to be sent to one, who may take it otherwise.
    pub(crate) fn message(&self) -> Message<'_> {
        Message { kind: self.kind, header: self.header_len, bytes: Cow::Borrowed(&self.frame) }
    }
}

pub(crate) fn data_header(kind: MessageKind, mask: Option<[u8; 4]>) -> FrameHeader {
    FrameHeader { fin: true, reserved: 0, opcode: kind.opcode(), mask, len: 0 }
}

/// A piece of a message, for a [`Protocol`](crate::Protocol) that streams.
pub struct Chunk<'c> {
    pub(crate) kind: MessageKind,
    pub(crate) payload: &'c [u8],
    pub(crate) remaining: u64,
    pub(crate) is_final: bool,
    pub(crate) is_compressed: bool,
}

impl<'c> Chunk<'c> {
    /// The kind of the message that this is part of. Text may be cut inside a character.
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The piece; empty only if it is the final one.
    pub fn payload(&self) -> &'c [u8] {
        self.payload
    }

    /// Bytes of the current frame still to come after this piece (manual,
    /// `libwebsockets_remaining_packet_payload`).
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Whether the message ends with this piece: the frame has FIN and nothing of it remains.
    pub fn is_final(&self) -> bool {
        self.is_final
    }

    /// Whether the message came compressed; [`payload`](Self::payload) has been inflated, while
    /// [`remaining`](Self::remaining) counts what is on the wire.
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }
}

/// What becomes of the connection, as decided by the callback that it happened to.
#[must_use = "an action does nothing unless a callback returns it"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It goes on.
    Continue,
    /// It is closed by the closing handshake, with this code and reason (§7 of RFC 6455). The
    /// reason is cut at 123 bytes.
    ///
    /// What the peer sends until its own Close frame comes is read and dropped, though §1.4 lets
    /// it be delivered: the callback has decided that nothing more is to be said, and can answer
    /// nothing. Who wants a last word from the peer asks for it in a message, and closes then.
    Close(CloseCode, Cow<'static, str>),
    /// It ends at once, without a Close frame.
    Abort,
}

impl Action {
    /// [`Close`](Self::Close) with anything that makes a reason.
    pub fn close(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Close(code, reason.into())
    }
}

/// How a WebSocket ended.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The code in the first Close frame, by whoever sent it; `None` if there was no frame, or an
    /// empty one.
    pub code: Option<CloseCode>,
    /// The reason beside the code.
    pub reason: String,
    /// Close frames went both ways (§7.1.4).
    pub clean: bool,
    /// Who ended it.
    pub by: By,
    /// Why it ended.
    pub cause: Cause,
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            By::Us => "us",
            By::Peer => "peer",
        };
        write!(f, "closed by {by}: {}", self.cause)?;
        if let Some(code) = self.code {
            write!(f, ", code {code}")?;
        }
        if !self.reason.is_empty() {
            write!(f, ", reason {:?}", self.reason)?;
        }
        if self.clean { Ok(()) } else { f.write_str(", not clean") }
    }
}

/// The end of the connection that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// This end.
    Us,
    /// The other end, or the network between.
    Peer,
}

/// Why a WebSocket ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// A Close frame was sent or received in good order.
    Close,
    /// The peer broke the protocol or went over a limit.
    Violation(Violation),
    /// The peer's FIN came without a Close frame.
    Vanished,
    /// The connection broke: reset, unreachable, timed out.
    Broken(std::io::ErrorKind),
    /// Its TLS failed.
    Tls(TlsError),
    /// Nothing came for this long after our ping.
    PongMissing(Duration),
    /// The peer took none of the bytes that wait for it for this long.
    Stalled(Duration),
    /// The peer did not answer our Close frame within this time.
    CloseUnanswered(Duration),
    /// The send queue was full and the policy is [`Overflow::Close`](crate::Overflow::Close).
    QueueFull,
    /// The application aborted it.
    Aborted,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => f.write_str("closing handshake"),
            Self::Violation(violation) => write!(f, "protocol violation: {violation}"),
            Self::Vanished => f.write_str("end of stream without a close frame"),
            Self::Broken(kind) => write!(f, "connection broke: {kind}"),
            Self::Tls(error) => error.fmt(f),
            Self::PongMissing(after) => write!(f, "no pong within {}", Lasting(*after)),
            Self::Stalled(after) => write!(f, "peer took nothing for {}", Lasting(*after)),
            Self::CloseUnanswered(after) => {
                write!(f, "close frame unanswered for {}", Lasting(*after))
            }
            Self::QueueFull => f.write_str("send queue full"),
            Self::Aborted => f.write_str("aborted"),
        }
    }
}

impl From<Lost> for Cause {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Eof => Self::Vanished,
            Lost::Broken(kind) => Self::Broken(kind),
            Lost::Tls(error) => Self::Tls(error.into()),
        }
    }
}
