//! Two nodes with a cache between them and the source: what one has loaded serves both, and what is purged on one is
//! forgotten on both, also by a node that was cut off meanwhile.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use trunkline_tests::{Link, Load, LrnServer, Redis, Router, Setup, Sipp, place, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "12125550100"), ("callee", "1919555[field0]"), ("talk", "50")];
/// Calls to ten numbers, the same ones whenever they are placed.
const TEN: Load = Load { calls: 10, rate: 100 };
const PATIENCE: Duration = Duration::from_secs(10);
/// The issue's bound for a purge.
const SECOND: Duration = Duration::from_secs(1);
/// What the guide promises of a node that was cut off, twice over.
const TWICE_TWO_SECONDS: Duration = Duration::from_secs(4);

/// A node that asks this server for routing numbers, behind the Redis at `tier`.
fn node(lrn: &LrnServer, tier: &str, callee: &Sipp) -> Result<Router> {
    Setup::new()?
        .table(
            "lrn",
            r#"
            source = { http = { service = "lrn-api", path = "/lrn/{key}", format = "text", field = "lrn" } }
            shared = { service = "tier" }
            "#,
        )
        .section(&format!(
            "[services.lrn-api]\nurl = \"http://{}\"\ndeadline = \"2s\"\n\
             [services.tier]\nurl = \"{tier}\"\ndeadline = \"2s\"\nbreaker = {{ open = \"100ms\" }}\n",
            lrn.address
        ))
        .carrier(callee.address())
        .without_sqlite()
        .start()
}

fn call(router: &Router, load: Load) -> Result<()> {
    place("caller", &NUMBERS, router.sip(), load).map(drop)
}

/// The keys of the ten calls.
fn keys(lrn: &Router) -> Result<Vec<String>> {
    let mut keys: Vec<String> =
        lrn.wait_for_records(10)?.iter().map(|record| record.callee.received[1..].to_owned()).collect();
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// What the node's memory has under this key; `None` where it has nothing.
fn held(router: &Router, key: &str) -> Result<Option<Value>> {
    let (code, body) = router.admin("GET", &format!("/v1/tables/lrn/{key}"))?;
    Ok(if code == 404 { None } else { Some(serde_json::from_str(&body).with_context(|| body)?) })
}

fn entries(router: &Router) -> Result<u64> {
    let table: Value = serde_json::from_str(&router.admin("GET", "/v1/tables/lrn")?.1)?;
    table["entries"].as_u64().with_context(|| table.to_string())
}

/// Purges on a node; how many rows of its own it forgot.
fn purge(router: &Router, what: &str) -> Result<u64> {
    let (code, body) = router.admin("DELETE", &format!("/v1/tables/lrn{what}"))?;
    let told: Value = serde_json::from_str(&body).with_context(|| body.clone())?;
    anyhow::ensure!(code == 200 && told["all-nodes"] == true, "{code} {body}");
    told["purged"].as_u64().context(body)
}

fn forgets(router: &Router, key: &str, within: Duration) -> Result<()> {
    until(&format!("{key} to be forgotten"), within, || Ok(held(router, key)?.is_none().then_some(())))
}

/// What the first node loads reaches the tier behind the calls.
fn wait_for_tier(redis: &Redis, rows: usize) -> Result<()> {
    until("the rows to be in the tier", PATIENCE, || {
        Ok((redis.command(&["KEYS", "trunkline:lrn:*"])?.lines().filter(|line| !line.is_empty()).count() == rows)
            .then_some(()))
    })
}

#[test]
fn what_one_node_loads_serves_both_and_a_purge_on_one_is_heard_by_both_within_a_second() -> Result<()> {
    let (redis, lrn, callee) = (Redis::start()?, LrnServer::start()?, Sipp::callee("callee", &[])?);
    let (first, second) = (node(&lrn, &redis.url(), &callee)?, node(&lrn, &redis.url(), &callee)?);
    call(&first, TEN)?;
    wait_for_tier(&redis, 10)?;
    call(&second, TEN)?;
    assert_eq!(lrn.requests(), 10, "the second node asked the source for what the tier had");
    let keys = keys(&second)?;
    let told = held(&second, &keys[0])?.context("nothing")?;
    assert_eq!((told["from"].as_str(), told["state"].as_str()), (Some("shared"), Some("fresh")), "{told}");
    let remark = |router: &Router| -> Result<String> {
        let records = router.wait_for_records(10)?;
        let stage = records[0].stages.iter().find(|stage| &*stage.stage == "lrn").context("no lrn")?;
        Ok(stage.detail.clone().unwrap_or_default())
    };
    assert_eq!(remark(&first)?, "");
    let told = remark(&second)?;
    assert!(told.starts_with("lrn: ") && told.ends_with(" old, by the second tier"), "{told}");

    assert_eq!(purge(&first, &format!("/{}", keys[0]))?, 1);
    forgets(&second, &keys[0], SECOND)?;
    assert_eq!((entries(&first)?, entries(&second)?), (9, 9), "a key is purged, and no other");
    wait_for_tier(&redis, 9)?;

    let nine = &keys[9][..9];
    let prefixed = keys[1..].iter().filter(|key| key.starts_with(nine)).count() as u64;
    assert_eq!(purge(&second, &format!("?prefix={nine}"))?, prefixed);
    forgets(&first, &keys[9], SECOND)?;
    assert_eq!(entries(&first)?, 9 - prefixed);

    call(&first, TEN)?;
    call(&second, TEN)?;
    assert_eq!(entries(&second)?, 10);
    purge(&first, "?prefix=")?;
    until("the table to be forgotten", SECOND, || Ok((entries(&second)? == 0).then_some(())))?;
    wait_for_tier(&redis, 0)?;

    // What was purged is asked for anew, once for both.
    let before = lrn.requests();
    call(&second, TEN)?;
    assert_eq!(lrn.requests(), before + 10);
    Ok(())
}

#[test]
fn a_node_that_was_cut_off_serves_what_it_holds_and_forgets_what_was_purged_when_it_is_back() -> Result<()> {
    let (redis, lrn, callee) = (Redis::start()?, LrnServer::start()?, Sipp::callee("callee", &[])?);
    let link = Link::to(redis.address())?;
    let far = format!("redis://{}/", link.address());
    let (first, second) = (node(&lrn, &redis.url(), &callee)?, node(&lrn, &far, &callee)?);
    call(&first, TEN)?;
    wait_for_tier(&redis, 10)?;
    call(&second, TEN)?;
    let keys = keys(&second)?;

    link.cut();
    purge(&first, &format!("/{}", keys[0]))?;
    // Calls go on, by what is held.
    call(&second, TEN)?;
    assert_eq!(held(&second, &keys[0])?.context("forgotten")?["state"], "fresh");
    link.mend();
    forgets(&second, &keys[0], TWICE_TWO_SECONDS)?;
    assert_eq!(entries(&second)?, 9, "it knows what it missed, and forgets nothing else");

    // The connection dies, and neither side is told.
    link.fall_silent();
    purge(&first, &format!("/{}", keys[1]))?;
    call(&second, Load::ONE)?;
    assert!(held(&second, &keys[1])?.is_some());
    link.mend();
    forgets(&second, &keys[1], TWICE_TWO_SECONDS)?;

    // One that has not reached Redis since it began cannot know what it missed.
    link.cut();
    let third = node(&lrn, &far, &callee)?;
    call(&third, TEN)?;
    assert_eq!(entries(&third)?, 10);
    link.mend();
    until("the whole table to be forgotten", TWICE_TWO_SECONDS, || Ok((entries(&third)? == 0).then_some(())))?;

    // A purge that cannot be told says so.
    link.cut();
    let (code, body) = third.admin("DELETE", &format!("/v1/tables/lrn/{}", keys[2]))?;
    assert_eq!(code, 502, "{body}");
    assert!(body.contains("the others were not told"), "{body}");
    Ok(())
}
