//! Lines from stdin, read on a thread of their own.
//!
//! They come in batches through a channel that holds one: while the loop has no use for more,
//! nothing more is read. Each batch is followed by a call that makes the loop look.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{self, Receiver, SyncSender, TryRecvError};
use std::thread;

/// The longest line, in bytes.
const LINE_BYTES: usize = super::MESSAGE_BYTES as usize;

/// Whole lines that were read together, with their newlines; or why there will be no more.
type Batch = Result<Vec<u8>, String>;

/// A feeder that has not started, and what it will feed.
pub(crate) fn channel() -> (Feeder, Lines) {
    let (batches, receiver) = mpsc::sync_channel(1);
    (Feeder { batches }, Lines { batches: receiver, batch: Vec::new(), at: 0, number: 0 })
}

/// The end of the channel where stdin goes in.
pub(crate) struct Feeder {
    batches: SyncSender<Batch>,
}

/// The end where lines come out.
pub(crate) struct Lines {
    batches: Receiver<Batch>,
    batch: Vec<u8>,
    /// Where in the batch the next line begins.
    at: usize,
    /// How many lines have been taken.
    number: u64,
}

/// Whether there are lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// Now.
    Ready,
    /// Not now.
    Later,
    /// No more.
    Ended,
    /// No more, for this reason.
    Failed(String),
}

impl Feeder {
    /// Reads stdin until its end, or until `wake`, which makes the loop look, says that nobody
    /// does any more.
    pub(crate) fn start(self, wake: impl Fn() -> bool + Send + 'static) -> io::Result<()> {
        thread::Builder::new().name("stdin".into()).spawn(move || {
            self.feed(&mut BufReader::with_capacity(64 << 10, io::stdin()), &wake);
            wake(); // with the sender gone, it finds the end
        })?;
        Ok(())
    }

    fn feed<R: Read>(self, input: &mut BufReader<R>, wake: &impl Fn() -> bool) {
        loop {
            let batch = read_batch(input);
            let last = batch.is_err();
            if batch.as_ref().is_ok_and(Vec::is_empty) {
                return;
            }
            if self.batches.send(batch).is_err() || !wake() || last {
                return;
            }
        }
    }
}

/// The next line, with those that are at hand already; empty at the end.
fn read_batch<R: Read>(input: &mut BufReader<R>) -> Batch {
    let mut batch = Vec::new();
    let limit = LINE_BYTES as u64 + 1;
    input
        .take(limit)
        .read_until(b'\n', &mut batch)
        .map_err(|error| format!("cannot read standard input: {error}"))?;
    if batch.len() as u64 == limit && !batch.ends_with(b"\n") {
        return Err(format!("a line of standard input is longer than {LINE_BYTES} bytes"));
    }
    let at_hand = input.buffer();
    let whole = at_hand.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    batch.extend_from_slice(&at_hand[..whole]);
    input.consume(whole);
    Ok(batch)
}

impl Lines {
    /// Looks for lines, if there are none at hand.
    pub(crate) fn supply(&mut self) -> Supply {
        if self.at < self.batch.len() {
            return Supply::Ready;
        }
        match self.batches.try_recv() {
            Ok(Ok(batch)) => {
                (self.batch, self.at) = (batch, 0);
                Supply::Ready
            }
            Ok(Err(why)) => Supply::Failed(why),
            Err(TryRecvError::Empty) => Supply::Later,
            Err(TryRecvError::Disconnected) => Supply::Ended,
        }
    }

    /// The next of the lines at hand, and its number.
    pub(crate) fn next(&mut self) -> Option<(u64, &[u8])> {
        let rest = self.batch.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = rest.iter().position(|&byte| byte == b'\n');
        self.at += end.map_or(rest.len(), |end| end + 1);
        self.number += 1;
        Some((self.number, &rest[..end.unwrap_or(rest.len())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of the channel when `input` goes in.
    fn lines_of(input: impl Read + Send + 'static) -> (Vec<Vec<u8>>, Supply) {
        let (feeder, mut lines) = channel();
        let (awake, woken) = mpsc::channel();
        thread::spawn(move || {
            let wake = || awake.send(()).is_ok();
            feeder.feed(&mut BufReader::with_capacity(8, input), &wake);
            wake();
        });
        let mut all = Vec::new();
        for () in &woken {
            while lines.supply() == Supply::Ready {
                while let Some((number, line)) = lines.next() {
                    all.push(line.to_vec());
                    assert_eq!(number, all.len() as u64);
                }
            }
        }
        let end = lines.supply();
        (all, end)
    }

    #[test]
    fn lines_come_out_whole_and_in_order_whatever_the_buffer_holds() {
        let (lines, end) = lines_of(&b"a\n\nlonger than the buffer\nb\nc\nno newline"[..]);
        let expected: [&[u8]; 6] =
            [b"a", b"", b"longer than the buffer", b"b", b"c", b"no newline"];
        assert_eq!(lines, expected);
        assert_eq!(end, Supply::Ended);
    }

    #[test]
    fn no_input_is_no_line() {
        assert_eq!(lines_of(io::empty()), (Vec::new(), Supply::Ended));
    }

    #[test]
    fn a_line_without_end_is_refused_and_not_swallowed() {
        let (feeder, mut lines) = channel();
        feeder.feed(&mut BufReader::with_capacity(1 << 20, io::repeat(b'x')), &|| true);
        assert!(matches!(lines.supply(), Supply::Failed(why) if why.contains("67108864")));
        assert_eq!(lines.supply(), Supply::Ended);
    }
}
