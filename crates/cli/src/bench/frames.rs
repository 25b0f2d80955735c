//! Frames of a client (RFC 6455 §5.2), made here and looked at when they come back.

use super::content::Tag;
use super::fault::Fault;
use super::run::Run;
use crate::args::BenchArgs;
use sockeye::MessageKind;
use std::io;
use std::mem;

/// Bytes of a mask.
const KEY: usize = 4;
/// Random bytes are fetched so many at a time.
const RANDOM: usize = 1024;

/// Makes frames, all of them of one size, and knows what they must be.
pub(super) struct Frames {
    kind: MessageKind,
    size: usize,
    /// What comes before the mask.
    head: Vec<u8>,
    /// The masks of what is on its way: a ring for each connection.
    keys: Vec<[u8; KEY]>,
    ring: u64,
    random: Box<[u8; RANDOM]>,
    /// How many of the random bytes have been used.
    used: usize,
}

/// How far a connection has come.
pub(super) struct Progress {
    connection: u32,
    sent: u64,
    echoed: u64,
    /// How much of the next echo has come: of its head with the mask, and of its payload.
    head: usize,
    body: usize,
}

impl Progress {
    pub(super) fn new(connection: u32) -> Self {
        Self { connection, sent: 0, echoed: 0, head: 0, body: 0 }
    }
}

impl Frames {
    pub(super) fn new(run: &Run, args: &BenchArgs) -> io::Result<Self> {
        let (kind, size) = (run.kind(), args.size);
        let mut head = vec![0x80 | kind.opcode() as u8];
        match size {
            0..=125 => head.push(0x80 | size as u8),
            126..=0xffff => {
                head.push(0x80 | 126);
                head.extend((size as u16).to_be_bytes());
            }
            _ => {
                head.push(0x80 | 127);
                head.extend((size as u64).to_be_bytes());
            }
        }
        let ring = (args.depth as usize).next_power_of_two();
        let keys = vec![[0; KEY]; ring * args.connections as usize];
        let (random, ring) = (Box::new([0; RANDOM]), ring as u64);
        let mut frames = Self { kind, size, head, keys, ring, random, used: 0 };
        frames.shuffle()?;
        Ok(frames)
    }

    fn shuffle(&mut self) -> io::Result<()> {
        let flags = rustix::rand::GetRandomFlags::empty();
        // Cut short by a signal they lie at the end, where they are taken from.
        self.used = RANDOM - rustix::rand::getrandom(&mut self.random[..], flags)?;
        self.random.rotate_right(self.used);
        Ok(())
    }

    /// A mask nobody can foretell (RFC 6455 §5.3).
    fn key(&mut self) -> io::Result<[u8; KEY]> {
        loop {
            if let Some(&key) = self.random[self.used..].first_chunk() {
                self.used += KEY;
                return Ok(key);
            }
            self.shuffle()?;
        }
    }

    fn place(&self, connection: u32, number: u64) -> usize {
        (u64::from(connection) * self.ring + (number & (self.ring - 1))) as usize
    }

    /// Appends the next frame of a connection.
    pub(super) fn push(
        &mut self,
        progress: &mut Progress,
        payload: &[u8],
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let key = self.key()?;
        let place = self.place(progress.connection, progress.sent);
        self.keys[place] = key;
        progress.sent += 1;
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&key);
        let start = out.len();
        out.extend_from_slice(payload);
        mask(&mut out[start..], key);
        Ok(())
    }

    /// Looks at what has come for a connection, and takes the mask off it.
    pub(super) fn check(
        &self,
        run: &mut Run,
        progress: &mut Progress,
        mut rest: &mut [u8],
        now: u64,
    ) -> Result<(), Fault> {
        let connection = progress.connection;
        let head_len = self.head.len() + KEY;
        while !rest.is_empty() {
            let (number, from) = (progress.echoed, progress.head);
            if progress.sent == number {
                return Err(Fault::Unasked { connection, echoed: number });
            }
            let key = self.keys[self.place(connection, number)];
            if from < head_len {
                let piece = take(&mut rest, head_len - from);
                let same = |at: usize, byte: u8| {
                    byte == *self.head.get(at).unwrap_or_else(|| &key[at - self.head.len()])
                };
                let differs = piece.iter().enumerate().find(|&(i, &byte)| !same(from + i, byte));
                if let Some((i, _)) = differs {
                    return Err(Fault::Head { tag: Tag { connection, number }, at: from + i });
                }
                progress.head += piece.len();
                if progress.head < head_len || (rest.is_empty() && self.size > 0) {
                    return Ok(());
                }
            }
            let mut turned = key;
            turned.rotate_left(progress.body % KEY);
            let piece = take(&mut rest, self.size - progress.body);
            mask(piece, turned);
            progress.body += piece.len();
            let is_final = progress.body == self.size;
            run.arrived(connection, self.kind, piece, is_final, now)?;
            if is_final {
                *progress = Progress { echoed: number + 1, head: 0, body: 0, ..*progress };
            }
        }
        Ok(())
    }
}

/// The first bytes of `rest`, so many at most; they are no part of it any more.
fn take<'b>(rest: &mut &'b mut [u8], most: usize) -> &'b mut [u8] {
    let all = mem::take(rest);
    let (piece, after) = all.split_at_mut(most.min(all.len()));
    *rest = after;
    piece
}

/// Masks, or unmasks.
fn mask(bytes: &mut [u8], key: [u8; KEY]) {
    let word = u32::from_ne_bytes(key);
    let (blocks, tail) = bytes.as_chunks_mut::<8>();
    for block in blocks {
        let words = u64::from(word) << 32 | u64::from(word);
        *block = (u64::from_ne_bytes(*block) ^ words).to_ne_bytes();
    }
    for (byte, key) in tail.iter_mut().zip(key.iter().cycle()) {
        *byte ^= key;
    }
}
