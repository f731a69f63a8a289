//! Segment files: their names, their order, the frame at their head.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::{self, EncodeError, Frame, Kind};
use crate::cdr::chain::ChainHash;
use crate::cdr::record::UnixMicros;

const EXTENSION: &str = "journal";

/// A place in the journal: between two frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Position {
    /// The segment's number, which its file name tells.
    pub segment: u64,
    /// Bytes from the start of its file.
    pub offset: u64,
}

/// Whose records a segment holds: the payload of its first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// Version of what the frames mean; readers refuse none, they pass over kinds that they do not know.
    pub(super) format: u32,
    pub(super) node: Arc<str>,
    pub(super) epoch: u64,
    /// Sequence number of the first record.
    pub(super) first: u64,
    /// The hash before it.
    pub(super) before: ChainHash,
}

impl Head {
    pub(super) fn new(node: Arc<str>, epoch: u64, first: u64, before: ChainHash) -> Self {
        Self { format: 2, node, epoch, first, before }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut out = Vec::new();
        frame::append(&mut out, Kind::Segment, self.first, |out| Ok(serde_json::to_writer(out, self)?))?;
        Ok(out)
    }

    /// `None` when the frame is of another kind or its payload is not a head.
    pub(super) fn of(frame: &Frame<'_>) -> Option<Self> {
        (frame.kind == Kind::Segment).then(|| serde_json::from_slice(&frame.payload()).ok()).flatten()
    }
}

/// The file of segment `number`.
pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016}.{EXTENSION}"))
}

/// The numbers of all segments in a folder, ascending.
pub(super) fn list(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        let Some(stem) = name.to_str().and_then(|name| name.strip_suffix(EXTENSION)?.strip_suffix('.')) else {
            continue;
        };
        if let Ok(number) = stem.parse() {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Bytes of all segments in a folder.
pub(super) fn bytes_of_all(folder: &Path) -> io::Result<u64> {
    list(folder)?.into_iter().map(|number| Ok(std::fs::metadata(path(folder, number))?.len())).sum()
}

/// When a segment was last written, in microseconds since 1970; 0 where there is none.
pub(super) fn newest_change(folder: &Path) -> io::Result<UnixMicros> {
    let Some(&last) = list(folder)?.last() else { return Ok(0) };
    let changed = std::fs::metadata(path(folder, last))?.modified()?;
    Ok(changed.duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64))
}

/// Makes creations, renames and removals in a folder survive a power cut.
pub(in crate::cdr) fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}
