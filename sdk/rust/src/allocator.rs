//! The guest's memory: a freed block waits in the list of its size for the next one of that size.
//!
//! A call makes and drops some dozens of short texts, and each of them costs std's allocator for wasm32 (dlmalloc) a
//! hundred instructions and more each way; here it is about fifteen. What is larger than the largest size, or aligned
//! more strictly than a block, goes to dlmalloc, and so does the request for a chunk to cut new blocks from. A block
//! never changes its size: the lists hold what the busiest call needed of each, for as long as the instance lives.

#![allow(unsafe_code, reason = "an allocator hands out raw memory")]
#![allow(clippy::cast_ptr_alignment, reason = "every block is aligned to `GRAIN`")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;

/// The smallest block, and what every block is aligned to.
const GRAIN: usize = 16;

/// Sizes, each twice the one before: 16 to 1,024 bytes.
const SIZES: usize = 7;

/// Taken from dlmalloc at once, to be cut into blocks.
const CHUNK: usize = 16 << 10;

/// See the module.
pub(crate) struct Blocks {
    /// The first free block of each size; it begins with the address of the next.
    free: [Cell<*mut u8>; SIZES],
    /// What is left of the chunk.
    rest: Cell<*mut u8>,
    left: Cell<usize>,
}

// SAFETY: on wasm32 without atomics there is one thread. Elsewhere only the tests make one, each for itself.
unsafe impl Sync for Blocks {}

impl Blocks {
    /// Without memory.
    pub(crate) const fn new() -> Self {
        Self {
            free: [const { Cell::new(ptr::null_mut()) }; SIZES],
            rest: Cell::new(ptr::null_mut()),
            left: Cell::new(0),
        }
    }

    /// A block off the chunk; null where there is no memory for another chunk. The old chunk's rest, less than the
    /// largest block, is lost.
    #[cold]
    fn cut(&self, bytes: usize) -> *mut u8 {
        if self.left.get() < bytes {
            // SAFETY: the layout is not of size zero.
            let chunk = unsafe { System.alloc(Layout::from_size_align_unchecked(CHUNK, GRAIN)) };
            if chunk.is_null() {
                return chunk;
            }
            self.rest.set(chunk);
            self.left.set(CHUNK);
        }
        let block = self.rest.get();
        // SAFETY: `bytes` are left behind `rest`, within the chunk.
        self.rest.set(unsafe { block.add(bytes) });
        self.left.set(self.left.get() - bytes);
        block
    }
}

/// Which of the sizes holds this; past the last for dlmalloc's.
#[inline]
fn size(bytes: usize, align: usize) -> usize {
    if align > GRAIN {
        return SIZES;
    }
    // 0 for 1 to 16, 1 to 32, 2 to 64 …
    (usize::BITS - (bytes.wrapping_sub(1) | (GRAIN - 1)).leading_zeros()) as usize - 4
}

// SAFETY: a block is in use or in a list, never both, and no two overlap: each is cut once, from memory that dlmalloc
// gave, and keeps its size, which the layout tells again when it is freed. Blocks are multiples of `GRAIN` off a chunk
// that is aligned to it.
unsafe impl GlobalAlloc for Blocks {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some(list) = self.free.get(size(layout.size(), layout.align())) else {
            // SAFETY: the caller's promise about the layout is passed on.
            return unsafe { System.alloc(layout) };
        };
        let block = list.get();
        if block.is_null() {
            return self.cut(GRAIN << size(layout.size(), layout.align()));
        }
        // SAFETY: a free block is ours, large enough for an address and aligned to `GRAIN`.
        list.set(unsafe { block.cast::<*mut u8>().read() });
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let Some(list) = self.free.get(size(layout.size(), layout.align())) else {
            // SAFETY: `alloc` sent this layout to dlmalloc too.
            return unsafe { System.dealloc(block, layout) };
        };
        // SAFETY: as in `alloc`; the caller gives the block up.
        unsafe { block.cast::<*mut u8>().write(list.get()) };
        list.set(block);
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        let (from, to) = (size(layout.size(), layout.align()), size(bytes, layout.align()));
        if from >= SIZES && to >= SIZES {
            // SAFETY: dlmalloc's before and after.
            return unsafe { System.realloc(block, layout, bytes) };
        }
        if from == to {
            return block;
        }
        // SAFETY: the caller promises that `bytes` is a size for this alignment, and that `block` has this layout.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(bytes, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, bytes.min(layout.size()));
                self.dealloc(block, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(bytes: usize) -> Layout {
        Layout::from_size_align(bytes, 8).unwrap()
    }

    #[test]
    fn every_length_has_the_smallest_size_that_holds_it() {
        for (bytes, expected) in [(1, 0), (16, 0), (17, 1), (32, 1), (33, 2), (512, 5), (513, 6), (1_024, 6)] {
            assert_eq!(size(bytes, 8), expected, "{bytes} bytes");
            assert!(GRAIN << expected >= bytes);
        }
        assert!(size(1_025, 8) >= SIZES && size(8, 32) >= SIZES && size(usize::MAX / 2, 1) >= SIZES);
    }

    #[test]
    fn a_freed_block_is_the_next_of_its_size() {
        let blocks = Blocks::new();
        // SAFETY: sizes are not zero, and each block is freed once with its layout.
        unsafe {
            let first = blocks.alloc(layout(20));
            let other = blocks.alloc(layout(20));
            assert_ne!(first, other);
            blocks.dealloc(first, layout(20));
            assert_ne!(blocks.alloc(layout(40)), first, "another size");
            assert_eq!(blocks.alloc(layout(32)), first);
        }
    }

    #[test]
    fn blocks_do_not_overlap_and_keep_what_is_written_while_they_grow() {
        let blocks = Blocks::new();
        let mut held = Vec::new();
        // SAFETY: as above; every block is written within its layout.
        unsafe {
            for turn in 0..2_000_usize {
                let bytes = 1 + turn * 37 % 1_500;
                let block = blocks.alloc(layout(bytes));
                assert!(!block.is_null() && block.addr().is_multiple_of(8));
                block.write_bytes(turn as u8, bytes);
                held.push((block, bytes, turn as u8));
                if turn % 3 == 0 {
                    let (block, bytes, mark) = held.swap_remove(turn * 7 % held.len());
                    let grown = blocks.realloc(block, layout(bytes), bytes * 2);
                    grown.add(bytes).write_bytes(mark, bytes);
                    held.push((grown, bytes * 2, mark));
                }
                if turn % 5 == 0 {
                    let (block, bytes, _) = held.swap_remove(turn * 11 % held.len());
                    blocks.dealloc(block, layout(bytes));
                }
            }
            for (block, bytes, mark) in held {
                assert!(std::slice::from_raw_parts(block, bytes).iter().all(|byte| *byte == mark));
                blocks.dealloc(block, layout(bytes));
            }
        }
    }
}
