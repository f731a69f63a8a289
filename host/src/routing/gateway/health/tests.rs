use std::time::Duration;

use super::*;

fn gateway(keys: &str) -> Health {
    let config: model::Gateway = toml::from_str(&format!("uri = 'sip:192.0.2.1'\n{keys}")).expect("a gateway");
    Health::of(&"carrier".into(), &config)
}

fn at(seconds: u64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

fn condition(health: &Health, seconds: u64) -> Condition {
    health.report(at(seconds)).condition
}

#[test]
fn a_full_gateway_lets_nobody_in_until_one_leaves() {
    let health = gateway("max-calls = 2");
    assert_eq!(health.enter(at(1), false), Ok(()));
    assert_eq!(health.enter(at(1), false), Ok(()));
    assert_eq!(health.enter(at(1), false), Err(Closed::Full));
    assert_eq!(health.enter(at(1), true), Err(Closed::Full), "a limit holds at the last resort too");
    health.leave();
    assert_eq!(health.enter(at(1), false), Ok(()));
    let report = health.report(at(1));
    assert_eq!((report.calls, report.passed_full, report.passed_down), (2, 2, 0));
}

#[test]
fn a_call_too_many_in_a_second_takes_no_place() {
    let health = gateway("max-cps = 1\nmax-calls = 10");
    assert_eq!(health.enter(at(5), false), Ok(()));
    assert_eq!(health.enter(at(5), false), Err(Closed::Full));
    assert_eq!(health.report(at(5)).calls, 1);
}

#[test]
fn probes_take_it_down_and_bring_it_up_and_silence_is_never_alive() {
    let health = gateway("down-after = 2\nup-after = 2\nprobe-accept = ['4xx', '5xx', '6xx']");
    for answer in [Some(200), None, Some(200), None] {
        health.probed(at(1), answer);
    }
    assert_eq!(condition(&health, 1), Condition::Up, "never two in a row");
    health.probed(at(2), Some(408));
    assert_eq!(condition(&health, 2), Condition::Down);
    assert_eq!(health.enter(at(2), false), Err(Closed::Down));
    assert_eq!(health.enter(at(2), true), Ok(()), "better than refusing the call");
    health.probed(at(3), Some(404));
    assert_eq!(condition(&health, 3), Condition::Down);
    health.probed(at(4), Some(200));
    assert_eq!((condition(&health, 4), health.report(at(4)).probed), (Condition::Up, Some(200)));
}

#[test]
fn too_large_a_share_of_failures_sets_it_aside_for_a_time() {
    let health = gateway("failures = { percent = 50, calls = 4, window = '10s', aside = '30s' }");
    for sign in [Sign::Failing, Sign::Alive, Sign::Failing] {
        health.showed(at(1), sign);
    }
    assert_eq!(condition(&health, 1), Condition::Up, "three calls say little");
    health.showed(at(2), Sign::Failing);
    assert_eq!(condition(&health, 2), Condition::Aside);
    assert_eq!(condition(&health, 31), Condition::Aside);
    assert_eq!(condition(&health, 32), Condition::Up);
    health.showed(at(33), Sign::Failing);
    assert_eq!(condition(&health, 33), Condition::Up, "counted anew");
}

#[test]
fn one_that_asks_for_rest_has_it() {
    let health = gateway("");
    health.set_aside(at(10), Duration::from_secs(5));
    health.set_aside(at(10), Duration::from_secs(2));
    assert_eq!((condition(&health, 14), condition(&health, 15)), (Condition::Aside, Condition::Up));
}

#[test]
fn one_that_is_switched_off_is_no_last_resort() {
    let health = gateway("");
    health.switch(false);
    assert_eq!((health.enter(at(1), true), condition(&health, 1)), (Err(Closed::Off), Condition::Off));
    health.switch(true);
    assert_eq!(health.enter(at(1), false), Ok(()));
}

#[test]
fn a_reload_forgets_neither_calls_nor_state() {
    let before = gateway("max-calls = 1");
    before.enter(at(1), false).expect("room");
    before.switch(false);
    let after = gateway("max-calls = 2");
    after.go_on_from(&before);
    assert_eq!((after.report(at(1)).calls, condition(&after, 1)), (1, Condition::Off));
    before.leave();
    assert_eq!(after.report(at(1)).calls, 0);
}
