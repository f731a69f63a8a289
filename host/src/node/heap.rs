//! The heap: what calls gave back is kept for the next ones.
//!
//! A call's memory is free again half a minute after it ended, so a node's heap breathes with its traffic. glibc would give
//! the top of each thread's heap back to the system as soon as 128 kB of it are free, and fault it in again page by
//! page for the next calls: a sixth of what a call costs.
//!
//! And it would let the heap of a worker's thread grow by single pages, each by a system call: so a worker [takes](reserve)
//! address space for its first calls at once.

/// Free bytes at the top of a heap that are given back.
#[cfg(target_env = "gnu")]
const TRIM: i32 = 256 << 20;
/// Bytes by which a heap grows at least.
#[cfg(target_env = "gnu")]
const GROW: i32 = 4 << 20;

/// Sets it for this process. With another allocator than glibc's there is nothing to set.
#[allow(unsafe_code, reason = "glibc's own interface; no crate wraps it")]
pub(super) fn keep() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes integers and changes nothing that is allocated; both parameters may be set at any time.
    let taken = unsafe {
        nix::libc::mallopt(nix::libc::M_TRIM_THRESHOLD, TRIM) & nix::libc::mallopt(nix::libc::M_TOP_PAD, GROW)
    };
    #[cfg(target_env = "gnu")]
    if taken == 0 {
        tracing::warn!("the heap cannot be told to keep what calls give back: calls will cost more");
    }
}

/// Bytes for which a worker's heap need not grow: some ten thousand calls. One heap of glibc's has 64 MiB.
const RESERVE: usize = 48 << 20;
/// Below what glibc would map for itself.
const PIECE: usize = 120 << 10;

/// Makes this thread's heap as large as its first calls need. Little of it becomes memory before it is used.
pub(super) fn reserve() {
    let pieces: Vec<Vec<u8>> = (0..RESERVE / PIECE).map(|_| std::hint::black_box(Vec::with_capacity(PIECE))).collect();
    drop(pieces);
}
