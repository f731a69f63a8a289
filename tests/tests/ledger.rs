//! The ledger on a real RabbitMQ and a real PostgreSQL: what each call comes to is written once, whatever dies.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use trunkline::cdr::message;
use trunkline_tests::{Ledger, Load, Postgres, Process, Rabbit, Router, Setup, Sipp, run, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];

fn count(postgres: &Postgres, sql: &str) -> u64 {
    // Before the first process has started there are no tables, and while PostgreSQL is stopped no answer.
    postgres.query(sql).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn calls(postgres: &Postgres) -> u64 {
    count(postgres, "select count(*) from ledger.calls")
}

fn wait_for_calls(postgres: &Postgres, expected: u64, process: &Process) -> Result<()> {
    until(&format!("{expected} calls in the ledger"), Duration::from_secs(40), || {
        Ok((calls(postgres) >= expected).then_some(()))
    })
    .with_context(|| format!("{:?} are there; the ledger wrote:\n{}", calls(postgres), process.last_lines()))
}

/// Everything that is added up must say the same as the calls themselves.
fn assert_sums(postgres: &Postgres, expected: u64) -> Result<()> {
    for span in [15, 60, 1_440] {
        let sums =
            postgres.query(&format!("select sum(calls), sum(answered) from ledger.usage where span = {span}"))?;
        assert_eq!(sums, format!("{expected}|{expected}"), "span {span}");
    }
    // 0.0120 a minute in 30/6 for 200 ms: 0.006 each.
    let charged = count(postgres, "select round(sum(price) * 1000) from ledger.calls");
    assert_eq!(charged, expected * 6);
    for sum in [
        "select sum(price) from ledger.usage where span = 15",
        "select charged from ledger.balances where customer = 'acme' and currency = 'USD'",
        "select -balance from ledger.balances where customer = 'acme' and currency = 'USD'",
    ] {
        assert_eq!(count(postgres, &format!("select round(({sum}) * 1000)")), expected * 6, "{sum}");
    }
    let delays = "select sum((select sum(c) from unnest(delays) c)) from ledger.usage where span = 1440";
    assert_eq!(count(postgres, delays), expected);
    Ok(())
}

#[test]
fn every_call_is_charged_once_though_primaries_pause_and_die_and_broker_and_database_stop() -> Result<()> {
    let mut postgres = Postgres::start()?;
    let mut rabbit = Rabbit::start()?;
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.carrier(callee.address()).fanout(&rabbit.url()).start()?;
    let ledger = Ledger::new(&rabbit.url(), &postgres.url())?;
    let first = ledger.start_primary("first.log")?;
    let mut second = ledger.start("second.log")?;
    let number = 1_500;
    let caller = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: number, rate: 75 })?;
    wait_for_calls(&postgres, 100, &first)?;

    // Paused in the middle of its work: the other takes over while the first still has its connections.
    first.signal(Signal::SIGSTOP)?;
    let paused = Instant::now();
    second.wait_until(Duration::from_secs(8), |second| second.output().contains("primary: this process"))?;
    eprintln!("the standby took over after {:?}", paused.elapsed());
    let before = calls(&postgres);
    wait_for_calls(&postgres, before + 50, &second)?;
    first.signal(Signal::SIGCONT)?;
    until("the first to notice", Duration::from_secs(10), || {
        Ok(first.output().contains("no longer primary").then_some(()))
    })?;

    rabbit.stop()?;
    postgres.stop()?;
    postgres.resume()?;
    rabbit.resume()?;
    let before = calls(&postgres);
    wait_for_calls(&postgres, before + 50, &second)?;

    // Killed: whoever is left takes over.
    second.signal(Signal::SIGKILL)?;
    let counts = caller.wait()?;
    assert_eq!((counts.successful, counts.failed), (number, 0));
    wait_for_calls(&postgres, number.into(), &first)?;
    let stored = router.wait_for_records(number as usize)?;
    assert_eq!(calls(&postgres), stored.len() as u64);
    assert_sums(&postgres, number.into())?;

    // Every record again, and what is none.
    let mut again: Vec<Vec<u8>> = stored.iter().map(serde_json::to_vec).collect::<Result<_, _>>()?;
    again.push(b"this is no record".to_vec());
    rabbit.give("a", message::ONE, &again)?;
    until("the message that is no record", Duration::from_secs(20), || {
        Ok((count(&postgres, "select count(*) from ledger.rejects") == 1).then_some(()))
    })?;
    until("an empty queue", Duration::from_secs(20), || Ok((rabbit.depth("a")? == 0).then_some(())))?;
    assert_sums(&postgres, number.into())?;

    // The first process is the one that is left, and has written and known again what the second had not.
    let metric = |name: &str| ledger.metric(&format!("trunkline_ledger_{name}"));
    assert_eq!((metric("primary")?, metric("rejects_total")?), (1.0, 1.0));
    let (records, rated, batches) = (metric("records_total")?, metric("rated_total")?, metric("batches_total")?);
    assert!(records > 0.0 && records < f64::from(number) && rated <= records && batches > 0.0);
    assert!(metric("duplicates_total")? >= f64::from(number));
    assert!(metric("broker_failures_total")? > 0.0, "it was stopped once");
    let status = ledger.status()?;
    assert!(status.contains(&format!("calls    {number}")) && status.contains("rejects  1"), "{status}");
    assert_reconciled(&mut postgres, &router, &ledger)
}

/// The ledger beside the router's own store: equal, then with 1 % of its rows deleted, then filled.
fn assert_reconciled(postgres: &mut Postgres, router: &Router, ledger: &Ledger) -> Result<()> {
    let (a, b) = (postgres.url(), format!("sqlite:{}", router.folder().join("var/cdr.db").display()));
    let config = ledger.config().display().to_string();
    let reconcile = |more: &[&str]| run(&[&["cdr", "reconcile", "--a", &a, "--b", &b], more].concat());
    let (code, text) = reconcile(&[])?;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("chain: 1500 records of 1500 are proven"), "{text}");

    postgres.query("delete from ledger.calls where sequence % 100 = 7")?;
    let (code, text) = reconcile(&[])?;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("A lacks 15 records, 15 of them answered"), "{text}");
    let (code, text) = reconcile(&["--fill", "-c", &config])?;
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Filled: 15 records into A, 0 into B."), "{text}");
    assert_eq!(calls(postgres), 1_500);
    assert_eq!(count(postgres, "select round(sum(price) * 1000) from ledger.calls"), 9_000, "filled in with prices");

    let listed = run(&["cdr", "list", "--url", &a, "--gateway", "carrier", "--answered", "--limit", "7"])?.1;
    assert_eq!(listed.lines().count(), 7, "{listed}");
    let exported = run(&["cdr", "export", "--url", &a, "--format", "csv"])?.1;
    assert_eq!(exported.lines().count(), 1_501, "a header and every call");

    postgres.stop()?;
    assert_eq!(reconcile(&[])?.0, 2, "a store that does not answer");
    Ok(())
}
