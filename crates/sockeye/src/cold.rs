//! The part of a connection that an idle one does not have.

use crate::sealed::Security;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::IoSlice;

#[derive(Default)]
pub(crate) struct Cold {
    /// What the socket has not taken yet.
    pub(crate) tail: Tail,
    /// Input that was read but not looked at, because the connection was paused. At most one
    /// receive buffer, and what `feed` was given.
    pub(crate) leftover: Leftover,
    /// The user timer, as it stands in `State::timers`: nanoseconds of loop time.
    pub(crate) timer: Option<u64>,
    /// What a connection under TLS always has.
    pub(crate) security: Option<Security>,
}

impl Cold {
    pub(crate) fn is_empty(&self) -> bool {
        self.tail.bytes == 0
            && self.leftover.is_empty()
            && self.timer.is_none()
            && self.security.is_none()
    }
}

/// Input that waits. Taking some of it moves nothing, so that a burst of small requests, each of
/// which stops the next, costs no more than its length.
#[derive(Default)]
pub(crate) struct Leftover {
    bytes: Vec<u8>,
    /// How much of it has been taken. Invariant: less than the length, or both are zero.
    taken: usize,
}

impl Leftover {
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts more at the end.
    pub(crate) fn append(&mut self, more: &[u8]) {
        if self.taken > self.bytes.len() / 2 {
            self.bytes.drain(..self.taken);
            self.taken = 0;
        }
        self.bytes.extend_from_slice(more);
    }

    /// What waits.
    pub(crate) fn waiting(&mut self) -> &mut [u8] {
        &mut self.bytes[self.taken..]
    }

    /// Only the last `len` bytes wait any longer.
    pub(crate) fn keep_last(&mut self, len: usize) {
        self.taken = self.bytes.len() - len;
        if len == 0 {
            *self = Self::default();
        }
    }
}

impl From<&[u8]> for Leftover {
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), taken: 0 }
    }
}

/// Bytes on their way out that the socket did not take: they go first next time.
#[derive(Default)]
pub(crate) struct Tail {
    segments: VecDeque<Segment>,
    /// How much of the first segment has gone. Invariant: less than its length.
    gone: usize,
    /// Invariant: the sum of the segments' lengths less `gone`.
    bytes: usize,
    /// How many of the first bytes do not count against the limit of the send queue, since a permit
    /// let them in.
    excused: usize,
}

enum Segment {
    Own(Vec<u8>),
    Shared(Bytes),
}

impl Segment {
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Own(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// Up to this many segments leave in one system call.
pub(crate) const GATHER: usize = 16;

/// Small messages are put together up to this size, so that a queue of them is a few segments.
const SEGMENT: usize = 16 << 10;

impl Tail {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those that count against the limit of the send queue.
    pub(crate) fn counted(&self) -> usize {
        self.bytes - self.excused
    }

    /// What waits now was sent with a permit.
    pub(crate) fn excuse(&mut self) {
        self.excused = self.bytes;
    }

    /// Copies `bytes` to the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.bytes += bytes.len();
        match self.segments.back_mut() {
            Some(Segment::Own(last)) if last.len() + bytes.len() <= SEGMENT => {
                last.extend_from_slice(bytes);
            }
            Some(Segment::Own(_) | Segment::Shared(_)) | None => {
                self.segments.push_back(Segment::Own(bytes.to_vec()));
            }
        }
    }

    /// Puts `bytes` at the end without copying them.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.bytes += bytes.len();
            self.segments.push_back(Segment::Shared(bytes));
        }
    }

    /// The first bytes, in the form a gathering send takes.
    pub(crate) fn slices<'s>(&'s self, out: &mut [IoSlice<'s>; GATHER]) -> usize {
        let mut gone = self.gone;
        let mut count = 0;
        for (slot, segment) in out.iter_mut().zip(&self.segments) {
            *slot = IoSlice::new(&segment.as_bytes()[gone..]);
            gone = 0;
            count += 1;
        }
        count
    }

    /// Takes note that the socket took `n` bytes.
    pub(crate) fn advance(&mut self, n: usize) {
        let mut n = n.min(self.bytes);
        self.bytes -= n;
        self.excused = self.excused.saturating_sub(n);
        while let Some(first) = self.segments.front() {
            let left = first.as_bytes().len() - self.gone;
            if n < left {
                self.gone += n;
                return;
            }
            n -= left;
            self.gone = 0;
            self.segments.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_leave_in_order_however_the_socket_takes_them() {
        let expected: Vec<u8> = (0..60_000_u32).map(|i| (i * 31 % 251) as u8).collect();
        for step in [97, 4096, 16_384, 16_385, 100_000] {
            let mut tail = Tail::default();
            for (i, piece) in expected.chunks(977).enumerate() {
                match i % 3 {
                    0 => tail.push_shared(Bytes::copy_from_slice(piece)),
                    _ => tail.push(piece),
                }
            }
            let mut seen = Vec::new();
            while tail.bytes() > 0 {
                let mut slices = [IoSlice::new(&[]); GATHER];
                let count = tail.slices(&mut slices);
                let all: Vec<u8> = slices[..count].iter().flat_map(|s| s.iter().copied()).collect();
                let taken = step.min(all.len());
                seen.extend_from_slice(&all[..taken]);
                tail.advance(taken);
            }
            assert!(seen == expected, "step {step}");
        }
    }
}
