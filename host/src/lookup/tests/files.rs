//! Tables in files, and what is said about a configuration.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use crate::config::model::Config;
use crate::lookup::row::Value;
use crate::lookup::{LookupError, Origin, Probe, Problem, Services, Table, Tables, build, rebuild};

fn tables(text: &str, folder: &Path) -> Result<(Tables, Services), Vec<Problem>> {
    build(&toml::from_str::<Config>(text).unwrap(), folder, &Handle::current(), Arc::default())
}

#[track_caller]
fn reason(table: &Table, key: &str) -> Option<Value> {
    match table.probe(key) {
        Probe::Ready(Ok(row)) => row.and_then(|row| row.get("reason").cloned()),
        other => panic!("{other:?}"),
    }
}

const BLOCKED: &str = "[tables.blocked]\nsource = { csv = { path = \"blocked.csv\", key = \"number\" } }";

/// The tables of the same configuration, read again.
fn again(before: &(Tables, Services), text: &str, folder: &Path) -> Result<(Tables, Services), Vec<Problem>> {
    rebuild(&toml::from_str::<Config>(text).unwrap(), folder, (&before.0, &before.1))
}

#[tokio::test]
async fn a_rebuild_reads_the_file_again_beside_the_rows_that_calls_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocked.csv");
    std::fs::write(&path, "number,reason\n1,fraud\n").unwrap();
    let before = tables(BLOCKED, folder.path()).unwrap();
    let old = before.0.get("blocked").unwrap();
    assert_eq!(reason(old, "1"), Some(Value::Text("fraud".into())));

    std::fs::write(&path, "number,reason\n2,robocall\n2,twice\n").unwrap();
    assert_eq!(again(&before, BLOCKED, folder.path()).unwrap_err().len(), 1);

    std::fs::write(&path, "number,reason\n2,robocall\n").unwrap();
    let after = again(&before, BLOCKED, folder.path()).unwrap();
    let new = after.0.get("blocked").unwrap();
    assert_eq!(reason(new, "1"), None);
    assert_eq!(reason(new, "2"), Some(Value::Text("robocall".into())));
    assert_eq!(reason(old, "1"), Some(Value::Text("fraud".into())));
    let stats = new.stats();
    assert_eq!((stats.hits, stats.negative, stats.entries), (3, 1, 1), "it counts on where the old one was");
}

#[tokio::test]
async fn one_bad_file_keeps_every_table_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "b", "c", "d"];
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(format!("{name}.csv")), text).unwrap();
    let text: String = names
        .map(|name| format!("[tables.{name}]\nsource = {{ csv = {{ path = \"{name}.csv\", key = \"number\" }} }}\n"))
        .concat();
    for name in names {
        write(name, "number,reason\n1,old\n");
    }
    let before = tables(&text, folder.path()).unwrap();

    for name in names {
        write(name, "number,reason\n1,new\n");
    }
    write("c", "number,reason\n1\n");
    let problems = again(&before, &text, folder.path()).unwrap_err();

    assert_eq!(problems.iter().map(|problem| &*problem.place).collect::<Vec<_>>(), ["tables.c.source.csv"]);
    for name in names {
        assert_eq!(reason(before.0.get(name).unwrap(), "1"), Some(Value::Text("old".into())), "{name}");
    }
}

#[tokio::test]
async fn the_age_of_a_file_s_rows_is_the_file_s() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocked.csv");
    std::fs::write(&path, "number,reason\n1,fraud\n").unwrap();
    let yesterday = SystemTime::now() - Duration::from_hours(24);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(yesterday).unwrap();
    let (tables, _) = tables(BLOCKED, folder.path()).unwrap();
    match tables.get("blocked").unwrap().explain("1") {
        Some(Origin::Memory { age: Some(age), .. }) => assert!(age >= Duration::from_hours(24), "{age:?}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_a_prefix_table_matches_prefixes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("blocked.csv"), "number\n1\n").unwrap();
    let text = format!(
        "{BLOCKED}\n[tables.deck]\nsource = {{ csv = {{ path = \"blocked.csv\", key = \"number\", match = \"prefix\" }} }}"
    );
    let (tables, _) = tables(&text, folder.path()).unwrap();
    assert_eq!(tables.get("deck").unwrap().prefix("1212").unwrap().len(), 1);
    assert_eq!(tables.get("deck").unwrap().prefix("1\n2"), Err(LookupError::BadKey));
    let refused = tables.get("blocked").unwrap().prefix("1212").unwrap_err();
    assert!(refused.to_string().contains("`match = \"prefix\"`"), "{refused}");
    assert!(tables.get("nothing").is_none());
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = r#"
        [services.good]
        url = "http://127.0.0.1:1"
        [services.bad]
        url = "ftp://127.0.0.1"
        max-concurrent = 0
        headers = { authorization = "se\ncret" }
        [tables.a]
        source = { csv = { path = "nothing.csv", key = "number" } }
        [tables.b]
        source = { http = { service = "goood", path = "/lrn" } }
        [tables.c]
        source = { http = { service = "good", path = "lrn/{key}" } }
        [tables.d]
        capacity = 0
        source = { http = { service = "good", path = "/../{key}" } }
    "#;
    let problems: Vec<_> = tables(text, Path::new("/nowhere")).unwrap_err().iter().map(Problem::to_string).collect();
    let starts = [
        "services.bad.max-concurrent: must be at least 1",
        "services.bad.url: `ftp://127.0.0.1` is neither http nor https; write the base of the service, such as",
        "services.bad.headers.authorization: not a header that HTTP allows",
        "tables.a.source.csv.path: cannot read /nowhere/nothing.csv: No such file or directory",
        "tables.b.source.http.service: `goood` is not a usable service of `[services]`; usable: `good`",
        "tables.b.source.http.path: `/lrn` must hold `{key}` once, such as `/lrn/{key}`",
        "tables.c.source.http.path: path `lrn/0`: must begin with `/`",
        "tables.d.capacity: must be at least 1",
    ];
    assert_eq!(problems.len(), starts.len(), "{problems:#?}");
    for (problem, start) in problems.iter().zip(starts) {
        assert!(problem.starts_with(start), "{problem}\n{start}");
    }
    assert!(!problems.concat().contains("cret"), "a credential is never shown");
}
