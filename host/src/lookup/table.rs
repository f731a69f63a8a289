//! One table, whatever stands behind it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::cached::CachedTable;
use super::error::{LookupError, Problem, ServiceError, Trouble};
use super::flight::{Answer, Load};
use super::key;
use super::origin::Origin;
use super::row::Row;
use super::services::Services;
use super::shared::Purge;
use super::source::Source;
use super::stats::{Counters, Stats};
use super::whole::WholeTable;
use crate::config::model;

/// A table of the configuration.
#[derive(Debug)]
pub struct Table {
    name: Arc<str>,
    backing: Backing,
}

#[derive(Debug)]
enum Backing {
    Whole(Arc<WholeTable>),
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
        let whole_before = before.and_then(|before| before.backing.whole());
        let backing = match WholeTable::new(name, &config.source, folder, services, whole_before) {
            Some(whole) => Backing::Whole(whole?),
            None => match Source::new(name, &config.source, services) {
                Some(source) => Backing::Cached(Arc::new(CachedTable::new(name, source?, config, folder, services)?)),
                None => return Err(vec![Problem::new(place("source"), "is of no kind that is known")]),
            },
        };
        Ok(Arc::new(Self { name: name.into(), backing }))
    }

    fn still_holds(&self, config: &model::Table, services: &Services) -> bool {
        match &self.backing {
            // The file may have changed.
            Backing::Whole(_) => false,
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
        self.probe_from(key).0
    }

    /// As [`Table::probe`], and where the cache has it from; `None` where it is not from a cache.
    pub fn probe_from(&self, key: &str) -> (Probe, Option<Origin>) {
        if let Err(error) = self.check(key) {
            return (Probe::Ready(Err(error)), None);
        }
        match &self.backing {
            Backing::Whole(table) => (Probe::Ready(table.get(key)), None),
            Backing::Cached(table) => table.probe(key),
        }
    }

    /// Every row whose key is a prefix of `digits`: longest prefix first, the file's order within one; at most 64.
    /// A leading `+` does not count, and what is no digit, `*` or `#` ends the number.
    ///
    /// # Errors
    /// `BadKey`, or `Unavailable` where the table's `match` is not `prefix`.
    pub fn prefix(&self, digits: &str) -> Result<SmallVec<[Row; 8]>, LookupError> {
        self.check(digits)?;
        let rows = match &self.backing {
            Backing::Whole(table) => table.matches(digits)?,
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
            Backing::Whole(table) => Origin::Memory { age: table.age(), from: table.kind() },
            Backing::Cached(table) => table.origin(key),
        })
    }

    /// The rows that memory holds for a key and where they are from, fresh or not; of a prefix table those of every
    /// prefix. `None` where memory knows nothing of the key. Counts as no look-up and asks nobody.
    pub fn peek(&self, key: &str) -> Option<(SmallVec<[Row; 8]>, Origin)> {
        match &self.backing {
            Backing::Whole(table) => Some((table.peek(key)?, Origin::Memory { age: table.age(), from: table.kind() })),
            Backing::Cached(table) => table.peek(key).map(|(row, origin)| (row.into_iter().collect(), origin)),
        }
    }

    /// Whether it is held whole, and asks nobody for a key.
    pub fn is_whole(&self) -> bool {
        matches!(self.backing, Backing::Whole(_))
    }

    /// Forgets what is cached on this node; how many keys there were. `None` where the table is held whole: its source
    /// is what to change. All keys are walked through for a prefix.
    pub fn purge(&self, purge: &Purge) -> Option<usize> {
        match (&self.backing, purge) {
            (Backing::Whole(_), _) => None,
            (Backing::Cached(table), Purge::Key(key)) => Some(table.purge_key(key).into()),
            (Backing::Cached(table), Purge::Prefix(prefix)) => Some(table.purge_prefix(prefix)),
        }
    }

    /// Forgets it in the second tier too, and has all nodes forget it. `None` where the table has no second tier.
    pub async fn purge_shared(&self, purge: &Purge) -> Option<Result<(), ServiceError>> {
        match &self.backing {
            Backing::Whole(_) => None,
            Backing::Cached(table) => table.purge_shared(purge).await,
        }
    }

    /// Begins what it does when nobody calls, once; it ends with the table.
    pub(super) fn begin(&self, state: &Path) {
        match &self.backing {
            Backing::Whole(table) => table.begin(),
            Backing::Cached(table) => table.begin(state),
        }
    }

    /// Begins to read a table that is held whole from a database, and nothing else.
    pub(super) fn begin_whole(&self) {
        if let Backing::Whole(table) = &self.backing {
            table.begin();
        }
    }

    /// Writes down what the next run begins with.
    pub(super) fn save(&self, state: &Path) {
        if let Backing::Cached(table) = &self.backing {
            table.save(state);
        }
    }

    /// Whether calls can be taken: a database has given its rows for the first time, enough keys are loaded beforehand.
    pub fn is_loaded(&self) -> bool {
        match &self.backing {
            Backing::Whole(table) => table.is_loaded(),
            Backing::Cached(table) => table.is_warm(),
        }
    }

    /// How long it may take until it is loaded, or has failed.
    pub(super) fn patience(&self) -> Duration {
        match &self.backing {
            Backing::Whole(table) => table.patience(),
            Backing::Cached(table) => table.patience(),
        }
    }

    /// Why a table that is held whole could not be read, the last time that it was tried.
    pub fn trouble(&self) -> Option<String> {
        match &self.backing {
            Backing::Whole(table) => table.trouble(),
            Backing::Cached(_) => None,
        }
    }

    /// Its numbers.
    pub fn stats(&self) -> Stats {
        match &self.backing {
            Backing::Whole(table) => table.stats(),
            Backing::Cached(table) => table.stats(),
        }
    }

    fn check(&self, key: &str) -> Result<(), LookupError> {
        key::check(key).inspect_err(|error| self.counters().failed(error))
    }

    fn counters(&self) -> &Counters {
        match &self.backing {
            Backing::Whole(table) => table.counters(),
            Backing::Cached(table) => table.counters(),
        }
    }
}

impl Backing {
    fn whole(&self) -> Option<&Arc<WholeTable>> {
        match self {
            Self::Whole(table) => Some(table),
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
            Backing::Whole(_) => 0,
            Backing::Cached(table) => table.sweep(),
        }
    }
}
