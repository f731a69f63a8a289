//! Tables in files, and what is said about a configuration.

use std::path::Path;

use tokio::runtime::Handle;

use crate::config::model::Config;
use crate::lookup::row::Value;
use crate::lookup::{LookupError, Probe, Problem, Services, Table, Tables, build};

fn tables(text: &str, folder: &Path) -> Result<(Tables, Services), Vec<Problem>> {
    build(&toml::from_str::<Config>(text).unwrap(), folder, &Handle::current())
}

#[track_caller]
fn reason(table: &Table, key: &str) -> Option<Value> {
    match table.probe(key) {
        Probe::Ready(Ok(row)) => row.and_then(|row| row.get("reason").cloned()),
        other => panic!("{other:?}"),
    }
}

const BLOCKED: &str = "[tables.blocked]\nsource = { csv = { path = \"blocked.csv\", key = \"number\" } }";

#[tokio::test]
async fn a_reload_swaps_the_rows_and_a_bad_one_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blocked.csv");
    std::fs::write(&path, "number,reason\n1,fraud\n").unwrap();
    let (tables, _) = tables(BLOCKED, folder.path()).unwrap();
    let table = tables.get("blocked").unwrap();
    assert_eq!(reason(table, "1"), Some(Value::Text("fraud".into())));

    std::fs::write(&path, "number,reason\n2,robocall\n2,twice\n").unwrap();
    assert_eq!(table.reload().unwrap_err().len(), 1);
    assert_eq!(reason(table, "1"), Some(Value::Text("fraud".into())));

    std::fs::write(&path, "number,reason\n2,robocall\n").unwrap();
    table.reload().unwrap();
    assert_eq!(reason(table, "1"), None);
    assert_eq!(reason(table, "2"), Some(Value::Text("robocall".into())));
    let stats = table.stats();
    assert_eq!((stats.hits, stats.negative, stats.entries), (3, 1, 1));
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
