//! What callers notice of a look-up's source that fails: nothing. Real SIP calls, a real router, real faults.

use anyhow::{Context, Result};
use trunkline_tests::{Counts, Fault, Load, LrnServer, Postgres, Redis, Router, Setup, Sipp};

const NUMBERS: [(&str, &str); 3] = [("caller", "12125550100"), ("callee", "1919555[field0]"), ("talk", "50")];

/// The LRN service's deadline, in milliseconds.
const DEADLINE: u32 = 50;

fn post_dial_delays(router: &Router, calls: usize) -> Result<Vec<u64>> {
    let records = router.wait_for_records(calls)?;
    let delay = |times: &trunkline::cdr::record::Times| Some(times.answered?.saturating_sub(times.received));
    let mut delays: Vec<u64> = records.iter().filter_map(|record| delay(&record.times)).collect();
    assert_eq!(delays.len(), calls, "each call was answered");
    delays.sort_unstable();
    Ok(delays)
}

/// The issue's outage: calls at a steady rate, and the service hangs for six seconds of them.
#[test]
fn an_lrn_service_that_hangs_for_six_seconds_costs_no_call_and_no_retransmission() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = Setup::new()?.lrn(&lrn, DEADLINE).carrier(callee.address()).start()?;
    let (rate, seconds) = (200, 12);
    let calls = rate * seconds;
    let load = Load { calls, rate };
    let counts = std::thread::scope(|scope| -> Result<Counts> {
        let caller = Sipp::caller("caller", &NUMBERS, router.sip(), load)?;
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_secs(3));
            lrn.fail(Fault::Hang);
            std::thread::sleep(std::time::Duration::from_secs(6));
            lrn.fail(Fault::None);
        });
        caller.wait()
    })?;
    assert_eq!((counts.successful, counts.failed, counts.retransmissions), (calls as _, 0, 0));
    let delays = post_dial_delays(&router, calls as usize)?;
    let p99 = delays[delays.len() * 99 / 100];
    assert!(p99 < u64::from(DEADLINE + 20) * 1_000, "p99 of the post-dial delay: {p99} µs");
    assert!(router.metric("trunkline_breaker_opened_total")? >= 1.0);
    Ok(())
}

#[test]
fn an_lrn_service_that_is_not_there_costs_no_call() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let gone = LrnServer::start()?;
    let setup = Setup::new()?.lrn(&gone, DEADLINE).carrier(callee.address());
    drop(gone);
    let router = setup.start()?;
    let counts = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 100, rate: 100 })?.wait()?;
    assert_eq!((counts.successful, counts.failed, counts.retransmissions), (100, 0, 0));
    Ok(())
}

#[test]
fn a_service_whose_name_does_not_resolve_costs_no_call() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let table = r#"source = { http = { service = "lrn-api", path = "/lrn/{key}", format = "text", field = "lrn" } }"#;
    let service = format!("[services.lrn-api]\nurl = \"http://lrn.invalid:8099\"\ndeadline = \"{DEADLINE}ms\"\n");
    let router = Setup::new()?.table("lrn", table).section(&service).carrier(callee.address()).start()?;
    let counts = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 100, rate: 100 })?.wait()?;
    assert_eq!((counts.successful, counts.failed, counts.retransmissions), (100, 0, 0));
    Ok(())
}

#[test]
fn a_redis_that_freezes_and_a_database_that_restarts_cost_no_call() -> Result<()> {
    let (redis, mut postgres) = (Redis::start()?, Postgres::start()?);
    postgres.query("create table cnam (number text, name text)")?;
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .table("lrn", r#"source = { redis = { service = "redis", field = "lrn" } }"#)
        .table(
            "cnam",
            r#"source = { sql = { service = "db", query = "select name from cnam where number = $1", fields = { name = "text" } } }"#,
        )
        .section(&format!(
            "[services.redis]\nurl = \"{}\"\n[services.db]\nurl = \"{}\"\n",
            redis.url(),
            postgres.url()
        ))
        .carrier(callee.address())
        .start()?;
    let load = Load { calls: 400, rate: 100 };
    let counts = std::thread::scope(|scope| -> Result<Counts> {
        let caller = Sipp::caller("caller", &NUMBERS, router.sip(), load)?;
        let faults = scope.spawn(|| -> Result<()> {
            std::thread::sleep(std::time::Duration::from_secs(1));
            redis.freeze()?;
            postgres.stop()?;
            std::thread::sleep(std::time::Duration::from_secs(1));
            postgres.resume()?;
            redis.thaw()
        });
        let counts = caller.wait()?;
        faults.join().ok().context("the faults")??;
        Ok(counts)
    })?;
    assert_eq!((counts.successful, counts.failed, counts.retransmissions), (400, 0, 0));
    Ok(())
}

#[test]
fn calls_beyond_a_customer_s_limit_get_503_and_places_come_back_when_calls_end() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .plugin("limit", r#"config = { limits = [{ key = "customer:{customer}", calls = 1 }], retry-after = 7 }"#)
        .pipeline("default", &["auth", "limit", "blocklist", "lrn", "cnam", "rate"])
        .carrier(callee.address())
        .start()?;
    for _ in 0..3 {
        // One after the other: each finds the place that the one before has given back.
        let counts = Sipp::caller("caller", &NUMBERS, router.sip(), Load::ONE)?.wait()?;
        assert_eq!((counts.successful, counts.failed), (1, 0));
    }
    let counts = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 20, rate: 1_000 })?.wait()?;
    assert!(counts.failed > 0 && counts.successful >= 1, "{counts:?}");
    let records = router.wait_for_records(23)?;
    let refused = records.iter().filter(|record| record.code == 503).count();
    assert_eq!(refused, usize::try_from(counts.failed)?);
    Ok(())
}
