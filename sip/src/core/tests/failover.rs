//! The hunt: which end of an attempt leads to the next carrier, and which ends the call (RFC 3261 sections 16.7, 16.8).

use super::rig::{CALLER, CARRIERS, Placed, Rig, URI, ms, outcomes, secs, target, verdict};
use super::ua::{self, text};
use crate::end::{AttemptOutcome, End};

#[test]
fn the_next_carrier_is_tried_after_408_and_any_5xx() {
    for code in [408, 500, 502, 503, 504, 513, 580] {
        let mut call = Placed::at_carrier(2);
        call.carrier_says(100);
        call.carrier_says(code);
        call.rig.next(CARRIERS[0], "ACK");
        let second = call.rig.next(CARRIERS[1], "INVITE");
        call.rig.silence();
        assert_eq!(text(second.uri()), "sip:+12125559999@198.51.100.2:5060");
        assert_ne!(second.top_via().map(|via| via.branch), call.forwarded.top_via().map(|via| via.branch));
        call.answer(1, &second, 200);
        call.rig.next(CALLER, "200 INVITE");
        call.rig.silence();
        let bye = ua::Dialog::caller(CALLER, &call.invite, &ua::parse(ua::response(&second, 200, "to-1", CARRIERS[1])))
            .request("BYE");
        call.rig.receive(CALLER, bye);
        let bye = call.rig.next(CARRIERS[1], "BYE");
        call.answer(1, &bye, 200);
        let record = call.rig.record();
        assert_eq!(outcomes(&record), [(0, code, AttemptOutcome::Response), (1, 200, AttemptOutcome::Response)]);
        call.rig.ends_clean();
    }
}

#[test]
fn no_other_carrier_is_tried_after_3xx_4xx_and_6xx() {
    for code in [300, 302, 400, 401, 403, 404, 407, 480, 484, 486, 488, 600, 603, 604] {
        let mut call = Placed::at_carrier(2);
        call.carrier_says(code);
        call.rig.next(CARRIERS[0], "ACK");
        call.rig.next(CALLER, &format!("{code} INVITE"));
        call.rig.silence();
        let record = call.rig.record();
        assert_eq!(verdict(&record), (code, End::Failed));
        call.rig.ends_clean();
    }
}

#[test]
fn no_other_carrier_is_tried_after_a_2xx() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    call.carrier_says(503);
    call.rig.pass(secs(100));
    call.rig.silence();
}

#[test]
fn a_carrier_that_stays_silent_is_left_after_the_attempt_timeout() {
    let mut call = Placed::at_carrier(2);
    assert_eq!(call.rig.times(CARRIERS[0], "INVITE", ms(2_900)), super::timers::ticks(&[500, 1_500]));
    call.rig.pass(ms(200));
    call.rig.next(CARRIERS[1], "INVITE");
    call.rig.silence();
    assert_eq!(call.rig.times(CARRIERS[0], "INVITE", ms(2_000)), Vec::<u64>::new(), "given up");
    call.rig.pass(ms(2_000));
    call.rig.next(CALLER, "408 INVITE");
    let record = call.rig.record();
    assert_eq!(verdict(&record), (408, End::TimedOut));
    assert_eq!(outcomes(&record), [(0, 408, AttemptOutcome::Timeout), (1, 408, AttemptOutcome::Timeout)]);
    call.rig.ends_clean();
}

#[test]
fn a_100_ends_the_attempt_timeout_and_the_ring_timeout_remains() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(100);
    call.rig.pass(secs(59));
    call.rig.silence();
    call.rig.pass(ms(1_100));
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.next(CARRIERS[1], "INVITE");
    call.rig.silence();
}

#[test]
fn a_carrier_that_rings_too_long_is_cancelled_and_the_next_is_tried() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(180);
    call.rig.next(CALLER, "180 INVITE");
    call.rig.pass(ms(60_010));
    call.rig.next(CARRIERS[0], "CANCEL");
    let second = call.rig.next(CARRIERS[1], "INVITE");
    call.rig.silence();
    call.carrier_says(487);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
    call.answer(1, &second, 486);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "486 INVITE");
    let record = call.rig.record();
    assert_eq!(outcomes(&record), [(0, 408, AttemptOutcome::Timeout), (1, 486, AttemptOutcome::Response)]);
    call.rig.ends_clean();
}

#[test]
fn an_abandoned_carrier_rings_no_more_at_the_caller() {
    let mut call = Placed::at_carrier(2);
    call.rig.pass(ms(3_010));
    call.rig.sent.clear();
    call.carrier_says(180);
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.silence();
}

#[test]
fn an_unreachable_carrier_is_left_at_once() {
    let mut call = Placed::at_carrier(2);
    let first = call.forwarded.clone();
    call.rig.unreachable(&first);
    let second = call.rig.next(CARRIERS[1], "INVITE");
    call.rig.silence();
    call.rig.unreachable(&first);
    call.rig.silence();
    call.rig.unreachable(&second);
    call.rig.next(CALLER, "500 INVITE");
    let record = call.rig.record();
    assert_eq!(verdict(&record), (500, End::Failed));
    assert_eq!(outcomes(&record), [(0, 503, AttemptOutcome::Unreachable), (1, 503, AttemptOutcome::Unreachable)]);
    call.rig.ends_clean();
}

#[test]
fn a_carrier_that_has_been_heard_is_not_unreachable() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(100);
    let first = call.forwarded.clone();
    call.rig.unreachable(&first);
    call.rig.silence();
}

#[test]
fn a_carrier_without_an_address_or_a_listener_counts_as_unreachable() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    rig.next(CALLER, "100 INVITE");
    let unknown = crate::decision::Target { destination: None, ..target(CARRIERS[0]) };
    let mut unfit = target(CARRIERS[1]);
    unfit.destination.as_mut().expect("there").transport = crate::flow::Transport::Tls;
    rig.hunt(vec![unknown, unfit, target(CARRIERS[2])]);
    rig.next(CARRIERS[2], "INVITE");
    rig.silence();
}

#[test]
fn when_all_answer_503_the_caller_gets_500() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(503);
    call.rig.next(CARRIERS[0], "ACK");
    let second = call.rig.next(CARRIERS[1], "INVITE");
    call.answer(1, &second, 503);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "500 INVITE");
    let record = call.rig.record();
    assert_eq!(verdict(&record), (500, End::Failed));
    assert_eq!(outcomes(&record).last(), Some(&(1, 503, AttemptOutcome::Response)));
    call.rig.ends_clean();
}

/// What the caller gets when the carriers answer `codes` one after the other; 0 stays silent.
fn best_of(codes: &[u16]) -> u16 {
    let mut call = Placed::at_carrier(codes.len());
    for (carrier, code) in codes.iter().enumerate() {
        let at_carrier = match carrier {
            0 => call.forwarded.clone(),
            _ => call.rig.next(CARRIERS[carrier], "INVITE"),
        };
        if *code == 0 {
            call.rig.pass(ms(3_010));
            call.rig.sent.retain(|sent| sent.flow.remote.to_string() != CARRIERS[carrier]);
        } else {
            call.answer(carrier, &at_carrier, *code);
            call.rig.next(CARRIERS[carrier], "ACK");
        }
    }
    let code = call.rig.sent.pop_front().expect("a final response").message.code();
    assert_eq!(call.rig.record().code, code);
    code
}

#[test]
fn the_caller_gets_the_best_of_the_failures() {
    assert_eq!(best_of(&[502, 503]), 502);
    assert_eq!(best_of(&[503, 502]), 502);
    assert_eq!(best_of(&[500, 408]), 408);
    assert_eq!(best_of(&[408, 500]), 408);
    assert_eq!(best_of(&[0, 503]), 408);
    assert_eq!(best_of(&[503, 486]), 486);
    assert_eq!(best_of(&[503, 603]), 603);
    assert_eq!(best_of(&[500, 504, 502]), 502);
}

#[test]
fn no_more_than_the_allowed_attempts_are_made() {
    let mut rig = Rig::with(super::super::Settings { max_attempts: 2, ..super::rig::settings() });
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    rig.hunt(vec![crate::decision::Target { destination: None, ..target(CARRIERS[0]) }; 5]);
    assert_eq!(rig.record().attempts.len(), 2);
}
