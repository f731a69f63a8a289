//! A table held whole in memory. A reload makes another one beside it: calls in progress end on the rows they began with.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::csv::FileTable;
use super::error::Problem;
use super::row::Row;
use super::stats::{Counters, Stats};
use crate::config::model::CsvSource;

/// See the module.
#[derive(Debug)]
pub(super) struct MemoryTable {
    rows: FileTable,
    /// Counted on where the table was there before.
    counters: Arc<Counters>,
}

impl MemoryTable {
    /// Reads the file. `place` is the source's key in the configuration; a relative path counts from `folder`.
    pub(super) fn load(
        source: &CsvSource,
        folder: &Path,
        place: &str,
        before: Option<&Self>,
    ) -> Result<Self, Vec<Problem>> {
        let rows = FileTable::load(&folder.join(&source.path), source, place)?;
        Ok(Self { rows, counters: before.map(|before| Arc::clone(&before.counters)).unwrap_or_default() })
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Row>> {
        let row = self.rows.get(key).map(Arc::new);
        self.counters.answered(row.is_some());
        row
    }

    /// What it has for a key, by whichever match. Counts as no look-up.
    pub(super) fn peek(&self, key: &str) -> SmallVec<[Arc<Row>; 8]> {
        self.rows.matches(key).unwrap_or_else(|| self.rows.get(key).map(Arc::new).into_iter().collect())
    }

    pub(super) fn matches(&self, digits: &str) -> Option<SmallVec<[Arc<Row>; 8]>> {
        let rows = self.rows.matches(digits)?;
        self.counters.answered(!rows.is_empty());
        Some(rows)
    }

    /// Since the file was written last.
    pub(super) fn age(&self) -> Option<Duration> {
        self.rows.written.and_then(|written| written.elapsed().ok())
    }

    pub(super) fn stats(&self) -> Stats {
        let age = self.age().map(|age| age.as_secs_f64());
        self.counters.snapshot(self.rows.entries as u64, self.rows.bytes() as u64, age)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }
}
