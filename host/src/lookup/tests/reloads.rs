//! How long a reload waits for tables that have no rows yet.

use super::*;

const TABLES: &str = r#"
[services.db]
url = "sqlite:rows.db"
[services.api]
url = "http://127.0.0.1:1"
[tables.read]
source = { sql = { service = "db", query = "select 1 as n, 2 as f", key = "n", fields = { f = "integer" }, load-deadline = "90s" } }
[tables.warmed]
source = { http = { service = "api", path = "/{key}", field = "lrn" } }
warm = { last-run = true, within = "5m" }
[tables.asked]
source = { http = { service = "api", path = "/{key}", field = "lrn" } }
"#;

fn tables(text: &str, folder: &Path) -> Tables {
    let config: Config = toml::from_str(text).unwrap();
    let (services, problems) = Services::new(&config, folder, names(), Handle::current());
    assert_eq!(problems, []);
    let (tables, problems) = Tables::new(&config.tables, folder, &services);
    assert_eq!(problems, []);
    tables
}

#[tokio::test]
async fn a_reload_waits_as_long_as_the_slowest_of_its_empty_tables_may_take() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.db"), "").unwrap();
    let all = tables(TABLES, folder.path());
    let none = Tables::default();
    assert_eq!(all.patience(&none), Duration::from_secs(301));
    let without_warm = tables(&TABLES.replace("warm =", "#"), folder.path());
    assert_eq!(without_warm.patience(&none), Duration::from_secs(91));
    assert_eq!(all.patience(&all), SECOND, "those were empty before, and calls went on");
}

#[tokio::test]
async fn a_table_that_cannot_be_read_is_not_waited_for_any_longer() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rows.db"), "no database at all, and longer than its head would be".repeat(9))
        .unwrap();
    let tables = tables(&TABLES.replace("warm =", "#"), folder.path());
    tables.begin(folder.path());
    let empty = tables.become_ready(&Tables::default()).await;
    assert!(matches!(&empty[..], [(name, Some(_))] if name == "read"), "{empty:?}");
}
