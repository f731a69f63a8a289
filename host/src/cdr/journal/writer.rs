//! Stamps records, encodes them, and brings them to disk in groups. Knows no thread and no queue.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::disk::{Disk, SegmentFile};
use super::frame::{self, EncodeError, Kind};
use super::payload;
use super::recovery::Start;
use super::segment::{self, Head, Position};
use super::{Options, Synced};
use crate::cdr::chain::ChainHash;

/// Appends to the last segment.
///
/// The bytes of a group stay in memory until the disk has confirmed them. When a write or a sync fails, the next try
/// writes the whole group again from the last confirmed offset: after a failed `fsync` the kernel may have dropped the
/// dirty pages and call the next one a success, so that only a new write proves anything.
pub(super) struct Writer {
    folder: PathBuf,
    disk: Box<dyn Disk>,
    node: Arc<str>,
    epoch: u64,
    /// Of the next record.
    sequence: u64,
    /// Of the last record.
    hash: ChainHash,
    segment: u64,
    /// `None` until the first group needs it.
    file: Option<Box<dyn SegmentFile>>,
    segment_bytes: u64,
    /// Up to here the segment is confirmed.
    synced: u64,
    /// Encoded frames from `synced` on.
    group: Vec<u8>,
    /// How many frames are in it, the head aside.
    waiting: usize,
    /// How many bytes of `group` were written since the last failure.
    written: usize,
    /// Bytes of all segments.
    disk_use: Arc<AtomicU64>,
    /// What they may be at most.
    limit: u64,
    /// What the group holds frees more than it takes: no limit holds it up.
    freeing: bool,
}

impl Writer {
    pub(super) fn new(
        folder: &Path,
        disk: Box<dyn Disk>,
        start: &Start,
        options: &Options,
        disk_use: Arc<AtomicU64>,
    ) -> Self {
        let mut writer = Self {
            folder: folder.to_owned(),
            disk,
            node: Arc::clone(&start.node),
            epoch: start.epoch,
            sequence: start.sequence,
            hash: start.hash,
            segment: start.segment,
            file: None,
            segment_bytes: options.segment_bytes,
            synced: 0,
            group: Vec::new(),
            waiting: 0,
            written: 0,
            disk_use,
            limit: options.limit,
            freeing: false,
        };
        writer.begin_segment();
        writer
    }

    /// Stamps a record and adds it to the group. A record that cannot be encoded uses up no number.
    pub(super) fn push(&mut self, call: u64, body: &[u8]) -> Result<(), EncodeError> {
        let (before, sequence) = (self.hash, self.sequence);
        let key = (&*self.node, self.epoch, sequence);
        let hash = &mut self.hash;
        frame::append(&mut self.group, Kind::Record, sequence, |out| {
            *hash = payload::append(out, before, call, key, body)?;
            Ok(())
        })
        .inspect_err(|_| self.hash = before)?;
        self.sequence += 1;
        self.waiting += 1;
        Ok(())
    }

    /// Adds what is known of a call that has not ended.
    pub(super) fn note(&mut self, kind: Kind, call: u64, payload: &[u8]) -> Result<(), EncodeError> {
        frame::append(&mut self.group, kind, call, |out| {
            out.extend_from_slice(payload);
            Ok(())
        })?;
        self.waiting += 1;
        Ok(())
    }

    /// Uses up the numbers of records that were lost, so that every store can see that it lacks them.
    pub(super) fn skip_lost(&mut self, count: u64) -> Result<(), EncodeError> {
        frame::append(&mut self.group, Kind::Lost, self.sequence + count - 1, |out| {
            out.extend_from_slice(&count.to_le_bytes());
            Ok(())
        })?;
        self.sequence += count;
        self.waiting += 1;
        Ok(())
    }

    /// The segment that frames go to now.
    pub(super) fn segment(&self) -> u64 {
        self.segment
    }

    /// Let the group pass any limit: it is what must be kept of a segment that goes.
    pub(super) fn frees(&mut self) {
        self.freeing = true;
    }

    /// Frames that the disk has not confirmed.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Bytes that the disk has not confirmed.
    pub(super) fn group_len(&self) -> usize {
        self.group.len()
    }

    /// Hands the group to the operating system: it survives the death of this process, not a power cut.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.try_write().inspect_err(|_| self.written = 0)
    }

    /// Brings the group to disk; begins a new segment where this one is full.
    pub(super) fn sync(&mut self) -> io::Result<Synced> {
        self.try_sync().inspect_err(|_| self.written = 0)?;
        let bytes = self.group.len() as u64;
        self.synced += bytes;
        self.disk_use.fetch_add(bytes, Relaxed);
        self.freeing = false;
        self.group.clear();
        self.waiting = 0;
        self.written = 0;
        let synced = Synced {
            position: Position { segment: self.segment, offset: self.synced },
            epoch: self.epoch,
            sequence: self.sequence - 1,
        };
        if self.synced >= self.segment_bytes {
            self.segment += 1;
            self.begin_segment();
        }
        Ok(synced)
    }

    /// The head waits in the group like any frame: the file is made when there is something to put into it.
    fn begin_segment(&mut self) {
        self.file = None;
        self.synced = 0;
        let head = Head::new(Arc::clone(&self.node), self.epoch, self.sequence, self.hash);
        // A name and three numbers are always JSON; without a head, readers go by the keys in the records.
        self.group = head.encode().unwrap_or_default();
    }

    fn try_write(&mut self) -> io::Result<()> {
        // A head alone is not worth a file.
        if self.waiting == 0 || self.written == self.group.len() {
            return Ok(());
        }
        let used = self.disk_use.load(Relaxed);
        if used + self.group.len() as u64 > self.limit && !self.freeing {
            return Err(io::Error::other(format!(
                "`cdr.journal-limit` of {} bytes is reached: some store does not confirm",
                self.limit
            )));
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.disk.create(&segment::path(&self.folder, self.segment))?),
        };
        file.write_at(&self.group[self.written..], self.synced + self.written as u64)?;
        self.written = self.group.len();
        Ok(())
    }

    fn try_sync(&mut self) -> io::Result<()> {
        self.try_write()?;
        self.file.as_mut().map_or(Ok(()), |file| file.sync())
    }
}
