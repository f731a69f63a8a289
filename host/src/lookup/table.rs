//! One table, whatever stands behind it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::cached::CachedTable;
use super::error::{LookupError, Problem};
use super::file::MemoryTable;
use super::flight::{Answer, Load};
use super::http::HttpRows;
use super::key;
use super::row::Row;
use super::services::Services;
use super::stats::{Counters, Stats};
use crate::config::model::{self, Source};

/// A table of the configuration.
#[derive(Debug)]
pub struct Table {
    name: Arc<str>,
    backing: Backing,
}

#[derive(Debug)]
enum Backing {
    Memory(MemoryTable),
    Cached(Arc<CachedTable>),
}

/// What a table says at once.
#[derive(Debug)]
pub enum Probe {
    /// The answer.
    Ready(Answer),
    /// The source is being asked.
    Pending(Load),
}

/// Where an answer comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A file's rows in memory.
    Memory,
    /// The cache, within its ttl.
    Fresh {
        /// Since the source gave it.
        age: Duration,
    },
    /// The cache, past its ttl.
    Stale {
        /// Since the source gave it.
        age: Duration,
    },
    /// The source: memory has nothing that may be served.
    Loaded,
}

impl Table {
    /// Builds a table; a file is read now. A relative path counts from `folder`.
    pub(super) fn new(
        name: &str,
        config: &model::Table,
        folder: &Path,
        services: &Services,
    ) -> Result<Self, Vec<Problem>> {
        let place = |key: &str| format!("tables.{name}.{key}");
        let backing = match &config.source {
            Source::Csv(source) => Backing::Memory(MemoryTable::load(source, folder, place("source.csv"))?),
            Source::Http(source) => {
                let source = HttpRows::new(source, services, &place("source.http"))?;
                if config.capacity == 0 {
                    return Err(vec![Problem::new(place("capacity"), "must be at least 1, such as `100_000`")]);
                }
                Backing::Cached(Arc::new(CachedTable::new(source, config, services)))
            }
        };
        Ok(Self { name: name.into(), backing })
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The row under exactly this key. Never waits: what memory cannot answer is [`Probe::Pending`], or refused where
    /// the source is known to be down or busy.
    pub fn probe(&self, key: &str) -> Probe {
        if let Err(error) = self.check(key) {
            return Probe::Ready(Err(error));
        }
        match &self.backing {
            Backing::Memory(table) => Probe::Ready(Ok(table.get(key))),
            Backing::Cached(table) => table.probe(key),
        }
    }

    /// Every row whose key is a prefix of `digits`: longest prefix first, the file's order within one; at most 64.
    /// A leading `+` does not count, and what is no digit, `*` or `#` ends the number.
    ///
    /// # Errors
    /// `BadKey`, or `Unavailable` where the table's `match` is not `prefix`.
    pub fn prefix(&self, digits: &str) -> Result<SmallVec<[Arc<Row>; 8]>, LookupError> {
        self.check(digits)?;
        let rows = match &self.backing {
            Backing::Memory(table) => table.matches(digits),
            Backing::Cached(_) => None,
        };
        rows.ok_or_else(|| {
            let why = format!("table `{}` matches whole keys; `match = \"prefix\"` makes it match prefixes", self.name);
            LookupError::Unavailable(why.into())
        })
    }

    /// Where [`Table::probe`] would take its answer from now; `None` for what cannot be a key. Counts as no look-up.
    pub fn explain(&self, key: &str) -> Option<Origin> {
        key::check(key).ok()?;
        Some(match &self.backing {
            Backing::Memory(_) => Origin::Memory,
            Backing::Cached(table) => table.origin(key),
        })
    }

    /// Reads a file anew and swaps the rows; where the file has problems, the rows stay as they are. A cached table has
    /// nothing to read. Blocks while it reads: not for workers.
    pub fn reload(&self) -> Result<(), Vec<Problem>> {
        match &self.backing {
            Backing::Memory(table) => table.reload(),
            Backing::Cached(_) => Ok(()),
        }
    }

    /// Its numbers.
    pub fn stats(&self) -> Stats {
        match &self.backing {
            Backing::Memory(table) => table.stats(),
            Backing::Cached(table) => table.stats(),
        }
    }

    fn check(&self, key: &str) -> Result<(), LookupError> {
        key::check(key).inspect_err(|error| self.counters().failed(error))
    }

    fn counters(&self) -> &Counters {
        match &self.backing {
            Backing::Memory(table) => table.counters(),
            Backing::Cached(table) => table.counters(),
        }
    }
}

#[cfg(test)]
impl Table {
    /// Waits for the load of this key that is under way, if one is.
    pub(super) async fn landed(&self, key: &str) {
        if let Backing::Cached(table) = &self.backing
            && let Some(load) = table.under_way(key)
        {
            let _ = load.await;
        }
    }

    /// Has the cache do its overdue work, so that it counts right.
    pub(super) fn settle(&self) {
        if let Backing::Cached(table) = &self.backing {
            table.settle();
        }
    }
}
