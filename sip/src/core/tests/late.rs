//! Answers that come when nobody waits for them any more.

use super::rig::{Answered, CALLER, CARRIERS, Placed, ms, outcomes, secs, verdict};
use super::ua::{self, Dialog, parse, text};
use crate::end::{AttemptOutcome, End};

/// The first carrier was silent and left; the second has the INVITE.
fn left_the_first() -> (Placed, crate::message::Message) {
    let mut call = Placed::at_carrier(2);
    call.rig.pass(ms(3_010));
    call.rig.sent.retain(|sent| sent.flow.remote.to_string() == CARRIERS[1]);
    let second = call.rig.next(CARRIERS[1], "INVITE");
    (call, second)
}

#[test]
fn a_late_answer_while_still_hunting_wins_and_the_other_carrier_is_cancelled() {
    let (mut call, second) = left_the_first();
    call.answer(1, &second, 180);
    call.rig.next(CALLER, "180 INVITE");
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    call.rig.next(CARRIERS[1], "CANCEL");
    call.rig.silence();
    call.answer(1, &second, 487);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.silence();
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    let answer = parse(ua::response(&call.forwarded, 200, "to-0", CARRIERS[0]));
    let bye = Dialog::caller(CALLER, &call.invite, &answer).request("BYE");
    call.rig.receive(CALLER, bye);
    let bye = call.rig.next(CARRIERS[0], "BYE");
    call.answer(0, &bye, 200);
    let record = call.rig.record();
    assert_eq!(verdict(&record), (200, End::CallerHungUp));
    assert_eq!(outcomes(&record), [(0, 200, AttemptOutcome::Response), (1, 487, AttemptOutcome::Cancelled)]);
    call.rig.ends_clean();
}

#[test]
fn when_both_answer_the_second_answer_is_acknowledged_and_hung_up_by_us() {
    let (mut call, second) = left_the_first();
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    call.answer(1, &second, 200);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CARRIERS[1], "BYE");
    call.rig.silence();
    assert_eq!(call.rig.core.counters().released, 1);
    assert_eq!(call.rig.core.in_progress(), 1, "the first answer stands");
    let answer = parse(ua::response(&call.forwarded, 200, "to-0", CARRIERS[0]));
    call.rig.receive(CALLER, Dialog::caller(CALLER, &call.invite, &answer).request("BYE"));
    let bye = call.rig.next(CARRIERS[0], "BYE");
    call.answer(0, &bye, 200);
    let released: Vec<bool> = call.rig.record().attempts.iter().map(|attempt| attempt.released.is_some()).collect();
    assert_eq!(released, [false, true]);
}

#[test]
fn an_answer_after_the_final_failure_is_acknowledged_and_hung_up_by_us() {
    let mut call = Placed::at_carrier(1);
    call.rig.pass(ms(3_010));
    call.rig.pass(ms(400));
    call.rig.sent.clear();
    call.carrier_says(200);
    let ack = call.rig.next(CARRIERS[0], "ACK");
    let bye = call.rig.next(CARRIERS[0], "BYE");
    call.rig.silence();
    for request in [&ack, &bye] {
        assert_eq!(text(request.uri()), "sip:callee@198.51.100.1:5060");
        assert_eq!((request.from_tag(), request.to_tag()), (Some(&b"from-a"[..]), Some(&b"to-0"[..])));
        assert_eq!(request.vias().count(), 1);
    }
    assert_eq!(ack.cseq().map(|cseq| cseq.number), Some(1));
    assert!(bye.cseq().expect("CSeq").number > 1);
    // The same answer again gets the same ACK and no second BYE.
    call.carrier_says(200);
    assert_eq!(call.rig.next(CARRIERS[0], "ACK").raw(), ack.raw());
    call.rig.silence();
    call.answer(0, &bye, 200);
    assert_eq!(call.rig.core.counters().released, 1);
    let record = call.rig.record();
    assert_eq!(verdict(&record), (408, End::TimedOut));
    assert!(record.attempts[0].released.is_some_and(|at| at > record.ended), "the record tells");
    assert_eq!(outcomes(&record), [(0, 408, AttemptOutcome::Timeout)]);
    call.rig.ends_clean();
    assert!(call.rig.records.is_empty(), "no second record");
}

#[test]
fn a_record_waits_for_late_answers_no_longer_than_it_may() {
    let mut call = Placed::at_carrier(1);
    call.rig.pass(ms(3_010));
    call.rig.pass(secs(4));
    assert!(call.rig.records.is_empty(), "an answer may be on its way");
    call.rig.pass(secs(1));
    let record = call.rig.record();
    assert!(call.rig.now.since(record.ended) >= secs(5), "the end is when the caller was told");
    call.carrier_says(200);
    assert_eq!(call.rig.core.counters().released, 1, "hung up all the same");
    call.rig.ends_clean();
}

#[test]
fn each_fork_that_answers_too_late_gets_its_own_ack_and_bye() {
    let mut call = Placed::at_carrier(1);
    call.cancel();
    call.rig.sent.clear();
    for tag in ["fork-1", "fork-2"] {
        call.rig.receive(CARRIERS[0], ua::response(&call.forwarded, 200, tag, CARRIERS[0]));
        for method in ["ACK", "BYE"] {
            assert_eq!(call.rig.next(CARRIERS[0], method).to_tag(), Some(tag.as_bytes()));
        }
    }
    call.rig.silence();
    call.rig.ends_clean();
}

/// The INVITE is at the first carrier, behind which "to-0" has answered and then "fork" too.
fn forked() -> (Answered, Dialog) {
    let call = Placed::at_carrier(1);
    let (invite, forwarded) = (call.invite.clone(), call.forwarded.clone());
    let mut call = Answered::from(call);
    call.rig.receive(CARRIERS[0], ua::response(&forwarded, 200, "fork", CARRIERS[0]));
    let answer = call.rig.next(CALLER, "200 INVITE");
    assert_eq!(answer.to_tag(), Some(&b"fork"[..]));
    let mut fork = Dialog::caller(CALLER, &invite, &answer);
    call.rig.receive(CALLER, fork.request("ACK"));
    assert_eq!(call.rig.next(CARRIERS[0], "ACK").to_tag(), Some(&b"fork"[..]));
    (call, fork)
}

#[test]
fn when_two_forks_answer_the_caller_may_hang_up_the_second_and_keep_the_first() {
    let (mut call, mut fork) = forked();
    call.rig.receive(CALLER, fork.request("BYE"));
    let bye = call.rig.next(CARRIERS[0], "BYE");
    call.callee_says(&bye, 200);
    assert!(call.rig.records.is_empty(), "the other dialog goes on");
    call.rig.pass(secs(60));
    let bye = call.callee_sends("BYE");
    call.caller_says(&bye, 200);
    assert_eq!(verdict(&call.rig.record()), (200, End::CalleeHungUp));
    call.rig.ends_clean();
}

#[test]
fn when_two_forks_answer_the_caller_may_hang_up_the_first_and_keep_the_second() {
    let (mut call, mut fork) = forked();
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    assert!(call.rig.records.is_empty(), "the other dialog goes on");
    call.rig.pass(secs(60));
    call.rig.receive(CALLER, fork.request("BYE"));
    let bye = call.rig.next(CARRIERS[0], "BYE");
    call.callee_says(&bye, 200);
    let record = call.rig.record();
    assert_eq!(verdict(&record), (200, End::CallerHungUp));
    assert!(record.ended.since(record.answered.expect("answered")) >= secs(60));
    call.rig.ends_clean();
}
