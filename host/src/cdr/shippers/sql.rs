//! A SQL database as a store: SQLite.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::Sink;
use crate::cdr::record::CallRecord;

/// Opening, or writing one batch.
const PATIENCE: Duration = Duration::from_secs(30);
/// Another process may hold the database: an operator's query, a backup.
const BUSY: Duration = Duration::from_secs(5);

/// Writes the table `calls`.
pub(in crate::cdr) struct SqlSink {
    path: PathBuf,
    connection: Option<SqliteConnection>,
}

impl SqlSink {
    /// Of `sqlite:PATH`, a relative path counted from `base`.
    pub(in crate::cdr) fn new(url: &str, base: &Path) -> anyhow::Result<Self> {
        Ok(Self { path: sqlite_path(url, base)?, connection: None })
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
        sqlx::query(include_str!("sql/insert.sql"))
            .bind(serde_json::to_string(batch)?)
            .execute(&mut connection)
            .await
            .with_context(|| format!("cannot write to {}", self.path.display()))?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl Sink for SqlSink {
    const BATCH: usize = 1_000;
    const LINGER: Duration = Duration::from_millis(100);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let path = self.path.clone();
        timeout(PATIENCE, self.insert(batch))
            .await
            .with_context(|| format!("{} did not take records within {PATIENCE:?}", path.display()))?
    }
}

/// The file of a `sqlite:` URL.
pub(in crate::cdr) fn sqlite_path(url: &str, base: &Path) -> anyhow::Result<PathBuf> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"));
    match path {
        Some(path) if !path.is_empty() && !path.starts_with(':') => Ok(base.join(path)),
        // The URL is not repeated: it may hold a password.
        _ => bail!("is not a database that records can go to: write `sqlite:PATH`, such as `sqlite:var/cdr.db`"),
    }
}

/// Brings an older or an empty database to this version's tables.
async fn migrate(connection: &mut SqliteConnection) -> anyhow::Result<()> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (version,): (i64,) = sqlx::query_as("PRAGMA user_version").fetch_one(&mut *transaction).await?;
    match version {
        0 => {
            sqlx::raw_sql(include_str!("sql/schema.sql")).execute(&mut *transaction).await?;
        }
        1 => {}
        newer => bail!("its tables are of version {newer}, made by a later Trunkline: this one knows version 1"),
    }
    transaction.commit().await?;
    Ok(())
}
