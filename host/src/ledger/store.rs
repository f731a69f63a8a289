//! The ledger's database: PostgreSQL, everything in the schema `ledger`.
//!
//! A batch is one transaction: the calls, their sums, the balances, and last of all the check that whoever writes is
//! still the one who may ([`lease`]). A record that is there already changes nothing.

pub mod batch;
mod copy;
pub mod lease;

use anyhow::{Context as _, anyhow, bail};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::time::timeout;

use super::histogram;
use crate::postgres::STATEMENT;

/// The tables that this version knows.
const VERSION: i32 = 1;

/// Makes the tables where they are missing.
///
/// # Errors
///
/// They are of a later version, or the role may not make them.
pub async fn prepare(connection: &mut PgConnection) -> anyhow::Result<()> {
    timeout(STATEMENT, migrate(connection))
        .await
        .map_err(|_| anyhow!("no answer within {STATEMENT:?}"))
        .flatten()
        .context("cannot prepare the tables of the ledger")
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
