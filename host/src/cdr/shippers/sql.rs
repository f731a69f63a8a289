//! A SQL database as a store: SQLite or PostgreSQL. One table `calls`, the same columns in both.

mod postgres;
mod sqlite;

use std::path::Path;
use std::time::Duration;

use self::postgres::PostgresSink;
use self::sqlite::SqliteSink;
pub(in crate::cdr) use self::sqlite::path as sqlite_path;
use super::Sink;
use crate::cdr::record::CallRecord;

/// The columns in the order of a [`Row`].
const COLUMNS: &str = r#"node, epoch, sequence, call_id, customer, source,
    caller_received, caller_sent, callee_received, callee_sent,
    received, routed, ringing, answered, ended, duration, code, "end", gateway, record"#;

/// Writes the table `calls` of a database.
pub(in crate::cdr) enum SqlSink {
    Sqlite(SqliteSink),
    Postgres(Box<PostgresSink>),
}

impl SqlSink {
    /// Of `sqlite:PATH`, a relative path counted from `base`, or of `postgres://…`.
    pub(in crate::cdr) fn new(url: &str, base: &Path) -> anyhow::Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(PostgresSink::new(url)?)));
        }
        Ok(Self::Sqlite(SqliteSink::new(url, base)?))
    }
}

impl Sink for SqlSink {
    const BATCH: usize = 1_000;
    const LINGER: Duration = Duration::from_millis(250);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(sink) => sink.deliver(batch).await,
            Self::Postgres(sink) => sink.deliver(batch).await,
        }
    }
}

/// One record as the table has it; times and durations are microseconds.
struct Row<'a> {
    node: &'a str,
    epoch: i64,
    sequence: i64,
    call_id: &'a str,
    customer: &'a str,
    source: String,
    caller: [&'a str; 2],
    callee: [&'a str; 2],
    received: i64,
    routed: Option<i64>,
    ringing: Option<i64>,
    answered: Option<i64>,
    ended: i64,
    duration: i64,
    code: i32,
    end: &'static str,
    gateway: Option<&'a str>,
    record: String,
}

impl<'a> Row<'a> {
    fn of(record: &'a CallRecord) -> serde_json::Result<Self> {
        let times = &record.times;
        let moment = |time: Option<u64>| time.map(|time| time as i64);
        Ok(Self {
            node: &record.key.node,
            epoch: record.key.epoch as i64,
            sequence: record.key.sequence as i64,
            call_id: &record.call_id,
            customer: &record.customer,
            source: record.source.to_string(),
            caller: [&record.caller.received, &record.caller.sent],
            callee: [&record.callee.received, &record.callee.sent],
            received: times.received as i64,
            routed: moment(times.routed),
            ringing: moment(times.ringing),
            answered: moment(times.answered),
            ended: times.ended as i64,
            duration: record.duration_micros() as i64,
            code: record.code.into(),
            end: record.end.word(),
            gateway: record.attempts.last().map(|attempt| &*attempt.gateway),
            record: serde_json::to_string(record)?,
        })
    }
}
