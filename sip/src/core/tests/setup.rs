//! From INVITE to ACK.

use super::rig::{Answered, CALLER, CARRIERS, Placed, Rig, URI, ms, secs, tcp, verdict};
use super::ua::{self, Dialog, parse, text};
use crate::decision::Decision;
use crate::end::End;
use crate::message::{Message, Name};

fn refusal(code: u16) -> Decision {
    let headers = vec![("X-Why".to_owned(), "blocked".to_owned())];
    Decision::Respond { code, reason: "Not You".into(), headers }
}

#[test]
fn an_invite_gets_100_at_once_and_is_forwarded_when_the_routes_are_there() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    let trying = rig.next(CALLER, "100 INVITE");
    assert_eq!(trying.to_tag(), None);
    rig.silence();
    rig.pass(ms(90));
    rig.hunt_carriers(1);
    rig.next(CARRIERS[0], "INVITE");
    rig.silence();
}

#[test]
fn a_retransmitted_invite_is_absorbed_and_answered_with_the_latest_response() {
    let mut call = Placed::at_carrier(1);
    let invite = call.invite.raw().clone();
    call.rig.receive(CALLER, &invite);
    call.rig.next(CALLER, "100 INVITE");
    call.carrier_says(180);
    call.rig.next(CALLER, "180 INVITE");
    call.rig.receive(CALLER, &invite);
    call.rig.next(CALLER, "180 INVITE");
    call.carrier_says(486);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CALLER, "486 INVITE");
    call.rig.receive(CALLER, &invite);
    call.rig.next(CALLER, "486 INVITE");
    call.rig.silence();
    assert_eq!(call.rig.core.counters().absorbed, 3);
}

#[test]
fn the_ack_of_a_failure_is_absorbed_and_ends_the_retransmissions() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(404);
    call.rig.next(CARRIERS[0], "ACK");
    let failure = call.rig.next(CALLER, "404 INVITE");
    call.ack_failure(&failure);
    assert_eq!(call.rig.times(CALLER, "404 INVITE", secs(40)), Vec::<u64>::new());
    assert_eq!(verdict(&call.rig.record()), (404, End::Failed));
    call.rig.ends_clean();
}

#[test]
fn a_failure_that_comes_again_is_acknowledged_again_and_not_relayed_again() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(404);
    let ack = call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CALLER, "404 INVITE");
    call.carrier_says(404);
    assert_eq!(call.rig.next(CARRIERS[0], "ACK").raw(), ack.raw());
    call.rig.silence();
    let sent = call.forwarded.top_via().and_then(|via| via.branch.map(<[u8]>::to_vec));
    assert_eq!(ack.top_via().and_then(|via| via.branch.map(<[u8]>::to_vec)), sent);
    assert_eq!(ack.to_tag(), Some(&b"to-0"[..]));
    assert_eq!(ack.vias().count(), 1);
}

#[test]
fn a_2xx_that_comes_again_is_relayed_again() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(200);
    let answer = call.rig.next(CALLER, "200 INVITE");
    for _ in 0..3 {
        call.rig.pass(secs(4));
        call.carrier_says(200);
        assert_eq!(call.rig.next(CALLER, "200 INVITE").raw(), answer.raw());
        call.rig.silence();
    }
}

#[test]
fn the_ack_of_a_2xx_reaches_the_callee_even_with_the_branch_of_the_invite() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(200);
    let answer = call.rig.next(CALLER, "200 INVITE");
    let ack = Dialog::caller(CALLER, &call.invite, &answer).request("ACK");
    call.rig.receive(CALLER, &ack);
    let arrived = call.rig.next(CARRIERS[0], "ACK");
    assert_eq!(text(arrived.uri()), "sip:callee@198.51.100.1:5060");
    assert_eq!(arrived.get(Name::Route), None);

    let mut dialog = Dialog::caller(CALLER, &call.invite, &answer);
    let own = dialog.request("ACK");
    let branch = text(parse(own.clone()).top_via().and_then(|via| via.branch).expect("a branch")).to_owned();
    call.rig.receive(CALLER, own.replace(&branch, "z9hG4bK-a"));
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
}

#[test]
fn a_100_of_the_carrier_stays_here_and_183_and_180_reach_the_caller() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(100);
    call.rig.silence();
    for code in [183, 180, 182] {
        call.carrier_says(code);
        let relayed = call.rig.next(CALLER, &format!("{code} INVITE"));
        assert_eq!(relayed.vias().count(), 1);
    }
    call.rig.silence();
}

#[test]
fn a_call_over_tcp_is_set_up_and_ended_without_a_retransmission() {
    let mut rig = Rig::new();
    let text = ua::invite(CALLER, "a", URI).replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    rig.receive_on(tcp(CALLER), &text);
    rig.next(CALLER, "100 INVITE");
    rig.decide(refusal(403));
    let failure = rig.next(CALLER, "403 INVITE");
    assert_eq!(rig.times(CALLER, "403 INVITE", secs(10)), Vec::<u64>::new());
    rig.receive_on(tcp(CALLER), ua::hop_by_hop(&parse(text), "ACK", Some(&failure)));
    assert_eq!(rig.core.held(), 0);
    rig.ends_clean();
}

#[test]
fn a_refused_call_gets_the_code_the_reason_and_the_headers_of_the_stage() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    rig.next(CALLER, "100 INVITE");
    rig.decide(refusal(603));
    let answer = rig.next(CALLER, "603 INVITE");
    assert_eq!(answer.reason(), b"Not You");
    assert_eq!(answer.values_of("X-Why"), ["blocked"]);
    assert!(answer.to_tag().is_some());
    let record = rig.record();
    assert_eq!((verdict(&record), record.facts, record.attempts.len()), ((603, End::Refused), 7, 0));
    rig.ends_clean();
}

#[test]
fn a_challenge_is_recorded_as_one() {
    for code in [401, 407] {
        let mut rig = Rig::new();
        rig.receive(CALLER, ua::invite(CALLER, "a", URI));
        rig.decide(refusal(code));
        assert_eq!(verdict(&rig.record()), (code, End::Challenged));
    }
}

#[test]
fn a_decision_that_is_no_final_failure_becomes_500() {
    for code in [0, 100, 200, 299, 700, 65_535] {
        let mut rig = Rig::new();
        rig.receive(CALLER, ua::invite(CALLER, "a", URI));
        rig.next(CALLER, "100 INVITE");
        rig.decide(refusal(code));
        rig.next(CALLER, "500 INVITE");
        assert_eq!(verdict(&rig.record()), (500, End::Refused));
    }
}

#[test]
fn an_empty_hunt_ends_with_480() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    rig.next(CALLER, "100 INVITE");
    rig.hunt(Vec::new());
    rig.next(CALLER, "480 INVITE");
    assert_eq!(verdict(&rig.record()), (480, End::Failed));
    rig.ends_clean();
}

#[test]
fn the_record_has_the_times_and_the_attempt() {
    let mut call = Answered::new();
    let answered = call.rig.now;
    call.rig.pass(secs(60));
    let bye = call.caller_sends("BYE");
    let hung_up = call.rig.now;
    call.rig.pass(ms(300));
    call.callee_says(&bye, 200);
    let record = call.rig.record();
    assert_eq!(&*record.call_id, format!("a@{CALLER}").as_bytes());
    assert_eq!(record.ringing.expect("rang").since(record.routed), ms(400));
    assert_eq!(record.answered, Some(answered));
    assert_eq!(record.ended, hung_up);
    let [attempt] = &record.attempts[..] else { panic!("one attempt") };
    assert_eq!(attempt.destination.map(|address| address.to_string()).as_deref(), Some(CARRIERS[0]));
    assert_eq!(attempt.ended.map(|(at, code, _)| (at, code)), Some((answered, 200)));
    call.rig.ends_clean();
}

#[test]
fn a_response_without_a_via_behind_ours_goes_nowhere() {
    let mut call = Placed::at_carrier(1);
    let answer = ua::response(&call.forwarded, 200, "x", CARRIERS[0]);
    let caller_via = answer.match_indices("Via: ").nth(1).expect("the caller's").0;
    let line_end = caller_via + answer[caller_via..].find("\r\n").expect("a line") + 2;
    let headless = format!("{}{}", &answer[..caller_via], &answer[line_end..]);
    assert!(Message::parse(headless.clone().into()).expect("a message").check().is_ok());
    call.rig.receive(CARRIERS[0], headless);
    call.rig.silence();
    assert_eq!(call.rig.core.counters().malformed, 1);
}

#[test]
fn a_response_of_another_call_or_branch_is_a_stray() {
    let mut call = Placed::at_carrier(1);
    let answer = ua::response(&call.forwarded, 200, "x", CARRIERS[0]);
    let branch = text(call.forwarded.top_via().and_then(|via| via.branch).expect("a branch")).to_owned();
    call.rig.receive(CARRIERS[0], answer.replace("Call-ID: a@", "Call-ID: b@"));
    call.rig.receive(CARRIERS[0], answer.replace(&branch, "z9hG4bK-foreign"));
    let last = branch.chars().last().expect("not empty");
    let other = format!("{}{}", &branch[..branch.len() - 1], if last == '0' { '1' } else { '0' });
    call.rig.receive(CARRIERS[0], answer.replace(&branch, &other));
    call.rig.silence();
    assert_eq!(call.rig.core.counters().strays, 3);
}
