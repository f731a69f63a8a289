//! Large pages for what is read at random.
//!
//! With pages of 4 KiB nearly every look-up in a few hundred megabytes waits for the page tables too, twice over in a
//! virtual machine; with pages of 2 MiB hardly any does.

/// Asks the system to back this vector's room, which nothing has been written to yet, by large pages. Where it does not, the
/// room is as good, and slower.
#[allow(unsafe_code, reason = "madvise takes addresses")]
pub(super) fn prefer_large<T>(room: &mut Vec<T>) {
    #[cfg(target_os = "linux")]
    {
        /// Of x86-64, and of AArch64 with pages of 4 KiB.
        const LARGE: usize = 2 << 20;
        let spare = room.spare_capacity_mut();
        let (begin, length) = (spare.as_mut_ptr().cast::<u8>(), size_of_val(spare));
        let before = begin.align_offset(LARGE);
        let whole = length.saturating_sub(before) / LARGE * LARGE;
        if whole > 0 {
            let large = begin.wrapping_add(before).cast();
            // SAFETY: all of these pages are within this vector's own room, and the advice changes no byte of them.
            let _advised = unsafe { nix::libc::madvise(large, whole, nix::libc::MADV_HUGEPAGE) };
        }
    }
}
