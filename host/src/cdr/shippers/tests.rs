use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::runtime::Handle;

use super::*;
use crate::cdr::Cdr;
use crate::cdr::journal::Journal;
use crate::cdr::query::{Filter, Source};
use crate::cdr::record::CallRecord;
use crate::cdr::testing::call;
use crate::config::model;

const PATIENCE: Duration = Duration::from_secs(20);

/// A `[cdr]` table with a SQL store, a store of files, and what else is given.
fn config(more: &str) -> model::Cdr {
    let text = format!(
        "journal = \"journal\"\n\
         [stores.main]\nsql = {{ url = \"sqlite:cdr.db\" }}\n\
         [stores.archive]\nfiles = {{ folder = \"archive\" }}\n{more}"
    );
    toml::from_str(&text).unwrap()
}

fn start(folder: &TempDir, config: &model::Cdr) -> (Cdr, crate::cdr::JournalHandle) {
    Cdr::start(config, "edge-1", folder.path(), &Handle::current()).unwrap()
}

async fn run(folder: &TempDir, config: &model::Cdr, numbers: std::ops::Range<u64>) {
    let (cdr, handle) = start(folder, config);
    for number in numbers {
        assert!(handle.append(0, &call(number)));
    }
    cdr.shutdown(PATIENCE).await.unwrap();
}

async fn in_sqlite(folder: &Path) -> Vec<CallRecord> {
    Source::Sqlite(folder.join("cdr.db")).list(&Filter::default(), usize::MAX).await.unwrap()
}

fn in_files(folder: &Path) -> Vec<CallRecord> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder.join("archive")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            assert!(text.ends_with('\n'), "{} ends in the middle of a line", path.display());
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<CallRecord>>()
        })
        .collect()
}

fn sequences(records: &[CallRecord]) -> Vec<u64> {
    records.iter().map(|record| record.key.sequence).collect()
}

#[tokio::test]
async fn every_store_has_every_record_once_after_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    run(&folder, &config(""), 0..2_500).await;
    let stored = in_sqlite(folder.path()).await;
    assert_eq!(sequences(&stored), (1..=2_500).collect::<Vec<_>>());
    assert_eq!(stored, in_files(folder.path()));
    let mut first = call(0);
    first.key = stored[0].key.clone();
    first.hash = stored[0].hash;
    assert_eq!(stored[0], *first);
}

#[tokio::test]
async fn stores_go_on_after_a_restart_where_they_were() {
    let folder = tempfile::tempdir().unwrap();
    run(&folder, &config(""), 0..10).await;
    run(&folder, &config(""), 10..15).await;
    assert_eq!(sequences(&in_sqlite(folder.path()).await), (1..=15).collect::<Vec<_>>());
    assert_eq!(sequences(&in_files(folder.path())), (1..=15).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_replay_after_a_lost_cursor_stores_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    run(&folder, &config(""), 0..1_500).await;
    std::fs::remove_dir_all(folder.path().join("journal/cursors")).unwrap();
    run(&folder, &config(""), 1_500..1_501).await;
    assert_eq!(sequences(&in_sqlite(folder.path()).await), (1..=1_501).collect::<Vec<_>>());
    assert_eq!(sequences(&in_files(folder.path())), (1..=1_501).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cursor_that_cannot_be_read_counts_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    run(&folder, &config(""), 0..10).await;
    for entry in std::fs::read_dir(folder.path().join("journal/cursors")).unwrap() {
        std::fs::write(entry.unwrap().path(), b"{\"segment\":").unwrap();
    }
    run(&folder, &config(""), 10..11).await;
    assert_eq!(sequences(&in_sqlite(folder.path()).await), (1..=11).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_line_cut_short_by_a_crash_is_taken_off_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    run(&folder, &config(""), 0..10).await;
    let file = std::fs::read_dir(folder.path().join("archive")).unwrap().next().unwrap().unwrap().path();
    let length = std::fs::metadata(&file).unwrap().len();
    std::fs::File::options().write(true).open(&file).unwrap().set_len(length - 20).unwrap();
    // The crash came before the cursor was saved, too.
    std::fs::remove_dir_all(folder.path().join("journal/cursors")).unwrap();
    run(&folder, &config(""), 10..12).await;
    assert_eq!(sequences(&in_files(folder.path())), (1..=12).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_rotate_by_size_and_lose_nothing_between() {
    let folder = tempfile::tempdir().unwrap();
    let config: model::Cdr = toml::from_str(
        "journal = \"journal\"\n[stores.archive]\nfiles = { folder = \"archive\", rotate = \"64KiB\" }\n",
    )
    .unwrap();
    run(&folder, &config, 0..300).await;
    run(&folder, &config, 300..400).await;
    let sizes: Vec<u64> = std::fs::read_dir(folder.path().join("archive"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    assert!(sizes.len() > 5 && sizes.iter().all(|&size| size < 70_000), "{sizes:?}");
    assert_eq!(sequences(&in_files(folder.path())), (1..=400).collect::<Vec<_>>());
}

#[tokio::test]
async fn files_of_an_hour_each_hold_the_calls_that_ended_in_it() {
    const AN_HOUR: u64 = 3_600_000;
    let folder = tempfile::tempdir().unwrap();
    let config: model::Cdr = toml::from_str(
        "journal = \"journal\"\n[stores.archive]\nfiles = { folder = \"archive\", rotate-every = \"1h\" }\n",
    )
    .unwrap();
    run(&folder, &config, 0..10).await;
    // The file is gone on with after a restart, another begins with the hour, and who comes late begins none.
    run(&folder, &config, 10..20).await;
    run(&folder, &config, AN_HOUR..AN_HOUR + 5).await;
    run(&folder, &config, 20..21).await;
    run(&folder, &config, AN_HOUR + 5..AN_HOUR + 10).await;
    let mut lines: Vec<_> = std::fs::read_dir(folder.path().join("archive"))
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().lines().count())
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, [11, 20]);
}

/// A port that nobody listens on: bound once, then given back.
fn dead_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_dead_store_delays_no_other_and_says_why_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    // A folder stands where the archive's folder should be made, and nobody listens at the broker's port.
    std::fs::write(folder.path().join("archive"), b"in the way").unwrap();
    let url = format!("amqp://trunk:hunter2@127.0.0.1:{}/%2f", dead_port());
    let with_broker = config(&format!("[fanout]\namqp = {{ url = \"{url}\", exchange = \"cdr\" }}\n"));
    let (cdr, handle) = start(&folder, &with_broker);
    for number in 0..100 {
        handle.append(0, &call(number));
    }
    let deadline = std::time::Instant::now() + PATIENCE;
    let lag = loop {
        let lag = cdr.lag();
        assert!(std::time::Instant::now() < deadline, "{lag:?}");
        let dead = |lag: &&Lag| lag.error.is_some() && lag.behind == 100;
        if cdr.journal().synced.sequence == 100
            && lag.iter().any(|lag| lag.store == "store main" && lag.behind == 0)
            && lag.iter().filter(dead).count() == 2
        {
            break lag;
        }
        tokio::task::yield_now().await;
    };
    assert!(!format!("{lag:?}").contains("hunter2"), "{lag:?}");
    // The calls ended in 2025.
    assert!(lag.iter().all(|lag| (lag.age > Duration::from_hours(24)) == (lag.behind > 0)), "{lag:?}");
    assert_eq!(in_sqlite(folder.path()).await.len(), 100);

    // What it had not confirmed waits in the journal, and goes out when it is well again.
    cdr.shutdown(Duration::from_millis(100)).await.unwrap();
    std::fs::remove_file(folder.path().join("archive")).unwrap();
    run(&folder, &config(""), 100..101).await;
    assert_eq!(sequences(&in_files(folder.path())), (1..=101).collect::<Vec<_>>());
}

/// A journal with a record in it for a shipper that nobody tells to end; the order to do so, and the journal's end.
fn waiting(folder: &Path) -> (Shipper, watch::Sender<Option<Instant>>, Synced) {
    let (journal, handle) = Journal::open(folder, "edge-1", crate::cdr::journal::Options::default()).unwrap();
    handle.append(0, &call(0));
    let synced = journal.synced();
    journal.close(PATIENCE).unwrap();
    let (order, drain) = watch::channel(None);
    let end = *synced.borrow();
    (Shipper::new(folder, "s", "test", synced, drain).unwrap(), order, end)
}

#[tokio::test]
async fn a_reader_with_a_fault_is_told_of_and_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let (shipper, order, end) = waiting(folder.path());
    let faulty = tokio::task::spawn_blocking(|| -> io::Result<()> { panic!("as it should in this test") });
    let come = tokio::time::timeout(PATIENCE, shipper.come_of(faulty)).await;
    assert_eq!(come, Ok(None), "to be tried again");
    let lag = shipper.status.lag(end);
    assert_eq!((lag.behind, lag.failures), (1, 1));
    assert!(lag.error.is_some_and(|error| error.contains("cannot read the journal")));
    drop(order);
}

#[tokio::test]
async fn what_waits_behind_a_disk_that_hangs_grows_older() {
    let folder = tempfile::tempdir().unwrap();
    let (shipper, order, end) = waiting(folder.path());
    let mut files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
    let segment = files.find(|path| path.extension().is_some_and(|end| end == "journal")).unwrap();
    // Who opens a pipe for reading waits until somebody opens it for writing.
    std::fs::remove_file(&segment).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&segment).status().unwrap().success());
    let status = shipper.status();
    let shipping = tokio::spawn(shipper.run(Fussy::default()));
    let older = async {
        while status.lag(end).age.is_zero() {
            tokio::task::yield_now().await;
        }
    };
    let grew = tokio::time::timeout(PATIENCE, older).await;
    shipping.abort();
    drop((std::fs::File::options().write(true).open(&segment).unwrap(), order));
    assert_eq!((grew, status.lag(end).behind), (Ok(()), 1));
}

#[test]
fn a_wrong_url_is_named_by_its_key_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for (table, key) in [
        ("[stores.b]\nsql = { url = \"mysql://u:hunter2@h/d\" }\n", "cdr.stores.b.sql.url"),
        ("[fanout]\namqp = { url = \"http://u:hunter2@h\", exchange = \"x\" }\n", "cdr.fanout.amqp.url"),
    ] {
        let error = plan(&config(table), folder.path()).err().unwrap().to_string();
        assert!(error.contains(key) && !error.contains("hunter2"), "{error}");
    }
}

/// Remembers what it took, and fails as often as it is told to.
#[derive(Clone, Default)]
struct Fussy {
    took: Arc<Mutex<Vec<u64>>>,
    refuse: Arc<std::sync::atomic::AtomicU32>,
}

impl Sink for Fussy {
    const BATCH: usize = 10;
    const LINGER: Duration = Duration::from_millis(1);

    async fn deliver(&mut self, batch: &[CallRecord]) -> anyhow::Result<()> {
        use std::sync::atomic::Ordering::SeqCst;
        if self.refuse.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
            anyhow::bail!("not now");
        }
        self.took.lock().unwrap().extend(batch.iter().map(|entry| entry.key.sequence));
        Ok(())
    }
}

#[tokio::test]
async fn a_refused_batch_comes_again_until_it_is_confirmed_and_the_cursor_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, handle) = Journal::open(folder.path(), "edge-1", crate::cdr::journal::Options::default()).unwrap();
    for number in 0..35 {
        handle.append(0, &call(number));
    }
    let synced = journal.synced();
    journal.close(PATIENCE).unwrap();
    let (order, drain) = watch::channel(None);

    let sink = Fussy::default();
    sink.refuse.store(2, std::sync::atomic::Ordering::SeqCst);
    let shipper = Shipper::new(folder.path(), "s", "test", synced.clone(), drain.clone()).unwrap();
    let status = shipper.status();
    order.send_replace(Some(Instant::now() + Duration::from_hours(1)));
    shipper.run(sink.clone()).await;
    assert_eq!(*sink.took.lock().unwrap(), (1..=35).collect::<Vec<_>>());
    let lag = status.lag(*synced.borrow());
    assert_eq!((lag.behind, lag.confirmed, lag.failures, lag.error), (0, 35, 2, None));

    // A second run with the same cursor has nothing to do.
    let again = Fussy::default();
    Shipper::new(folder.path(), "s", "test", synced.clone(), drain.clone()).unwrap().run(again.clone()).await;
    assert!(again.took.lock().unwrap().is_empty());

    // One that is refused for ever ends at the deadline, its cursor where it was.
    let dead = Fussy::default();
    dead.refuse.store(u32::MAX, std::sync::atomic::Ordering::SeqCst);
    order.send_replace(Some(Instant::now() + Duration::from_millis(20)));
    let shipper = Shipper::new(folder.path(), "dead", "test", synced.clone(), drain).unwrap();
    let status = shipper.status();
    shipper.run(dead).await;
    assert_eq!(status.lag(*synced.borrow()).behind, 35);
    assert_eq!(status.saved_segment(), 0);
}
