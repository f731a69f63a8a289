//! Straight from the journal: every record that no store has outlived yet.

use std::collections::VecDeque;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::Filter;
use crate::cdr::journal::{Gap, Position, Reader};
use crate::cdr::record::CallRecord;

const BATCH: usize = 1_000;

/// Follows a journal as it grows, from another process too. Never waits: look again after a while.
pub struct Tail {
    reader: Reader,
    filter: Filter,
}

impl Tail {
    /// From the oldest record in `folder`.
    pub fn from_start(folder: &Path, filter: Filter) -> anyhow::Result<Self> {
        ensure!(folder.is_dir(), "there is no journal in {}", folder.display());
        Ok(Self { reader: Reader::new(folder, Position::default(), None), filter })
    }

    /// Whatever comes after this moment.
    pub fn from_end(folder: &Path, filter: Filter) -> anyhow::Result<Self> {
        let mut tail = Self::from_start(folder, filter)?;
        while tail.reader.read(None, BATCH)?.entries.len() == BATCH {}
        Ok(tail)
    }

    /// What came since the last look, at most about a thousand records, and what is missing among all that was read.
    /// `None` at the end.
    pub fn look(&mut self) -> anyhow::Result<Option<(Vec<CallRecord>, Vec<Gap>)>> {
        let before = self.reader.position();
        let batch = self.reader.read(None, BATCH).context("cannot read the journal")?;
        if self.reader.position() == before {
            return Ok(None);
        }
        let mut records = Vec::new();
        for entry in &batch.entries {
            let key = &entry.key;
            let record = entry.record().with_context(|| {
                format!("the record {}/{}/{} is of another version", key.node, key.epoch, key.sequence)
            })?;
            if self.filter.passes(&record) {
                records.push(record);
            }
        }
        Ok(Some((records, batch.gaps)))
    }
}

pub(super) fn list(folder: &Path, filter: &Filter, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
    let mut tail = Tail::from_start(folder, filter.clone())?;
    let mut newest = VecDeque::new();
    while let Some((records, _)) = tail.look()? {
        newest.extend(records);
        newest.drain(..newest.len().saturating_sub(limit));
    }
    Ok(newest.into())
}
