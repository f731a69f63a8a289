//! When a segment may go: after every store has confirmed all that is in it.

use std::fs;
use std::io;
use std::path::Path;

use super::segment;

/// Removes the segments of lower numbers, oldest first, so that a crash in between leaves no hole.
pub(super) fn remove_before(folder: &Path, segment: u64) -> io::Result<usize> {
    let mut removed = 0;
    for number in segment::list(folder)?.into_iter().take_while(|&number| number < segment) {
        fs::remove_file(segment::path(folder, number))?;
        removed += 1;
    }
    if removed > 0 {
        segment::sync_folder(folder)?;
    }
    Ok(removed)
}
