//! From PostgreSQL: a store of records, or the ledger's database.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::{Filter, VERDICTS};
use crate::cdr::record::CallRecord;
use crate::postgres::Database;

/// Reading holds nothing that others wait for.
const IDLE: Duration = Duration::from_mins(5);

/// Which table holds the records of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cdr) enum Calls {
    /// `calls` in the schema that the connection writes to: a router ships to it.
    Store,
    /// `ledger.calls`: a ledger writes it.
    Ledger,
}

impl Calls {
    pub(in crate::cdr) fn table(self) -> &'static str {
        match self {
            Self::Store => "calls",
            Self::Ledger => "ledger.calls",
        }
    }
}

pub(in crate::cdr) async fn open(url: &str) -> anyhow::Result<(PgConnection, Calls)> {
    let database = Database::new(url)?;
    let mut connection = database.connect("trunkline-cdr", IDLE).await?;
    // A person waits for it, and can stop it.
    sqlx::query("SET statement_timeout = '1h'").execute(&mut connection).await?;
    let found: Option<(String,)> = sqlx::query_as(
        "SELECT nspname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
         WHERE pg_class.oid = coalesce(to_regclass('calls'), to_regclass('ledger.calls'))",
    )
    .fetch_optional(&mut connection)
    .await
    .with_context(|| format!("cannot read {}", database.place()))?;
    match found.as_ref().map(|(schema,)| schema.as_str()) {
        Some("ledger") => Ok((connection, Calls::Ledger)),
        Some(_) => Ok((connection, Calls::Store)),
        None => Err(anyhow!("there is no table of calls in {}: no record was stored yet", database.place())),
    }
}

const LIST: &str = r#"
WHERE ($1::bigint IS NULL OR received >= $1)
  AND ($2::bigint IS NULL OR received < $2)
  AND ($3::text IS NULL OR customer = $3)
  AND ($4::text IS NULL OR strpos(caller_received, $4) > 0 OR strpos(caller_sent, $4) > 0
                        OR strpos(callee_received, $4) > 0 OR strpos(callee_sent, $4) > 0)
  AND ($5::text IS NULL OR call_id = $5)
  AND ($6::integer IS NULL OR code = $6)
  AND ($7::text IS NULL OR "end" = $7)
  AND ($8::text IS NULL OR (node = $8 AND epoch = $9 AND sequence = $10))
  AND ($11::text IS NULL OR EXISTS (SELECT 1 FROM json_array_elements(record::json -> 'attempts') AS a
                                    WHERE a ->> 'gateway' = $11))
  AND ($12::boolean IS NULL OR (answered IS NOT NULL) = $12)
  AND ($13::text IS NULL OR EXISTS (SELECT 1 FROM json_array_elements(record::json -> 'stages') AS s
                                    WHERE s ->> 'stage' = $13 AND NOT s ->> 'outcome' = ANY ($14)))
ORDER BY received DESC, node COLLATE "C", epoch DESC, sequence DESC
LIMIT $15
"#;

pub(super) async fn list(url: &str, filter: &Filter, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
    let (mut connection, calls) = open(url).await?;
    let end = filter.end.map(serde_json::to_value).transpose()?;
    let select = format!("SELECT record::text FROM {} {LIST}", calls.table());
    let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(select))
        .bind(filter.since.map(|since| since as i64))
        .bind(filter.until.map(|until| until as i64))
        .bind(&filter.customer)
        .bind(&filter.number)
        .bind(&filter.call_id)
        .bind(filter.code.map(i32::from))
        .bind(end.as_ref().and_then(|end| end.as_str()))
        .bind(filter.key.as_ref().map(|key| &*key.node))
        .bind(filter.key.as_ref().map(|key| key.epoch as i64))
        .bind(filter.key.as_ref().map(|key| key.sequence as i64))
        .bind(&filter.gateway)
        .bind(filter.answered)
        .bind(&filter.skipped)
        .bind(VERDICTS.as_slice())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut connection)
        .await
        .context("cannot read the calls")?;
    rows.iter().rev().map(|(json,)| serde_json::from_str(json).context("a record is of another version")).collect()
}
