//! What the writer asks of a disk: a seam where tests put a full or failing one.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::segment;

/// Makes segment files.
pub(super) trait Disk: Send {
    /// Makes an empty file that survives a power cut; what stood there before is gone.
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
}

/// A segment file that is being written.
pub(super) trait SegmentFile: Send {
    /// Writes all of `bytes` at `offset`, over what stands there.
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Returns when all that was written survives a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

/// The file system.
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn create(&mut self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = File::create(path)?;
        if let Some(folder) = path.parent() {
            segment::sync_folder(folder)?;
        }
        Ok(Box::new(RealFile(file)))
    }
}

struct RealFile(File);

impl SegmentFile for RealFile {
    fn write_at(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}
