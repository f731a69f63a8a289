//! Reads records in order from a place on, over damage and over the ends of segments.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::frame::{self, Decoded, Frame, Kind};
use super::payload::Payload;
use super::recovery::head_of_record;
use super::segment::{self, Head, Position};
use crate::cdr::chain::ChainHash;
use crate::cdr::codec::{self, DecodeError};
use crate::cdr::record::{CallRecord, RecordKey};

/// Bytes that one read brings in, unless a single frame is longer.
const CHUNK: usize = 256 << 10;

/// A record as the journal holds it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its identity in every store.
    pub key: RecordKey,
    /// Its link of the chain.
    pub hash: ChainHash,
    /// The record in its compact form.
    pub canonical: Bytes,
}

impl Entry {
    /// The record itself.
    pub fn record(&self) -> Result<CallRecord, DecodeError> {
        codec::decode(&self.canonical, self.hash)
    }
}

/// Records that a reader expected and did not find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Whose records.
    pub node: Arc<str>,
    /// Of which journal.
    pub epoch: u64,
    /// The first that is missing.
    pub first: u64,
    /// The last that is missing.
    pub last: u64,
    /// Why.
    pub cause: GapCause,
}

/// Why records are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapCause {
    /// The journal's queue was full: they were never written.
    NeverWritten,
    /// Bytes in the journal were altered, or a segment was removed.
    Damaged,
}

/// What one read brought.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In the order of writing.
    pub entries: Vec<Entry>,
    /// What is missing between and before them.
    pub gaps: Vec<Gap>,
    /// Bytes that belong to no frame, passed over.
    pub damaged_bytes: u64,
}

/// Reads a journal's folder. Takes no lock: it may read beside the process that writes.
pub struct Reader {
    folder: PathBuf,
    position: Position,
    /// The next number, as (node, epoch, sequence).
    expected: Option<RecordKey>,
    open: Option<Open>,
}

struct Open {
    number: u64,
    file: File,
    head: Option<Head>,
}

impl Reader {
    /// Reads from `position` on; `after` is the last record before it, so that a gap behind it is noticed.
    pub fn new(folder: &Path, position: Position, after: Option<RecordKey>) -> Self {
        let expected = after.map(|key| RecordKey { sequence: key.sequence + 1, ..key });
        Self { folder: folder.to_owned(), position, expected, open: None }
    }

    /// Up to where it has read.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The last number that was read or found missing.
    pub fn last(&self) -> Option<RecordKey> {
        let expected = self.expected.clone()?;
        (expected.sequence > 1).then(|| RecordKey { sequence: expected.sequence - 1, ..expected })
    }

    /// Reads at most about `max` records, and none behind `until`. Without `until`, it reads what is whole.
    ///
    /// Returns an empty batch at the end. After an error the next read tries the same place again.
    pub fn read(&mut self, until: Option<Position>, max: usize) -> io::Result<Batch> {
        let mut batch = Batch::default();
        while batch.entries.len() < max {
            let before = (self.position, batch.entries.len());
            match self.step(until, max, &mut batch) {
                Ok(()) => {}
                Err(error) if batch.entries.is_empty() => return Err(error),
                // The next read meets it again, with nothing to lose.
                Err(_) => break,
            }
            if (self.position, batch.entries.len()) == before {
                break;
            }
        }
        Ok(batch)
    }

    /// One chunk of the segment, or on to the next segment.
    fn step(&mut self, until: Option<Position>, max: usize, batch: &mut Batch) -> io::Result<()> {
        if until.is_some_and(|until| until <= self.position) {
            return Ok(());
        }
        self.open_segment(until)?;
        let Some(open) = &self.open else { return Ok(()) };
        let length = open.file.metadata()?.len();
        let end = until.filter(|until| until.segment == open.number).map_or(length, |until| until.offset.min(length));
        if self.position.offset >= end {
            return self.next_segment(until);
        }
        let left = (end - self.position.offset) as usize;
        let mut chunk = vec![0; left.min(CHUNK)];
        loop {
            open.file.read_exact_at(&mut chunk, self.position.offset)?;
            match frame::decode(&chunk) {
                Decoded::Incomplete(needed) if chunk.len() < left => {
                    chunk.resize(needed.max(chunk.len() + 1).min(left), 0);
                }
                _ => break,
            }
        }
        // What is still being written is not damage.
        let growing = until.is_none() && !self.has_successor()?;
        let whole = chunk.len() == left;
        self.take(&chunk, whole && !growing, max, batch);
        Ok(())
    }

    /// Takes the frames of a chunk. `last`: nothing comes behind it in this segment.
    fn take(&mut self, chunk: &[u8], last: bool, max: usize, batch: &mut Batch) {
        let mut at = 0;
        while at < chunk.len() && batch.entries.len() < max {
            match frame::decode(&chunk[at..]) {
                Decoded::Whole(frame) => {
                    let end = at + frame.len();
                    self.take_frame(&frame, batch);
                    at = end;
                }
                Decoded::Incomplete(_) if !last => break,
                _ => match frame::find_next(&chunk[at..]) {
                    Some(next) => {
                        batch.damaged_bytes += next as u64;
                        at += next;
                    }
                    None if last => {
                        batch.damaged_bytes += (chunk.len() - at) as u64;
                        at = chunk.len();
                    }
                    None if at == 0 && chunk.len() >= CHUNK => {
                        batch.damaged_bytes += chunk.len() as u64;
                        at = chunk.len();
                    }
                    None => break,
                },
            }
        }
        self.position.offset += at as u64;
    }

    fn take_frame(&mut self, frame: &Frame<'_>, batch: &mut Batch) {
        let Some(open) = &mut self.open else { return };
        if let Some(head) = Head::of(frame) {
            self.expect(&head, head.first, GapCause::Damaged, batch);
            if let Some(open) = &mut self.open {
                open.head = Some(head);
            }
            return;
        }
        let head = match &open.head {
            Some(head) => head.clone(),
            None => match head_of_record(frame) {
                Some(head) => open.head.insert(head).clone(),
                None => return,
            },
        };
        match frame.kind {
            Kind::Record => {
                let payload = Bytes::from(frame.payload());
                // Whole, but not as we write it: its number stays missing.
                let Some(Payload { hash, canonical, .. }) = Payload::of(&payload) else { return };
                let canonical = payload.slice_ref(canonical);
                self.expect(&head, frame.sequence, GapCause::Damaged, batch);
                let key = RecordKey { node: head.node, epoch: head.epoch, sequence: frame.sequence };
                self.expected = Some(RecordKey { sequence: frame.sequence + 1, ..key.clone() });
                batch.entries.push(Entry { key, hash, canonical });
            }
            Kind::Lost => {
                let count = frame.payload().try_into().map_or(1, u64::from_le_bytes);
                self.expect(&head, (frame.sequence + 1).saturating_sub(count), GapCause::Damaged, batch);
                self.expect(&head, frame.sequence + 1, GapCause::NeverWritten, batch);
            }
            Kind::Segment | Kind::Start | Kind::Answer | Kind::Other => {}
        }
    }

    /// Notes a gap where `next` is not the number that was due, and goes on from there.
    fn expect(&mut self, head: &Head, next: u64, cause: GapCause, batch: &mut Batch) {
        if let Some(expected) = &self.expected
            && (&expected.node, expected.epoch) == (&head.node, head.epoch)
        {
            if expected.sequence >= next {
                return;
            }
            let (first, last) = (expected.sequence, next - 1);
            batch.gaps.push(Gap { node: Arc::clone(&head.node), epoch: head.epoch, first, last, cause });
        }
        self.expected = Some(RecordKey { node: Arc::clone(&head.node), epoch: head.epoch, sequence: next });
    }

    /// Opens the segment of the position; where it was removed, the next one that is there.
    fn open_segment(&mut self, until: Option<Position>) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|open| open.number == self.position.segment) {
            return Ok(());
        }
        self.open = None;
        let found = segment::list(&self.folder)?.into_iter().find(|&number| number >= self.position.segment);
        let Some(number) = found.filter(|&number| until.is_none_or(|until| number <= until.segment)) else {
            return Ok(());
        };
        let file = File::open(segment::path(&self.folder, number))?;
        let mut head_bytes = vec![0; 4096.min(file.metadata()?.len() as usize)];
        file.read_exact_at(&mut head_bytes, 0)?;
        let head = match frame::decode(&head_bytes) {
            Decoded::Whole(frame) => Head::of(&frame),
            _ => None,
        };
        if number != self.position.segment {
            self.position = Position { segment: number, offset: 0 };
        }
        self.open = Some(Open { number, file, head });
        Ok(())
    }

    fn next_segment(&mut self, until: Option<Position>) -> io::Result<()> {
        let current = self.position.segment;
        let next = segment::list(&self.folder)?.into_iter().find(|&number| number > current);
        if let Some(number) = next.filter(|&number| until.is_none_or(|until| number <= until.segment)) {
            self.position = Position { segment: number, offset: 0 };
            self.open = None;
        }
        Ok(())
    }

    fn has_successor(&self) -> io::Result<bool> {
        Ok(segment::list(&self.folder)?.last().is_some_and(|&last| last > self.position.segment))
    }
}
