//! A table held whole in memory. New rows are read aside and swapped in: a look-up sees the old ones or the new ones,
//! never neither.

mod reload;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use smallvec::SmallVec;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::error::{LookupError, Problem, Trouble};
use super::row::Row;
use super::rows::RowSet;
use super::services::Services;
use super::source::sql::WholeQuery;
use super::stats::{Counters, Stats};
use super::{csv, json};
use crate::config::model::{self, CsvSource, JsonSource};

/// See the module.
#[derive(Debug)]
pub(super) struct WholeTable {
    name: Arc<str>,
    source: WholeSource,
    /// `None` until a database has given them for the first time.
    rows: ArcSwapOption<RowSet>,
    /// Counted on where the table was there before.
    counters: Arc<Counters>,
    /// What is wrong with the source, told once.
    failing: Mutex<Option<String>>,
    back_office: Handle,
    /// What looks for changes, once it has begun: it ends with the table, as does a connection that only listens.
    work: OnceLock<JoinSet<()>>,
}

/// Where the rows come from.
#[derive(Debug)]
enum WholeSource {
    File(FileSource),
    Query(WholeQuery),
}

#[derive(Debug)]
struct FileSource {
    path: PathBuf,
    format: FileFormat,
    watch: Duration,
    /// As it was before it was read: what changes from then on is read again.
    seen: Option<reload::Face>,
    /// The source's key in the configuration.
    place: String,
}

#[derive(Debug)]
enum FileFormat {
    Csv(CsvSource),
    Json(JsonSource),
}

impl FileSource {
    fn load(&self) -> Result<RowSet, Vec<Problem>> {
        match &self.format {
            FileFormat::Csv(source) => csv::load(&self.path, source, &self.place),
            FileFormat::Json(source) => json::load(&self.path, source, &self.place),
        }
    }
}

impl WholeTable {
    /// A file is read now, a database later. `None` where the source is one that is asked key by key. A relative path
    /// counts from `folder`.
    pub(super) fn new(
        name: &str,
        config: &model::Source,
        folder: &Path,
        services: &Services,
        before: Option<&Arc<Self>>,
    ) -> Option<Result<Arc<Self>, Vec<Problem>>> {
        let place = |kind: &str| format!("tables.{name}.source.{kind}");
        let source = match config {
            model::Source::Csv(csv) => Ok(WholeSource::File(FileSource {
                seen: reload::face(&folder.join(&csv.path)),
                path: folder.join(&csv.path),
                watch: csv.watch.get(),
                format: FileFormat::Csv(csv.clone()),
                place: place("csv"),
            })),
            model::Source::Json(json) => Ok(WholeSource::File(FileSource {
                seen: reload::face(&folder.join(&json.path)),
                path: folder.join(&json.path),
                watch: json.watch.get(),
                format: FileFormat::Json(json.clone()),
                place: place("json"),
            })),
            model::Source::Sql(sql) if sql.key.is_some() => {
                WholeQuery::new(sql, services, &place("sql")).map(WholeSource::Query)
            }
            _ => return None,
        };
        Some(source.and_then(|source| {
            let rows = match &source {
                WholeSource::File(file) => Some(Arc::new(file.load()?)),
                // What the same query gave before serves until it is asked again.
                WholeSource::Query(query) => {
                    before.filter(|before| before.asks(query)).and_then(|it| it.rows.load_full())
                }
            };
            Ok(Arc::new(Self {
                name: name.into(),
                source,
                rows: ArcSwapOption::new(rows),
                counters: before.map(|before| Arc::clone(&before.counters)).unwrap_or_default(),
                failing: Mutex::default(),
                back_office: services.back_office().clone(),
                work: OnceLock::new(),
            }))
        }))
    }

    fn asks(&self, query: &WholeQuery) -> bool {
        matches!(&self.source, WholeSource::Query(own) if own.is_same(query))
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Row>, LookupError> {
        let rows = self.rows.load();
        let Some(rows) = rows.as_deref() else { return Err(self.missing()) };
        let row = rows.get(key);
        self.counters.answered(row.is_some());
        Ok(row)
    }

    /// `None` where the table matches whole keys.
    pub(super) fn matches(&self, digits: &str) -> Result<Option<SmallVec<[Row; 8]>>, LookupError> {
        let rows = self.rows.load();
        let Some(rows) = rows.as_deref() else { return Err(self.missing()) };
        let found = rows.matches(digits);
        if let Some(found) = &found {
            self.counters.answered(!found.is_empty());
        }
        Ok(found)
    }

    /// What it has for a key, by whichever match. Counts as no look-up.
    pub(super) fn peek(&self, key: &str) -> Option<SmallVec<[Row; 8]>> {
        let rows = self.rows.load_full()?;
        Some(rows.matches(key).unwrap_or_else(|| rows.get(key).into_iter().collect()))
    }

    /// Since the file was written last, or the database read.
    pub(super) fn age(&self) -> Option<Duration> {
        self.rows.load().as_ref()?.written?.elapsed().ok()
    }

    /// `file` or `database`.
    pub(super) fn kind(&self) -> &'static str {
        match self.source {
            WholeSource::File(_) => "file",
            WholeSource::Query(_) => "database",
        }
    }

    /// How long a database may take to give all rows; a file's are there.
    pub(super) fn patience(&self) -> Duration {
        match &self.source {
            WholeSource::File(_) => Duration::ZERO,
            WholeSource::Query(query) => query.load_deadline(),
        }
    }

    /// Whether there are rows to serve.
    pub(super) fn is_loaded(&self) -> bool {
        self.rows.load().is_some()
    }

    /// Why it could not be read, the last time that it was tried.
    pub(super) fn trouble(&self) -> Option<String> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn stats(&self) -> Stats {
        let rows = self.rows.load_full();
        let (entries, bytes) = rows.map_or((0, 0), |rows| (rows.entries as u64, rows.bytes() as u64));
        self.counters.snapshot(entries, bytes, self.age())
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn missing(&self) -> LookupError {
        let failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        let why = failing.as_deref().unwrap_or("it is being read");
        let error =
            LookupError::Unavailable(Trouble::Failed, format!("table `{}` has no rows yet: {why}", self.name).into());
        self.counters.failed(&error);
        error
    }

    /// Begins to look for changes, once; it ends with the table.
    pub(super) fn begin(self: &Arc<Self>) {
        self.work.get_or_init(|| {
            let (table, office, mut work) = (Arc::downgrade(self), &self.back_office, JoinSet::new());
            match &self.source {
                WholeSource::File(file) if file.watch.is_zero() => {}
                WholeSource::File(_) => drop(work.spawn_on(reload::watch(table), office)),
                WholeSource::Query(query) => {
                    let notified = Arc::new(Notify::new());
                    if let Some(listener) = query.listener() {
                        let listening = reload::listen(Arc::clone(&self.name), listener, Arc::clone(&notified));
                        work.spawn_on(listening, office);
                    }
                    work.spawn_on(reload::ask_again(table, notified), office);
                }
            }
            work
        });
    }
}
