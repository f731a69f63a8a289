//! All records of a store in the order of their keys, page by page: what reconciling and exporting read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;

use super::postgres::{self, Calls};
use super::{Filter, Source, sqlite};
use crate::cdr::journal::{Position, Reader};
use crate::cdr::record::{CallRecord, RecordKey};

/// A node and one of its epochs: numbered without holes.
pub type Journal = (Arc<str>, u64);

/// Records read at a time.
pub const PAGE: usize = 2_000;

/// Reads one store.
pub struct Scan {
    inner: Inner,
}

enum Inner {
    Sqlite(SqliteConnection),
    Postgres(Box<PgConnection>, Calls),
    Journal(Box<JournalScan>),
    Files(BTreeMap<RecordKey, CallRecord>),
}

impl Scan {
    /// Opens the store.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be read.
    pub async fn open(source: &Source) -> anyhow::Result<Self> {
        let inner = match source {
            Source::Sqlite(path) => Inner::Sqlite(sqlite::open(path).await?),
            Source::Postgres(url) => {
                let (connection, calls) = postgres::open(url).await?;
                Inner::Postgres(Box::new(connection), calls)
            }
            Source::Journal(folder) => Inner::Journal(Box::new(JournalScan::open(folder)?)),
            Source::Files(folder) => Inner::Files(read_files(folder)?),
        };
        Ok(Self { inner })
    }

    /// The nodes and epochs that it has records of.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub async fn journals(&mut self) -> anyhow::Result<BTreeSet<Journal>> {
        const SQL: &str = "SELECT DISTINCT node, epoch FROM";
        let rows: Vec<(String, i64)> = match &mut self.inner {
            Inner::Sqlite(connection) => {
                sqlx::query_as(AssertSqlSafe(format!("{SQL} calls"))).fetch_all(connection).await?
            }
            Inner::Postgres(connection, calls) => {
                let select = format!("{SQL} {}", calls.table());
                sqlx::query_as(AssertSqlSafe(select)).fetch_all(&mut **connection).await?
            }
            Inner::Journal(journal) => return Ok(journal.journals.clone()),
            Inner::Files(records) => {
                return Ok(records.keys().map(|key| (Arc::clone(&key.node), key.epoch)).collect());
            }
        };
        Ok(rows.into_iter().map(|(node, epoch)| (node.into(), epoch as u64)).collect())
    }

    /// Shows every record, in the order of their keys, a page at a time.
    ///
    /// # Errors
    ///
    /// It cannot be read, or `see` fails: that ends it.
    pub async fn pages(&mut self, mut see: impl FnMut(&[CallRecord]) -> anyhow::Result<()>) -> anyhow::Result<()> {
        for journal in self.journals().await? {
            let mut after = 0;
            loop {
                let page = self.page(&journal, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.key.sequence;
                see(&page)?;
            }
        }
        Ok(())
    }

    /// At most `limit` records behind the number `after`, in order. Ask in the order of the keys.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub async fn page(&mut self, of: &Journal, after: u64, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
        let (node, epoch) = of;
        let rows: Vec<(String,)> = match &mut self.inner {
            Inner::Sqlite(connection) => {
                sqlx::query_as(
                    "SELECT record FROM calls WHERE node = ?1 AND epoch = ?2 AND sequence > ?3
                     ORDER BY sequence LIMIT ?4",
                )
                .bind(&**node)
                .bind(*epoch as i64)
                .bind(after as i64)
                .bind(limit as i64)
                .fetch_all(connection)
                .await?
            }
            Inner::Postgres(connection, calls) => {
                let select = format!(
                    "SELECT record::text FROM {} WHERE node = $1 AND epoch = $2 AND sequence > $3
                     ORDER BY sequence LIMIT $4",
                    calls.table()
                );
                sqlx::query_as(AssertSqlSafe(select))
                    .bind(&**node)
                    .bind(*epoch as i64)
                    .bind(after as i64)
                    .bind(limit as i64)
                    .fetch_all(&mut **connection)
                    .await?
            }
            Inner::Journal(journal) => return journal.page(of, after, limit),
            Inner::Files(records) => {
                let first = RecordKey { node: Arc::clone(node), epoch: *epoch, sequence: after + 1 };
                let here = records.range(first..).map(|(_, record)| record);
                return Ok(here.take_while(|record| is_of(record, of)).take(limit).cloned().collect());
            }
        };
        rows.iter().map(|(json,)| serde_json::from_str(json).context("a record is of another version")).collect()
    }
}

fn is_of(record: &CallRecord, (node, epoch): &Journal) -> bool {
    (&record.key.node, record.key.epoch) == (node, *epoch)
}

/// A journal is read once for what it holds, and then along with the questions.
struct JournalScan {
    folder: PathBuf,
    reader: Reader,
    pending: VecDeque<CallRecord>,
    journals: BTreeSet<Journal>,
}

impl JournalScan {
    const BATCH: usize = 1_000;

    fn open(folder: &Path) -> anyhow::Result<Self> {
        ensure!(folder.is_dir(), "there is no journal in {}", folder.display());
        let reader = || Reader::new(folder, Position::default(), None);
        let mut scan =
            Self { folder: folder.to_owned(), reader: reader(), pending: VecDeque::new(), journals: BTreeSet::new() };
        let mut last: Option<RecordKey> = None;
        while let Some(records) = scan.read()? {
            for record in records {
                if last.as_ref().is_some_and(|last| *last >= record.key) {
                    bail!("the journal {} does not hold its records in the order of their keys", folder.display());
                }
                scan.journals.insert((Arc::clone(&record.key.node), record.key.epoch));
                last = Some(record.key);
            }
        }
        scan.reader = reader();
        Ok(scan)
    }

    /// `None` at the end.
    fn read(&mut self) -> anyhow::Result<Option<Vec<CallRecord>>> {
        let before = self.reader.position();
        let batch = self.reader.read(None, Self::BATCH).with_context(|| self.folder.display().to_string())?;
        if self.reader.position() == before {
            return Ok(None);
        }
        let records = batch.entries.iter().map(|entry| {
            let key = &entry.key;
            entry.record().with_context(|| format!("the record {}/{}/{}", key.node, key.epoch, key.sequence))
        });
        Ok(Some(records.collect::<anyhow::Result<_>>()?))
    }

    fn page(&mut self, of: &Journal, after: u64, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
        let first = RecordKey { node: Arc::clone(&of.0), epoch: of.1, sequence: after + 1 };
        let mut page = Vec::new();
        while page.len() < limit {
            let Some(record) = self.pending.pop_front() else {
                match self.read()? {
                    Some(records) => self.pending.extend(records),
                    None => break,
                }
                continue;
            };
            if record.key < first {
                continue;
            }
            if !is_of(&record, of) {
                self.pending.push_front(record);
                break;
            }
            page.push(record);
        }
        Ok(page)
    }
}

/// The newest records that pass, at most `limit`, oldest first.
pub(super) fn list_files(folder: &Path, filter: &Filter, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
    let records = read_files(folder)?.into_values();
    let mut passing: Vec<CallRecord> = records.filter(|record| filter.passes(record)).collect();
    passing.sort_by(|a, b| (a.times.received, &a.key).cmp(&(b.times.received, &b.key)));
    Ok(passing.split_off(passing.len().saturating_sub(limit)))
}

/// A store of files is read whole: it is what a person keeps in a folder.
fn read_files(folder: &Path) -> anyhow::Result<BTreeMap<RecordKey, CallRecord>> {
    let mut records = BTreeMap::new();
    let files = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for file in files {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "jsonl") {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // The last line may be half written.
        for (number, line) in text[..text.rfind('\n').unwrap_or(0)].lines().enumerate() {
            let record: CallRecord = serde_json::from_str(line)
                .with_context(|| format!("{}:{}: is no record of this version", path.display(), number + 1))?;
            records.insert(record.key.clone(), record);
        }
    }
    Ok(records)
}
