//! When a segment may go: after every store has confirmed all that is in it.

use std::fs;
use std::io;
use std::path::Path;

use super::segment;

/// Removes a segment; returns its bytes. The oldest goes first, so that a crash in between leaves no hole.
pub(super) fn remove(folder: &Path, number: u64) -> io::Result<u64> {
    let path = segment::path(folder, number);
    let bytes = fs::metadata(&path)?.len();
    fs::remove_file(&path)?;
    segment::sync_folder(folder)?;
    Ok(bytes)
}
