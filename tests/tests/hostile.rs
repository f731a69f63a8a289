//! Plugins that misbehave sit in one customer's pipeline; the other customers' calls do not notice.

use std::net::IpAddr;

use anyhow::{Context, Result};
use trunkline::cdr::record::{CallRecord, StageOutcome};
use trunkline_tests::{Load, Router, Setup, Sipp, place};

/// Calls of a customer with this plugin in front of its five stages, beside calls of another without it.
fn beside_others(fault: &str, allowed: &[StageOutcome]) -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .carrier(callee.address())
        .fault(fault, "deadline = \"100ms\"\non-failure = \"skip\"\nbreaker = { failures = 1_000_000, window = \"10s\", open = \"5s\" }")?
        .pipeline("hostile", &["auth", fault, "blocklist", "lrn", "cnam", "rate"])
        .customer("other", "127.0.0.2/32", "pipeline = \"hostile\"")
        .start()?;
    let numbers = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];
    let load = Load { calls: 150, rate: 50 };

    let good = Sipp::caller("caller", &numbers, router.sip(), load)?;
    let hostile = Sipp::caller_on(IpAddr::from([127, 0, 0, 2]), "caller", &numbers, router.sip(), load)?;
    let (good, hostile) = (good.wait()?, hostile.wait()?);

    assert_eq!((good.successful, good.failed, good.retransmissions), (150, 0, 0), "the other customer's calls");
    assert_eq!((hostile.successful, hostile.failed), (150, 0), "the stage was skipped and the calls went on");
    let records = router.wait_for_records(300)?;
    assert_eq!(records.len(), 300);
    let (hurt, others): (Vec<&CallRecord>, Vec<_>) = records.iter().partition(|record| record.customer == "other");
    assert_eq!(hurt.len(), 150);
    for record in hurt {
        let stage = record.stages.iter().find(|stage| &*stage.stage == fault).expect("the stage is in the record");
        assert!(allowed.contains(&stage.outcome), "{:?}: {:?}", stage.outcome, stage.detail);
        assert_eq!(record.stages.len(), 6, "the other stages ran");
    }
    for record in others {
        assert!(record.stages.iter().all(|stage| stage.outcome.is_verdict()), "{:?}", record.stages);
    }
    Ok(())
}

#[test]
fn a_plugin_that_loops_for_ever_is_stopped_by_its_fuel() -> Result<()> {
    beside_others("loops", &[StageOutcome::Fuel])
}

#[test]
fn a_plugin_that_traps_is_skipped() -> Result<()> {
    beside_others("traps", &[StageOutcome::Trap])
}

#[test]
fn a_plugin_that_allocates_without_end_meets_its_memory_limit() -> Result<()> {
    // Whichever bound it meets first: filling 16 MiB takes many instructions.
    beside_others("allocates", &[StageOutcome::Memory, StageOutcome::Fuel])
}

#[test]
fn a_plugin_that_returns_an_error_is_skipped_with_its_text() -> Result<()> {
    beside_others("errs", &[StageOutcome::Error])
}

#[test]
fn a_plugin_that_recurses_for_ever_traps_at_the_end_of_its_stack() -> Result<()> {
    beside_others("recursive", &[StageOutcome::Trap, StageOutcome::Fuel])
}

/// Every nonsense that a stage can return, each refused whole under the reason `invalid`.
#[test]
fn a_plugin_that_returns_nonsense_changes_nothing() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    for answer in [
        "header-injection",
        "header-name",
        "foreign-header",
        "unknown-gateway",
        "many-routes",
        "code",
        "huge-attribute",
    ] {
        let router = Setup::new()?
            .without_sqlite()
            .carrier(callee.address())
            .fault("nonsense", &format!("fuel = 100_000_000\ndeadline = \"500ms\"\non-failure = \"skip\"\nconfig = {{ answer = \"{answer}\" }}"))?
            .pipeline("default", &["auth", "nonsense", "rate"])
            .start()?;
        let words = [("caller", "12125550100"), ("callee", "19195550101"), ("talk", "50")];
        place("caller", &words, router.sip(), Load::ONE).context(answer)?;
        let record = &router.wait_for_records(1)?[0];
        let stage = &record.stages[1];
        assert_eq!(stage.outcome, StageOutcome::Invalid, "{answer}: {:?}", stage.detail);
        assert!(stage.detail.as_ref().is_some_and(|detail| detail.len() <= 1_100), "{answer}");
        let page = router.admin("GET", "/metrics")?.1;
        assert!(page.contains(r#"trunkline_stages_total{stage="nonsense",outcome="invalid"} 1"#), "{answer}");
    }
    Ok(())
}

#[test]
fn where_the_operator_says_so_a_failing_stage_refuses_the_call() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .carrier(callee.address())
        .fault("traps", "on-failure = { reject = 580 }")?
        .pipeline("default", &["auth", "traps", "rate"])
        .start()?;
    let words = [("caller", "12125550100"), ("callee", "19195550101"), ("code", "580")];

    place("refused", &words, router.sip(), Load::ONE)?;
    let record = &router.wait_for_records(1)?[0];
    assert_eq!((record.code, record.attempts.len()), (580, 0));
    assert_eq!(record.stages.last().map(|stage| stage.outcome), Some(StageOutcome::Trap));
    Ok(())
}

/// Set-up times of a customer's calls, from the INVITE to the pipeline's decision: the 99th of a hundred, in ms.
fn p99(records: &[CallRecord], customer: &str) -> f64 {
    let of = records.iter().filter(|record| record.customer == customer);
    let mut micros: Vec<u64> =
        of.filter_map(|record| Some(record.times.routed?.saturating_sub(record.times.received))).collect();
    micros.sort_unstable();
    micros.get(micros.len() * 99 / 100).map_or(0.0, |micros| *micros as f64 / 1e3)
}

/// What an operator reads of a stage's failures for this reason.
fn warnings(router: &Router, stage: &str, reason: &str) -> Vec<String> {
    let words = ["\"stage failed", &format!("\"plugin\":\"{stage}\""), &format!("\"reason\":\"{reason}\"")];
    let log = router.log();
    log.lines().filter(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned).collect()
}

#[test]
fn a_plugin_that_loops_to_its_deadline_holds_up_no_call_of_another_customer() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?
        .without_sqlite()
        .unhurried()
        .carrier(callee.address())
        .fault("loops", "fuel = 1_000_000_000_000\ndeadline = \"200ms\"\non-failure = \"skip\"\nbreaker = { failures = 1_000_000, window = \"10s\", open = \"5s\" }")?
        .pipeline("hostile", &["auth", "blocklist", "loops", "lrn", "cnam", "rate"])
        .customer("other", "127.0.0.2/32", "pipeline = \"hostile\"")
        .start()?;
    let numbers = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];
    let load = Load { calls: 300, rate: 100 };
    place("caller", &numbers, router.sip(), load)?;
    let mut seen = 300;
    let without = p99(&router.wait_for_records(seen)?, "acme");

    // Were a looping stage to keep its worker until the deadline, far more than one call of a hundred would wait for half
    // of that. The machine may have other work at times: what comes of the plugin comes in every round.
    let (mut with, bound) = (f64::MAX, without + 100.0);
    for _ in 0..3 {
        let good = Sipp::caller("caller", &numbers, router.sip(), load)?;
        let looping = Load { calls: 9, rate: 3 };
        let hostile = Sipp::caller_on(IpAddr::from([127, 0, 0, 2]), "caller", &numbers, router.sip(), looping)?;
        assert_eq!((good.wait()?.failed, hostile.wait()?.failed), (0, 0));
        let records = router.wait_for_records(seen + 309)?.split_off(seen);
        seen += records.len();
        let stages = records.iter().flat_map(|record| &record.stages);
        let cut = stages.filter(|stage| &*stage.stage == "loops" && stage.outcome == StageOutcome::Deadline).count();
        assert_eq!(cut, 9, "each of them looped for 200 ms");
        with = with.min(p99(&records, "acme"));
        if with < bound {
            break;
        }
    }
    println!("p99 of the other customer's set-up: {without:.3} ms without, {with:.3} ms with the looping plugin");
    assert!(with < bound, "{without} ms without the looping plugin, {with} ms with it");
    let warnings = warnings(&router, "loops", "deadline");
    assert!(warnings.iter().any(|line| line.contains("\"customer\":\"other\"")), "{warnings:?}");
    Ok(())
}

#[test]
fn a_plugin_that_loops_is_held_to_its_customers_share_and_hundreds_of_refusals_are_a_few_lines() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let limits = "pipeline = \"hostile\"\n[customers.other.limits]\nfuel-per-second = 20_000_000";
    let router = Setup::new()?
        .without_sqlite()
        .carrier(callee.address())
        .fault("loops", "fuel = 10_000_000\non-failure = \"skip\"\nbreaker = { failures = 1_000_000, window = \"10s\", open = \"5s\" }")?
        .pipeline("hostile", &["auth", "blocklist", "loops", "lrn", "cnam", "rate"])
        .customer("other", "127.0.0.2/32", limits)
        .start()?;
    let numbers = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "200")];
    let load = Load { calls: 400, rate: 100 };
    let good = Sipp::caller("caller", &numbers, router.sip(), load)?;
    // Where its share is used up, the stages that must decide refuse its calls: SIPp counts those as failed.
    let hostile = Sipp::caller_on(IpAddr::from([127, 0, 0, 2]), "caller", &numbers, router.sip(), load)?;
    let (good, _) = (good.wait()?, hostile.wait()?);
    let records = router.wait_for_records(800)?;
    assert_eq!((good.successful, good.failed), (400, 0));
    let of = |customer: &str| records.iter().filter(|record| record.customer == customer).collect::<Vec<_>>();
    let refused =
        of("other").iter().flat_map(|record| &record.stages).filter(|s| s.outcome == StageOutcome::Share).count();
    assert!(refused > 100, "its own share bounds it: {refused}");
    assert!(of("acme").iter().all(|record| record.stages.iter().all(|stage| stage.outcome.is_verdict())));
    // A few for each worker and stage.
    let lines = ["auth", "blocklist", "loops"].map(|stage| warnings(&router, stage, "share").len());
    assert!((1..50).contains(&lines.iter().sum::<usize>()), "{lines:?} lines of {refused} refusals");
    Ok(())
}
