//! What calls ask for, and how often the source is asked.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use trunkline_tests::{Fault, Load, LrnServer, Router, Setup, Sipp, until};

#[test]
fn an_answer_is_asked_for_once_and_then_comes_from_memory() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = Setup::new()?.lrn(&lrn, 40).carrier(callee.address()).start()?;
    let same = [("caller", "12125550100"), ("callee", "19195550101"), ("talk", "50")];

    let caller = Sipp::caller("caller", &same, router.sip(), Load { calls: 50, rate: 25 })?.wait()?;

    assert_eq!((caller.successful, caller.failed), (50, 0));
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
    assert_eq!(Sipp::caller("caller", &numbers, router.sip(), Load { calls: 5, rate: 20 })?.wait()?.successful, 5);
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
    let caller = || Sipp::caller("caller", &numbers, router.sip(), Load { calls: 10, rate: 100 })?.wait();
    assert_eq!(caller()?.successful, 10);
    assert_eq!(lrn.requests(), 10);
    router.stop()?;

    router.start_again()?;
    assert_eq!(lrn.requests(), 20, "all ten were asked for before it was ready");
    let numbers = Sipp::caller("caller", &numbers, router.sip(), Load { calls: 10, rate: 100 })?.wait()?;
    assert_eq!((numbers.successful, lrn.requests()), (10, 20), "and the calls found them in memory");
    Ok(())
}
