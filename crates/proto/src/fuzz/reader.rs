//! The reader of frames: any bytes, in any role, cut anywhere.

use super::{Cuts, Fingerprint};
use crate::close::CloseFrame;
use crate::event::{Event, MessageKind, Role, Rules, Violation};
use crate::{DeflateAgreed, Inflaters, Reader};

/// What is read from the front of an input: role, mode, limits.
struct Setup {
    rules: Rules,
    deflate: Option<DeflateAgreed>,
}

/// What a reader has said, in a form that does not depend on how its input was cut.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    events: Vec<Said>,
    /// The pieces of a streamed message that has not ended.
    unfinished: Option<(MessageKind, Vec<u8>)>,
}

#[derive(Debug, PartialEq)]
enum Said {
    Message(MessageKind, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(CloseFrame),
    Violation(Violation),
}

/// Frames: however cut, the same events come; what is held stays within the limits; after a Close
/// or a violation nothing comes.
pub fn fuzz_reader(data: &[u8]) {
    reader_outcome(data);
}

/// [`fuzz_reader`], and which events came in which order.
pub fn reader_outcome(mut data: &[u8]) -> u64 {
    let setup = Setup::take(&mut data);
    let cuts = Cuts::take(&mut data);
    let whole = setup.read(Cuts::NONE.pieces(data));
    let cut = setup.read(cuts.pieces(data));
    assert_eq!(cut, whole, "cut as {cuts:?}, and whole");
    setup.fingerprint(&whole)
}

impl Setup {
    fn take(data: &mut &[u8]) -> Self {
        let flags = data.split_off_first().copied().unwrap_or_default();
        let has = |bit: u8| flags & 1 << bit != 0;
        let rules = Rules {
            role: if has(0) { Role::Client } else { Role::Server },
            streaming: has(1),
            check_utf8: !has(2),
            message_bytes: if has(3) { 60 } else { 70_000 },
            fragments: if has(4) { 3 } else { 100 },
        };
        let agreed = DeflateAgreed {
            window_bits: 15,
            context_takeover: false,
            peer_context_takeover: has(6),
        };
        Self { rules, deflate: has(5).then_some(agreed) }
    }

    fn read(&self, pieces: Vec<&[u8]>) -> Seen {
        let mut reader = self.deflate.as_ref().map_or_else(Reader::new, Reader::with_deflate);
        let (mut inflaters, mut seen) = (Inflaters::new(), Seen::default());
        for piece in pieces {
            let mut piece = piece.to_vec();
            let mut input = &mut piece[..];
            loop {
                let before = input.len();
                let deaf = reader.is_deaf();
                let event = reader.next(&self.rules, &mut inflaters, &mut input);
                self.check_held(&reader);
                if let Ok(Event::NeedMore) = event {
                    assert!(input.is_empty(), "more is wanted, and there is more");
                    break;
                }
                assert!(!deaf, "{event:?} after the end");
                assert!(input.len() < before || event.is_err(), "no progress");
                self.note(event, &mut seen);
            }
        }
        assert!(!reader.is_deaf() || !reader.is_between_messages());
        seen
    }

    /// Messages that are assembled stay below their limit, and streamed ones are not kept.
    fn check_held(&self, reader: &Reader) {
        let most = if self.rules.streaming { 0 } else { self.rules.message_bytes as usize };
        let held = reader.held_bytes();
        assert!(held <= most + 125, "{held} bytes held, {most} and a control frame are the most");
        let kept = self.deflate.is_some_and(|agreed| agreed.peer_context_takeover);
        let needs_nothing = reader.is_deaf() || (reader.is_between_messages() && !kept);
        assert!(!needs_nothing || !reader.holds_anything(), "something is held for nothing");
    }

    fn note(&self, event: Result<Event<'_>, Violation>, seen: &mut Seen) {
        let said = match event {
            Ok(Event::NeedMore) => return,
            Ok(Event::Message { kind, payload }) => {
                assert!(!self.rules.streaming);
                assert!(payload.len() as u64 <= self.rules.message_bytes);
                Said::Message(kind, payload.to_vec())
            }
            Ok(Event::Chunk { kind, payload, remaining, is_final }) => {
                assert!(self.rules.streaming && (is_final || !payload.is_empty()));
                assert!(!is_final || remaining == 0);
                let (begun, mut message) = seen.unfinished.take().unwrap_or((kind, Vec::new()));
                assert_eq!(begun, kind);
                message.extend_from_slice(&payload);
                if !is_final {
                    seen.unfinished = Some((kind, message));
                    return;
                }
                Said::Message(kind, message)
            }
            Ok(Event::Ping(payload)) => Said::Ping(payload.to_vec()),
            Ok(Event::Pong(payload)) => Said::Pong(payload.to_vec()),
            Ok(Event::Close(frame)) => Said::Close(frame),
            Err(violation) => {
                seen.unfinished = None; // how much of it was told before depends on the cuts
                Said::Violation(self.regardless_of_cuts(violation))
            }
        };
        said.check(&self.rules);
        seen.events.push(said);
    }

    /// A compressed message that is both too long and no UTF-8 is refused for what shows first,
    /// which depends on how much inflates at a time.
    fn regardless_of_cuts(&self, violation: Violation) -> Violation {
        let depends = self.deflate.is_some() && !self.rules.streaming;
        if depends && violation == Violation::InvalidUtf8 {
            return Violation::MessageTooBig(self.rules.message_bytes);
        }
        violation
    }

    fn fingerprint(&self, seen: &Seen) -> u64 {
        let mut print = Fingerprint::new();
        print.add([u8::from(self.rules.streaming), u8::from(self.deflate.is_some())]);
        for said in seen.events.iter().take(4).chain(seen.events.last()) {
            match said {
                Said::Message(kind, payload) => {
                    print.add([*kind as u8]);
                    print.add_magnitude(payload.len());
                }
                Said::Ping(_) => print.add("ping"),
                Said::Pong(_) => print.add("pong"),
                Said::Close(frame) => print.add([4, u8::from(frame.code.is_some())]),
                Said::Violation(violation) => {
                    print.add(format!("{violation:?}").split('(').next().unwrap_or_default());
                }
            }
        }
        print.add_magnitude(seen.events.len());
        print.add_magnitude(seen.unfinished.as_ref().map_or(0, |(_, payload)| payload.len()));
        print.finish()
    }
}

impl Said {
    fn check(&self, rules: &Rules) {
        match self {
            Self::Message(MessageKind::Text, text) if rules.check_utf8 => {
                assert!(std::str::from_utf8(text).is_ok(), "text that is none");
            }
            Self::Message(_, _) => {}
            Self::Ping(payload) | Self::Pong(payload) => assert!(payload.len() <= 125),
            Self::Close(frame) => assert!(frame.reason.len() <= CloseFrame::REASON_MAX),
            Self::Violation(violation) => assert!(!violation.to_string().is_empty()),
        }
    }
}
