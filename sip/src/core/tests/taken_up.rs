//! Calls that outlive the process that began them.

use super::rig::{Answered, CALLER, CARRIERS, LONGEST, Placed, listener, secs, settings, verdict};
use super::ua;
use crate::end::End;
use crate::flow::Transport;

#[test]
fn a_bye_after_the_restart_reaches_the_other_side_and_completes_the_record() {
    let mut call = Answered::new();
    let begun = call.rig.now;
    call.rig.dies_and_is_succeeded_by(settings());
    call.rig.silence();
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    let record = call.rig.record();
    assert_eq!(verdict(&record), (200, End::CallerHungUp));
    assert_eq!(record.answered, Some(begun), "the answer was before the restart");
    assert_eq!(record.attempts.len(), 1);
    assert!(call.rig.noted.is_empty());
    call.rig.ends_clean();
}

#[test]
fn a_reinvite_and_the_callees_bye_pass_after_the_restart_as_before() {
    let mut call = Answered::new();
    call.rig.dies_and_is_succeeded_by(settings());
    let again = call.caller_sends("INVITE");
    call.callee_says(&again, 200);
    let bye = call.callee_sends("BYE");
    call.caller_says(&bye, 200);
    assert_eq!(verdict(&call.rig.record()), (200, End::CalleeHungUp));
    call.rig.ends_clean();
}

#[test]
fn the_longest_duration_counts_from_the_answer_before_the_restart() {
    let mut call = Answered::new();
    let answered = call.rig.now;
    call.rig.pass(secs(3_600));
    call.rig.dies_and_is_succeeded_by(settings());
    call.rig.pass(LONGEST.saturating_sub(secs(3_602)));
    call.rig.next(CALLER, "BYE");
    call.rig.next(CARRIERS[0], "BYE");
    let record = call.rig.record();
    assert_eq!(verdict(&record), (200, End::MaxDuration));
    assert!(record.ended.since(answered) <= LONGEST);
}

#[test]
fn a_call_that_was_being_set_up_is_closed_as_of_the_last_sign_of_life() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(180);
    call.rig.next(CALLER, "180 INVITE");
    let died = call.rig.now;
    call.rig.dies_and_is_succeeded_by(settings());
    let record = call.rig.record();
    assert_eq!((verdict(&record), record.answered, record.ended), ((503, End::Interrupted), None, died));
    call.rig.receive(CALLER, ua::hop_by_hop(&call.invite, "CANCEL", None));
    call.rig.next(CALLER, "481 CANCEL");
    call.rig.ends_clean();
}

#[test]
fn a_call_that_no_listener_can_reach_any_more_is_closed_with_what_is_known() {
    let mut call = Answered::new();
    let died = call.rig.now;
    let mut other = settings();
    other.listeners = vec![listener(Transport::Tcp, "[2001:db8::1]:5060")];
    call.rig.dies_and_is_succeeded_by(other);
    let record = call.rig.record();
    assert_eq!((verdict(&record), record.ended), ((200, End::Interrupted), died));
    assert!(record.answered.is_some());
}
