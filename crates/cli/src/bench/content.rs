//! What messages say: the number of their connection and their own, then something that depends
//! on both, so that no two messages on their way are alike.
//!
//! ```text
//! binary  number, 5 bytes │ connection, 3 bytes │ random bytes
//! text    the same as 16 hexadecimal digits     │ words
//! ```
//!
//! The lowest bytes and digits come first: they are what is left of them in a short message. What
//! follows them is a window of one table, at a place that depends on the numbers, so that making
//! a message is one copy, and checking it is one comparison.

use crate::args::Matter;
use sockeye::{Message, MessageKind};

/// Distances between windows are multiples of this; no character lies across one.
const STEP: usize = 12;
/// How many windows the table has: a power of two, as windows are chosen by a mask.
const WINDOWS: usize = 256;
/// How many it has for records: what compressors remember, 32 KiB, must not hold the next message.
const RECORD_WINDOWS: usize = 16_384;
/// Bytes of the numbers in a binary message.
const BYTES: usize = 8;
/// Digits of the numbers in text.
const DIGITS: usize = 2 * BYTES;
/// The longest head: digits, and what fills up to whole characters.
const HEAD_MAX: usize = DIGITS + STEP;

/// Which message of which connection, both counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) connection: u32,
    pub(super) number: u64,
}

/// Makes messages, and knows what they must be.
pub(super) struct Content {
    size: usize,
    /// How much of a message is its head.
    head: usize,
    windows: Windows,
    table: Table,
}

/// Where the windows of messages begin.
#[derive(Clone, Copy)]
struct Windows {
    count: usize,
    /// So many windows lie between those of a message and of the next one of its connection.
    stride: u64,
}

enum Table {
    Text { windows: String, message: String },
    Binary { windows: Vec<u8>, message: Vec<u8> },
}

impl Content {
    pub(super) fn new(matter: Matter, size: usize) -> Self {
        let head = match matter {
            Matter::Binary => BYTES,
            Matter::Text | Matter::Records => DIGITS,
            // What follows is whole characters.
            Matter::Utf8 => DIGITS + size.saturating_sub(DIGITS) % STEP,
        };
        let head = head.min(size);
        let windows = match matter {
            Matter::Binary | Matter::Text | Matter::Utf8 => Windows { count: WINDOWS, stride: 7 },
            // One message begins behind the one before, up to about 1 KiB.
            Matter::Records => Windows { count: RECORD_WINDOWS, stride: 89 },
        };
        let len = size - head + windows.count * STEP;
        let mut random = Random(0x5851_f42d_4c95_7f2d);
        let table = match matter {
            Matter::Binary => {
                let windows = (0..len).map(|_| random.next() as u8).collect();
                Table::Binary { windows, message: Vec::with_capacity(size) }
            }
            Matter::Text => Table::text(words(len, &mut random), size),
            Matter::Utf8 => Table::text(characters(len, &mut random), size),
            Matter::Records => Table::text(records(len, &mut random), size),
        };
        Self { size, head, windows, table }
    }

    /// The length of each message, in bytes.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Whether messages are text or binary.
    pub(super) fn kind(&self) -> MessageKind {
        match self.table {
            Table::Text { .. } => MessageKind::Text,
            Table::Binary { .. } => MessageKind::Binary,
        }
    }

    /// A message, as it is sent.
    pub(super) fn message(&mut self, tag: Tag) -> Message<'_> {
        let (at, rest) = (self.windows.at(tag), self.size - self.head);
        match &mut self.table {
            Table::Binary { windows, message } => {
                message.clear();
                message.extend_from_slice(&number_bytes(tag)[..self.head]);
                message.extend_from_slice(&windows[at..at + rest]);
                Message::binary(&message[..])
            }
            Table::Text { windows, message } => {
                message.clear();
                let head = text_head(tag);
                message.push_str(std::str::from_utf8(&head[..self.head]).unwrap_or_default());
                message.push_str(&windows[at..at + rest]);
                Message::text(&message[..])
            }
        }
    }

    /// Whether `piece` is what the message has at `from`.
    pub(super) fn matches(&self, tag: Tag, from: usize, piece: &[u8]) -> bool {
        let Some(to) = from.checked_add(piece.len()).filter(|&to| to <= self.size) else {
            return false;
        };
        let at = self.windows.at(tag);
        if let (Table::Binary { windows, .. }, 0, Some((number, rest))) =
            (&self.table, from, piece.split_first_chunk())
        {
            // The short way for most messages; `size` is no less than these bytes.
            return *number == number_bytes(tag) && *rest == windows[at..at + rest.len()];
        }
        let (windows, text) = match &self.table {
            Table::Binary { windows, .. } => (&windows[..], false),
            Table::Text { windows, .. } => (windows.as_bytes(), true),
        };
        let rest = &windows[at..at + self.size - self.head];
        if from >= self.head {
            return *piece == rest[from - self.head..to - self.head];
        }
        let (head_part, rest_part) = piece.split_at(piece.len().min(self.head - from));
        let head_matches = if text {
            *head_part == text_head(tag)[from..from + head_part.len()]
        } else {
            *head_part == number_bytes(tag)[from..from + head_part.len()]
        };
        head_matches && *rest_part == rest[..rest_part.len()]
    }

    /// Where the first byte differs.
    pub(super) fn first_difference(&self, tag: Tag, from: usize, piece: &[u8]) -> usize {
        let same = (0..piece.len()).take_while(|&i| self.matches(tag, from + i, &piece[i..=i]));
        from + same.count()
    }

    /// Which of our messages a whole message is, if it is one.
    pub(super) fn recognise(&self, payload: &[u8]) -> Option<Tag> {
        let bytes = match self.table {
            Table::Binary { .. } => *payload.first_chunk::<BYTES>()?,
            Table::Text { .. } => from_digits(payload.first_chunk::<DIGITS>()?)?,
        };
        let both = u64::from_le_bytes(bytes);
        let tag = Tag { connection: (both >> 40) as u32, number: both & NUMBER_MAX };
        (payload.len() == self.size && self.matches(tag, 0, payload)).then_some(tag)
    }
}

impl Table {
    fn text(windows: String, size: usize) -> Self {
        Self::Text { windows, message: String::with_capacity(size) }
    }
}

/// Numbers begin anew after this one.
const NUMBER_MAX: u64 = (1 << 40) - 1;

fn number_bytes(tag: Tag) -> [u8; BYTES] {
    (tag.number & NUMBER_MAX | u64::from(tag.connection) << 40).to_le_bytes()
}

fn text_head(tag: Tag) -> [u8; HEAD_MAX] {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut head = [b'.'; HEAD_MAX];
    for (digits, byte) in head.chunks_exact_mut(2).zip(number_bytes(tag)) {
        digits.copy_from_slice(&[HEX[usize::from(byte & 15)], HEX[usize::from(byte >> 4)]]);
    }
    head
}

fn from_digits(digits: &[u8; DIGITS]) -> Option<[u8; BYTES]> {
    let mut bytes = [0; BYTES];
    for (byte, digits) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        *byte = (digit(0)? | digit(1)? << 4) as u8;
    }
    Some(bytes)
}

impl Windows {
    /// Where the window of a message begins.
    fn at(self, tag: Tag) -> usize {
        let mixed = (tag.number & NUMBER_MAX) * self.stride + u64::from(tag.connection) * 31;
        (mixed & (self.count as u64 - 1)) as usize * STEP
    }
}

/// Words between blanks, about as compressible as prose.
fn words(len: usize, random: &mut Random) -> String {
    const WORDS: [&str; 32] = [
        "river", "salmon", "net", "the", "of", "and", "upstream", "water", "stone", "in", "cold",
        "red", "lake", "gravel", "to", "returns", "spawn", "sea", "a", "year", "with", "current",
        "bear", "eagle", "from", "silver", "count", "weir", "leap", "fall", "run", "by",
    ];
    let mut text = String::with_capacity(len + STEP);
    while text.len() < len {
        text.push_str(WORDS[random.next() as usize % WORDS.len()]);
        text.push(' ');
    }
    text.truncate(len);
    text
}

/// Records with the names of their fields, as services exchange them.
fn records(len: usize, random: &mut Random) -> String {
    const NAMES: [&str; 8] =
        ["chinook", "coho", "chum", "sockeye", "pink", "masu", "steelhead", "char"];
    let mut text = String::with_capacity(len + 200);
    while text.len() < len {
        let (id, name) = (random.next(), NAMES[random.next() as usize % NAMES.len()]);
        let (weight, length) = (random.next() % 30_000, random.next() % 1_200);
        let (tagged, at) =
            (random.next().is_multiple_of(2), 1_700_000_000 + random.next() % 100_000_000);
        text += &format!(
            "{{\"id\":{id},\"species\":\"{name}\",\"weight\":{}.{},\"length\":{length},\
             \"tagged\":{tagged},\"seen\":{at},\"river\":\"{:08x}\"}},",
            weight / 1000,
            weight % 1000,
            random.next()
        );
    }
    text.truncate(len);
    text
}

/// Words in several scripts, in groups of [`STEP`] bytes, some with blanks between.
fn characters(len: usize, random: &mut Random) -> String {
    const GROUPS: [&str; 16] = [
        "вода и ",
        "лосось",
        "на дне ",
        "у моря ",
        "рыба —",
        "камень",
        "ποτάμι",
        "και το ",
        "逆流而上",
        "鮭が川を",
        "水と石、",
        "연어와강",
        "Bäche über",
        "für Möwen ",
        "🐟🐟🐟",
        "🐟 🐻 ok",
    ];
    let mut text = String::with_capacity(len + STEP);
    while text.len() < len {
        text.push_str(GROUPS[random.next() as usize % GROUPS.len()]);
    }
    let whole = len - len % STEP;
    text.truncate(whole);
    text
}

/// The same bytes in every run (a linear congruential generator).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (self.0 >> 33) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATTERS: [Matter; 4] = [Matter::Binary, Matter::Text, Matter::Utf8, Matter::Records];
    const TAG: Tag = Tag { connection: 3, number: 0x12_3456_789a };

    #[test]
    fn messages_of_every_length_are_what_they_must_be() {
        for matter in MATTERS {
            for size in (0..100).chain([125, 126, 4096, 65_537]) {
                let mut content = Content::new(matter, size);
                let message = content.message(TAG).into_bytes();
                assert_eq!(message.len(), size, "{matter:?}");
                assert!(content.matches(TAG, 0, &message), "{matter:?} {size}");
                let text = std::str::from_utf8(&message).is_ok();
                assert!(text || matter == Matter::Binary, "{matter:?} {size}");
            }
        }
    }

    #[test]
    fn every_changed_byte_is_noticed_in_whatever_pieces_they_come() {
        for matter in MATTERS {
            let mut content = Content::new(matter, 60);
            let whole = content.message(TAG).into_bytes();
            for at in 0..whole.len() {
                let mut changed = whole.clone();
                changed[at] ^= 1;
                assert!(!content.matches(TAG, 0, &changed), "{matter:?} {at}");
                assert_eq!(content.first_difference(TAG, 0, &changed), at);
                assert!(content.matches(TAG, at, &whole[at..]), "{matter:?} {at}");
                assert!(!content.matches(TAG, at, &changed[at..]), "{matter:?} {at}");
                assert!(content.matches(TAG, 0, &changed[..at]), "{matter:?} {at}");
            }
            assert!(!content.matches(TAG, 0, &[&whole[..], b"x"].concat()));
        }
    }

    #[test]
    fn neighbours_differ_and_are_recognised() {
        for matter in MATTERS {
            let mut content = Content::new(matter, 60);
            let message = content.message(TAG).into_bytes();
            assert_eq!(content.recognise(&message), Some(TAG));
            for other in [
                Tag { number: TAG.number + 1, ..TAG },
                Tag { connection: TAG.connection + 1, ..TAG },
            ] {
                assert!(!content.matches(other, 0, &message), "{matter:?}");
                assert!(!content.matches(other, 30, &message[30..]), "{matter:?}");
            }
            assert_eq!(content.recognise(&message[..59]), None);
            assert_eq!(content.recognise(b""), None);
        }
    }

    #[test]
    fn records_do_not_repeat_within_what_compressors_remember() {
        let mut content = Content::new(Matter::Records, 1024);
        let first = content.message(Tag { connection: 0, number: 0 }).into_bytes();
        for number in 1..32 {
            let next = content.message(Tag { connection: 0, number }).into_bytes();
            assert!(!next.windows(200).any(|part| part == &first[400..600]), "{number}");
        }
        assert!(std::str::from_utf8(&first).unwrap().contains("\"species\":\""));
    }

    #[test]
    fn text_that_is_mostly_not_ascii_is_so() {
        let message = Content::new(Matter::Utf8, 4096).message(TAG).into_bytes();
        let ascii = message.iter().filter(|byte| byte.is_ascii()).count();
        assert!(ascii < message.len() / 4, "{ascii}");
        let message = Content::new(Matter::Text, 4096).message(TAG).into_bytes();
        assert!(message.is_ascii());
    }
}
