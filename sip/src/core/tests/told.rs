//! What is told of a call while it goes on.

use super::rig::{Answered, CALLER, CARRIERS, CUSTOMER, Placed, Rig, Told, hop, ms, outcomes, secs, settings, target};
use super::ua;
use crate::decision::{Decision, NextHop, Target};
use crate::end::AttemptOutcome;
use std::sync::Arc;

fn ended(outcome: AttemptOutcome) -> Told {
    Told::Attempted("carrier".to_owned(), outcome)
}

fn heard(millis: u64) -> Told {
    Told::Heard(CUSTOMER.to_owned(), ms(millis))
}

#[test]
fn the_post_dial_delay_is_told_when_the_first_18x_comes_and_the_attempt_when_it_is_answered() {
    let mut call = Placed::at_carrier(1);
    call.rig.pass(ms(300));
    call.carrier_says(183);
    assert_eq!(call.rig.told, [heard(300)]);
    call.rig.pass(secs(2));
    call.carrier_says(180);
    assert_eq!(call.rig.told.len(), 1, "the second one is no news");
    call.carrier_says(200);
    assert_eq!(call.rig.told, [heard(300), ended(AttemptOutcome::Response)], "the call is still talking");
}

#[test]
fn where_nobody_rang_the_post_dial_delay_is_told_with_the_answer() {
    let mut call = Placed::at_carrier(1);
    call.rig.pass(ms(700));
    call.carrier_says(200);
    assert_eq!(call.rig.told, [ended(AttemptOutcome::Response), heard(700)]);
}

#[test]
fn nothing_more_is_told_when_a_call_that_was_answered_ends() {
    let mut call = Answered::new();
    let told = call.rig.told.clone();
    assert_eq!(told.len(), 2);
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    call.rig.record();
    call.rig.ends_clean();
    assert_eq!(call.rig.told, told);
}

#[test]
fn an_attempt_is_told_when_it_is_given_up_though_the_next_one_still_rings() {
    let mut call = Placed::at_carrier(2);
    call.rig.pass(ms(3_010));
    assert_eq!(call.rig.told, [ended(AttemptOutcome::Timeout)]);
}

#[test]
fn an_attempt_that_is_answered_after_it_was_given_up_is_not_told_again() {
    let mut call = Placed::at_carrier(2);
    call.rig.pass(ms(3_010));
    call.carrier_says(200);
    let expected = [ended(AttemptOutcome::Timeout), ended(AttemptOutcome::Cancelled), heard(3_010)];
    assert_eq!(call.rig.told, expected, "the first as it ended first, the second because the first one won");
}

#[test]
fn attempts_that_a_cancel_ends_are_told_as_cancelled() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(180);
    call.cancel();
    assert_eq!(call.rig.told.len(), 1, "it may still be answered");
    call.carrier_says(487);
    assert_eq!(call.rig.told[1..], [ended(AttemptOutcome::Cancelled)]);
    call.rig.ends_clean();
    assert_eq!(call.rig.told.len(), 2);
}

#[test]
fn an_attempt_that_could_not_be_sent_is_told_by_its_own_gateways_name() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", super::rig::URI));
    let nowhere = Arc::new(NextHop { name: "nowhere".into(), ..(*hop()).clone() });
    rig.hunt(vec![Target { destination: None, hop: nowhere, ..target(CARRIERS[0]) }, target(CARRIERS[1])]);
    assert_eq!(rig.told, [Told::Attempted("nowhere".to_owned(), AttemptOutcome::Unreachable)]);
}

#[test]
fn a_decision_tells_how_long_the_call_has_waited_and_no_longer_than_it_lasted() {
    let waited = |cancelled: bool| {
        let mut rig = Rig::new();
        let invite = ua::parse(ua::invite(CALLER, "a", super::rig::URI));
        rig.receive(CALLER, invite.raw());
        rig.pass(ms(20));
        if cancelled {
            rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
        }
        rig.pass(ms(30));
        let call = rig.routes.pop_front().expect("a call wants routes").call;
        let refusal = || Decision::Respond { code: 404, reason: String::new(), headers: Vec::new() };
        let first = rig.core.decide(rig.now, call, refusal(), 7);
        assert_eq!(rig.core.decide(rig.now, call, refusal(), 7), None, "it is decided once");
        first
    };
    assert_eq!(waited(false), Some(ms(50)));
    assert_eq!(waited(true), Some(ms(20)));
}

#[test]
fn of_a_call_that_is_taken_up_from_another_process_nothing_is_told_again() {
    let mut answered = Answered::new();
    let mut ringing = Placed::at_carrier(1);
    ringing.carrier_says(180);
    for rig in [&mut answered.rig, &mut ringing.rig] {
        rig.told.clear();
        rig.dies_and_is_succeeded_by(settings());
    }
    assert_eq!(outcomes(&ringing.rig.record()), [(0, 487, AttemptOutcome::Cancelled)]);
    let bye = answered.caller_sends("BYE");
    answered.callee_says(&bye, 200);
    answered.rig.record();
    assert_eq!((&answered.rig.told[..], &ringing.rig.told[..]), (&[][..], &[][..]));
}
