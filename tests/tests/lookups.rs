//! An LRN service that fails, and calls that go on.

use anyhow::Result;
use trunkline_tests::{Fault, Load, LrnServer, Router, Setup, Sipp};

const NUMBERS: [(&str, &str); 3] = [("caller", "12125550100"), ("callee", "1919555[field0]"), ("talk", "50")];

fn line(lrn: &LrnServer, callee: &Sipp) -> Result<Router> {
    Setup::new()?.lrn(lrn, 40).carrier(callee.address()).start()
}

/// Places calls while the service fails like this; returns how long the slowest took to be routed, in µs.
fn calls_while(fault: Fault) -> Result<u64> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = line(&lrn, &callee)?;
    lrn.fail(fault);

    let caller = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 100, rate: 50 })?.wait()?;

    assert_eq!((caller.successful, caller.failed, caller.retransmissions), (100, 0, 0));
    let records = router.wait_for_records(100)?;
    for record in &records {
        let lrn = record.stages.iter().find(|stage| &*stage.stage == "lrn").expect("the lrn stage is in the record");
        assert!(!lrn.outcome.is_verdict(), "{fault:?} was taken for an answer: {:?}", record.attributes);
    }
    assert!(lrn.requests() < 100, "the breaker let every request through");
    Ok(records.iter().filter_map(|record| Some(record.times.routed? - record.times.received)).max().unwrap_or(0))
}

#[test]
fn while_the_lrn_service_hangs_calls_go_on_within_the_stage_s_deadline() -> Result<()> {
    let slowest = calls_while(Fault::Hang)?;
    assert!(slowest < 150_000, "a call waited {slowest} µs; the stage's deadline is 30 ms");
    Ok(())
}

#[test]
fn while_the_lrn_service_resets_connections_calls_go_on() -> Result<()> {
    calls_while(Fault::Reset).map(drop)
}

#[test]
fn while_the_lrn_service_sends_a_byte_a_second_calls_go_on() -> Result<()> {
    calls_while(Fault::Drip).map(drop)
}

#[test]
fn while_the_lrn_service_answers_500_calls_go_on() -> Result<()> {
    calls_while(Fault::Error).map(drop)
}

#[test]
fn an_answer_that_is_no_number_is_not_believed() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = line(&lrn, &callee)?;
    lrn.fail(Fault::Nonsense);

    let caller = Sipp::caller("caller", &NUMBERS, router.sip(), Load { calls: 20, rate: 20 })?.wait()?;

    assert_eq!((caller.successful, caller.failed), (20, 0));
    for record in router.wait_for_records(20)? {
        assert!(record.attributes.iter().all(|(_, value)| !value.contains('<')), "{:?}", record.attributes);
    }
    Ok(())
}

#[test]
fn an_answer_is_asked_for_once_and_then_comes_from_memory() -> Result<()> {
    let (lrn, callee) = (LrnServer::start()?, Sipp::callee("callee", &[])?);
    let router = line(&lrn, &callee)?;
    let same = [("caller", "12125550100"), ("callee", "19195550101"), ("talk", "50")];

    let caller = Sipp::caller("caller", &same, router.sip(), Load { calls: 50, rate: 25 })?.wait()?;

    assert_eq!((caller.successful, caller.failed), (50, 0));
    assert_eq!(lrn.requests(), 1);
    Ok(())
}
