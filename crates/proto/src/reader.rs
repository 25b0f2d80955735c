//! The receiving half of a connection: bytes in, [`Event`]s out (RFC 6455 §5 and §6.2).

use crate::close::{BadClose, CloseCode, CloseFrame};
use crate::frame::{FrameHeader, HEADER_MAX, Opcode};
use crate::mask::apply_mask;
use crate::utf8::Utf8;
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

/// What a [`Reader`] goes by. Shared by all connections of a kind, so handed to each call.
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

/// What [`Reader::next`] found.
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
        /// The piece.
        payload: &'b mut [u8],
        /// Bytes of the current frame still to come after this piece.
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
            Self::InvalidUtf8 | Self::BadCloseReason => CloseCode::INVALID_PAYLOAD,
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

/// The receiving state of one connection.
///
/// ```text
///            header complete, data            payload used up
///   Header ────────────────────────▶ Data ──────────────────────┐
///     ▲  │  header complete, control          payload used up   │
///     │  └─────────────────────────▶ Control ───────────────────┤
///     └─────────────────────────────────────────────────────────┘
///   Close frame or violation, in any stage ──▶ Deaf
/// ```
///
/// Between messages it owns nothing on the heap.
#[derive(Debug, Default)]
pub struct Reader {
    /// Payload bytes of the current frame still to come.
    remaining: u64,
    /// What is kept of an unfinished message or control frame; `None` between messages.
    partial: Option<Box<Partial>>,
    /// Frames of the current message so far.
    fragments: u32,
    /// The key, turned to fit the next payload byte; zeros for an unmasked frame.
    mask: [u8; 4],
    /// Text of the current message so far.
    utf8: Utf8,
    /// The message that has begun and not ended.
    message: Option<MessageKind>,
    stage: Stage,
    /// An unfinished header is `spill[..spill_len]`.
    spill_len: u8,
    spill: [u8; HEADER_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// Before or in a frame's header.
    #[default]
    Header,
    /// In the payload of a data frame, which may be FIN.
    Data { fin: bool },
    /// In the payload of a control frame.
    Control(Opcode),
    /// After a Close or a violation: nothing is looked at any more.
    Deaf,
}

#[derive(Debug, Default)]
struct Partial {
    /// The message so far.
    message: Vec<u8>,
    /// The control frame so far: at most 125 bytes.
    control: Vec<u8>,
}

impl Reader {
    /// At the start of a connection, right after the opening handshake.
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds the next event in `input` and advances `input` past what it used.
    ///
    /// Call until [`Event::NeedMore`]. Payload is unmasked where it lies. After an error or a
    /// Close, all further input is discarded.
    pub fn next<'b>(
        &mut self,
        rules: &Rules,
        input: &mut &'b mut [u8],
    ) -> Result<Event<'b>, Violation> {
        let event = self.step(rules, input);
        if matches!(event, Err(_) | Ok(Event::Close(_))) {
            self.stage = Stage::Deaf;
            self.partial = None;
        }
        event
    }

    /// Whether a Close or a violation has ended reception.
    pub fn is_deaf(&self) -> bool {
        matches!(self.stage, Stage::Deaf)
    }

    /// Whether the reader is between messages and holds nothing.
    pub fn is_between_messages(&self) -> bool {
        matches!(self.stage, Stage::Header) && self.spill_len == 0 && self.message.is_none()
    }

    fn step<'b>(
        &mut self,
        rules: &Rules,
        input: &mut &'b mut [u8],
    ) -> Result<Event<'b>, Violation> {
        loop {
            let event = match self.stage {
                Stage::Header => match self.header(input)? {
                    Some(header) => {
                        self.begin_frame(rules, header)?;
                        continue;
                    }
                    None => return Ok(Event::NeedMore),
                },
                Stage::Data { fin } if rules.streaming => self.stream(rules, input, fin)?,
                Stage::Data { fin } => self.assemble(rules, input, fin)?,
                Stage::Control(opcode) => self.control(input, opcode)?,
                Stage::Deaf => {
                    *input = &mut [];
                    None
                }
            };
            match event {
                Some(event) => return Ok(event),
                None if matches!(self.stage, Stage::Header) && !input.is_empty() => {}
                None => return Ok(Event::NeedMore),
            }
        }
    }

    /// Takes a header from the input, or from the spill and the input.
    fn header(&mut self, input: &mut &mut [u8]) -> Result<Option<FrameHeader>, Violation> {
        if self.spill_len == 0
            && let Some((header, size)) = FrameHeader::decode(input)?
        {
            take(input, size);
            return Ok(Some(header));
        }
        while let Some(&byte) = input.first() {
            take(input, 1);
            // A header is complete at HEADER_MAX bytes at the latest, so the spill cannot overflow.
            self.spill[usize::from(self.spill_len)] = byte;
            self.spill_len += 1;
            let spill = &self.spill[..usize::from(self.spill_len)];
            if let Some((header, _)) = FrameHeader::decode(spill)? {
                self.spill_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn begin_frame(&mut self, rules: &Rules, header: FrameHeader) -> Result<(), Violation> {
        if header.reserved != 0 {
            return Err(Violation::ReservedBits(header.reserved));
        }
        self.mask = match (rules.role, header.mask) {
            (Role::Server, Some(key)) => key,
            (Role::Server, None) => return Err(Violation::Unmasked),
            (Role::Client, None) => [0; 4],
            (Role::Client, Some(_)) => return Err(Violation::Masked),
        };
        self.remaining = header.len;
        if header.opcode.is_control() {
            return self.begin_control(header);
        }
        self.message = Some(match (header.opcode, self.message) {
            (Opcode::Text, None) => MessageKind::Text,
            (Opcode::Binary, None) => MessageKind::Binary,
            (Opcode::Text | Opcode::Binary, Some(_)) => return Err(Violation::MessageInMessage),
            (_, Some(kind)) => kind,
            (_, None) => return Err(Violation::NothingToContinue),
        });
        self.count_fragment(rules, header)?;
        self.stage = Stage::Data { fin: header.fin };
        Ok(())
    }

    fn begin_control(&mut self, header: FrameHeader) -> Result<(), Violation> {
        if !header.fin {
            return Err(Violation::FragmentedControl(header.opcode));
        }
        if header.len > 125 {
            return Err(Violation::LongControl(header.len));
        }
        self.stage = Stage::Control(header.opcode);
        Ok(())
    }

    fn count_fragment(&mut self, rules: &Rules, header: FrameHeader) -> Result<(), Violation> {
        self.fragments = self.fragments.saturating_add(1);
        if self.fragments > rules.fragments {
            return Err(Violation::TooManyFragments(rules.fragments));
        }
        let held = self.partial.as_ref().map_or(0, |partial| partial.message.len() as u64);
        if !rules.streaming && held.saturating_add(header.len) > rules.message_bytes {
            return Err(Violation::MessageTooBig(rules.message_bytes));
        }
        Ok(())
    }

    fn assemble<'b>(
        &mut self,
        rules: &Rules,
        input: &mut &'b mut [u8],
        fin: bool,
    ) -> Result<Option<Event<'b>>, Violation> {
        let (kind, piece) = self.data_piece(rules, input, fin)?;
        if fin && self.remaining == 0 {
            let payload = match self.partial.take() {
                Some(mut partial) if !partial.message.is_empty() => {
                    partial.message.extend_from_slice(piece);
                    Payload::Owned(partial.message)
                }
                Some(_) | None => Payload::Borrowed(piece),
            };
            return Ok(Some(Event::Message { kind, payload }));
        }
        if !piece.is_empty() {
            self.partial.get_or_insert_default().message.extend_from_slice(piece);
        }
        Ok(None)
    }

    fn stream<'b>(
        &mut self,
        rules: &Rules,
        input: &mut &'b mut [u8],
        fin: bool,
    ) -> Result<Option<Event<'b>>, Violation> {
        let (kind, payload) = self.data_piece(rules, input, fin)?;
        let is_final = fin && self.remaining == 0;
        let worth_telling = is_final || !payload.is_empty();
        let event = Event::Chunk { kind, remaining: self.remaining, is_final, payload };
        Ok(worth_telling.then_some(event))
    }

    /// Takes, unmasks and checks what the input has of the current data frame.
    fn data_piece<'b>(
        &mut self,
        rules: &Rules,
        input: &mut &'b mut [u8],
        fin: bool,
    ) -> Result<(MessageKind, &'b mut [u8]), Violation> {
        // `begin_frame` has set the kind of the message before the stage became `Data`.
        let kind = self.message.unwrap_or(MessageKind::Binary);
        let piece = self.payload_piece(input);
        let is_text = kind == MessageKind::Text && rules.check_utf8;
        if is_text && self.utf8.feed(piece).is_err() {
            return Err(Violation::InvalidUtf8);
        }
        if fin && self.remaining == 0 {
            if is_text && !self.utf8.is_complete() {
                return Err(Violation::InvalidUtf8);
            }
            self.message = None;
            self.fragments = 0;
        }
        Ok((kind, piece))
    }

    fn control<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        opcode: Opcode,
    ) -> Result<Option<Event<'b>>, Violation> {
        let piece = self.payload_piece(input);
        let payload = if self.remaining > 0 {
            if !piece.is_empty() {
                self.partial.get_or_insert_default().control.extend_from_slice(piece);
            }
            return Ok(None);
        } else {
            match self.partial.as_mut().map(|partial| std::mem::take(&mut partial.control)) {
                Some(mut control) if !control.is_empty() => {
                    control.extend_from_slice(piece);
                    Payload::Owned(control)
                }
                Some(_) | None => Payload::Borrowed(piece),
            }
        };
        if self.message.is_none() {
            self.partial = None;
        }
        Ok(Some(match opcode {
            Opcode::Ping => Event::Ping(payload),
            Opcode::Pong => Event::Pong(payload),
            // The stage is entered with control opcodes only.
            Opcode::Close | Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                Event::Close(CloseFrame::parse(&payload)?)
            }
        }))
    }

    /// Takes and unmasks what the input has of the current frame; leaves the stage at its end.
    fn payload_piece<'b>(&mut self, input: &mut &'b mut [u8]) -> &'b mut [u8] {
        let size = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(input.len());
        let piece = take(input, size);
        if self.mask != [0; 4] {
            self.mask = apply_mask(piece, self.mask);
        }
        self.remaining -= size as u64;
        if self.remaining == 0 {
            self.stage = Stage::Header;
        }
        piece
    }
}

/// Splits `size` bytes, which must be there, off the front of `input`.
fn take<'b>(input: &mut &'b mut [u8], size: usize) -> &'b mut [u8] {
    let (front, rest) = std::mem::take(input).split_at_mut(size);
    *input = rest;
    front
}
