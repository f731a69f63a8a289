//! Limits on calls, with real callers.

use std::time::{Duration, Instant};

use anyhow::Result;
use trunkline_tests::{Load, Redis, Router, Setup, Sipp, place, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "12125550100"), ("callee", "1919555[field0]"), ("talk", "50")];
const PATIENCE: Duration = Duration::from_secs(10);

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
        place("caller", &NUMBERS, router.sip(), Load::ONE)?;
    }
    let counts = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 20, rate: 1_000 })?.wait()?;
    assert!(counts.failed > 0 && counts.successful >= 1, "{counts:?}");
    let records = router.wait_for_records(23)?;
    let refused = records.iter().filter(|record| record.code == 503).count();
    assert_eq!(refused, usize::try_from(counts.failed)?);
    // What the plugin counts of its own.
    let counted = router.metric(r#"trunkline_plugin_counter_total{plugin="limit",name="limited"}"#)?;
    assert_eq!(counted as usize, refused);
    let page = router.admin("GET", "/metrics")?.1;
    assert!(page.contains(r#"trunkline_plugin_telemetry_dropped_total{plugin="limit"} 0"#), "{page}");
    Ok(())
}

/// A node whose customer may have three calls at once, together with the other nodes at this Redis.
fn sharing(redis: &Redis, callee: &Sipp) -> Result<Router> {
    Setup::new()?
        .plugin("limit", r#"config = { limits = [{ key = "customer:{customer}", calls = 3 }] }"#)
        .pipeline("default", &["auth", "limit", "rate"])
        .section(&format!(
            "[services.counts]\nurl = \"{}\"\n[limits.shared]\nservice = \"counts\"\nlease = \"1s\"\n",
            redis.url()
        ))
        .carrier(callee.address())
        .start()
}

/// One call; whether it was answered.
fn gets_through(router: &Router) -> Result<bool> {
    Ok(Sipp::caller("caller", &NUMBERS, router.sip(), Load::ONE)?.wait()?.successful == 1)
}

fn in_time(router: &Router, gets_through: bool) -> Result<()> {
    let what = if gets_through { "a call to get through" } else { "a call to be refused" };
    until(what, PATIENCE, || Ok((self::gets_through(router)? == gets_through).then_some(())))
}

#[test]
fn two_nodes_share_a_limit_a_dead_one_s_places_come_back_and_no_call_waits_for_redis() -> Result<()> {
    let (redis, callee) = (Redis::start()?, Sipp::callee("callee", &[])?);
    let (first, second) = (sharing(&redis, &callee)?, sharing(&redis, &callee)?);
    until("the nodes to hear of each other", PATIENCE, || {
        Ok((first.metric("trunkline_limits_nodes")? + second.metric("trunkline_limits_nodes")? > 1.5).then_some(()))
    })?;
    assert!(gets_through(&second)?);

    // Three calls at the first node fill the limit for both, for as long as they last.
    let long = [NUMBERS[0], NUMBERS[1], ("talk", "4000")];
    let eight = Load { calls: 8, rate: 10 };
    let calls = Sipp::caller("caller", &long, first.sip(), eight)?;
    in_time(&second, false)?;
    let counts = calls.wait()?;
    assert_eq!((counts.successful, counts.failed), (3, 5));
    in_time(&second, true)?;

    // Three more, and the node dies with them.
    let endless = [NUMBERS[0], NUMBERS[1], ("talk", "60000")];
    let _cut = Sipp::caller("caller", &endless, first.sip(), eight)?;
    in_time(&second, false)?;
    drop(first);
    in_time(&second, true)?;

    redis.freeze()?;
    until("an exchange to fail", PATIENCE, || {
        Ok((second.metric("trunkline_limits_shared_total{result=\"failed\"}")? >= 1.0).then_some(()))
    })?;
    let asked = Instant::now();
    assert!(gets_through(&second)?);
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    redis.thaw()
}
