//! Fuzz targets: any bytes in, invariants asserted. `cargo xtask fuzz` runs them.
//!
//! A target named `fuzz_…` takes an input and panics if something is wrong. One that also has an
//! `…_outcome` tells by a number what kind of thing happened, so that a fuzzer without coverage
//! knows which inputs are new.

mod deflate;
mod reader;

#[cfg(feature = "zlib")]
pub use crate::deflate::fuzz::{fuzz_inflate, inflate_outcome};
pub use crate::handshake::fuzz::{fuzz_accept, fuzz_origin, fuzz_upgrade, fuzz_url};
pub use crate::http::fuzz::{fuzz_body, fuzz_head, fuzz_header_list, fuzz_response};
pub use crate::proxy::fuzz::{fuzz_proxy, fuzz_tunnel};
pub use deflate::{deflate_stream_outcome, fuzz_deflate, fuzz_deflate_offers, fuzz_deflate_stream};
pub use reader::{fuzz_reader, reader_outcome};

use crate::close::{BadClose, CloseCode, CloseFrame};
use crate::event::{Event, Role, Rules, Violation};
use crate::frame::{FrameHeader, HEADER_MAX, Opcode, push_frame};
use crate::utf8::Utf8;
use crate::{Inflaters, Reader};

/// How an input is cut into pieces, as its first bytes say: their number, then their lengths,
/// which are used over and over.
#[derive(Clone, Copy, Debug)]
pub struct Cuts<'d> {
    lengths: &'d [u8],
}

impl<'d> Cuts<'d> {
    /// Everything in one piece.
    pub const NONE: Self = Self { lengths: &[] };

    /// The most lengths that an input can say.
    const MOST: usize = 16;

    /// Takes the lengths off the front of `data`.
    pub fn take(data: &mut &'d [u8]) -> Self {
        let Some((&count, rest)) = data.split_first() else { return Self::NONE };
        let count = usize::from(count) % Self::MOST;
        let (lengths, rest) = rest.split_at(count.min(rest.len()));
        *data = rest;
        Self { lengths }
    }

    /// The pieces of `data`, some of which may be empty.
    pub fn pieces<'p>(&self, data: &'p [u8]) -> Vec<&'p [u8]> {
        if self.lengths.iter().all(|&length| length == 0) {
            return vec![data];
        }
        let mut pieces = Vec::new();
        let mut rest = data;
        for &length in self.lengths.iter().cycle() {
            let (piece, after) = rest.split_at(usize::from(length).min(rest.len()));
            pieces.push(piece);
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        pieces
    }
}

/// A fingerprint of what happened (FNV-1a): the same in every run and on every machine.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of nothing.
    pub const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a fact.
    pub fn add(&mut self, fact: impl AsRef<[u8]>) {
        for &byte in fact.as_ref().iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Adds the order of magnitude of a length.
    pub fn add_magnitude(&mut self, length: usize) {
        self.add([(usize::BITS - length.leading_zeros()) as u8]);
    }

    /// The number.
    pub const fn finish(self) -> u64 {
        self.0
    }
}

impl Default for Fingerprint {
    fn default() -> Self {
        Self::new()
    }
}

/// Frame headers: read, written and read again they are the same, and no prefix is taken for one.
pub fn fuzz_frame_header(data: &[u8]) {
    let whole = FrameHeader::decode(data);
    if let Ok(Some((header, size))) = whole {
        assert!(size <= HEADER_MAX && size <= data.len() && header.len <= i64::MAX as u64);
        let mut bytes = [0; HEADER_MAX];
        let written = header.encode(&mut bytes);
        assert_eq!(&bytes[..written], &data[..size]);
    }
    let size = whole.map_or(HEADER_MAX, |found| found.map_or(usize::MAX, |(_, size)| size));
    for cut in 0..data.len().min(size) {
        let part = FrameHeader::decode(&data[..cut]);
        assert!(part == Ok(None) || (part == whole && whole.is_err()), "cut at {cut}");
    }
    if let Some((header, payload)) = made_up_header(data) {
        round_trip(header, payload);
    }
}

/// A header of any fields that can be written, and what is left of `data`.
fn made_up_header(data: &[u8]) -> Option<(FrameHeader, &[u8])> {
    let (&[flags, a, b, c, d], rest) = data.split_first_chunk()?;
    let (len, payload) = rest.split_first_chunk()?;
    let header = FrameHeader {
        fin: flags & 0x80 != 0,
        reserved: flags & 0x70,
        opcode: Opcode::new(flags & 0x0f)?,
        mask: (a & 1 == 0).then_some([a, b, c, d]),
        len: (u64::from_be_bytes(*len) >> 1) >> (u32::from(d) % 64),
    };
    Some((header, payload))
}

fn round_trip(header: FrameHeader, payload: &[u8]) {
    let mut bytes = [0; HEADER_MAX];
    let size = header.encode(&mut bytes);
    assert_eq!(FrameHeader::decode(&bytes[..size]), Ok(Some((header, size))));
    let mut frame = b"before".to_vec();
    push_frame(&mut frame, header, payload);
    let frame = &mut frame[6..];
    let (read, start) = FrameHeader::decode(frame).expect("it reads back").expect("all of it");
    assert_eq!(read, FrameHeader { len: payload.len() as u64, ..header });
    crate::apply_mask(&mut frame[start..], header.mask.unwrap_or_default());
    assert_eq!(&frame[start..], payload);
}

/// UTF-8: however cut, the verdict is the standard library's, and it comes with the piece that
/// has the first impossible byte.
pub fn fuzz_utf8(mut data: &[u8]) {
    let cuts = Cuts::take(&mut data);
    let (impossible, complete) = match std::str::from_utf8(data) {
        Ok(_) => (data.len(), true),
        Err(error) => {
            let start = error.valid_up_to();
            let impossible = error.error_len().map(|len| {
                // A part that could have gone on is not itself impossible: what follows it is.
                let part = std::str::from_utf8(&data[start..start + len]);
                let open = part.is_err_and(|error| error.error_len().is_none());
                if open { start + len } else { start }
            });
            (impossible.unwrap_or(data.len()), false)
        }
    };
    let (mut utf8, mut fed) = (Utf8::default(), 0);
    for piece in cuts.pieces(data) {
        fed += piece.len();
        let taken = utf8.feed(piece);
        assert_eq!(taken.is_ok(), fed <= impossible, "after {fed} bytes");
        if taken.is_err() {
            return;
        }
    }
    assert_eq!(utf8.is_complete(), complete);
}

/// Close frames: what is read can be written again, what is written can be read, and a reader of
/// frames agrees.
pub fn fuzz_close_frame(data: &[u8]) {
    let parsed = CloseFrame::parse(data);
    let mut out = [0; 125];
    if let Ok(CloseFrame { code: Some(code), reason }) = &parsed {
        let len = CloseFrame::encode(*code, reason, &mut out);
        assert!(data.starts_with(&out[..len]), "written as read");
        assert!(len == data.len() || data.len() > out.len(), "cut only if it is too long");
    }
    let text = String::from_utf8_lossy(data);
    for number in [1000, 1007, 3000, 4999].into_iter().chain(first_two(data)) {
        let Some(code) = CloseCode::new(number) else { continue };
        assert!(matches!(number, 1000..=1003 | 1007..=1014 | 3000..=4999));
        let len = CloseFrame::encode(code, &text, &mut out);
        let again = CloseFrame::parse(&out[..len]).expect("what is written can be read");
        assert_eq!(again.code, Some(code));
        assert!(text.starts_with(&again.reason) && !code.to_string().is_empty());
    }
    if data.len() <= 125 {
        close_in_a_frame(data, &parsed);
    }
}

fn first_two(data: &[u8]) -> Option<u16> {
    data.first_chunk().map(|two| u16::from_be_bytes(*two))
}

fn close_in_a_frame(payload: &[u8], parsed: &Result<CloseFrame, BadClose>) {
    let header = FrameHeader { fin: true, reserved: 0, opcode: Opcode::Close, mask: None, len: 0 };
    let mut frame = Vec::new();
    push_frame(&mut frame, header, payload);
    let (mut reader, mut inflaters) = (Reader::new(), Inflaters::new());
    let read = reader.next(&Rules::new(Role::Client), &mut inflaters, &mut &mut frame[..]);
    match (read, parsed.clone()) {
        (Ok(Event::Close(frame)), Ok(parsed)) => assert_eq!(frame, parsed),
        (Err(violation), Err(bad)) => assert_eq!(violation, Violation::from(bad)),
        (read, parsed) => panic!("{read:?}, but {parsed:?}"),
    }
    assert!(reader.is_deaf());
}
