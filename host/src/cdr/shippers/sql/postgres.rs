//! PostgreSQL: a database that other nodes may write too.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};
use tokio::time::timeout;

use super::{COLUMNS, Row};
use crate::cdr::record::CallRecord;

/// Connecting and preparing the tables, or writing one batch.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nodes that start together prepare the tables one after the other.
const LOCK: i64 = 0x0074_7275_6e6b_6c69;

/// Writes the table `calls`.
pub(in crate::cdr) struct PostgresSink {
    options: PgConnectOptions,
    connection: Option<PgConnection>,
}

/// Of a `postgres://` URL.
fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    // Neither the URL nor the parser's words: both may hold the password.
    let options: PgConnectOptions = url
        .parse()
        .map_err(|_| anyhow!("is not the URL of a database: write `postgres://USER:PASSWORD@HOST:PORT/DATABASE`"))?;
    Ok(options.application_name("trunkline").disable_statement_logging())
}

impl PostgresSink {
    pub(in crate::cdr) fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { options: options(url)?, connection: None })
    }

    fn place(&self) -> String {
        format!("PostgreSQL at {}:{}", self.options.get_host(), self.options.get_port())
    }

    async fn attempt(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        // Taken out, so that a connection that failed or was given up half-way is never used again.
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let mut connection = self.options.connect().await.context("cannot connect")?;
            migrate(&mut connection).await.context("cannot prepare the tables")?;
            connection
        };
        insert(&mut connection, batch).await.context("cannot write records")?;
        self.connection = Some(connection);
        Ok(())
    }
}

impl PostgresSink {
    /// As [`Sink::deliver`](super::Sink::deliver).
    pub(super) async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        let place = self.place();
        let attempt = timeout(PATIENCE, self.attempt(batch)).await;
        attempt.with_context(|| format!("no answer within {PATIENCE:?}")).flatten().context(place)
    }
}

/// One statement: a list for each column. A record that is there already is left as it is.
async fn insert(connection: &mut PgConnection, batch: &[CallRecord]) -> anyhow::Result<()> {
    let rows = batch.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
    let statement = format!(
        "INSERT INTO calls ({COLUMNS}) SELECT * FROM unnest(\
         $1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], \
         $9::text[], $10::text[], $11::bigint[], $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], \
         $16::bigint[], $17::integer[], $18::text[], $19::text[], $20::text[]::json[]) ON CONFLICT DO NOTHING"
    );
    // PostgreSQL holds no zero bytes in a text; a record may, where a caller wrote one.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let texts = |of: for<'a> fn(&'a Row<'_>) -> &'a str| rows.iter().map(|row| clean(of(row))).collect::<Vec<_>>();
    let numbers = |of: fn(&Row<'_>) -> i64| rows.iter().map(of).collect::<Vec<_>>();
    let moments = |of: fn(&Row<'_>) -> Option<i64>| rows.iter().map(of).collect::<Vec<_>>();
    sqlx::query(AssertSqlSafe(statement))
        .bind(texts(|row| row.node))
        .bind(numbers(|row| row.epoch))
        .bind(numbers(|row| row.sequence))
        .bind(texts(|row| row.call_id))
        .bind(texts(|row| row.customer))
        .bind(texts(|row| &row.source))
        .bind(texts(|row| row.caller[0]))
        .bind(texts(|row| row.caller[1]))
        .bind(texts(|row| row.callee[0]))
        .bind(texts(|row| row.callee[1]))
        .bind(numbers(|row| row.received))
        .bind(moments(|row| row.routed))
        .bind(moments(|row| row.ringing))
        .bind(moments(|row| row.answered))
        .bind(numbers(|row| row.ended))
        .bind(numbers(|row| row.duration))
        .bind(rows.iter().map(|row| row.code).collect::<Vec<_>>())
        .bind(texts(|row| row.end))
        .bind(rows.iter().map(|row| row.gateway).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &*row.record).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Brings an older or an empty database to this version's tables.
async fn migrate(connection: &mut PgConnection) -> anyhow::Result<()> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(LOCK).execute(&mut *transaction).await?;
    let there = sqlx::query("SELECT to_regclass('calls_version') IS NOT NULL").fetch_one(&mut *transaction).await?;
    if there.try_get::<bool, _>(0)? {
        let row = sqlx::query("SELECT max(version) FROM calls_version").fetch_one(&mut *transaction).await?;
        match row.try_get::<Option<i32>, _>(0)? {
            Some(1) => {}
            other => bail!("its tables are of version {other:?}, made by a later Trunkline: this one knows version 1"),
        }
    } else {
        sqlx::raw_sql(include_str!("postgres.sql")).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}
