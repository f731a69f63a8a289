//! Versions of stages on a running router: put in, tried, promoted and taken back, while calls go on.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use trunkline::cdr::record::{CallRecord, StageOutcome};
use trunkline_tests::{Counts, Load, Router, Setup, Sipp, marked, place, plugins_folder, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];

/// Another version of a stage that does the same.
fn version(stage: &str, number: u8) -> Result<Vec<u8>> {
    marked(&plugins_folder()?.join(format!("{stage}.wasm")), &[number])
}

fn fault(name: &str) -> Result<Vec<u8>> {
    Ok(fs::read(plugins_folder()?.join("faults").join(format!("{name}.wasm")))?)
}

fn seat(router: &Router, plugin: &str) -> Result<Value> {
    let (code, body) = router.admin("GET", "/v1/plugins")?;
    assert_eq!(code, 200, "{body}");
    let seats: Vec<Value> = serde_json::from_str(&body)?;
    seats.into_iter().find(|seat| seat["plugin"] == plugin && seat["customer"].is_null()).context("the stage is listed")
}

/// The stage's records, by call.
fn of<'a>(records: &'a [CallRecord], stage: &str) -> Vec<(&'a str, StageOutcome)> {
    let stages = records.iter().flat_map(|record| &record.stages).filter(|its| &*its.stage == stage);
    stages.map(|its| (&*its.digest, its.outcome)).collect()
}

#[test]
fn a_plugin_swapped_fifty_times_under_load_costs_no_call_and_no_stage() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .without_sqlite()
        .unhurried()
        .carrier(callee.address())
        .plugin("lrn", "config = { table = \"lrn\" }\nprobation = { calls = 20 }")
        .start()?;
    // By the version that is configured.
    place("caller", &NUMBERS, router.sip(), Load::ONE)?;
    // Rounds of calls, for as long as it takes that fifty versions are compiled beside them.
    let are_swapped = AtomicBool::new(false);
    let meanwhile = std::thread::scope(|scope| -> Result<Counts> {
        let rounds = scope.spawn(|| -> Result<Counts> {
            let (mut all, load) = (Counts::default(), Load { calls: 200, rate: 100 });
            while !are_swapped.load(Relaxed) {
                let round = Sipp::caller("caller", &NUMBERS, router.sip(), load)?.wait()?;
                all.successful += round.successful;
                all.failed += round.failed;
                all.retransmissions += round.retransmissions;
            }
            Ok(all)
        });
        let swapped = swap_fifty_times(&router);
        are_swapped.store(true, Relaxed);
        let all = rounds.join().ok().context("the calls")??;
        swapped.map(|()| all)
    })?;
    assert_eq!(meanwhile.failed, 0);
    // A worker that each swap stopped for as long as a caller waits for its first answer would have far more sent again.
    let again = (meanwhile.retransmissions, meanwhile.successful);
    assert!(again.0 <= again.1 / 10, "{} messages of {} calls were sent again", again.0, again.1);
    let records = router.wait_for_records(1 + meanwhile.successful as usize)?;
    assert!(records.iter().all(|record| record.stages.iter().all(|stage| stage.outcome.is_verdict())));
    let versions: BTreeSet<&str> = of(&records, "lrn").iter().map(|(digest, _)| *digest).collect();
    println!(
        "{} versions of lrn decided {} calls; retransmissions: {}",
        versions.len(),
        records.len(),
        meanwhile.retransmissions
    );
    assert_eq!(versions.len(), 51, "each version had calls");
    Ok(())
}

/// Each next one once the one before has stood its twenty calls.
fn swap_fifty_times(router: &Router) -> Result<()> {
    let mut first = seat(router, "lrn")?["digest"].clone();
    for number in 0..50 {
        let (code, answer) = router.post("/v1/plugins/lrn", &version("lrn", number)?)?;
        ensure!(code == 200, "swap {number}: {answer}");
        first = until("the version to be promoted", Duration::from_secs(20), || {
            let now = seat(router, "lrn")?;
            let promoted = now["digest"] != first && now["trial"].is_null();
            Ok(promoted.then(|| now["digest"].clone()))
        })?;
    }
    Ok(())
}

#[test]
fn a_version_that_fails_is_taken_back_by_itself_and_no_call_notices() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).start()?;
    let before = seat(&router, "blocklist")?;
    let (code, answer) = router.post("/v1/plugins/blocklist?as=canary&share=50%25", &fault("traps")?)?;
    assert_eq!(code, 200, "{answer}");
    assert_eq!(answer["trial"]["kind"], "canary");

    place("caller", &NUMBERS, router.sip(), Load { calls: 100, rate: 50 })?;
    until("the canary to be taken back", Duration::from_secs(5), || {
        Ok(seat(&router, "blocklist")?["trial"].is_null().then_some(()))
    })?;
    assert_eq!(seat(&router, "blocklist")?["digest"], before["digest"]);
    assert!(router.log().contains("version rolled back"), "the log says so");
    let page = router.admin("GET", "/metrics")?.1;
    assert!(page.contains(r#"trunkline_plugin_turns_total{plugin="blocklist",event="rolled-back"} 1"#), "{page}");
    let records = router.wait_for_records(100)?;
    let failed = of(&records, "blocklist").iter().filter(|(_, outcome)| *outcome == StageOutcome::Trap).count();
    assert!((5..50).contains(&failed), "{failed} calls met it before it was taken back");
    for record in &records {
        let last = record.stages.iter().rfind(|stage| &*stage.stage == "blocklist").context("the stage ran")?;
        assert_eq!(last.outcome, StageOutcome::Proceed);
    }
    Ok(())
}

#[test]
fn what_was_swapped_in_lives_on_after_a_crash_and_can_be_rolled_back() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let mut router = Setup::new()?
        .without_sqlite()
        .carrier(callee.address())
        .plugin("cnam", "config = { table = \"cnam\" }\nprobation = { calls = 0 }")
        .start()?;
    let configured = seat(&router, "cnam")?["digest"].clone();
    let (code, swapped) = router.post("/v1/plugins/cnam", &version("cnam", 1)?)?;
    assert_eq!(code, 200, "{swapped}");
    assert_ne!(swapped["digest"], configured);
    assert_eq!(swapped["before"], serde_json::json!([configured]));

    router.crash_and_restart()?;
    assert_eq!(seat(&router, "cnam")?["digest"], swapped["digest"]);
    assert_eq!(seat(&router, "cnam")?["configured"], configured);

    let (code, back) = router.post("/v1/plugins/cnam/rollback", &[])?;
    assert_eq!((code, &back["digest"]), (200, &configured), "{back}");
    router.crash_and_restart()?;
    assert_eq!(seat(&router, "cnam")?["digest"], configured);
    let (code, answer) = router.post("/v1/plugins/cnam/rollback", &[])?;
    assert_eq!(code, 409, "{answer}");
    Ok(())
}

#[test]
fn a_component_that_cannot_be_a_stage_is_refused_and_nothing_changes() -> Result<()> {
    let router = Setup::new()?.without_sqlite().start()?;
    let before = router.admin("GET", "/v1/plugins")?.1;
    let whole = version("lrn", 1)?;
    for (body, why) in [
        (&b"garbage"[..], "is not WebAssembly"),
        (&whole[..whole.len() / 2], "is no valid component"),
        (&b"\0asm\x0d\0\x01\0"[..], "is no `stage` of trunkline:routing@0.1.0"),
        (&b""[..], "is not WebAssembly"),
    ] {
        let (code, answer) = router.post("/v1/plugins/lrn", body)?;
        assert_eq!(code, 422, "{answer}");
        assert!(answer["error"].as_str().is_some_and(|text| text.contains(why)), "{why}: {answer}");
    }
    assert_eq!(router.post("/v1/plugins/nothing", &whole)?.0, 404);
    assert_eq!(router.post("/v1/plugins/lrn?customer=nobody", &whole)?.0, 404);
    assert_eq!(router.post("/v1/plugins/lrn?as=nonsense", &whole)?.0, 400);
    assert_eq!(router.post("/v1/plugins/lrn/promote", &[])?.0, 409);
    assert_eq!(router.admin("GET", "/v1/plugins")?.1, before);
    Ok(())
}

#[test]
fn a_shadow_of_one_customer_is_compared_and_its_use_is_metered() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.without_sqlite().carrier(callee.address()).start()?;
    let (code, answer) = router.post("/v1/plugins/rate?customer=acme&as=shadow", &version("rate", 1)?)?;
    assert_eq!((code, &answer["customer"]), (200, &"acme".into()), "{answer}");
    place("caller", &NUMBERS, router.sip(), Load { calls: 50, rate: 50 })?;
    let shadow = until("the comparisons", Duration::from_secs(5), || {
        let (_, body) = router.admin("GET", "/v1/plugins/rate/shadow?customer=acme")?;
        let shadow: Value = serde_json::from_str(&body)?;
        let done = shadow["same"].as_u64().unwrap_or(0) + shadow["different"].as_u64().unwrap_or(0);
        Ok((done == 50).then_some(shadow))
    })?;
    assert_eq!((&shadow["same"], &shadow["differences"]), (&50.into(), &serde_json::json!([])), "{shadow}");
    let (_, usage) = router.admin("GET", "/v1/customers/acme/usage")?;
    let usage: Value = serde_json::from_str(&usage)?;
    assert_eq!((&usage["calls"], &usage["stages"]), (&50.into(), &250.into()), "{usage}");
    let records = router.wait_for_records(50)?;
    let fuel: u64 = records.iter().flat_map(|record| &record.stages).map(|stage| stage.fuel).sum();
    assert_eq!(usage["fuel"], fuel, "the bill is what the records say");
    Ok(())
}
