//! The small decoder beside zlib-rs, on any bytes.

use super::{Corrupt, inflate, zlib};
use crate::fuzz::{Cuts, Fingerprint};
use crate::{DeflateOptions, Deflaters};

/// The most that may come of an input.
const MOST: usize = 100_000;
/// Where it comes out, unless the input says otherwise.
const ROOM: usize = 1 << 12;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// With its input.
    Open,
    Corrupt,
    /// It has come to more than [`MOST`].
    TooLong,
}

/// Both make the same of a stream, however it is cut, whatever room there is, and again after
/// having been reset.
pub fn fuzz_inflate(data: &[u8]) {
    inflate_outcome(data);
}

/// [`fuzz_inflate`], and how it ended.
pub fn inflate_outcome(mut data: &[u8]) -> u64 {
    let flags = data.split_off_first().copied().unwrap_or_default();
    let (rooms, cuts) = (Cuts::take(&mut data), Cuts::take(&mut data));
    let rooms: Vec<usize> = rooms.pieces(&[0; ROOM]).iter().map(|piece| piece.len()).collect();
    let stream = if flags & 0x80 == 0 { data.to_vec() } else { damaged(flags, data) };
    let expected = of_zlib(&stream);
    let mut small = inflate::Inflate::new();
    let whole = all(|input, room| small.run(input, room), &[&stream], &[ROOM]);
    if expected.1 == End::Open && whole.1 == End::Corrupt {
        // That a code of lengths is empty zlib-rs notices when all lengths have come.
        assert_eq!(of_zlib(&[&stream[..], &[0; 100]].concat()).1, End::Corrupt, "with more");
        assert!(whole.0 == expected.0);
    } else {
        assert!(whole == expected, "{:?}, not {:?}", whole.1, expected.1);
    }
    if whole.1 == End::Corrupt {
        assert_eq!(small.run(&mut &[0; 9][..], &mut [0; 9]), (0, Err(Corrupt)), "it stays");
    }
    small.reset();
    let again = all(|input, room| small.run(input, room), &cuts.pieces(&stream), &rooms);
    assert!(again == whole, "{:?} in pieces, not {:?}", again.1, whole.1);
    let mut print = Fingerprint::new();
    print.add([whole.1 as u8]);
    print.add_magnitude(whole.0.len());
    print.add_magnitude(whole.0.len() / stream.len().max(1));
    print.finish()
}

/// What was compressed, with up to three bits turned over.
fn damaged(flags: u8, mut data: &[u8]) -> Vec<u8> {
    let mut turned = Vec::new();
    for _ in 0..flags & 3 {
        let Some((&place, rest)) = data.split_first_chunk() else { break };
        turned.push(usize::from(u16::from_le_bytes(place)));
        data = rest;
    }
    let level = flags >> 2 & 15;
    let options = DeflateOptions { level, threshold: 0, ..DeflateOptions::default() };
    let mut all = Deflaters::new(&options.in_range());
    let mut stream = all.compress(15, None, data).unwrap_or_default().to_vec();
    let bits = stream.len() * 8;
    for at in turned.into_iter().filter(|_| bits > 0).map(|at| at % bits) {
        stream[at / 8] ^= 1 << (at % 8);
    }
    stream
}

fn of_zlib(stream: &[u8]) -> (Vec<u8>, End) {
    let mut zlib = zlib::Inflate::new();
    all(|input, room| zlib.run(input, room), &[stream], &[ROOM])
}

/// All that comes of the pieces, into rooms of these sizes, over and over.
fn all(
    mut run: impl FnMut(&mut &[u8], &mut [u8]) -> (usize, Result<(), Corrupt>),
    pieces: &[&[u8]],
    rooms: &[usize],
) -> (Vec<u8>, End) {
    let (mut out, mut scratch) = (Vec::new(), [0; ROOM]);
    let mut rooms =
        rooms.iter().copied().filter(|&room| room > 0).collect::<Vec<_>>().into_iter().cycle();
    for mut piece in pieces.iter().copied() {
        loop {
            let room = &mut scratch[..rooms.next().unwrap_or(ROOM)];
            let (written, result) = run(&mut piece, room);
            out.extend_from_slice(&room[..written]);
            if out.len() > MOST {
                out.truncate(MOST);
                return (out, End::TooLong);
            }
            if result.is_err() {
                return (out, End::Corrupt);
            }
            if written < room.len() {
                assert!(piece.is_empty(), "input is left though there is room");
                break;
            }
        }
    }
    (out, End::Open)
}
