use super::*;
use crate::config::units::TimeSpan;

const SECOND: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_millis(50);

struct Rig {
    breaker: Arc<Breaker>,
    clock: Clock,
    events: Events,
}

fn rig(slow_percent: u8) -> Rig {
    let (clock, events) = (Clock::new(), Events::default());
    let config = model::ServiceBreaker {
        failures: 3,
        window: TimeSpan::from_secs(10),
        open: TimeSpan::from_secs(5),
        slow: None,
        slow_percent,
    };
    let breaker = Breaker::new("lrn".into(), &config, DEADLINE, clock.clone(), events.clone());
    Rig { breaker: Arc::new(breaker), clock, events }
}

fn fail(breaker: &Arc<Breaker>, times: usize) {
    for _ in 0..times {
        breaker.admit().expect("it is closed").ended(false, Duration::ZERO);
    }
}

fn succeed(breaker: &Arc<Breaker>, took: Duration) {
    breaker.admit().expect("it is closed").ended(true, took);
}

#[test]
fn so_many_failures_within_the_window_open_it() {
    let Rig { breaker, clock, events } = rig(50);
    let mut heard = events.listen();
    fail(&breaker, 2);
    clock.advance(11 * SECOND);
    fail(&breaker, 2);
    assert!(!breaker.is_open(), "the first two are too old");
    fail(&breaker, 1);
    assert!(breaker.admit().is_none());
    assert_eq!(breaker.times_opened(), 1);
    let event = heard.try_recv().unwrap();
    assert_eq!((&*event.service, event.state), ("lrn", "open"));
    assert!(event.why.starts_with("3 failures within 10 s"), "{}", event.why);
}

#[test]
fn a_share_of_answers_past_the_deadline_opens_it_though_none_failed() {
    let breaker = rig(50).breaker;
    for _ in 0..12 {
        succeed(&breaker, SECOND / 1000);
    }
    for _ in 0..11 {
        succeed(&breaker, DEADLINE);
    }
    assert!(!breaker.is_open(), "11 of 23 are not yet half");
    succeed(&breaker, DEADLINE);
    assert!(breaker.is_open());
}

#[test]
fn after_its_time_one_probe_goes_and_its_success_closes_it() {
    let Rig { breaker, clock, events } = rig(50);
    fail(&breaker, 3);
    clock.advance(6 * SECOND);
    let probe = breaker.admit().expect("a probe may go");
    assert!(breaker.admit().is_none(), "one at a time");
    let mut heard = events.listen();
    probe.ended(true, Duration::ZERO);
    assert_eq!(heard.try_recv().unwrap().state, "closed");
    fail(&breaker, 2);
    assert!(!breaker.is_open(), "the failures from before count no more");
}

#[test]
fn a_probe_that_fails_or_is_slow_opens_it_anew() {
    for (well, took) in [(false, Duration::ZERO), (true, SECOND)] {
        let Rig { breaker, clock, .. } = rig(50);
        fail(&breaker, 3);
        clock.advance(6 * SECOND);
        breaker.admit().expect("a probe may go").ended(well, took);
        clock.advance(4 * SECOND);
        assert!(breaker.admit().is_none());
        clock.advance(2 * SECOND);
        assert!(breaker.admit().is_some());
    }
}

#[test]
fn a_probe_that_is_given_up_lets_the_next_one_probe() {
    let Rig { breaker, clock, .. } = rig(50);
    fail(&breaker, 3);
    clock.advance(6 * SECOND);
    drop(breaker.admit().expect("a probe may go"));
    assert!(breaker.admit().is_some());
}

#[test]
fn requests_from_before_it_opened_change_nothing() {
    let Rig { breaker, clock, .. } = rig(50);
    let (late_failure, late_success) = (breaker.admit().unwrap(), breaker.admit().unwrap());
    fail(&breaker, 3);
    clock.advance(4 * SECOND);
    late_failure.ended(false, Duration::ZERO);
    late_success.ended(true, Duration::ZERO);
    assert!(breaker.is_open());
    clock.advance(2 * SECOND);
    assert!(!breaker.is_open(), "the late failure did not prolong it");
}

#[test]
fn an_operator_holds_it_open_or_closed_until_it_is_given_back() {
    let Rig { breaker, events, .. } = rig(50);
    let mut heard = events.listen();
    breaker.set_hold(Hold::Open);
    assert!(breaker.admit().is_none() && breaker.is_open());
    assert_eq!(heard.try_recv().unwrap().state, "open");
    breaker.set_hold(Hold::Closed);
    fail(&breaker, 10);
    assert!(!breaker.is_open(), "failures do not open what is held closed");
    breaker.set_hold(Hold::Auto);
    assert!(!breaker.is_open());
    fail(&breaker, 3);
    assert!(breaker.is_open());
    breaker.set_hold(Hold::Auto);
    assert!(!breaker.is_open(), "auto begins anew");
}
