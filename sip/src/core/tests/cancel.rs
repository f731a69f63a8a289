//! CANCEL in every state (RFC 3261 sections 9 and 16.10).

use super::rig::{Answered, CALLER, CARRIERS, Placed, Rig, URI, ms, outcomes, secs, verdict};
use super::ua::{self, parse};
use crate::decision::Decision;
use crate::end::{AttemptOutcome, End};

#[test]
fn while_routing_it_ends_the_call_at_once_and_the_record_waits_for_the_decision() {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.pass(ms(20));
    rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    rig.next(CALLER, "200 CANCEL");
    let failure = rig.next(CALLER, "487 INVITE");
    rig.receive(CALLER, ua::hop_by_hop(&invite, "ACK", Some(&failure)));
    assert!(rig.records.is_empty());
    rig.pass(secs(60));
    assert_eq!(rig.core.held(), 1, "the decision is awaited");
    rig.hunt_carriers(2);
    rig.silence();
    let record = rig.record();
    assert_eq!(verdict(&record), (487, End::Cancelled));
    assert_eq!(record.ended.since(record.received), ms(20));
    assert!(record.routed <= record.ended);
    rig.ends_clean();
}

#[test]
fn after_a_cancel_while_routing_a_refusal_of_the_stages_changes_nothing() {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    let call = rig.routes[0].call;
    rig.decide(Decision::Respond { code: 403, reason: String::new(), headers: Vec::new() });
    rig.core.decide(rig.now, call, Decision::Respond { code: 404, reason: String::new(), headers: Vec::new() }, 8);
    assert_eq!(verdict(&rig.record()), (487, End::Cancelled));
    rig.ends_clean();
    assert!(rig.records.is_empty(), "a second decision makes no second record");
}

#[test]
fn before_any_provisional_the_caller_is_told_at_once_and_the_carrier_when_it_shows_up() {
    let mut call = Placed::at_carrier(2);
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    let failure = call.rig.next(CALLER, "487 INVITE");
    call.rig.silence();
    call.ack_failure(&failure);
    assert_eq!(call.rig.times(CARRIERS[0], "INVITE", secs(5)), Vec::<u64>::new(), "not sent again");
    call.carrier_says(180);
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.silence();
    call.carrier_says(487);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
    let record = call.rig.record();
    assert_eq!(verdict(&record), (487, End::Cancelled));
    assert_eq!(outcomes(&record), [(0, 487, AttemptOutcome::Cancelled)]);
    call.rig.ends_clean();
}

#[test]
fn after_180_it_goes_to_the_carrier_and_its_487_to_the_caller() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(180);
    call.rig.next(CALLER, "180 INVITE");
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    let cancel = call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.silence();
    assert_eq!(cancel.uri(), call.forwarded.uri());
    assert_eq!(cancel.top_via().map(|via| via.branch), call.forwarded.top_via().map(|via| via.branch));
    assert_eq!(cancel.vias().count(), 1);
    assert_eq!(cancel.cseq().map(|cseq| cseq.number), call.forwarded.cseq().map(|cseq| cseq.number));
    call.answer(0, &cancel, 200);
    call.rig.silence();
    call.carrier_says(487);
    call.rig.next(CARRIERS[0], "ACK");
    let failure = call.rig.next(CALLER, "487 INVITE");
    assert_eq!(failure.to_tag(), Some(&b"to-0"[..]), "the carrier's own");
    call.ack_failure(&failure);
    assert_eq!(verdict(&call.rig.record()), (487, End::Cancelled));
    call.rig.ends_clean();
}

#[test]
fn no_further_carrier_is_tried_after_it() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(180);
    call.cancel();
    call.rig.sent.clear();
    call.carrier_says(503);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CALLER, "500 INVITE");
    call.rig.silence();
    assert_eq!(call.rig.record().end, End::Cancelled);
    call.rig.ends_clean();
}

#[test]
fn when_it_crosses_the_200_the_call_is_answered() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(180);
    call.cancel();
    call.rig.sent.clear();
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    call.rig.silence();
    assert!(call.rig.records.is_empty(), "it goes on until somebody hangs up");
    assert_eq!(call.rig.core.in_progress(), 1);
}

#[test]
fn when_the_200_was_first_it_is_answered_and_has_no_effect() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.silence();
    assert_eq!(call.rig.core.in_progress(), 1);
}

#[test]
fn when_it_crosses_a_failure_it_is_answered_and_has_no_effect() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(486);
    call.rig.sent.clear();
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (486, End::Failed));
    call.rig.ends_clean();
}

#[test]
fn when_it_comes_again_it_is_answered_again_and_goes_to_the_carrier_once() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(180);
    call.rig.next(CALLER, "180 INVITE");
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.next(CARRIERS[0], "CANCEL");
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.silence();
}

#[test]
fn of_an_unknown_call_gets_481() {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    rig.next(CALLER, "481 CANCEL");
    rig.silence();
    assert_eq!(rig.core.held(), 0);
}

#[test]
fn is_sent_again_until_it_is_answered_and_the_wait_for_487_has_an_end() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(180);
    call.cancel();
    call.rig.sent.clear();
    assert_eq!(
        call.rig.times(CARRIERS[0], "CANCEL", secs(12)),
        super::timers::ticks(&[500, 1_500, 3_500, 7_500, 11_500])
    );
    let cancel = parse(ua::hop_by_hop(&call.forwarded, "CANCEL", None));
    call.answer(0, &cancel, 200);
    assert_eq!(call.rig.times(CARRIERS[0], "CANCEL", secs(10)), Vec::<u64>::new());
    assert!(call.rig.records.is_empty());
    call.rig.pass(secs(11));
    call.rig.next(CALLER, "487 INVITE");
    assert_eq!(verdict(&call.rig.record()), (487, End::Cancelled));
    call.rig.ends_clean();
}

#[test]
fn of_a_reinvite_goes_to_the_other_side_and_the_call_goes_on() {
    let mut call = Answered::new();
    let invite = parse(call.caller.request("INVITE"));
    call.rig.receive(CALLER, invite.raw());
    call.rig.next(CALLER, "100 INVITE");
    let forwarded = call.rig.next(CARRIERS[0], "INVITE");
    call.callee_says(&forwarded, 180);
    call.rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.receive(CARRIERS[0], ua::response(&forwarded, 487, "unused", CARRIERS[0]));
    call.rig.next(CARRIERS[0], "ACK");
    let failure = call.rig.next(CALLER, "487 INVITE");
    call.rig.receive(CALLER, ua::hop_by_hop(&invite, "ACK", Some(&failure)));
    call.rig.silence();
    assert!(call.rig.records.is_empty());
    assert_eq!(call.rig.core.in_progress(), 1);
}

#[test]
fn of_an_unheard_reinvite_lets_the_200_that_crosses_it_through() {
    let mut call = Answered::new();
    let invite = parse(call.caller.request("INVITE"));
    call.rig.receive(CALLER, invite.raw());
    call.rig.next(CALLER, "100 INVITE");
    let forwarded = call.rig.next(CARRIERS[0], "INVITE");
    call.rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.silence();
    call.callee_says(&forwarded, 200);
    let ack = call.caller.request("ACK");
    call.rig.receive(CALLER, ack);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
}

#[test]
fn a_cancelled_reinvite_that_nobody_answers_ends_with_487() {
    let mut call = Answered::new();
    let invite = parse(call.caller.request("INVITE"));
    call.rig.receive(CALLER, invite.raw());
    call.rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    call.rig.sent.clear();
    call.rig.pass(secs(33));
    call.rig.next(CALLER, "487 INVITE");
    assert!(call.rig.records.is_empty());
}
