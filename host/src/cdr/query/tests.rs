use std::time::Duration;

use super::*;
use crate::cdr::journal::{Journal, Options};
use crate::cdr::record::{End, StageOutcome};
use crate::cdr::testing::call;
use crate::cdr::{Cdr, JournalHandle};

const PATIENCE: Duration = Duration::from_secs(20);

/// Ten calls of which the third failed for another customer, in a journal and in a SQLite store.
async fn stored(folder: &Path) -> [Source; 2] {
    let config: model::Cdr =
        toml::from_str("journal = \"journal\"\n[stores.main]\nsql = { url = \"sqlite:cdr.db\" }\n").unwrap();
    let (cdr, handle) = Cdr::start(&config, "edge/1", folder, &tokio::runtime::Handle::current()).unwrap();
    for number in 0..10 {
        handle.append(0, &numbered(number));
    }
    cdr.shutdown(PATIENCE).await.unwrap();
    [Source::of(&config, folder, None).unwrap(), Source::of(&config, folder, Some("journal")).unwrap()]
}

fn numbered(number: u64) -> Box<CallRecord> {
    let mut record = call(number);
    if number == 2 {
        record.customer = "globex's".to_owned();
        record.code = 603;
        record.end = End::Refused;
        record.times.answered = None;
        record.caller.received = "3305".to_owned();
        record.stages[2].outcome = StageOutcome::Deadline;
    }
    record
}

#[tokio::test]
async fn every_filter_finds_the_same_in_the_store_and_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let [sqlite, journal] = stored(folder.path()).await;
    let all = journal.list(&Filter::default(), 100).await.unwrap();
    assert_eq!(all.len(), 10);
    let third = &all[2];
    let received = third.times.received;
    for (filter, found) in [
        (Filter::default(), 10),
        (Filter { since: Some(received), ..Filter::default() }, 8),
        (Filter { until: Some(received), ..Filter::default() }, 2),
        (Filter { customer: Some("globex's".to_owned()), ..Filter::default() }, 1),
        (Filter { number: Some("3305".to_owned()), ..Filter::default() }, 1),
        (Filter { number: Some("12125550123".to_owned()), ..Filter::default() }, 10),
        (Filter { call_id: Some("call-2@192.0.2.1".to_owned()), ..Filter::default() }, 1),
        (Filter { code: Some(603), ..Filter::default() }, 1),
        (Filter { end: Some(End::Refused), ..Filter::default() }, 1),
        (Filter { key: Some(third.key.clone()), ..Filter::default() }, 1),
        (Filter { gateway: Some("carrier-a".to_owned()), ..Filter::default() }, 10),
        (Filter { gateway: Some("carrier-c".to_owned()), ..Filter::default() }, 0),
        (Filter { answered: Some(false), ..Filter::default() }, 1),
        (Filter { answered: Some(true), ..Filter::default() }, 9),
        (Filter { skipped: Some("lrn".to_owned()), ..Filter::default() }, 1),
        (Filter { skipped: Some("auth".to_owned()), ..Filter::default() }, 0),
    ] {
        let records = sqlite.list(&filter, 100).await.unwrap();
        assert_eq!(records.len(), found, "{filter:?}");
        assert_eq!(records, journal.list(&filter, 100).await.unwrap(), "{filter:?}");
    }
    assert_eq!(sqlite.list(&Filter::default(), 3).await.unwrap(), all[7..]);
    assert_eq!(journal.list(&Filter::default(), 3).await.unwrap(), all[7..]);
}

#[tokio::test]
async fn a_call_is_shown_by_its_call_id_or_its_key_though_the_node_has_a_slash() {
    let folder = tempfile::tempdir().unwrap();
    for source in stored(folder.path()).await {
        let by_id = source.show("call-2@192.0.2.1").await.unwrap();
        let key = &by_id[0].key;
        assert_eq!(by_id, source.show(&format!("{}/{}/{}", key.node, key.epoch, key.sequence)).await.unwrap());
        assert!(source.show("call-2").await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_operator_can_read_the_tables_columns() {
    let folder = tempfile::tempdir().unwrap();
    let [sqlite, _] = stored(folder.path()).await;
    let expected = numbered(0);
    let Source::Sqlite(path) = sqlite else { panic!("the first source is the SQL store") };
    let mut connection =
        sqlx::ConnectOptions::connect(&sqlx::sqlite::SqliteConnectOptions::new().filename(path)).await.unwrap();
    let row: (i64, String, i64, String, String, i64, Option<i64>) = sqlx::query_as(
        "SELECT duration, gateway, code, \"end\", json_extract(stages, '$[4].stage'), received, answered \
         FROM calls WHERE sequence = 1",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(
        row,
        (
            expected.duration_micros() as i64,
            "carrier-b".to_owned(),
            200,
            "caller-hung-up".to_owned(),
            "rate".to_owned(),
            expected.times.received as i64,
            expected.times.answered.map(|answered| answered as i64),
        )
    );
    let seen: (String, String, f64, Option<i64>) = sqlx::query_as(
        "SELECT received, caller, seconds, (SELECT answered FROM calls WHERE sequence = 3) \
         FROM call_log WHERE sequence = 1",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(seen, ("2025-11-23 03:36:40.000".to_owned(), "13035550100".to_owned(), 30.0, None));
}

fn tailed(tail: &mut Tail) -> Vec<u64> {
    let mut sequences = Vec::new();
    while let Some((records, gaps)) = tail.look().unwrap() {
        assert!(gaps.is_empty());
        sequences.extend(records.iter().map(|record| record.key.sequence));
    }
    sequences
}

async fn append_synced(journal: &Journal, handle: &JournalHandle, number: u64) {
    handle.append(0, &call(number));
    let mut synced = journal.synced();
    tokio::time::timeout(PATIENCE, synced.wait_for(|synced| synced.sequence > number)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_tail_sees_what_comes_while_the_journal_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes: 4_000, ..Options::default() };
    let (journal, handle) = Journal::open(folder.path(), "edge-1", options).unwrap();
    append_synced(&journal, &handle, 0).await;
    let mut from_end = Tail::from_end(folder.path(), Filter::default()).unwrap();
    let mut from_start = Tail::from_start(folder.path(), Filter::default()).unwrap();
    assert_eq!((tailed(&mut from_start), tailed(&mut from_end)), (vec![1], vec![]));
    for number in 1..8 {
        append_synced(&journal, &handle, number).await;
        assert_eq!(tailed(&mut from_end), [number + 1]);
    }
    assert_eq!(tailed(&mut from_start), (2..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_is_not_there_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    for source in [Source::Sqlite(folder.path().join("none.db")), Source::Journal(folder.path().join("none"))] {
        let error = source.list(&Filter::default(), 1).await.unwrap_err().to_string();
        assert!(error.contains("there is no"), "{error}");
    }
    let config: model::Cdr = toml::from_str("[stores.a]\nfiles = { folder = \"f\" }\n").unwrap();
    let error = Source::of(&config, folder.path(), Some("b")).unwrap_err().to_string();
    assert!(error.contains("has a, and `journal`"), "{error}");
}
