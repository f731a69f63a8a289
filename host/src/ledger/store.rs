//! The ledger's database: PostgreSQL, everything in the schema `ledger`.
//!
//! A batch is one transaction: the calls, their sums, the balances, and last of all the check that whoever writes is
//! still the one who may ([`lease`]). A record that is there already changes nothing.

pub mod batch;
mod copy;
pub mod lease;

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use super::histogram;

/// Connecting and preparing, all together.
const CONNECT: Duration = Duration::from_secs(10);
/// One statement; a batch takes tens of milliseconds.
const STATEMENT: Duration = Duration::from_mins(1);
/// The tables that this version knows.
const VERSION: i32 = 1;

/// Where the ledger writes.
#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    /// `host:port/database`: without credentials.
    place: String,
}

impl Database {
    /// Of a URL `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    ///
    /// It is none. The URL is not repeated: it may hold a password.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|_| anyhow!("is not a PostgreSQL URL: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"))?;
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        let place = format!("{}:{}/{database}", options.get_host(), options.get_port());
        Ok(Self { options: options.disable_statement_logging(), place })
    }

    /// `host:port/database`.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Opens a connection that is known to the server as `name`, at most 63 bytes.
    ///
    /// `idle` is how long a transaction may wait for its client: one that stops half-way, because its process is
    /// stopped or its machine gone, loses its locks after that.
    ///
    /// # Errors
    ///
    /// No answer within 10 s, or the server refuses.
    pub async fn connect(&self, name: &str, idle: Duration) -> anyhow::Result<PgConnection> {
        let options = self.options.clone().application_name(name).options([
            ("statement_timeout", STATEMENT.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", idle.as_millis().to_string()),
            ("lock_timeout", STATEMENT.as_millis().to_string()),
        ]);
        let opened = timeout(CONNECT, options.connect()).await;
        let opened = opened.map_err(|_| anyhow!("no answer within {CONNECT:?}")).and_then(|opened| Ok(opened?));
        opened.with_context(|| format!("cannot connect to {}", self.place))
    }

    /// Makes the tables where they are missing.
    ///
    /// # Errors
    ///
    /// They are of a later version, or the role may not make them.
    pub async fn prepare(&self, connection: &mut PgConnection) -> anyhow::Result<()> {
        timeout(STATEMENT, migrate(connection))
            .await
            .map_err(|_| anyhow!("no answer within {STATEMENT:?}"))
            .flatten()
            .with_context(|| format!("cannot prepare the tables in {}", self.place))
    }
}

/// Brings an empty database to this version's tables. Several processes may try at once.
async fn migrate(connection: &mut PgConnection) -> anyhow::Result<()> {
    let mut transaction = connection.begin().await?;
    // Any number, always the same: who comes second waits here and then finds the tables.
    sqlx::query("SELECT pg_advisory_xact_lock(7236113104)").execute(&mut *transaction).await?;
    let (there,): (bool,) =
        sqlx::query_as("SELECT to_regclass('ledger.version') IS NOT NULL").fetch_one(&mut *transaction).await?;
    if there {
        let (version,): (i32,) =
            sqlx::query_as("SELECT max(version) FROM ledger.version").fetch_one(&mut *transaction).await?;
        if version != VERSION {
            bail!("the tables are of version {version}, made by another Trunkline: this one knows version {VERSION}");
        }
    } else {
        sqlx::query("CREATE SCHEMA IF NOT EXISTS ledger").execute(&mut *transaction).await?;
        let bounds: Vec<String> =
            histogram::bounds().map(|micros| format!("{}.{:03}", micros / 1_000, micros % 1_000)).collect();
        let schema = include_str!("store/schema.sql").replace("@BOUNDS@", &format!("{{{}}}", bounds.join(",")));
        sqlx::raw_sql(sqlx::AssertSqlSafe(schema)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
