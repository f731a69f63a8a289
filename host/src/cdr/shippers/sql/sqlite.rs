//! SQLite: one file beside the node, without a server.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::{COLUMNS, Row};
use crate::cdr::record::CallRecord;

/// Opening, or writing one batch.
const PATIENCE: Duration = Duration::from_secs(30);
/// Another process may hold the database: an operator's query, a backup.
const BUSY: Duration = Duration::from_secs(5);
/// Rows of one statement: each is a turn of the database's thread.
const ROWS: usize = 50;
/// Values of a row.
const WIDTH: usize = 20;

/// Writes the table `calls` of a file.
pub(in crate::cdr) struct SqliteSink {
    path: PathBuf,
    connection: Option<SqliteConnection>,
}

impl SqliteSink {
    /// Of `sqlite:PATH`, a relative path counted from `base`.
    pub(in crate::cdr) fn new(url: &str, base: &Path) -> anyhow::Result<Self> {
        Ok(Self { path: path(url, base)?, connection: None })
    }

    /// Opens the database, makes it and its table where they are missing.
    async fn open(&self) -> anyhow::Result<SqliteConnection> {
        let place = || format!("cannot open {}", self.path.display());
        if let Some(folder) = self.path.parent() {
            tokio::fs::create_dir_all(folder).await.with_context(place)?;
        }
        // FULL: what was committed survives a power cut, which is what lets the cursor move on.
        let options = SqliteConnectOptions::new()
            .filename(&self.path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .disable_statement_logging();
        let mut connection = options.connect().await.with_context(place)?;
        migrate(&mut connection).await.with_context(|| format!("cannot prepare {}", self.path.display()))?;
        Ok(connection)
    }

    async fn insert(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        // Taken out, so that a connection that failed or was given up half-way is never used again.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.open().await?,
        };
        write(&mut connection, batch).await.with_context(|| format!("cannot write to {}", self.path.display()))?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl SqliteSink {
    /// As [`Sink::deliver`](super::Sink::deliver).
    pub(super) async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let path = self.path.clone();
        timeout(PATIENCE, self.insert(batch))
            .await
            .with_context(|| format!("{} did not take records within {PATIENCE:?}", path.display()))?
    }
}

/// The file of a `sqlite:` URL.
pub(in crate::cdr) fn path(url: &str, base: &Path) -> anyhow::Result<PathBuf> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    match path {
        Some(path) if !path.is_empty() && !path.starts_with(':') => Ok(base.join(path)),
        // The URL is not repeated: it may hold a password.
        _ => bail!("names no file: write `sqlite:PATH`, such as `sqlite:var/cdr.db`"),
    }
}

/// In one transaction. A record that is there already is left as it is, so that a batch may come any number of times.
async fn write(connection: &mut SqliteConnection, batch: &[CallRecord]) -> anyhow::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    for records in batch.chunks(ROWS) {
        let mut query = sqlx::query(AssertSqlSafe(statement(records.len())));
        for record in records {
            let row = Row::of(record)?;
            query = query
                .bind(row.node)
                .bind(row.epoch)
                .bind(row.sequence)
                .bind(row.call_id)
                .bind(row.customer)
                .bind(row.source)
                .bind(row.caller[0])
                .bind(row.caller[1])
                .bind(row.callee[0])
                .bind(row.callee[1])
                .bind(row.received)
                .bind(row.routed)
                .bind(row.ringing)
                .bind(row.answered)
                .bind(row.ended)
                .bind(row.duration)
                .bind(row.code)
                .bind(row.end)
                .bind(row.gateway)
                .bind(row.record);
        }
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn statement(rows: usize) -> String {
    let mut text = format!("INSERT INTO calls ({COLUMNS}) VALUES ");
    let row = vec!["?"; WIDTH].join(",");
    for index in 0..rows {
        let comma = if index > 0 { "," } else { "" };
        let _ = write!(text, "{comma}({row})");
    }
    text.push_str(" ON CONFLICT (node, epoch, sequence) DO NOTHING");
    text
}

/// Brings an older or an empty database to this version's tables.
async fn migrate(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (version,): (i64,) = sqlx::query_as("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    match version {
        0 => {
            sqlx::raw_sql(include_str!("sqlite.sql")).execute(&mut *transaction).await?;
        }
        1 => {}
        newer => bail!("its tables are of version {newer}, made by a later Trunkline: this one knows version 1"),
    }
    transaction.commit().await?;
    Ok(())
}
