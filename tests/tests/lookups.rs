//! What calls ask for, and how often the source is asked.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trunkline::cdr::record::CallRecord;
use trunkline_tests::{Fault, Load, LrnServer, Phone, Postgres, Router, Setup, Sipp, Webhook, place, until};

#[test]
fn an_answer_is_asked_for_once_and_then_comes_from_memory() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = Setup::new()?.lrn(&lrn, 40).carrier(callee.address()).start()?;
    let same = [("caller", "12125550100"), ("callee", "19195550101"), ("talk", "50")];

    place("caller", &same, router.sip(), Load { calls: 50, rate: 25 })?;
    assert_eq!(lrn.requests(), 1);
    Ok(())
}

/// A sample of the load times of the table `lrn`.
fn load_times(router: &Router, sample: &str, label: &str) -> Result<f64> {
    let (_, page) = router.admin("GET", "/metrics")?;
    let name = format!("trunkline_table_load_seconds_{sample}{{");
    let wanted = |line: &&str| line.starts_with(&name) && line.contains("table=\"lrn\"") && line.contains(label);
    let line = page.lines().find(wanted).with_context(|| format!("no {name} with {label} in\n{page}"))?;
    Ok(line.rsplit(' ').next().context("no value")?.parse()?)
}

#[test]
fn the_metrics_page_tells_how_long_loads_took() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    lrn.fail(Fault::Slow);
    let router = Setup::new()?.lrn(&lrn, 2_000).carrier(callee.address()).without_sqlite().start()?;
    let numbers = [("caller", "12125550100"), ("callee", "1919555[field0]"), ("talk", "50")];
    place("caller", &numbers, router.sip(), Load { calls: 5, rate: 20 })?;
    until("the loads that no call waited for", Duration::from_secs(10), || {
        Ok((load_times(&router, "count", "")? > 4.5).then_some(()))
    })?;

    // The service answers after 20 ms.
    let below = |bound: &str| -> Result<u64> { Ok(load_times(&router, "bucket", &format!("le=\"{bound}\""))? as u64) };
    assert_eq!([below("0.01")?, below("5.0")?, below("+Inf")?], [0, 5, 5]);
    assert!((0.1..10.0).contains(&load_times(&router, "sum", "")?), "{}", load_times(&router, "sum", "")?);
    assert!((router.metric("trunkline_table_loads_total{table=\"lrn\"}")? - 5.0).abs() < 0.1);
    Ok(())
}

/// The lines of `[tables.lrn]` for this way to warm up.
fn warm(way: &str) -> String {
    format!(
        "source = {{ http = {{ service = \"lrn-api\", path = \"/lrn/{{key}}\", format = \"text\", field = \"lrn\" }} }}\n\
         warm = {{ {way}, share = 100, within = \"60s\" }}\n"
    )
}

fn service(lrn: &LrnServer) -> String {
    format!("[services.lrn-api]\nurl = \"http://{}\"\ndeadline = \"5s\"\n", lrn.address)
}

#[test]
fn a_node_is_ready_when_the_keys_of_its_file_are_loaded_at_the_rate_that_it_may() -> Result<()> {
    let lrn = LrnServer::start()?;
    let setup = Setup::new()?.table("lrn", &(warm("keys = \"used.csv\"") + "background-rate = 100\n"));
    let keys = (0..100).fold(String::new(), |text, key| text + &format!("91955500{key:02}\n"));
    std::fs::write(setup.folder().join("used.csv"), keys)?;
    let began = Instant::now();
    // It is waited for until `/readyz` says yes.
    let router = setup.section(&service(&lrn)).start()?;
    assert_eq!(lrn.requests(), 100);
    let entries = router.metric("trunkline_table_entries{table=\"lrn\"}")?;
    assert!((entries - 100.0).abs() < 0.1, "{entries} rows are in memory");
    assert!(began.elapsed() > Duration::from_millis(900), "a hundred loads at a hundred a second");
    Ok(())
}

#[test]
fn a_node_begins_with_the_keys_that_its_last_run_used() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let setup = Setup::new()?.table("lrn", &warm("last-run = true")).section(&service(&lrn));
    let mut router = setup.carrier(callee.address()).start()?;
    let numbers = [("caller", "12125550100"), ("callee", "1919555[field0]"), ("talk", "50")];
    let ten = Load { calls: 10, rate: 100 };
    place("caller", &numbers, router.sip(), ten)?;
    assert_eq!(lrn.requests(), 10);
    router.stop()?;

    router.start_again()?;
    assert_eq!(lrn.requests(), 20, "all ten were asked for before it was ready");
    place("caller", &numbers, router.sip(), ten)?;
    assert_eq!(lrn.requests(), 20, "and the calls found them in memory");
    Ok(())
}

/// From the next reload on the blocked numbers are those of the service `db`, whose source has these keys more.
fn read_blocked_from_the_database(router: &Router, keys: &str) -> Result<()> {
    router.edit_config(
        "source = { csv = { path = \"blocked.csv\", key = \"number\" } }",
        &format!(
            "source = {{ sql = {{ service = \"db\", query = \"select number, 1 as yes from blocked\", key = \"number\", \
             fields = {{ yes = \"integer\" }}{keys} }} }}"
        ),
    )
}

#[test]
fn no_call_meets_a_table_that_a_reload_has_not_filled_yet() -> Result<()> {
    let busy = Sipp::callee("refusing", &[("code", "486")])?;
    let setup = Setup::new()?.without_sqlite().carrier(busy.address());
    let setup = setup.section("[services.db]\nurl = \"sqlite:numbers.db\"\ndeadline = \"1s\"\n");
    let database = setup.folder().join("numbers.db");
    let sqlite = |statement: &str| -> Result<()> {
        let done = Command::new("sqlite3").arg(&database).arg(statement).status().context("sqlite3")?;
        ensure!(done.success(), "sqlite3: {done}");
        Ok(())
    };
    sqlite("create table other (number text)")?;
    let router = setup.start()?;
    let mut caller = Phone::calling(router.sip())?;
    let mut call = || -> Result<String> {
        let sent = caller.invite("12125550100", "19195550101");
        caller.say(&sent)?;
        let refused = caller.hear_final()?;
        caller.say(&caller.follow("ACK", &sent, refused.header("To")))?;
        Ok(refused.kind().to_owned())
    };
    assert_eq!(call()?, "486");

    read_blocked_from_the_database(&router, "")?;
    let (code, why) = router.reload()?;
    assert!(code == 422 && why.contains("tables.blocked"), "{code}: {why}");
    assert_eq!(call()?, "486", "nothing has changed");

    sqlite("create table blocked (number text); insert into blocked values ('12125550100')")?;
    let (code, why) = router.reload()?;
    assert_eq!(code, 200, "{why}");
    // The workers turn to it one after the other, each when its stages are warm; until then it is as before.
    until("the table to decide", Duration::from_secs(10), || {
        let answer = call()?;
        ensure!(["486", "603"].contains(&&*answer), "a call met an empty table: {answer}");
        Ok((answer == "603").then_some(()))
    })?;
    let skipped = |record: &CallRecord| record.stages.iter().any(|stage| !stage.outcome.is_verdict());
    assert!(router.records()?.iter().all(|record| !skipped(record)), "a stage was skipped");
    Ok(())
}

#[test]
fn nothing_goes_on_of_a_reload_that_was_refused_or_of_tables_that_others_took_the_place_of() -> Result<()> {
    let (postgres, lrn, callee) = (Postgres::start()?, LrnServer::start()?, Sipp::callee("callee", &[])?);
    let (ops, others) = (Webhook::start()?, Webhook::start()?);
    let hook = "breaker = { failures = 1 }\nwebhook = { service = \"ops\", path = \"/alarm\" }";
    let more = |name: &str, url: &str| format!("[services.{name}]\nurl = \"{url}\"\ndeadline = \"1s\"\n");
    let setup = Setup::new()?.without_sqlite().carrier(callee.address()).lrn(&lrn, 1_000).section(hook);
    let setup = setup.section(&more("ops", &ops.collector_url())).section(&more("db", &postgres.url()));
    let router = setup.start()?;
    let listeners = || postgres.query("select count(*) from pg_stat_activity where query like 'LISTEN%'");
    let one = |number: &str| -> Result<()> {
        let words = [("caller", "12125550100"), ("callee", number), ("talk", "50")];
        place("caller", &words, router.sip(), Load::ONE).map(drop)
    };
    one("19195550101")?;

    router.edit_config(&ops.collector_url(), &others.collector_url())?;
    read_blocked_from_the_database(&router, ", listen = \"blocked\"")?;
    let (code, why) = router.reload()?;
    assert!(code == 422 && why.contains("tables.blocked"), "{code}: {why}");
    until("nobody to listen", Duration::from_secs(10), || Ok((listeners()? == "0").then_some(())))?;
    lrn.fail(Fault::Error);
    one("19195550102")?;
    until("the alarm", Duration::from_secs(10), || Ok((ops.requests() > 0).then_some(())))?;
    assert_eq!(others.requests(), 0, "a webhook that is not in use was told");

    postgres.query("create table blocked (number text)")?;
    for _ in 0..3 {
        let (code, why) = router.reload()?;
        assert_eq!(code, 200, "{why}");
    }
    let entries = || router.metric("trunkline_table_entries{table=\"blocked\"}");
    until("the last tables to listen", Duration::from_secs(10), || {
        postgres.query("insert into blocked values (gen_random_uuid()); notify blocked")?;
        Ok((entries()? > 1.5).then_some(()))
    })?;
    until("the others to have ended", Duration::from_secs(10), || Ok((listeners()? == "1").then_some(())))
}
