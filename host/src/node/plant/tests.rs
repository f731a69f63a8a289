//! A reload: all of it, or none.

use std::path::Path;

use super::*;
use crate::config;
use crate::lookup::{Probe, Table};
use crate::plugin::testing::{Guest, proceed};

const CONFIG: &str = r#"
[node]
name = "edge"
[listen]
udp = ["127.0.0.1:0"]
[tables.blocked]
source = { csv = { path = "blocked.csv", key = "number" } }
[tables.deck]
source = { csv = { path = "deck.csv", key = "prefix", match = "prefix" } }
[plugins.only]
component = "only.wasm"
[pipelines]
default = ["only"]
[customers.acme]
sources = ["127.0.0.0/8"]
[cdr]
journal = "var/journal"
"#;

fn load(folder: &Path) -> Loaded {
    let file = folder.join("trunkline.toml");
    std::fs::write(&file, CONFIG).unwrap();
    config::load(&file).map_err(|errors| errors.to_string()).unwrap()
}

fn has(table: Option<&Arc<Table>>, key: &str) -> bool {
    match table.unwrap().probe(key) {
        Probe::Ready(found) => found.unwrap().is_some(),
        Probe::Pending(_) => panic!("a file's table has nothing to wait for"),
    }
}

#[tokio::test]
async fn a_reload_sees_changed_files_and_a_bad_one_leaves_every_table_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("blocked.csv", "number\n1\n");
    write("deck.csv", "prefix\n1\n");
    std::fs::write(folder.path().join("only.wasm"), Guest::answering(&proceed()).build()).unwrap();
    let loaded = load(folder.path());
    let plant = Plant::new(&loaded, Handle::current()).unwrap();
    let first = plant.build(&loaded, None).await.map_err(|problems| problems.join("\n")).unwrap();

    write("blocked.csv", "number\n2\n");
    write("deck.csv", "prefix\nnot a prefix\n");
    let problems = plant.build(&loaded, Some(&first)).await.map(drop).unwrap_err();
    assert!(problems.concat().contains("tables.deck"), "{problems:?}");
    assert!(has(first.tables.get("blocked"), "1") && !has(first.tables.get("blocked"), "2"));

    write("deck.csv", "prefix\n44\n");
    std::fs::rename(folder.path().join("only.wasm"), folder.path().join("away.wasm")).unwrap();
    assert!(plant.build(&loaded, Some(&first)).await.is_err(), "the component is not there");
    std::fs::rename(folder.path().join("away.wasm"), folder.path().join("only.wasm")).unwrap();
    assert!(has(first.tables.get("blocked"), "1") && has(first.tables.get("deck"), "1"));

    let second = plant.build(&loaded, Some(&first)).await.map_err(|problems| problems.join("\n")).unwrap();
    assert!(has(second.tables.get("blocked"), "2") && !has(second.tables.get("blocked"), "1"));
    assert!(has(first.tables.get("blocked"), "1"), "calls in progress end on the rows that they began with");
}
