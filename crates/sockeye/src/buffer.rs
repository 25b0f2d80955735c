//! The loop's one receive buffer.

/// A line of the processor's cache, in bytes. What the kernel copies goes faster from where one
/// begins: a tenth at 16 KiB, and half where the copy begins a few bytes behind.
const LINE: usize = 64;

/// Bytes to read into, from the start of a cache line on.
#[derive(Default)]
pub(crate) struct ReceiveBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl ReceiveBuffer {
    /// Of so many bytes, which take memory only once they are used.
    pub(crate) fn new(len: usize) -> Self {
        let bytes = vec![0; len + LINE];
        let start = bytes.as_ptr().addr().wrapping_neg() % LINE;
        Self { bytes, start }
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(LINE)
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        let end = self.start + self.len();
        &mut self.bytes[self.start..end]
    }

    /// Makes it no shorter than `len`. What is in it is lost.
    pub(crate) fn at_least(&mut self, len: usize) {
        if self.len() < len {
            *self = Self::new(len);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_of_any_length_begins_on_a_cache_line() {
        let mut buffer = ReceiveBuffer::default();
        assert_eq!((buffer.len(), buffer.as_mut().len()), (0, 0));
        for len in [4096, 4097, 65_000, 512 << 10] {
            buffer.at_least(len);
            assert_eq!((buffer.len(), buffer.as_mut().len()), (len, len));
            assert_eq!(buffer.as_mut().as_ptr().addr() % LINE, 0);
        }
        buffer.at_least(10);
        assert_eq!(buffer.len(), 512 << 10);
    }
}
