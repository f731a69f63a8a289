//! The heap of this process, counted: what is allocated and not given back.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static HELD: AtomicU64 = AtomicU64::new(0);

/// Bytes that are allocated now, as they were asked for: what the allocator adds to each piece is not in it. 0 for ever
/// in a program whose allocator is not [`Counted`].
pub fn held() -> u64 {
    HELD.load(Relaxed)
}

/// The system's allocator, and a count. For `#[global_allocator]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counted;

#[allow(unsafe_code, reason = "an allocator is an unsafe trait; this one hands everything to the system's")]
// SAFETY: every call goes to the system's allocator as it came; counting touches no memory that was handed out.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size as u64, Relaxed);
        HELD.fetch_sub(layout.size() as u64, Relaxed);
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.realloc(memory, layout, size) }
    }
}
