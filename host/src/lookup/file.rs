//! A table held whole in memory, built anew and swapped on reload: a call sees the old rows or the new, never neither.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use smallvec::SmallVec;

use super::csv::FileTable;
use super::error::Problem;
use super::row::Row;
use super::stats::{Counters, Stats};
use crate::config::model::CsvSource;

/// See the module.
#[derive(Debug)]
pub(super) struct MemoryTable {
    current: ArcSwap<FileTable>,
    path: PathBuf,
    source: CsvSource,
    place: String,
    counters: Counters,
}

impl MemoryTable {
    /// Reads the file. `place` is the source's key in the configuration; a relative path counts from `folder`.
    pub(super) fn load(source: &CsvSource, folder: &Path, place: String) -> Result<Self, Vec<Problem>> {
        let path = folder.join(&source.path);
        let rows = FileTable::load(&path, source, &place)?;
        Ok(Self {
            current: ArcSwap::from_pointee(rows),
            path,
            source: source.clone(),
            place,
            counters: Counters::default(),
        })
    }

    /// Reads the file again. Where it has problems, the rows stay as they are.
    pub(super) fn reload(&self) -> Result<(), Vec<Problem>> {
        self.current.store(Arc::new(FileTable::load(&self.path, &self.source, &self.place)?));
        Ok(())
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Row>> {
        let row = self.current.load().get(key).map(Arc::new);
        self.counters.answered(row.is_some());
        row
    }

    pub(super) fn matches(&self, digits: &str) -> Option<SmallVec<[Arc<Row>; 8]>> {
        let rows = self.current.load().matches(digits)?;
        self.counters.answered(!rows.is_empty());
        Some(rows)
    }

    pub(super) fn stats(&self) -> Stats {
        let current = self.current.load();
        self.counters.snapshot(current.entries as u64, current.bytes() as u64)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}
