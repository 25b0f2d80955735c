//! Session memory: what a program gets as `user`.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::c_void;
use std::ptr::NonNull;

/// As `malloc` aligns: fit for every C type.
const ALIGN: usize = 16;

/// A zeroed block, freed when dropped. The size of a protocol without session data is 0: then
/// there is no block, and `user` is NULL.
pub(crate) struct Block {
    start: Option<NonNull<u8>>,
    layout: Layout,
}

impl Block {
    /// `None` if there is no memory.
    pub(crate) fn zeroed(size: usize) -> Option<Self> {
        let layout = Layout::from_size_align(size, ALIGN).ok()?;
        if size == 0 {
            return Some(Self { start: None, layout });
        }
        // SAFETY: the size is not zero.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { start: Some(start), layout })
    }

    pub(crate) fn as_ptr(&self) -> *mut c_void {
        self.start.map_or(std::ptr::null_mut(), |start| start.as_ptr().cast())
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(start) = self.start {
            // SAFETY: it was allocated with this layout in `zeroed`, and only there.
            unsafe { dealloc(start.as_ptr(), self.layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_aligned_and_zero_and_an_empty_one_is_null() {
        let block = Block::zeroed(33).unwrap();
        assert_eq!(block.as_ptr() as usize % ALIGN, 0);
        // SAFETY: 33 bytes were allocated, and are initialised.
        let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr().cast::<u8>(), 33) };
        assert_eq!(bytes, [0; 33]);
        assert!(Block::zeroed(0).unwrap().as_ptr().is_null());
        assert!(Block::zeroed(usize::MAX).is_none());
    }
}
