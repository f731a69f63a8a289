//! What callers notice of a look-up's source that fails: nothing. Real SIP calls, a real router, real faults.
//!
//! In each outage no call fails, no more messages are sent again than a busy machine loses time for, and the post-dial
//! delay stays within the source's deadline and what such a machine adds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use trunkline::cdr::record::CallRecord;
use trunkline_tests::{Dns, Fault, Load, LrnServer, Postgres, Redis, Router, Setup, Sipp, until};

/// Other numbers for each call: memory answers for none.
const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "50")];

/// The source's deadline, in milliseconds.
const DEADLINE: u32 = 50;
/// What a busy machine adds to a call, in milliseconds; an INVITE is sent again after 500.
const SLACK: u32 = 400;
/// For what must come sooner or later while calls go on.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the router may grow by while it is sent hundreds of megabytes, in kB.
const GROWTH: u64 = 48_000;

/// Places the calls while `meanwhile` runs, and tells what is wrong with how they went.
fn calls_go_on(router: &Router, load: Load, meanwhile: impl FnOnce() -> Result<()> + Send) -> Result<Vec<CallRecord>> {
    let caller = Sipp::caller("caller", &NUMBERS, router.sip(), load)?;
    let counts = std::thread::scope(|scope| -> Result<_> {
        let meanwhile = scope.spawn(meanwhile);
        let counts = caller.wait()?;
        meanwhile.join().ok().context("the faults")??;
        Ok(counts)
    })?;
    if (counts.successful, counts.failed) != (load.calls, 0) || !is_few(counts.retransmissions, load.calls) {
        bail!("{counts:?}; the router's log:\n{}", router.log());
    }
    let records = router.wait_for_records(load.calls as usize)?;
    let mut delays: Vec<u64> = records.iter().filter_map(post_dial_delay).collect();
    ensure!(delays.len() == load.calls as usize, "{} of the calls were answered", delays.len());
    delays.sort_unstable();
    let p99 = p99(&delays)?;
    ensure!(p99 < u64::from(DEADLINE + SLACK) * 1_000, "p99 of the post-dial delay: {p99} µs");
    Ok(records)
}

/// What a busy machine alone may be the reason of.
fn is_few(these: u32, of: u32) -> bool {
    these * 20 <= of
}

/// As records tell the time.
fn micros() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

/// In microseconds.
fn post_dial_delay(record: &CallRecord) -> Option<u64> {
    Some(record.times.answered?.saturating_sub(record.times.received))
}

/// Of sorted ones.
fn p99(delays: &[u64]) -> Result<u64> {
    delays.get(delays.len() * 99 / 100).copied().context("no call was answered")
}

/// Whether the call got its routing number.
fn is_ported(record: &CallRecord) -> bool {
    record.attributes.iter().any(|(name, value)| name == "lrn" && value == "9195550000")
}

/// The most memory that the router ever had, in kB.
fn peak(router: &Router) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", router.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    line.trim().trim_end_matches(" kB").parse().context("VmHWM")
}

/// A service that is well, then fails in this way until the end: after some calls its breaker opens, and the calls that
/// follow cost it nothing.
fn an_lrn_service_that_fails(fault: Option<Fault>) -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = Setup::new()?.unhurried().lrn(&lrn, DEADLINE).carrier(callee.address()).start()?;
    let before = peak(&router)?;
    let mut lrn = Some(lrn);
    let load = Load { calls: 200, rate: 100 };
    let records = calls_go_on(&router, load, || {
        until("some answers", PATIENCE, || Ok(lrn.as_ref().is_some_and(|lrn| lrn.requests() >= 20).then_some(())))?;
        match (fault, &lrn) {
            (Some(fault), Some(lrn)) => lrn.fail(fault),
            _ => lrn = None,
        }
        until("the breaker to open", PATIENCE, || {
            Ok((router.metric("trunkline_breaker_opened_total")? >= 1.0).then_some(()))
        })
    })?;
    let ported = records.iter().filter(|record| is_ported(record)).count();
    assert!((10..200).contains(&ported), "{ported} calls got a routing number before and none after");
    let wrong = |record: &&CallRecord| record.attributes.iter().any(|(name, _)| name == "lrn") && !is_ported(record);
    assert_eq!(records.iter().find(wrong).map(|record| &record.attributes), None, "what is no number was believed");
    if let Some(lrn) = lrn {
        assert!(lrn.requests() < 100, "the breaker let {} requests through", lrn.requests());
        assert!(lrn.most_taken() < 16_000_000, "{} bytes of one answer were taken", lrn.most_taken());
    }
    let grown = peak(&router)?.saturating_sub(before);
    assert!(grown < GROWTH, "the router grew by {grown} kB");
    Ok(())
}

#[test]
fn an_lrn_service_that_refuses_connections_costs_no_call() -> Result<()> {
    an_lrn_service_that_fails(None)
}

#[test]
fn an_lrn_service_that_accepts_and_resets_costs_no_call() -> Result<()> {
    an_lrn_service_that_fails(Some(Fault::Reset))
}

#[test]
fn an_lrn_service_that_sends_a_byte_a_second_costs_no_call() -> Result<()> {
    an_lrn_service_that_fails(Some(Fault::Drip))
}

#[test]
fn an_lrn_service_that_answers_500_costs_no_call() -> Result<()> {
    an_lrn_service_that_fails(Some(Fault::Error))
}

#[test]
fn an_lrn_service_that_answers_with_a_page_costs_no_call_and_is_not_believed() -> Result<()> {
    an_lrn_service_that_fails(Some(Fault::Nonsense))
}

#[test]
fn an_lrn_service_that_sends_100_megabytes_costs_no_call_and_no_memory() -> Result<()> {
    an_lrn_service_that_fails(Some(Fault::Flood))
}

/// The issue's outage: calls at a steady rate, and the service hangs for six seconds of them.
#[test]
fn an_lrn_service_that_hangs_for_six_seconds_costs_no_call_and_afterwards_all_is_as_before() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = Setup::new()?
        .unhurried()
        .lrn(&lrn, DEADLINE)
        .section("[services.lrn-api.breaker]\nopen = \"1s\"\n")
        .carrier(callee.address())
        .start()?;
    let (mut hung, mut closed) = (0, 0);
    let records = calls_go_on(&router, Load { calls: 1_400, rate: 100 }, || {
        std::thread::sleep(Duration::from_secs(3));
        hung = micros();
        lrn.fail(Fault::Hang);
        std::thread::sleep(Duration::from_secs(6));
        lrn.fail(Fault::None);
        until("the breaker to close", PATIENCE, || {
            let state = router.metric("trunkline_breaker_state{kind=\"service\",name=\"lrn-api\"}")?;
            Ok((state < 1.0).then_some(()))
        })?;
        closed = micros();
        Ok(())
    })?;
    assert!(router.metric("trunkline_breaker_opened_total")? >= 1.0);
    let between = |from: u64, to: u64| -> Result<_> {
        let calls: Vec<_> = records.iter().filter(|record| (from..to).contains(&record.times.received)).collect();
        let mut delays: Vec<u64> = calls.iter().filter_map(|record| post_dial_delay(record)).collect();
        delays.sort_unstable();
        let unported = calls.iter().filter(|record| !is_ported(record)).count();
        ensure!(calls.len() > 100, "{} calls are too few to tell", calls.len());
        Ok((p99(&delays)?, unported as u32, calls.len() as u32))
    };
    let (learning, ..) = between(hung, closed)?;
    let (after, unported, calls) = between(closed, u64::MAX)?;
    assert!(is_few(unported, calls), "calls get their number again, but for {unported} of {calls}");
    let bound = u64::from(DEADLINE + SLACK) * 1_000;
    assert!(learning < bound && after < bound, "p99 while it hung: {learning} µs, afterwards: {after} µs");
    Ok(())
}

#[test]
fn a_service_whose_name_does_not_resolve_costs_no_call() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router =
        Setup::new()?.unhurried().lrn_at("http://lrn.invalid:8099", DEADLINE).carrier(callee.address()).start()?;
    calls_go_on(&router, Load { calls: 100, rate: 100 }, || Ok(())).map(drop)
}

/// Ten thousand keys that no call asked for are to be loaded at once; the calls' own keys stand behind them.
#[test]
fn ten_thousand_keys_at_once_reach_the_source_a_few_at_a_time_and_cost_no_call() -> Result<()> {
    const KEYS: usize = 10_000;
    const AT_ONCE: usize = 16;
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    lrn.fail(Fault::Slow);
    let setup = Setup::new()?
        .unhurried()
        .table(
            "lrn",
            r#"
            source = { http = { service = "lrn-api", path = "/lrn/{key}", format = "text", field = "lrn" } }
            background-rate = 1_000_000
            warm = { keys = "many.csv", within = "1ms" }
            "#,
        )
        .section(&format!(
            "[services.lrn-api]\nurl = \"http://{}\"\ndeadline = \"4s\"\nmax-concurrent = {AT_ONCE}\n",
            lrn.address
        ))
        .carrier(callee.address());
    let keys = (0..KEYS).fold(String::new(), |text, key| text + &format!("20255{key:05}\n"));
    std::fs::write(setup.folder().join("many.csv"), keys)?;
    let router = setup.start()?;
    calls_go_on(&router, Load { calls: 200, rate: 100 }, || {
        until("as many as may be under way", PATIENCE, || Ok((lrn.most_at_once() >= AT_ONCE).then_some(())))
    })?;
    assert_eq!(lrn.most_at_once(), AT_ONCE);
    assert!(lrn.requests() <= KEYS + 200, "a key was asked for twice: {} requests", lrn.requests());
    assert!(router.metric("trunkline_breaker_opened_total")? < 1.0, "to wait for a turn is no failure of the source");
    Ok(())
}

#[test]
fn a_redis_that_freezes_and_is_killed_and_a_database_that_restarts_cost_no_call() -> Result<()> {
    let (mut redis, mut postgres) = (Redis::start()?, Postgres::start()?);
    postgres.query("create table cnam (number text, name text)")?;
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.unhurried()
        .table("lrn", r#"source = { redis = { service = "redis", field = "lrn" } }"#)
        .table(
            "cnam",
            r#"source = { sql = { service = "db", query = "select name from cnam where number = $1", fields = { name = "text" } } }"#,
        )
        .section(&format!(
            "[services.redis]\nurl = \"{}\"\nbreaker = {{ open = \"300ms\" }}\n[services.db]\nurl = \"{}\"\nbreaker = {{ open = \"300ms\" }}\n",
            redis.url(),
            postgres.url()
        ))
        .carrier(callee.address())
        .start()?;
    let state =
        |service: &str| router.metric(&format!("trunkline_breaker_state{{kind=\"service\",name=\"{service}\"}}"));
    calls_go_on(&router, Load { calls: 800, rate: 100 }, || {
        let opens = |service: &str| {
            until(&format!("the breaker of {service} to open"), PATIENCE, || Ok((state(service)? > 0.0).then_some(())))
        };
        let closes = |service: &str| {
            until(&format!("the breaker of {service} to close"), PATIENCE, || Ok((state(service)? < 1.0).then_some(())))
        };
        redis.freeze()?;
        opens("redis")?;
        redis.thaw()?;
        closes("redis")?;
        postgres.stop()?;
        redis.freeze()?;
        redis.kill()?;
        opens("redis")?;
        postgres.resume()?;
        redis.resume()?;
        closes("redis")
    })
    .map(drop)
}

/// Its own name server hangs: the addresses that were known serve on, though every request needs a new connection.
#[test]
fn a_service_whose_name_server_dies_is_still_found() -> Result<()> {
    let dns = Dns::start(&["host-record=lrn.test,127.0.0.1".to_owned()])?;
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    lrn.fail(Fault::Close);
    let url = format!("http://lrn.test:{}", lrn.address.port());
    let router = Setup::new()?
        .unhurried()
        .lrn_at(&url, DEADLINE)
        .section(&format!("[dns]\nservers = [\"{}\"]\ndeadline = \"500ms\"\n", dns.address))
        .carrier(callee.address())
        .start()?;
    let records = calls_go_on(&router, Load { calls: 400, rate: 100 }, || {
        until("some answers", PATIENCE, || Ok((lrn.requests() >= 20).then_some(())))?;
        dns.hang()?;
        until("an answer past its time", PATIENCE, || {
            Ok((router.metric("trunkline_dns_queries_total{result=\"stale\"}")? >= 1.0).then_some(()))
        })
    })?;
    let ported = records.iter().filter(|record| is_ported(record)).count();
    assert!(ported > 360, "of 400 calls {ported} got their routing number");
    assert!(router.metric("trunkline_breaker_opened_total")? < 1.0);
    Ok(())
}
