//! The fast decoder of DEFLATE: that of zlib-rs.

use super::Corrupt;
use zlib_rs::{InflateFlush, Status};

/// A stream being inflated.
pub(super) struct Inflate(zlib_rs::Inflate);

impl Inflate {
    pub(super) fn new() -> Self {
        Self(zlib_rs::Inflate::new(false, 15))
    }

    /// Forgets all that came.
    pub(super) fn reset(&mut self) {
        self.0.reset(false);
    }

    /// Inflates into `room`: how much that was, and whether something corrupt comes then. If it is
    /// not all of `room`, the input is used up. A new stream may follow where one ends.
    pub(super) fn run(
        &mut self,
        input: &mut &[u8],
        room: &mut [u8],
    ) -> (usize, Result<(), Corrupt>) {
        let mut len = 0;
        loop {
            let (read, written) = (self.0.total_in(), self.0.total_out());
            let status = self.0.decompress(input, &mut room[len..], InflateFlush::NoFlush);
            *input = &input[(self.0.total_in() - read) as usize..];
            len += (self.0.total_out() - written) as usize;
            match status {
                Ok(Status::StreamEnd) => {
                    self.reset();
                    if input.is_empty() || len == room.len() {
                        return (len, Ok(()));
                    }
                }
                Ok(Status::Ok | Status::BufError) => return (len, Ok(())),
                Err(_) => return (len, Err(Corrupt)),
            }
        }
    }
}
