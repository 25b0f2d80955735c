//! permessage-deflate: negotiation, and streams of any bytes.

use super::{Cuts, Fingerprint};
use crate::deflate::{InflateError, Inflater};
use crate::http::ListItems;
use crate::{DeflateOptions, Deflaters, History, Inflaters};

/// Offers and answers: what one side agrees to, the other understands the same way.
pub fn fuzz_deflate_offers(mut data: &[u8]) {
    let ours = options(&mut data);
    let theirs = options(&mut data);
    let offers: Vec<&str> =
        ListItems::new(data).filter_map(|item| std::str::from_utf8(item).ok()).collect();
    if let Some((agreed, answer)) = ours.accept(offers.iter().copied()) {
        assert!((8..=ours.window_bits).contains(&agreed.window_bits));
        assert!(ours.context_takeover || !agreed.context_takeover);
        assert!(ours.peer_context_takeover || !agreed.peer_context_takeover);
        let anything = DeflateOptions {
            context_takeover: true,
            peer_context_takeover: true,
            ..DeflateOptions::default()
        };
        let mirrored = anything.check(&answer).expect("an answer can be read");
        assert_eq!(mirrored.peer_context_takeover, agreed.context_takeover);
        assert_eq!(mirrored.context_takeover, agreed.peer_context_takeover);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(agreed) = ours.check(text)
    {
        assert!((8..=ours.window_bits).contains(&agreed.window_bits));
        assert!(ours.context_takeover || !agreed.context_takeover);
        assert!(ours.peer_context_takeover || !agreed.peer_context_takeover);
    }
    let (agreed, answer) = ours.accept([&*theirs.offer()]).expect("what we offer we accept");
    let checked = theirs.check(&answer).expect("and the answer fits the offer");
    assert_eq!(checked.context_takeover, agreed.peer_context_takeover);
    assert_eq!(checked.peer_context_takeover, agreed.context_takeover);
    assert!(checked.window_bits <= ours.peer_window_bits);
    assert!(agreed.window_bits <= theirs.peer_window_bits);
}

/// Takes options off the front of an input.
fn options(data: &mut &[u8]) -> DeflateOptions {
    let mut next = || data.split_off_first().copied().unwrap_or_default();
    let (flags, levels, windows) = (next(), next(), next());
    let options = DeflateOptions {
        level: levels & 0x0f,
        memory_level: levels >> 4,
        window_bits: windows & 0x0f,
        context_takeover: flags & 1 != 0,
        history: 1 << (windows & 0x0f),
        peer_window_bits: windows >> 4,
        peer_context_takeover: flags & 2 != 0,
        threshold: usize::from(flags >> 2),
    };
    options.in_range()
}

/// Compressed data, good or bad: however cut it inflates to the same, never beyond its bound; and
/// whatever is compressed inflates to what it was.
pub fn fuzz_deflate_stream(data: &[u8]) {
    deflate_stream_outcome(data);
}

/// [`fuzz_deflate_stream`], and how the inflating ended.
pub fn deflate_stream_outcome(mut data: &[u8]) -> u64 {
    let options = options(&mut data);
    let cuts = Cuts::take(&mut data);
    let whole = inflate(&[data]);
    assert_eq!(inflate(&cuts.pieces(data)), whole);
    round_trip(&options, &cuts.pieces(data));
    let mut print = Fingerprint::new();
    match whole {
        Ok(inflated) => {
            print.add_magnitude(inflated.len());
            print.add_magnitude(inflated.len() / data.len().max(1));
        }
        Err(InflateError::Corrupt) => print.add("corrupt"),
        Err(InflateError::Refused(())) => print.add("too long"),
    }
    print.finish()
}

/// Messages that are told rather than given, so that a few bytes make long ones: whatever is
/// compressed inflates to what it was, in every window and after any history.
pub fn fuzz_deflate(mut data: &[u8]) {
    let options = options(&mut data);
    let mut messages = vec![Vec::new()];
    let mut left = MOST;
    while let Some((&[kind, len, byte], rest)) = data.split_first_chunk() {
        data = rest;
        let len = ((usize::from(len) + 1) << (kind >> 5)).min(left);
        left -= len;
        let message = messages.last_mut().expect("there is one");
        let before = message.len();
        match kind % 8 {
            0 => messages.push(Vec::new()),
            1 => message.resize(before + len, byte),
            // From so far back, over and over.
            2 | 3 if before > 0 => {
                let from = before - before.min((usize::from(byte) + 1) << (kind >> 5));
                (0..len).for_each(|at| message.push(message[from + at]));
            }
            4 => message.extend((0..len).map(|at| ((at * at * 31) >> 7) as u8 ^ byte)),
            5 => message.extend((0..len).map(|at| byte.wrapping_add((at % 11) as u8))),
            _ => {
                let (given, rest) = data.split_at(len.min(data.len()));
                message.extend_from_slice(given);
                data = rest;
            }
        }
    }
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    round_trip(&options, &messages);
}

/// The most that may come of a message.
const MOST: usize = 100_000;

/// Inflates a message that comes in pieces.
fn inflate(pieces: &[&[u8]]) -> Result<Vec<u8>, InflateError<()>> {
    let mut inflaters = Inflaters::new();
    let mut inflater = inflaters.take();
    let mut out = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        let last = i + 1 == pieces.len();
        inflate_piece(&mut inflater, &mut inflaters, piece, last, &mut out)?;
    }
    Ok(out)
}

fn inflate_piece(
    inflater: &mut Inflater,
    inflaters: &mut Inflaters,
    piece: &[u8],
    last: bool,
    out: &mut Vec<u8>,
) -> Result<(), InflateError<()>> {
    inflater.inflate(piece, last, &mut inflaters.scratch, |bytes| {
        if out.len() + bytes.len() > MOST {
            return Err(());
        }
        out.extend_from_slice(bytes);
        Ok(())
    })
}

/// Sends `messages` one after another, on a connection that keeps its context and on one that does
/// not.
fn round_trip(options: &DeflateOptions, messages: &[&[u8]]) {
    let mut shared = Deflaters::new(options);
    let mut history = History::new();
    let mut inflaters = Inflaters::new();
    let mut kept = inflaters.take();
    for message in messages {
        let window = options.window_bits;
        if let Some(small) = shared.compress(window, Some(&mut history), message) {
            assert!(options.threshold == 0 || small.len() < message.len());
            let mut out = Vec::new();
            let inflated = inflate_piece(&mut kept, &mut inflaters, small, true, &mut out);
            assert!(inflated == Ok(()) && out == *message, "with what came before: {inflated:?}");
        } else {
            assert!(message.is_empty() || options.threshold > 0);
        }
        if let Some(small) = shared.compress(window, None, message) {
            assert!(options.threshold == 0 || small.len() < message.len());
            assert!(inflate(&[small]).is_ok_and(|inflated| inflated == *message), "by itself");
        }
    }
}
