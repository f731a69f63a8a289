use std::path::Path;

use super::*;
use crate::cdr::chain::ChainHash;
use crate::cdr::shippers::{Sink, SqlSink};
use crate::cdr::testing::call;

/// A node's first `count` records, chained.
fn records(count: u64) -> Vec<CallRecord> {
    let mut before = ChainHash::NONE;
    let numbered = (1..=count).map(|sequence| {
        let mut record = *call(sequence);
        record.key = RecordKey { node: "edge-1".into(), epoch: 7, sequence };
        record.hash = before.next_of(&record).unwrap();
        before = record.hash;
        record
    });
    numbered.collect()
}

/// A SQLite store of these records.
async fn store(path: &Path, records: &[CallRecord]) -> Source {
    let mut sink = SqlSink::new(&format!("sqlite:{}", path.display()), Path::new("")).unwrap();
    for batch in records.chunks(500) {
        sink.deliver(batch).await.unwrap();
    }
    Source::Sqlite(path.to_owned())
}

async fn fillers(stores: &Stores) -> Option<[Filler; 2]> {
    Some([Filler::new(&stores.a, None).await.unwrap(), Filler::new(&stores.b, None).await.unwrap()])
}

#[tokio::test]
async fn one_per_cent_of_the_records_deleted_from_a_is_found_and_exactly_that_is_filled() {
    let folder = tempfile::tempdir().unwrap();
    let all = records(5_000);
    let kept: Vec<_> = all.iter().filter(|record| record.key.sequence % 100 != 37).cloned().collect();
    let stores = Stores {
        a: store(&folder.path().join("a.db"), &kept).await,
        b: store(&folder.path().join("b.db"), &all).await,
        journal: None,
        period: 0..u64::MAX,
    };

    let found = reconcile(&stores, None).await.unwrap();
    assert!(!found.is_equal());
    assert_eq!((found.sides[0].missing, found.sides[1].missing), (50, 0));
    assert_eq!((found.holes.len(), found.holes[1].first, found.holes[1].last), (50, 137, 137));
    assert_eq!((found.proven, found.lost.len()), (5_000, 0));
    let told = found.to_string();
    assert!(told.contains("A lacks 50 records, 50 of them answered: 25.000 minutes of talk."), "{told}");

    let fillers = fillers(&stores).await;
    let filled = reconcile(&stores, fillers).await.unwrap();
    assert_eq!(filled.filled, [50, 0]);
    let after = reconcile(&stores, None).await.unwrap();
    assert!(after.is_equal(), "{after}");
    assert_eq!(after.sides[0].records, 5_000);
}

#[tokio::test]
async fn what_both_lack_is_told_as_lost_and_the_chain_proves_it() {
    let folder = tempfile::tempdir().unwrap();
    let all = records(10);
    let kept: Vec<_> = all.iter().filter(|record| !(4..=5).contains(&record.key.sequence)).cloned().collect();
    let stores = Stores {
        a: store(&folder.path().join("a.db"), &kept).await,
        b: store(&folder.path().join("b.db"), &kept).await,
        journal: None,
        period: 0..u64::MAX,
    };
    let found = reconcile(&stores, None).await.unwrap();
    assert!(!found.is_equal());
    assert_eq!((found.lost[0].first, found.lost[0].last, found.sides[0].missing), (4, 5, 0));
}

#[tokio::test]
async fn of_two_records_that_differ_the_chain_says_which_was_altered() {
    let folder = tempfile::tempdir().unwrap();
    let all = records(10);
    let mut altered = all.clone();
    altered[4].times.ended -= 10_000_000;
    let stores = Stores {
        a: store(&folder.path().join("a.db"), &altered).await,
        b: store(&folder.path().join("b.db"), &all).await,
        journal: None,
        period: 0..u64::MAX,
    };
    let found = reconcile(&stores, None).await.unwrap();
    assert!(!found.is_equal());
    let difference = &found.differences[0];
    assert_eq!((difference.key.sequence, difference.proven), (5, Some("B")));
    assert!(difference.what[0].starts_with("times: A has"), "{difference:?}");
    assert_eq!((found.proven, found.altered.len()), (10, 0), "B's chain is whole");
}

#[tokio::test]
async fn calls_outside_of_the_period_are_neither_missed_nor_filled() {
    let folder = tempfile::tempdir().unwrap();
    let all = records(10);
    let mut stores = Stores {
        a: store(&folder.path().join("a.db"), &all[5..]).await,
        b: store(&folder.path().join("b.db"), &all).await,
        journal: None,
        period: all[5].times.received..u64::MAX,
    };
    let found = reconcile(&stores, None).await.unwrap();
    assert!(found.is_equal(), "A's older calls were deleted: {found}");
    assert_eq!((found.records, found.proven), (5, 5), "the chain is followed from before the period");
    stores.period = 0..u64::MAX;
    assert_eq!(reconcile(&stores, None).await.unwrap().sides[0].missing, 5);
}

#[tokio::test]
async fn stores_that_hold_the_same_are_equal_and_empty_hours_are_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let all = records(3);
    let stores = Stores {
        a: store(&folder.path().join("a.db"), &all).await,
        b: store(&folder.path().join("b.db"), &all).await,
        journal: None,
        period: 0..u64::MAX,
    };
    let found = reconcile(&stores, None).await.unwrap();
    assert!(found.is_equal());
    assert_eq!(found.to_string().lines().count(), 4, "{found}");
}
