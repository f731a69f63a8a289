//! One batch, one transaction.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use sqlx::Connection as _;
use sqlx::postgres::PgConnection;

use super::copy::{Row, Rows};
use super::lease::Lease;
use crate::cdr::record::{CallRecord, End, RecordKey};
use crate::ledger::money::Money;
use crate::ledger::rating::{self, Charge, Charges};
use crate::ledger::usage::Usage;

/// Bytes handed to the server at a time.
const CHUNK: usize = 1 << 20;

/// A record and what it comes to.
#[derive(Debug)]
pub struct Rated {
    /// The record.
    pub record: CallRecord,
    /// As it came.
    pub json: Arc<str>,
    /// What it comes to.
    pub charges: Charges,
}

/// A message that is not written as a call.
#[derive(Debug, Clone)]
pub struct Reject {
    /// What the message is known by.
    pub id: String,
    /// Why it is no record.
    pub reason: String,
    /// As it came.
    pub body: Vec<u8>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Records that were not there.
    pub new: u64,
    /// Records that were there, or twice in the batch.
    pub duplicates: u64,
    /// Of the new ones, answered calls that lack a price or a cost.
    pub unrated: u64,
}

/// Why a batch was not written; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Another process has taken over.
    #[error("another process has taken over")]
    Fenced,
    /// Another consumer wrote one of the same records at this moment, or two waited for each other: try again.
    #[error("another consumer wrote the same: {0}")]
    Conflict(sqlx::Error),
    /// A value that the database refuses: it will refuse it again.
    #[error("the database refuses a value: {0}")]
    Value(sqlx::Error),
    /// There is no connection.
    #[error("{0:#}")]
    Connect(anyhow::Error),
    /// Anything else: the connection is not to be used any more.
    #[error(transparent)]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for WriteError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        // PostgreSQL, appendix A: 23505 unique violation, 40… transaction rollback, 21… cardinality, 22… data exception.
        match code.as_deref() {
            Some("23505") => Self::Conflict(error),
            Some(code) if code.starts_with("40") => Self::Conflict(error),
            Some(code) if code.starts_with("21") || code.starts_with("22") => Self::Value(error),
            _ => Self::Database(error),
        }
    }
}

/// Writes records that may have been written before, and their sums, or nothing at all.
///
/// # Errors
///
/// See [`WriteError`]. After any of them but [`WriteError::Fenced`] the connection may still be in a transaction:
/// open another.
pub async fn write(
    connection: &mut PgConnection,
    lease: &Lease,
    batch: &[Rated],
    rejects: &[Reject],
) -> Result<Written, WriteError> {
    let mut transaction = connection.begin().await?;
    let known = known(&mut transaction, batch).await?;
    let new = distinct(batch, &known);
    copy(&mut transaction, &new).await?;
    let mut written = Written { duplicates: (batch.len() - new.len()) as u64, ..Written::default() };
    let (mut usage, mut charged) = (Usage::default(), Charged::new());
    for rated in new {
        usage.add(&rated.record, &rated.charges);
        written.new += 1;
        written.unrated += u64::from(rated.charges.unrated.is_some());
        if let Some(price) = &rated.charges.price {
            *charged.entry((&rated.record.customer, &price.currency)).or_default() += price.amount;
        }
    }
    reject(&mut transaction, rejects).await?;
    sum_up(&mut transaction, &usage).await?;
    charge(&mut transaction, &charged).await?;
    // Last, so that what a takeover waits for is the commit alone.
    if !lease.holds(&mut transaction).await? {
        transaction.rollback().await?;
        return Err(WriteError::Fenced);
    }
    transaction.commit().await?;
    Ok(written)
}

/// By customer and currency, in this order: two writers lock the rows in one order.
type Charged<'a> = BTreeMap<(&'a str, &'a str), Money>;

/// The numbers within each run, by the key's index.
///
/// Not `sequence = ANY (…)`: the server takes that for a condition to be tried on every record of the node, one number
/// after the other, as soon as it thinks that the node has few. `OFFSET 0` keeps it from turning the runs into a join
/// that reads the whole table.
const KNOWN: &str =
    "SELECT found.sequence FROM unnest($3::bigint[], $4::bigint[]) AS run (first, last) CROSS JOIN LATERAL (
        SELECT sequence FROM ledger.calls
        WHERE node = $1 AND epoch = $2 AND sequence BETWEEN run.first AND run.last OFFSET 0
    ) AS found";

/// Numbers that are further apart than this are looked for apart.
const APART: i64 = 64;

/// Sorted numbers as runs: the first of each, and the last of each.
fn runs(sorted: &[i64]) -> (Vec<i64>, Vec<i64>) {
    sorted
        .chunk_by(|one, next| next.saturating_sub(*one) <= APART)
        .filter_map(|run| run.first().copied().zip(run.last().copied()))
        .unzip()
}

/// Those that are in the database already.
async fn known(connection: &mut PgConnection, batch: &[Rated]) -> sqlx::Result<HashSet<RecordKey>> {
    let mut asked: BTreeMap<(&Arc<str>, u64), Vec<i64>> = BTreeMap::new();
    for Rated { record, .. } in batch {
        asked.entry((&record.key.node, record.key.epoch)).or_default().push(record.key.sequence as i64);
    }
    let mut known = HashSet::new();
    for ((node, epoch), mut sequences) in asked {
        sequences.sort_unstable();
        let (first, last) = runs(&sequences);
        let found: Vec<(i64,)> = sqlx::query_as(KNOWN)
            .bind(&**node)
            .bind(epoch as i64)
            .bind(first)
            .bind(last)
            .fetch_all(&mut *connection)
            .await?;
        let key = |(sequence,): (i64,)| RecordKey { node: Arc::clone(node), epoch, sequence: sequence as u64 };
        known.extend(found.into_iter().map(key));
    }
    Ok(known)
}

/// Those that are not known, each once, in the order of their keys.
fn distinct<'a>(batch: &'a [Rated], known: &HashSet<RecordKey>) -> Vec<&'a Rated> {
    let mut new: Vec<&Rated> = batch.iter().filter(|rated| !known.contains(&rated.record.key)).collect();
    new.sort_by(|a, b| a.record.key.cmp(&b.record.key));
    new.dedup_by(|a, b| a.record.key == b.record.key);
    new
}

const COPY: &str = r#"COPY ledger.calls (
    node, epoch, sequence, call_id, customer, source, caller_received, caller_sent, callee_received, callee_sent,
    received, routed, ringing, answered, ended, duration, code, "end", gateway, jurisdiction,
    billed, rate, price, currency, tariff, cost_billed, cost_rate, cost, cost_currency, cost_tariff, unrated, record
) FROM STDIN (FORMAT binary)"#;

async fn copy(connection: &mut PgConnection, new: &[&Rated]) -> sqlx::Result<()> {
    if new.is_empty() {
        return Ok(());
    }
    let length: usize = new.iter().map(|rated| rated.json.len() + 600).sum();
    let mut rows = Rows::with_capacity(length);
    for rated in new {
        rows.row(|row| cells(row, rated));
    }
    let mut copy = connection.copy_in_raw(COPY).await?;
    for chunk in rows.finish().chunks(CHUNK) {
        copy.send(chunk).await?;
    }
    copy.finish().await?;
    Ok(())
}

fn cells(row: &mut Row<'_>, rated: &Rated) {
    let Rated { record, json, charges } = rated;
    row.text(&record.key.node);
    row.bigint(record.key.epoch);
    row.bigint(record.key.sequence);
    row.text(&record.call_id);
    row.text(&record.customer);
    row.text(&record.source.to_string());
    for side in [&record.caller, &record.callee] {
        row.text(&side.received);
        row.text(&side.sent);
    }
    row.bigint(record.times.received);
    row.bigint_or_null(record.times.routed);
    row.bigint_or_null(record.times.ringing);
    row.bigint_or_null(record.times.answered);
    row.bigint(record.times.ended);
    row.bigint(record.duration_micros());
    row.integer(record.code);
    row.text(&word(record.end));
    row.text_or_null(rating::carrying(record).map(|attempt| &*attempt.gateway));
    row.text(rating::jurisdiction(record));
    for side in [&charges.price, &charges.cost] {
        charge_cells(row, side.as_ref());
    }
    row.text_or_null(charges.unrated.as_deref());
    row.text(json);
}

/// As the record's JSON has it.
fn word(end: End) -> String {
    serde_json::to_value(end).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn charge_cells(row: &mut Row<'_>, charge: Option<&Charge>) {
    row.bigint_or_null(charge.map(|charge| charge.seconds));
    let rate = charge.and_then(|charge| charge.rate);
    row.numeric_or_null(rate.map(|rate| (rate.digits.into(), rate.scale)));
    row.numeric_or_null(charge.map(|charge| charge.amount.shortest()));
    row.text_or_null(charge.map(|charge| &*charge.currency));
    row.text_or_null(charge.map(|charge| &*charge.origin));
}

async fn reject(connection: &mut PgConnection, rejects: &[Reject]) -> sqlx::Result<()> {
    for Reject { id, reason, body } in rejects {
        sqlx::query(
            "INSERT INTO ledger.rejects (message_id, reason, body) VALUES ($1, $2, $3)
             ON CONFLICT (message_id, reason) DO NOTHING",
        )
        .bind(id.replace('\0', "\u{fffd}"))
        .bind(reason.replace('\0', "\u{fffd}"))
        .bind(body)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// Adds up in the database.
async fn sum_up(connection: &mut PgConnection, usage: &Usage) -> sqlx::Result<()> {
    if usage.is_empty() {
        return Ok(());
    }
    // PostgreSQL's texts hold no NUL.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    macro_rules! column {
        ($key:ident, $sums:ident, $value:expr) => {
            usage.iter().map(|($key, $sums)| $value).collect::<Vec<_>>()
        };
    }
    sqlx::query(include_str!("usage.sql"))
        .bind(column!(key, _sums, key.span as i16))
        .bind(column!(key, _sums, key.start))
        .bind(column!(key, _sums, clean(&key.customer)))
        .bind(column!(key, _sums, clean(&key.gateway)))
        .bind(column!(key, _sums, clean(&key.jurisdiction)))
        .bind(column!(key, _sums, i32::from(key.code)))
        .bind(column!(key, _sums, clean(&key.currency)))
        .bind(column!(key, _sums, clean(&key.cost_currency)))
        .bind(column!(_key, sums, sums.calls as i64))
        .bind(column!(_key, sums, sums.answered as i64))
        .bind(column!(_key, sums, sums.talk as i64))
        .bind(column!(_key, sums, sums.billed as i64))
        .bind(column!(_key, sums, sums.price.to_string()))
        .bind(column!(_key, sums, sums.cost.to_string()))
        .bind(column!(_key, sums, sums.unrated as i64))
        .bind(column!(_key, sums, sums.delays.literal()))
        .execute(connection)
        .await?;
    Ok(())
}

/// Takes what the calls cost off the customers' balances.
async fn charge(connection: &mut PgConnection, charged: &Charged<'_>) -> sqlx::Result<()> {
    if charged.is_empty() {
        return Ok(());
    }
    let (who, amounts): (Vec<_>, Vec<_>) = charged.iter().map(|(who, amount)| (who, amount.to_string())).unzip();
    sqlx::query(include_str!("balances.sql"))
        .bind(who.iter().map(|(customer, _)| *customer).collect::<Vec<_>>())
        .bind(who.iter().map(|(_, currency)| *currency).collect::<Vec<_>>())
        .bind(amounts)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_near_each_other_are_looked_for_as_one_run() {
        let found = |numbers: &[i64]| runs(numbers);
        assert_eq!(found(&[]), (vec![], vec![]));
        assert_eq!(found(&[7]), (vec![7], vec![7]));
        // Every other one is with another consumer.
        assert_eq!(found(&[1, 3, 5, 7]), (vec![1], vec![7]));
        assert_eq!(found(&[1, 2, 66, 131, i64::MAX]), (vec![1, 131, i64::MAX], vec![66, 131, i64::MAX]));
    }
}
