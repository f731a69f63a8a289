//! From a SQLite store.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::{Filter, VERDICTS};
use crate::cdr::record::CallRecord;

const LIST: &str = r#"
SELECT record FROM calls
WHERE (?1 IS NULL OR received >= ?1)
  AND (?2 IS NULL OR received < ?2)
  AND (?3 IS NULL OR customer = ?3)
  AND (?4 IS NULL OR instr(caller_received, ?4) OR instr(caller_sent, ?4)
                  OR instr(callee_received, ?4) OR instr(callee_sent, ?4))
  AND (?5 IS NULL OR call_id = ?5)
  AND (?6 IS NULL OR code = ?6)
  AND (?7 IS NULL OR "end" = ?7)
  AND (?8 IS NULL OR (node, epoch, sequence) = (?8, ?9, ?10))
  AND (?11 IS NULL OR EXISTS (SELECT 1 FROM json_each(record, '$.attempts') WHERE value ->> 'gateway' = ?11))
  AND (?12 IS NULL OR (answered IS NOT NULL) = ?12)
  AND (?13 IS NULL OR EXISTS (SELECT 1 FROM json_each(record, '$.stages') AS stages
                              WHERE stages.value ->> 'stage' = ?13
                                AND stages.value ->> 'outcome' NOT IN (SELECT value FROM json_each(?14))))
ORDER BY received DESC, node, epoch DESC, sequence DESC
LIMIT ?15
"#;

pub(super) async fn list(path: &Path, filter: &Filter, limit: usize) -> anyhow::Result<Vec<CallRecord>> {
    let mut connection = open(path).await?;
    let end = filter.end.map(serde_json::to_value).transpose()?;
    let rows: Vec<(String,)> = sqlx::query_as(LIST)
        .bind(filter.since.map(|since| since as i64))
        .bind(filter.until.map(|until| until as i64))
        .bind(&filter.customer)
        .bind(&filter.number)
        .bind(&filter.call_id)
        .bind(filter.code)
        .bind(end.as_ref().and_then(|end| end.as_str()))
        .bind(filter.key.as_ref().map(|key| &*key.node))
        .bind(filter.key.as_ref().map(|key| key.epoch as i64))
        .bind(filter.key.as_ref().map(|key| key.sequence as i64))
        .bind(&filter.gateway)
        .bind(filter.answered)
        .bind(&filter.skipped)
        .bind(serde_json::to_string(&VERDICTS)?)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&mut connection)
        .await
        .with_context(|| format!("cannot read {}", path.display()))?;
    connection.close().await?;
    rows.iter()
        .rev()
        .map(|(json,)| {
            serde_json::from_str(json).with_context(|| format!("a record in {} is of another version", path.display()))
        })
        .collect()
}

pub(super) async fn open(path: &Path) -> anyhow::Result<SqliteConnection> {
    ensure!(path.exists(), "there is no database {}: no record was stored yet", path.display());
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(5))
        .disable_statement_logging()
        .connect()
        .await
        .with_context(|| format!("cannot open {}", path.display()))
}
