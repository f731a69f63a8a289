//! PostgreSQL and SQLite, key by key and held whole.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use trunkline_tests::{Postgres, until};

use super::Node;

#[test]
fn postgres_answers_a_query_for_each_key_and_survives_its_restart() -> Result<()> {
    let mut postgres = Postgres::start()?;
    postgres.query(
        "create table ported (number text primary key, lrn text, cost numeric(12,6), active boolean, n bigint);
         insert into ported values ('1212', '12125550000', 0.005000, true, 7), ('1213', null, null, false, null)",
    )?;
    let node = Node::start(&format!(
        r#"
        [services.db]
        url = "{}"
        deadline = "5s"
        breaker = {{ failures = 1000 }}
        [tables.lrn]
        source.sql = {{ service = "db", query = "select * from ported where number = $1;", fields = {{ lrn = "text", cost = "decimal", active = "boolean", n = "integer" }} }}
        "#,
        postgres.url()
    ))?;
    assert_eq!(node.row("lrn", "1212")?, "active=true cost=0.005000 lrn=12125550000 n=7");
    assert_eq!(node.row("lrn", "1213")?, "active=false", "NULL is no field");
    assert_eq!(node.row("lrn", "1'; drop table ported; --")?, "none", "a key is a parameter, never text of the query");
    postgres.stop()?;
    assert!(node.ask("lrn", "2")?.is_err());
    postgres.resume()?;
    postgres.query("insert into ported values ('3', 'back', 1, true, 1)")?;
    node.wait_for("lrn", "3", "active=true cost=1.000000 lrn=back n=1")
}

#[test]
fn a_table_of_postgres_is_held_whole_and_follows_its_notifications() -> Result<()> {
    let mut postgres = Postgres::start()?;
    postgres.query(
        "create table deck (prefix text, gateway text, cost numeric);
         insert into deck values ('1', 'a', 0.0100), ('1212', 'b', 0.0050)",
    )?;
    let url = postgres.url();
    let text = format!(
        r#"
        [services.db]
        url = "{url}"
        [tables.deck]
        source.sql = {{ service = "db", query = "select * from deck order by prefix", key = "prefix", match = "prefix", fields = {{ gateway = "text", cost = "decimal" }}, listen = "deck" }}
        "#
    );
    let node = Node::start(&text)?;
    node.wait_for("deck", "1212", "cost=0.0050 gateway=b")?;
    let gateways = |number: &str| -> Result<Vec<String>> {
        let rows = node.table("deck")?.prefix(number)?;
        Ok(rows.iter().filter_map(|row| row.get("gateway").map(ToString::to_string)).collect())
    };
    assert_eq!(gateways("12125550100")?, ["b", "a"]);

    postgres.query("insert into deck values ('121255', 'c', 0.0001); notify deck")?;
    until("the notified row", Duration::from_secs(5), || {
        Ok((gateways("12125550100")? == ["c", "b", "a"]).then_some(()))
    })?;

    // The test's database does not wait for its disk: what a crash must not take is written out first.
    postgres.query("checkpoint")?;
    postgres.kill()?;
    assert_eq!(gateways("12125550100")?, ["c", "b", "a"], "the rows stay while the database is away");
    postgres.resume()?;
    postgres.query("delete from deck where prefix = '1'")?;
    // It hears again by itself; what changed meanwhile is read then.
    until("the listener to be back", Duration::from_secs(20), || {
        postgres.query("notify deck")?;
        Ok((gateways("12125550100")? == ["c", "b"]).then_some(()))
    })
}

#[test]
fn a_table_without_its_database_says_so_until_the_database_is_there() -> Result<()> {
    let mut postgres = Postgres::start()?;
    postgres.query("create table t (k text, v text); insert into t values ('1', 'one')")?;
    postgres.stop()?;
    let node = Node::start(&format!(
        "[services.db]\nurl = \"{}\"\n[tables.t]\nsource.sql = {{ service = \"db\", query = \"select * from t\", key = \"k\", \
         fields = {{ v = \"text\" }}, refresh = \"1s\" }}\n",
        postgres.url()
    ))?;
    let why = node.ask("t", "1")?.unwrap_err().to_string();
    assert!(why.contains("table `t` has no rows yet"), "{why}");
    assert!(!node.table("t")?.is_loaded());
    postgres.resume()?;
    node.wait_for("t", "1", "v=one")?;
    postgres.query("update t set v = 'two'")?;
    node.wait_for("t", "1", "v=two")
}

#[test]
fn sqlite_answers_by_key_and_whole_and_cannot_be_written() -> Result<()> {
    let folder = TempDir::new()?;
    let output = std::process::Command::new("sqlite3")
        .arg(folder.path().join("numbers.db"))
        .arg("create table n (k text, v integer); insert into n values ('1', 11), ('2', 22)")
        .output()
        .context("sqlite3")?;
    ensure!(output.status.success());
    let node = Node::in_folder(
        folder,
        r#"
        [services.db]
        url = "sqlite:numbers.db"
        deadline = "5s"
        [tables.keyed]
        source.sql = { service = "db", query = "select v from n where k = $1", fields = { v = "integer" } }
        [tables.whole]
        source.sql = { service = "db", query = "select k, v from n", key = "k", fields = { v = "integer" } }
        [tables.writes]
        source.sql = { service = "db", query = "select v from missing where k = $1", fields = { v = "integer" } }
        "#,
    )?;
    assert_eq!(node.row("keyed", "2")?, "v=22");
    assert_eq!(node.row("keyed", "3")?, "none");
    node.wait_for("whole", "1", "v=11")?;
    let why = node.ask("writes", "1")?.unwrap_err().to_string();
    assert!(why.contains("no such table"), "{why}");
    Ok(())
}
