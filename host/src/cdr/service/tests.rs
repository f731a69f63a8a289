use super::*;
use crate::cdr::testing::call;

const PATIENCE: Duration = Duration::from_secs(20);

const MAIN: &str = "journal = \"journal\"\n[stores.main]\nsql = { url = \"sqlite:cdr.db\" }\n";
/// A store whose folder can never be made: `cdr.db` is a file.
const DEAD: &str = "[stores.dead]\nfiles = { folder = \"cdr.db/archive\" }\n";

fn start(folder: &Path, config: &str) -> (Cdr, JournalHandle) {
    Cdr::start(&toml::from_str(config).unwrap(), "edge-1", folder, &Handle::current()).unwrap()
}

/// Each run begins a segment of its own.
async fn runs(folder: &Path, config: &str, count: u64) {
    for number in 0..count {
        let (cdr, handle) = start(folder, config);
        assert!(handle.append(0, &call(number)));
        cdr.shutdown(PATIENCE).await.unwrap();
    }
}

fn segments(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("journal"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| Some(name.strip_suffix(".journal")?.trim_start_matches('0').to_owned()))
        .collect();
    names.sort();
    names
}

/// What is left after a round of tidying.
async fn tidied(folder: &Path, config: &str) -> Vec<String> {
    let (cdr, _handle) = start(folder, config);
    tidy(&cdr.monitor, &cdr.observer().stores).await;
    cdr.shutdown(Duration::from_millis(100)).await.unwrap();
    segments(folder)
}

#[tokio::test]
async fn segments_go_when_every_store_is_past_them() {
    let folder = tempfile::tempdir().unwrap();
    runs(folder.path(), MAIN, 3).await;
    assert_eq!(segments(folder.path()), ["1", "2", "3"]);
    assert_eq!(tidied(folder.path(), MAIN).await, ["3"]);
}

#[tokio::test]
async fn no_segment_goes_while_a_store_lacks_it() {
    let folder = tempfile::tempdir().unwrap();
    runs(folder.path(), MAIN, 1).await;
    let with_dead = format!("{MAIN}{DEAD}");
    let (cdr, handle) = start(folder.path(), &with_dead);
    handle.append(0, &call(1));
    cdr.shutdown(Duration::from_millis(100)).await.unwrap();
    assert_eq!(tidied(folder.path(), &with_dead).await, ["1", "2"]);
}

#[tokio::test]
async fn without_any_store_the_journal_keeps_all() {
    let folder = tempfile::tempdir().unwrap();
    let none = "journal = \"journal\"\n";
    runs(folder.path(), none, 3).await;
    assert_eq!(tidied(folder.path(), none).await, ["1", "2", "3"]);
}

#[tokio::test]
async fn the_observer_outlives_the_start_and_sees_the_lag() {
    let folder = tempfile::tempdir().unwrap();
    let (cdr, handle) = start(folder.path(), MAIN);
    let observer = cdr.observer();
    handle.append(0, &call(0));
    cdr.shutdown(PATIENCE).await.unwrap();
    let lag = observer.lag();
    assert_eq!((lag.len(), lag[0].behind, lag[0].confirmed), (1, 0, 1));
    assert_eq!((observer.journal().synced.sequence, observer.journal().lost), (1, 0));
}
