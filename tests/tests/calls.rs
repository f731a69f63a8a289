//! Plain calls between real SIPp endpoints.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Result, ensure};
use trunkline::cdr::record::{AttemptOutcome, End};
use trunkline_tests::{Load, Phone, Setup, Sipp, free_udp, place, until};

const NUMBERS: [(&str, &str); 3] = [("caller", "12125550100"), ("callee", "19195550101"), ("talk", "100")];
const STAGES: [&str; 5] = ["auth", "blocklist", "lrn", "cnam", "rate"];

#[test]
fn a_call_goes_through_five_stages_and_leaves_one_record_in_each_store() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.carrier(callee.address()).start()?;

    let counts = place("caller", &NUMBERS, router.sip(), Load::ONE)?;

    assert_eq!(counts.retransmissions, 0);
    assert_eq!(callee.finish()?.failed, 0);
    let records = router.wait_for_records(1)?;
    router.wait_for_rows(1)?;
    let record = &records[0];
    assert_eq!((record.code, record.end), (200, End::CallerHungUp));
    assert_eq!(record.customer, "acme");
    assert_eq!((record.caller.received.as_str(), record.callee.received.as_str()), ("12125550100", "19195550101"));
    assert_eq!(record.stages.iter().map(|stage| &*stage.stage).collect::<Vec<_>>(), STAGES);
    assert!(record.stages.iter().all(|stage| stage.outcome.is_verdict() && stage.fuel > 0), "{:?}", record.stages);
    assert!(record.duration_micros() >= 100_000, "talked {} µs", record.duration_micros());
    assert!(record.attributes.contains(&("lrn".to_owned(), "9195550000".to_owned())), "{:?}", record.attributes);
    let times = record.times;
    let order = [Some(times.received), times.routed, times.ringing, times.answered, Some(times.ended)];
    assert!(order.is_sorted() && order.iter().all(Option::is_some), "{order:?}");
    Ok(())
}

#[test]
fn five_hundred_calls_a_second_all_succeed_and_each_has_its_record() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let router = Setup::new()?.carrier(callee.address()).start()?;
    let numbers = [("caller", "1212555[field0]"), ("callee", "1919555[field0]"), ("talk", "1000")];
    let load = Load { calls: 2_000, rate: 500 };

    place("caller", &numbers, router.sip(), load)?;
    assert_eq!(callee.finish()?.failed, 0);
    let records = router.wait_for_records(2_000)?;
    assert_eq!(records.len(), 2_000);
    assert!(records.iter().all(|record| record.code == 200 && record.end == End::CallerHungUp));
    let holes = records.windows(2).filter(|pair| pair[1].key.sequence != pair[0].key.sequence + 1).count();
    assert_eq!(holes, 0, "sequence numbers have holes");
    router.wait_for_rows(2_000)
}

#[test]
fn a_call_over_ipv6_goes_the_same_way() -> Result<()> {
    let ip = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let callee = Sipp::callee_on(ip, "callee", &[])?;
    let six = free_udp(ip)?;
    let router = Setup::new()?.listen(six).carrier(callee.address()).start()?;

    let caller = Sipp::caller_on(ip, "caller", &NUMBERS, six, Load::ONE)?.wait()?;

    assert_eq!((caller.successful, caller.failed), (1, 0));
    let record = &router.wait_for_records(1)?[0];
    assert_eq!((record.code, record.source.ip()), (200, ip));
    Ok(())
}

#[test]
fn a_blocked_caller_hears_603_and_no_carrier_is_asked() -> Result<()> {
    let callee = Phone::waiting()?;
    let router = Setup::new()?.carrier(callee.address()).block("12125550666").start()?;
    let words = [("caller", "12125550666"), ("callee", "19195550101"), ("code", "603")];

    place("refused", &words, router.sip(), Load::ONE)?;
    let record = &router.wait_for_records(1)?[0];
    assert_eq!((record.code, record.end), (603, End::Refused));
    assert_eq!(record.stages.last().map(|stage| &*stage.stage), Some("blocklist"));
    assert!(record.attempts.is_empty());
    Ok(())
}

#[test]
fn a_number_that_no_carrier_serves_is_refused_and_recorded() -> Result<()> {
    let callee = Phone::waiting()?;
    let router = Setup::new()?.gateway("carrier", callee.address()).route("44", "carrier", "0.01").start()?;
    let words = [("caller", "12125550100"), ("callee", "19195550101"), ("code", "404")];
    let setup = router.sip();

    place("refused", &words, setup, Load::ONE)?;
    let record = &router.wait_for_records(1)?[0];
    assert_eq!((record.code, record.end), (404, End::Refused));
    Ok(())
}

#[test]
fn a_source_that_belongs_to_no_customer_hears_403_and_is_counted_without_a_record() -> Result<()> {
    let callee = Phone::waiting()?;
    let router = Setup::new()?.carrier(callee.address()).start()?;
    let words = [("caller", "12125550100"), ("callee", "19195550101"), ("code", "403")];
    let stranger = IpAddr::from([127, 0, 0, 2]);

    let caller = Sipp::caller_on(stranger, "refused", &words, router.sip(), Load::ONE)?.wait()?;

    assert_eq!((caller.successful, caller.failed), (1, 0));
    let counted = "trunkline_drops_total{reason=\"stranger\"}";
    until("the count", Duration::from_secs(10), || Ok((router.metric(counted)? > 0.5).then_some(())))?;
    assert!(router.records()?.is_empty() && router.metric("trunkline_stages_total").unwrap_or_default() < 0.5);
    Ok(())
}

#[test]
fn a_gateway_that_answers_503_is_followed_by_the_next() -> Result<()> {
    let (busy, callee) = (Sipp::callee("refusing", &[("code", "503")])?, Sipp::callee("callee", &[])?);
    let router = two_gateways(busy.address(), callee.address())?.start()?;

    place("caller", &NUMBERS, router.sip(), Load::ONE)?;
    assert_eq!(busy.finish()?.successful, 1, "the 503 was acknowledged");
    let record = &router.wait_for_records(1)?[0];
    assert_eq!(attempts(record), [("first", 503, AttemptOutcome::Response), ("second", 200, AttemptOutcome::Response)]);
    Ok(())
}

#[test]
fn a_gateway_whose_port_is_dead_is_followed_by_the_next() -> Result<()> {
    let callee = Sipp::callee("callee", &[])?;
    let dead = free_udp(IpAddr::from([127, 0, 0, 1]))?;
    let router = two_gateways(dead, callee.address())?.start()?;

    place("caller", &NUMBERS, router.sip(), Load::ONE)?;
    let record = &router.wait_for_records(1)?[0];
    assert_eq!(record.attempts.iter().map(|attempt| &*attempt.gateway).collect::<Vec<_>>(), ["first", "second"]);
    assert!(matches!(record.attempts[0].outcome, AttemptOutcome::Unreachable | AttemptOutcome::Timeout));
    Ok(())
}

#[test]
fn a_gateway_that_does_not_answer_is_followed_by_the_next_after_its_attempt_timeout() -> Result<()> {
    let (silent, callee) = (Phone::waiting()?, Sipp::callee("callee", &[])?);
    let router = two_gateways(silent.address(), callee.address())?.start()?;

    place("caller", &NUMBERS, router.sip(), Load::ONE)?;
    let record = &router.wait_for_records(1)?[0];
    assert_eq!(attempts(record), [("first", 408, AttemptOutcome::Timeout), ("second", 200, AttemptOutcome::Response)]);
    let waited = record.attempts[0].ended - record.attempts[0].started;
    assert!((300_000..1_000_000).contains(&waited), "gave up after {waited} µs of 300,000");
    Ok(())
}

#[test]
fn a_gateway_that_answers_603_ends_the_hunt() -> Result<()> {
    let (declining, unasked) = (Sipp::callee("refusing", &[("code", "603")])?, Phone::waiting()?);
    let router = two_gateways(declining.address(), unasked.address())?.start()?;
    let words = [("caller", "12125550100"), ("callee", "19195550101"), ("code", "603")];

    place("refused", &words, router.sip(), Load::ONE)?;
    let record = &router.wait_for_records(1)?[0];
    assert_eq!((record.code, record.end, record.attempts.len()), (603, End::Failed, 1));
    Ok(())
}

fn two_gateways(first: std::net::SocketAddr, second: std::net::SocketAddr) -> Result<Setup> {
    ensure!(first != second);
    Ok(Setup::new()?
        .gateway_with("first", first, "attempt-timeout = \"300ms\"")
        .gateway("second", second)
        .route("1", "first", "0.0010")
        .route("1", "second", "0.0020"))
}

fn attempts(record: &trunkline::cdr::record::CallRecord) -> Vec<(&str, u16, AttemptOutcome)> {
    record.attempts.iter().map(|attempt| (&*attempt.gateway, attempt.code, attempt.outcome)).collect()
}
