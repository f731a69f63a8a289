//! Large pages for what is read at random.
//!
//! With pages of 4 KiB nearly every look-up in a few hundred megabytes waits for the page tables too, twice over in a
//! virtual machine; with pages of 2 MiB hardly any does.

/// Asks the system to back this vector's room, which nothing has been written to yet, by large pages. Where it does not, the
/// room is as good, and slower.
#[allow(unsafe_code, reason = "madvise takes addresses")]
pub(super) fn prefer_large(room: &mut Vec<u8>) {
    #[cfg(target_os = "linux")]
    {
        /// Of x86-64, and of AArch64 with pages of 4 KiB.
        const LARGE: usize = 2 << 20;
        let spare = room.spare_capacity_mut();
        let begin = spare.as_ptr().align_offset(LARGE);
        let Some(whole) = spare.len().checked_sub(begin).map(|rest| rest / LARGE * LARGE).filter(|whole| *whole > 0)
        else {
            return;
        };
        let large = &mut spare[begin..begin + whole];
        // SAFETY: the range is this vector's own, begins and ends with a page, and the advice changes no byte of it.
        let _advised = unsafe { nix::libc::madvise(large.as_mut_ptr().cast(), whole, nix::libc::MADV_HUGEPAGE) };
    }
}
