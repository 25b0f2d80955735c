//! Cutting the bytes that arrive, so that every state of the reader is met in its middle.

use sockeye_sys::fault::{self, Call, Fault};

/// How many bytes the next reads of this thread give.
#[derive(Clone, Default)]
pub(crate) enum Reads {
    /// Whatever is there.
    #[default]
    Uncut,
    /// One each.
    One,
    /// A number drawn for each, the same in every run. The header that follows a message is split.
    /// A protocol that streams can tell where frames end: with it *every* header is read byte by
    /// byte, if there is one connection at a time.
    Random(Draw),
}

/// The most bytes that a random read gives.
const MOST: u64 = 8192;
/// How many reads are drawn before they begin anew.
const PERIOD: usize = 64;

impl Reads {
    /// Reads the value of `--reads`.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "one" => Ok(Self::One),
            "random" => Ok(Self::Random(Draw(7681))),
            other => Err(format!("--reads needs `one` or `random`, not `{other}`")),
        }
    }

    /// The first byte of a connection or of a message is next. If its frames will be told of by
    /// [`in_frame`](Self::in_frame), what comes before that is read byte by byte.
    pub(crate) fn begin(&mut self, told: bool) {
        match self {
            Self::Uncut => {}
            Self::Random(draw) if !told => again(draw.reads()),
            Self::One | Self::Random(_) => again(vec![Fault::Short(1)]),
        }
    }

    /// So many payload bytes are to come before the next header.
    pub(crate) fn in_frame(&mut self, remaining: u64) {
        let Self::Random(draw) = self else { return };
        fault::clear();
        if remaining > 0 {
            fault::plan(Call::Recv, 0, Fault::Short(draw.up_to(remaining.min(MOST))));
        }
        fault::repeat(Call::Recv, Fault::Short(1));
    }
}

/// What reads give from now on.
fn again(reads: Vec<Fault>) {
    fault::clear();
    fault::cycle(Call::Recv, reads);
}

/// Numbers that look random (xorshift).
#[derive(Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    /// First some of one byte, which split the header that is next; then short and long ones.
    fn reads(&mut self) -> Vec<Fault> {
        let mut reads = vec![Fault::Short(1); self.up_to(14)];
        reads.resize_with(PERIOD, || {
            let most = if self.up_to(2) == 1 { 6 } else { MOST };
            Fault::Short(self.up_to(most))
        });
        reads
    }

    /// From 1 to `most`.
    fn up_to(&mut self, most: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most) as usize + 1
    }
}
