//! One table, whatever stands behind it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::cached::{CachedTable, Via};
use super::error::{LookupError, Problem, Trouble};
use super::file::MemoryTable;
use super::flight::{Answer, Load};
use super::key;
use super::row::Row;
use super::services::Services;
use super::source::{self, HttpRows};
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
    Memory {
        /// Since the file was written last, where the system tells.
        age: Option<Duration>,
    },
    /// The cache, within its ttl.
    Fresh {
        /// Since the source gave it.
        age: Duration,
        /// Where it was taken from then.
        via: Via,
    },
    /// The cache, past its ttl.
    Stale {
        /// Since the source gave it.
        age: Duration,
        /// Where it was taken from then.
        via: Via,
    },
    /// The source: memory has nothing that may be served.
    Loaded,
}

impl Table {
    /// Builds a table; a file is read now. A relative path counts from `folder`.
    ///
    /// Where nothing about a cached table differs from the one `before` it, its service included, that one lives on
    /// with all that it holds.
    pub(super) fn new(
        name: &str,
        config: &model::Table,
        folder: &Path,
        services: &Services,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, Vec<Problem>> {
        if let Some(before) = before.filter(|before| before.still_holds(config, services)) {
            return Ok(Arc::clone(before));
        }
        let place = |key: &str| format!("tables.{name}.{key}");
        if config.capacity.is_zero() {
            return Err(vec![Problem::new(place("capacity"), "must be at least 1, such as `100_000`")]);
        }
        let cached = |source| Backing::Cached(Arc::new(CachedTable::new(source, config, services)));
        let backing = match &config.source {
            Source::Csv(source) => {
                let before = before.and_then(|before| before.backing.memory());
                Backing::Memory(MemoryTable::load(source, folder, &place("source.csv"), before)?)
            }
            Source::Http(source) => {
                cached(source::Source::Http(HttpRows::new(source, services, &place("source.http"))?))
            }
        };
        Ok(Arc::new(Self { name: name.into(), backing }))
    }

    fn still_holds(&self, config: &model::Table, services: &Services) -> bool {
        match &self.backing {
            // The file may have changed.
            Backing::Memory(_) => false,
            Backing::Cached(table) => table.still_holds(config, services),
        }
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
            LookupError::Unavailable(Trouble::Failed, why.into())
        })
    }

    /// Where [`Table::probe`] would take its answer from now; `None` for what cannot be a key. Counts as no look-up.
    pub fn explain(&self, key: &str) -> Option<Origin> {
        key::check(key).ok()?;
        Some(match &self.backing {
            Backing::Memory(table) => Origin::Memory { age: table.age() },
            Backing::Cached(table) => table.origin(key),
        })
    }

    /// The rows that memory holds for a key and where they are from, fresh or not; of a prefix table those of every
    /// prefix. `None` where memory knows nothing of the key. Counts as no look-up and asks nobody.
    pub fn peek(&self, key: &str) -> Option<(SmallVec<[Arc<Row>; 8]>, Origin)> {
        match &self.backing {
            Backing::Memory(table) => Some((table.peek(key), Origin::Memory { age: table.age() })),
            Backing::Cached(table) => table.peek(key).map(|(row, origin)| (row.into_iter().collect(), origin)),
        }
    }

    /// Whether it is held whole, and asks nobody for a key.
    pub fn is_whole(&self) -> bool {
        matches!(self.backing, Backing::Memory(_))
    }

    /// Forgets what is cached under a key; whether there was something. `None` where the table is held whole: its
    /// source is what to change.
    pub fn purge_key(&self, key: &str) -> Option<bool> {
        match &self.backing {
            Backing::Memory(_) => None,
            Backing::Cached(table) => Some(table.purge_key(key)),
        }
    }

    /// Forgets what is cached under all keys that begin so; how many there were. As [`Table::purge_key`].
    pub fn purge_prefix(&self, prefix: &str) -> Option<usize> {
        match &self.backing {
            Backing::Memory(_) => None,
            Backing::Cached(table) => Some(table.purge_prefix(prefix)),
        }
    }

    /// Begins what it does when nobody calls, once; it ends with the table.
    pub(super) fn begin(&self) {
        match &self.backing {
            Backing::Memory(_) => {}
            Backing::Cached(table) => table.begin(),
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

impl Backing {
    fn memory(&self) -> Option<&MemoryTable> {
        match self {
            Self::Memory(table) => Some(table),
            Self::Cached(_) => None,
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

    /// How many keys would be refreshed ahead now.
    pub(super) fn due(&self) -> usize {
        match &self.backing {
            Backing::Memory(_) => 0,
            Backing::Cached(table) => table.sweep(),
        }
    }
}
