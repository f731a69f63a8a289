//! The heap: what calls gave back is kept for the next ones.
//!
//! A call's memory is free again half a minute after it ended, so a node's heap breathes with its traffic. glibc would give
//! the top of each thread's heap back to the system as soon as 128 kB of it are free, and fault it in again page by
//! page for the next calls: a sixth of what a call costs.

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
