//! Somebody sets the machine's clock while calls are in progress.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use trunkline::cdr::chain::{Link, Verifier};
use trunkline::cdr::record::{CallRecord, End};
use trunkline_tests::{Dialog, Message, Phone, Router, Setup, WallClock, answered, hang_up, until};

const HOUR: i64 = 3_600;
/// No call of this test lasts so long, nor stands its time off by so much, on the slowest machine.
const MINUTE: u64 = 60_000_000;

/// A call that was answered: what was sent, and the caller's end.
fn answered_call(router: &Router, callee: &mut Phone) -> Result<(Phone, Message, Dialog)> {
    let mut caller = Phone::calling(router.sip())?;
    let sent = caller.invite("12125550100", "19195550101");
    caller.say(&sent)?;
    let got = callee.hear("INVITE")?;
    let (near, _) = answered(&mut caller, callee, &got)?;
    Ok((caller, sent, near))
}

fn heard_of_steps(router: &Router, count: usize) -> Result<()> {
    until("the step to be told", Duration::from_secs(20), || {
        Ok((router.log().matches("THE MACHINE'S CLOCK WAS SET").count() == count).then_some(()))
    })
}

/// In microseconds, on a clock that is so many seconds ahead.
fn now(ahead: i64) -> Result<u64> {
    let right = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
    Ok(right.saturating_add_signed(ahead * 1_000_000))
}

fn assert_sound(record: &CallRecord, ahead: i64) -> Result<()> {
    let times = &record.times;
    assert_eq!((record.code, record.end), (200, End::CallerHungUp));
    assert!(times.received <= times.answered.unwrap_or_default() && record.duration_micros() < MINUTE, "{times:?}");
    assert!(times.ended.abs_diff(now(ahead)?) < MINUTE, "by the clock as it stands at the end: {times:?}");
    Ok(())
}

#[test]
fn a_clock_that_is_set_in_mid_call_changes_no_duration_no_number_and_not_the_chain() -> Result<()> {
    let mut callee = Phone::waiting()?;
    let setup = Setup::new()?.carrier(callee.address()).without_sqlite();
    let clock = WallClock::new(setup.folder())?;
    let mut router = setup.clock(&clock).start()?;

    for (steps, ahead) in [(1, HOUR), (2, -2 * HOUR)] {
        let (mut caller, sent, mut near) = answered_call(&router, &mut callee)?;
        clock.set(ahead)?;
        heard_of_steps(&router, steps)?;
        hang_up(&mut caller, &mut near, &mut callee)?;
        assert_sound(&router.record_of(sent.header("Call-ID"))?, ahead)?;
    }

    // Set back by a day while the router is dead: the call that goes on was answered tomorrow, so to say.
    let (mut caller, sent, mut near) = answered_call(&router, &mut callee)?;
    clock.set(-24 * HOUR)?;
    router.crash_and_restart()?;
    hang_up(&mut caller, &mut near, &mut callee)?;
    assert_sound(&router.record_of(sent.header("Call-ID"))?, -24 * HOUR)?;

    let records = router.records()?;
    let mut verifier = Verifier::default();
    for (record, number) in records.iter().zip(1..) {
        assert_eq!((record.key.sequence, record.key.epoch), (number, records[0].key.epoch));
        assert_eq!(verifier.check(record), Link::Whole, "{number}");
    }
    assert_eq!(records.len(), 3);
    Ok(())
}
