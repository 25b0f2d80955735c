//! The receiving half of a connection: bytes in, [`Event`]s out (RFC 6455 §5 and §6.2).

use crate::close::CloseFrame;
use crate::deflate::{DeflateAgreed, InflateError, Inflater, Inflaters};
use crate::event::{Event, MessageKind, Payload, Role, Rules, Violation, WholeMessage};
use crate::frame::{FrameHeader, HEADER_MAX, Opcode, RSV1};
use crate::utf8::{Utf8, is_utf8};
use sockeye_mask::apply_mask;

/// The receiving state of one connection.
///
/// ```text
///             a part of a header
///   Between ──────────────────────▶ Header ◀─────────────────────┐
///    ▲ │ │                           │  │                       │
///    │ │ └── header complete, data ──│──┴─▶ Data ───────────────┤ payload used up,
///    │ └── header complete, control ─┴────▶ Control ────────────┤ in a message
///    └───────────────────────────────────────────────────────────┘ payload used up, none begun
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
    /// That message is compressed.
    compressed: bool,
    inflation: Inflation,
    stage: Stage,
    /// An unfinished header is `spill[..spill_len]`.
    spill_len: u8,
    spill: [u8; HEADER_MAX],
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// Between messages: nothing has begun, and nothing is held.
    #[default]
    Between,
    /// In a frame's header, or before that of a message's next frame.
    Header,
    /// In the payload of a data frame, which may be FIN.
    Data { fin: bool },
    /// In the payload of a control frame.
    Control(Opcode),
    /// After a Close or a violation: nothing is looked at any more.
    Deaf,
}

/// Whether messages may come compressed, and what is kept between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inflation {
    /// permessage-deflate was not negotiated.
    #[default]
    Off,
    /// Each message starts with an empty window.
    Fresh,
    /// The peer keeps its window, so we must too.
    Kept,
}

#[derive(Debug, Default)]
struct Partial {
    /// The message so far, inflated.
    message: Vec<u8>,
    /// The control frame so far: at most 125 bytes.
    control: Vec<u8>,
    /// In a compressed message, and between messages if the peer keeps its window.
    inflater: Option<Box<Inflater>>,
}

/// A streamed compressed message is inflated in steps of this many bytes, each at most 1032 times
/// as long inflated, so that a chunk is bounded.
const STREAM_STEP: usize = 1024;

impl Reader {
    /// At the start of a connection, right after the opening handshake.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, if permessage-deflate was negotiated.
    pub fn with_deflate(agreed: &DeflateAgreed) -> Self {
        let kept = agreed.peer_context_takeover;
        let inflation = if kept { Inflation::Kept } else { Inflation::Fresh };
        Self { inflation, ..Self::default() }
    }

    /// Finds the next event in `input` and advances `input` past what it used.
    ///
    /// Call until [`Event::NeedMore`]. Payload is unmasked where it lies. After an error or a
    /// Close, all further input is discarded.
    pub fn next<'b>(
        &mut self,
        rules: &Rules,
        inflaters: &mut Inflaters,
        input: &mut &'b mut [u8],
    ) -> Result<Event<'b>, Violation> {
        let event = match self.whole_message(rules, input) {
            Some(Ok(whole)) => {
                let kind = whole.kind;
                Ok(Event::Message { kind, payload: Payload::Borrowed(whole.into_payload()) })
            }
            Some(Err(violation)) => Err(violation),
            None => self.step(rules, inflaters, input),
        };
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
        matches!(self.stage, Stage::Between)
    }

    /// How much of unfinished messages and control frames is held, for those who check that.
    #[doc(hidden)]
    pub fn held_bytes(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| partial.message.len() + partial.control.len())
    }

    /// Whether anything on the heap is held, for those who check that.
    #[doc(hidden)]
    pub fn holds_anything(&self) -> bool {
        self.partial.is_some()
    }

    /// The short way of [`next`](Self::next) for what most messages are: one frame of less than
    /// 64 KiB, uncompressed, all of it at the start of `input`. `None`, and nothing done, if this
    /// may be anything else, which `next` finds out.
    #[inline]
    pub fn whole_message<'b>(
        &mut self,
        rules: &Rules,
        input: &mut &'b mut [u8],
    ) -> Option<Result<WholeMessage<'b>, Violation>> {
        let is_between = matches!(self.stage, Stage::Between);
        let &mut [first, second, ref rest @ ..] = *input else { return None };
        let kind = match first {
            0x81 => MessageKind::Text, // FIN and no reserved bit
            0x82 => MessageKind::Binary,
            _ => return None,
        };
        let key = match rules.role {
            Role::Server => 4,
            Role::Client => 0,
        };
        let is_masked = second & 0x80 != 0;
        if !is_between || is_masked != (key > 0) || rules.streaming || rules.fragments == 0 {
            return None;
        }
        let (len, lengths) = match (second & 0x7f, rest) {
            (len @ 0..126, _) => (usize::from(len), 0),
            (126, &[a, b, ..]) => (usize::from(u16::from_be_bytes([a, b])), 2),
            _ => return None,
        };
        let is_shortest = lengths == 0 || len > 125;
        let size = 2 + lengths + key + len;
        if !is_shortest || input.len() < size || len as u64 > rules.message_bytes {
            return None;
        }
        let mut frame = take(input, size);
        if is_masked {
            frame = unmasked(frame, lengths);
        }
        let whole = WholeMessage { kind, frame, header: 2 + lengths };
        if kind == MessageKind::Text && rules.check_utf8 && !is_utf8(whole.payload()) {
            self.stage = Stage::Deaf;
            return Some(Err(Violation::InvalidUtf8));
        }
        Some(Ok(whole))
    }

    fn step<'b>(
        &mut self,
        rules: &Rules,
        inflaters: &mut Inflaters,
        input: &mut &'b mut [u8],
    ) -> Result<Event<'b>, Violation> {
        loop {
            let event = match self.stage {
                Stage::Between | Stage::Header => match self.header(input)? {
                    Some(header) => {
                        self.begin_frame(rules, inflaters, header)?;
                        continue;
                    }
                    None => return Ok(Event::NeedMore),
                },
                Stage::Data { fin } if self.compressed => {
                    self.inflate(rules, inflaters, input, fin)?
                }
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
                None if !input.is_empty() => {}
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
            self.stage = Stage::Header;
            let spill = &self.spill[..usize::from(self.spill_len)];
            if let Some((header, _)) = FrameHeader::decode(spill)? {
                self.spill_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn begin_frame(
        &mut self,
        rules: &Rules,
        inflaters: &mut Inflaters,
        header: FrameHeader,
    ) -> Result<(), Violation> {
        let begins = matches!(header.opcode, Opcode::Text | Opcode::Binary);
        // RFC 7692 §6: RSV1 stands on a message's first frame.
        let compressed = header.reserved == RSV1 && begins && self.inflation != Inflation::Off;
        if header.reserved != 0 && !compressed {
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
        if begins {
            self.compressed = compressed;
        }
        if compressed {
            let partial = self.partial.get_or_insert_default();
            partial.inflater.get_or_insert_with(|| inflaters.take());
        }
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
        // Of a compressed message the inflated size counts, which is not known yet.
        let bounded = !rules.streaming && !self.compressed;
        if bounded && held.saturating_add(header.len) > rules.message_bytes {
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
        let kind = self.kind();
        let piece = self.payload_piece(input, usize::MAX);
        let is_final = fin && self.remaining == 0;
        self.check_text(rules, kind, piece, is_final)?;
        if is_final {
            let assembled = self.take_assembled();
            self.end_message();
            let payload = match assembled {
                Some(mut message) => {
                    message.extend_from_slice(piece);
                    Payload::Owned(message)
                }
                None => Payload::Borrowed(piece),
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
        let kind = self.kind();
        let piece = self.payload_piece(input, usize::MAX);
        let is_final = fin && self.remaining == 0;
        self.check_text(rules, kind, piece, is_final)?;
        if is_final {
            self.end_message();
        }
        let worth_telling = is_final || !piece.is_empty();
        let (remaining, payload) = (self.remaining, Payload::Borrowed(piece));
        Ok(worth_telling.then_some(Event::Chunk { kind, payload, remaining, is_final }))
    }

    /// Both of the above for a compressed message.
    fn inflate<'b>(
        &mut self,
        rules: &Rules,
        inflaters: &mut Inflaters,
        input: &mut &'b mut [u8],
        fin: bool,
    ) -> Result<Option<Event<'b>>, Violation> {
        let kind = self.kind();
        let step = if rules.streaming { STREAM_STEP } else { usize::MAX };
        let piece = self.payload_piece(input, step);
        let is_final = fin && self.remaining == 0;
        let mut utf8 = self.utf8;
        let limit = if rules.streaming { u64::MAX } else { rules.message_bytes };
        let Some(Partial { message, inflater: Some(inflater), .. }) = self.partial.as_deref_mut()
        else {
            return Err(Violation::CorruptDeflate); // `begin_frame` has put them there
        };
        let take = |bytes: &[u8]| {
            if (message.len() + bytes.len()) as u64 > limit {
                return Err(Violation::MessageTooBig(limit));
            }
            if kind == MessageKind::Text && rules.check_utf8 {
                utf8.feed(bytes).map_err(|_| Violation::InvalidUtf8)?;
            }
            message.extend_from_slice(bytes);
            Ok(())
        };
        inflater.inflate(piece, is_final, &mut inflaters.scratch, take).map_err(
            |error| match error {
                InflateError::Corrupt => Violation::CorruptDeflate,
                InflateError::Refused(violation) => violation,
            },
        )?;
        self.utf8 = utf8;
        if is_final {
            self.check_text(rules, kind, &[], true)?;
        } else if !rules.streaming {
            return Ok(None);
        }
        let payload = Payload::Owned(self.take_assembled().unwrap_or_default());
        let remaining = self.remaining;
        if is_final {
            self.give_back(inflaters);
            self.end_message();
        }
        Ok(match rules.streaming {
            false => Some(Event::Message { kind, payload }),
            true if payload.is_empty() && !is_final => None,
            true => Some(Event::Chunk { kind, payload, remaining, is_final }),
        })
    }

    /// The kind of the current message; `begin_frame` has set it before the stage became `Data`.
    fn kind(&self) -> MessageKind {
        self.message.unwrap_or(MessageKind::Binary)
    }

    fn check_text(
        &mut self,
        rules: &Rules,
        kind: MessageKind,
        piece: &[u8],
        is_final: bool,
    ) -> Result<(), Violation> {
        if kind == MessageKind::Text && rules.check_utf8 {
            let fed = self.utf8.feed(piece);
            if fed.is_err() || (is_final && !self.utf8.is_complete()) {
                return Err(Violation::InvalidUtf8);
            }
        }
        Ok(())
    }

    /// What has been assembled, if anything.
    fn take_assembled(&mut self) -> Option<Vec<u8>> {
        let message = std::mem::take(&mut self.partial.as_mut()?.message);
        (!message.is_empty()).then_some(message)
    }

    /// Lets the inflater go, unless the peer keeps its window.
    fn give_back(&mut self, inflaters: &mut Inflaters) {
        if self.inflation == Inflation::Fresh
            && let Some(inflater) = self.partial.as_mut().and_then(|p| p.inflater.take())
        {
            inflaters.give_back(inflater);
        }
    }

    fn end_message(&mut self) {
        self.message = None;
        self.fragments = 0;
        self.compressed = false;
        self.stage = Stage::Between;
        self.shed();
    }

    /// Between messages nothing is kept, but for the window of a peer that keeps its own.
    fn shed(&mut self) {
        if self.partial.as_ref().is_some_and(|partial| partial.inflater.is_none()) {
            self.partial = None;
        }
    }

    fn control<'b>(
        &mut self,
        input: &mut &'b mut [u8],
        opcode: Opcode,
    ) -> Result<Option<Event<'b>>, Violation> {
        let piece = self.payload_piece(input, usize::MAX);
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
            self.stage = Stage::Between;
            self.shed();
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

    /// Takes and unmasks what the input has of the current frame, at most `most` bytes; leaves the
    /// stage at the frame's end.
    fn payload_piece<'b>(&mut self, input: &mut &'b mut [u8], most: usize) -> &'b mut [u8] {
        let rest = usize::try_from(self.remaining).unwrap_or(usize::MAX);
        let size = rest.min(input.len()).min(most);
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

/// Unmasks a frame whose header tells the length in `lengths` more bytes, 0 or 2, and leaves its
/// key out, so that the header comes to lie over it.
#[inline(always)] // in the short way, of which it is most
fn unmasked(frame: &mut [u8], lengths: usize) -> &mut [u8] {
    let (header, payload) = frame.split_at_mut(6 + lengths);
    if let Some(&key) = header.last_chunk() {
        apply_mask(payload, key);
    }
    match *header {
        [first, second, _, _, ref mut a, ref mut b] => [*a, *b] = [first, second & 0x7f],
        [first, second, high, low, ref mut a, ref mut b, ref mut c, ref mut d] => {
            [*a, *b, *c, *d] = [first, second & 0x7f, high, low];
        }
        _ => {}
    }
    &mut frame[4..]
}

/// Splits `size` bytes, which must be there, off the front of `input`.
fn take<'b>(input: &mut &'b mut [u8], size: usize) -> &'b mut [u8] {
    let (front, rest) = std::mem::take(input).split_at_mut(size);
    *input = rest;
    front
}
