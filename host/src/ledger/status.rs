//! How a ledger stands, as its database tells.

use std::fmt::Write as _;
use std::time::Duration;

use super::store;
use crate::config::model;
use crate::postgres::Database;

const IDLE: Duration = Duration::from_secs(10);

/// The leases, and what was written, for people.
///
/// # Errors
///
/// The database does not answer, or has no ledger.
pub async fn read(config: &model::Ledger) -> anyhow::Result<String> {
    let database = Database::new(&config.sql.url)?;
    let mut connection = database.connect("trunkline-ledger-status", IDLE).await?;
    store::prepare(&mut connection).await?;
    let leases: Vec<(String, i64, String, Option<String>)> = sqlx::query_as(
        "SELECT name, epoch, holder,
                CASE WHEN isfinite(renewed) THEN round(extract(epoch FROM clock_timestamp() - renewed), 1)::text END
         FROM ledger.lease ORDER BY name",
    )
    .fetch_all(&mut connection)
    .await?;
    let mut text = String::new();
    for (name, epoch, holder, age) in leases {
        let _ = match age {
            Some(age) => writeln!(text, "ledger {name:<16} epoch {epoch:<4} {holder}, last sign of life {age} s ago"),
            None => writeln!(text, "ledger {name:<16} epoch {epoch:<4} nobody: {holder} has stopped"),
        };
    }
    let (calls, unrated, rejects): (i64, i64, i64) = sqlx::query_as(
        "SELECT coalesce((SELECT sum(calls) FROM ledger.usage WHERE span = 1440), 0)::bigint,
                (SELECT count(*) FROM ledger.calls WHERE unrated IS NOT NULL), (SELECT count(*) FROM ledger.rejects)",
    )
    .fetch_one(&mut connection)
    .await?;
    let _ = writeln!(text, "calls    {calls}\nunrated  {unrated}  (ledger.calls.unrated says why)");
    let _ = writeln!(text, "rejects  {rejects}  (messages that are no record: ledger.rejects)");
    Ok(text)
}
