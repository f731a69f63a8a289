//! Requests within a call, both ways (RFC 3261 sections 12, 15 and 16).

use super::rig::{Answered, CALLER, CARRIERS, LONGEST, Placed, secs, verdict};
use super::ua::{self, Dialog, parse, text};
use crate::end::End;
use crate::message::Name;

#[test]
fn a_bye_of_the_caller_ends_the_call_in_its_name() {
    let mut call = Answered::new();
    let bye = call.caller_sends("BYE");
    assert!(call.rig.records.is_empty(), "not before its answer");
    call.callee_says(&bye, 200);
    assert_eq!(verdict(&call.rig.record()), (200, End::CallerHungUp));
    call.rig.ends_clean();
}

#[test]
fn a_bye_of_the_callee_ends_the_call_in_its_name() {
    let mut call = Answered::new();
    let bye = call.callee_sends("BYE");
    assert_eq!(text(bye.uri()), format!("sip:caller@{CALLER}"));
    call.caller_says(&bye, 200);
    assert_eq!(verdict(&call.rig.record()), (200, End::CalleeHungUp));
    call.rig.ends_clean();
}

#[test]
fn when_two_byes_cross_the_first_has_hung_up() {
    let mut call = Answered::new();
    let first = call.callee_sends("BYE");
    let second = call.caller_sends("BYE");
    call.callee_says(&second, 481);
    call.caller_says(&first, 200);
    assert_eq!(verdict(&call.rig.record()), (200, End::CalleeHungUp));
    call.rig.ends_clean();
}

#[test]
fn a_bye_that_is_answered_481_or_not_at_all_or_cannot_be_delivered_ends_the_call() {
    for case in 0..3 {
        let mut call = Answered::new();
        let bye = call.caller_sends("BYE");
        let hung_up = call.rig.now;
        match case {
            0 => drop(call.callee_says(&bye, 481)),
            1 => call.rig.pass(secs(33)),
            _ => call.rig.unreachable(&bye),
        }
        let record = call.rig.record();
        assert_eq!(verdict(&record), (200, End::CallerHungUp), "case {case}");
        assert_eq!(record.ended, hung_up);
        call.rig.ends_clean();
    }
}

#[test]
fn a_bye_that_is_challenged_ends_nothing() {
    let mut call = Answered::new();
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 401);
    assert!(call.rig.records.is_empty());
    call.rig.pass(secs(60));
    let bye = call.callee_sends("BYE");
    let hung_up = call.rig.now;
    call.caller_says(&bye, 200);
    let record = call.rig.record();
    assert_eq!((verdict(&record), record.ended), ((200, End::CalleeHungUp), hung_up));
}

#[test]
fn a_bye_of_an_early_dialog_passes_and_its_487_ends_the_call() {
    let mut call = Placed::at_carrier(1);
    let ringing = parse(ua::response(&call.forwarded, 180, "to-0", CARRIERS[0]));
    call.rig.receive(CARRIERS[0], ringing.raw());
    let received = call.rig.next(CALLER, "180 INVITE");
    let mut caller = Dialog::caller(CALLER, &call.invite, &received);
    call.rig.receive(CALLER, caller.request("BYE"));
    let bye = call.rig.next(CARRIERS[0], "BYE");
    call.answer(0, &bye, 200);
    call.rig.next(CALLER, "200 BYE");
    call.carrier_says(487);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CALLER, "487 INVITE");
    assert_eq!(call.rig.record().code, 487);
    call.rig.ends_clean();
}

#[test]
fn every_kind_of_request_passes_both_ways_with_its_response() {
    for method in ["INVITE", "UPDATE", "INFO", "PRACK", "REFER", "NOTIFY", "MESSAGE", "OPTIONS", "X-NEW"] {
        let mut call = Answered::new();
        let request = call.caller_sends(method);
        assert_eq!(request.get(Name::Route), None);
        assert_eq!(request.get(Name::RecordRoute), None);
        assert_eq!(request.get(Name::MaxForwards), Some(&b"69"[..]));
        let response = call.callee_says(&request, 200);
        assert_eq!(response.vias().count(), 1);
        let request = call.callee_sends(method);
        call.caller_says(&request, 200);
        assert!(call.rig.records.is_empty());
        assert_eq!(call.rig.core.counters().strays, 0);
    }
}

#[test]
fn a_prack_passes_before_the_answer() {
    let mut call = Placed::at_carrier(1);
    call.rig.receive(CARRIERS[0], ua::response(&call.forwarded, 183, "to-0", CARRIERS[0]));
    let received = call.rig.next(CALLER, "183 INVITE");
    let mut caller = Dialog::caller(CALLER, &call.invite, &received);
    call.rig.receive(CALLER, caller.request("PRACK"));
    let prack = call.rig.next(CARRIERS[0], "PRACK");
    assert_eq!(text(prack.uri()), "sip:callee@198.51.100.1:5060");
    call.answer(0, &prack, 200);
    call.rig.next(CALLER, "200 PRACK");
    call.rig.silence();
}

#[test]
fn a_reinvite_gets_100_and_its_2xx_its_ack() {
    let mut call = Answered::new();
    let invite = call.caller_sends("INVITE");
    call.callee_says(&invite, 200);
    call.rig.receive(CALLER, call.caller.request("ACK"));
    let ack = call.rig.next(CARRIERS[0], "ACK");
    assert_eq!(ack.cseq().map(|cseq| cseq.number), invite.cseq().map(|cseq| cseq.number));
    let invite = call.callee_sends("INVITE");
    call.caller_says(&invite, 200);
    call.rig.receive(CARRIERS[0], call.callee.request("ACK"));
    call.rig.next(CALLER, "ACK");
    call.rig.silence();
}

#[test]
fn a_refused_reinvite_is_acknowledged_hop_by_hop_and_the_call_goes_on() {
    let mut call = Answered::new();
    let sent = parse(call.caller.request("INVITE"));
    call.rig.receive(CALLER, sent.raw());
    call.rig.next(CALLER, "100 INVITE");
    let invite = call.rig.next(CARRIERS[0], "INVITE");
    call.rig.receive(CARRIERS[0], ua::response(&invite, 488, "x", CARRIERS[0]));
    call.rig.next(CARRIERS[0], "ACK");
    let failure = call.rig.next(CALLER, "488 INVITE");
    call.rig.receive(CALLER, ua::hop_by_hop(&sent, "ACK", Some(&failure)));
    call.rig.silence();
    assert!(call.rig.records.is_empty());
    call.rig.pass(secs(40));
    let bye = call.callee_sends("BYE");
    call.caller_says(&bye, 200);
    assert_eq!(call.rig.record().end, End::CalleeHungUp);
    call.rig.ends_clean();
}

#[test]
fn a_retransmitted_request_within_a_call_is_absorbed() {
    let mut call = Answered::new();
    let info = call.caller.request("INFO");
    call.rig.receive(CALLER, &info);
    let arrived = call.rig.next(CARRIERS[0], "INFO");
    call.rig.receive(CALLER, &info);
    call.rig.silence();
    call.callee_says(&arrived, 200);
    call.rig.receive(CALLER, &info);
    call.rig.next(CALLER, "200 INFO");
    call.rig.silence();
}

#[test]
fn a_request_with_our_uri_and_no_route_goes_by_the_dialog() {
    let mut call = Answered::new();
    call.caller.routes.clear();
    call.caller.target = "sip:192.0.2.1:5060".into();
    let info = call.caller_sends("INFO");
    assert_eq!(text(info.uri()), "sip:callee@198.51.100.1:5060");
    call.callee_says(&info, 200);
    call.callee.routes.clear();
    call.callee.target = "sip:192.0.2.1".into();
    let info = call.callee_sends("INFO");
    assert_eq!(text(info.uri()), format!("sip:caller@{CALLER}"));
}

#[test]
fn a_request_without_route_goes_to_its_uri() {
    let mut call = Answered::new();
    call.caller.routes.clear();
    call.caller_sends("INFO");
}

#[test]
fn a_host_name_in_the_contact_falls_back_to_where_its_owner_was_heard() {
    let mut call = Answered::new();
    call.caller.target = "sip:callee@sbc.example.net".into();
    let info = call.caller_sends("INFO");
    assert_eq!(text(info.uri()), "sip:callee@sbc.example.net");
    call.callee.target = "sip:caller@pbx.example.com;transport=tls-sctp".into();
    call.callee_sends("INFO");
}

#[test]
fn a_refreshed_contact_is_where_our_own_requests_go() {
    let mut call = Answered::new();
    let update = call.caller.request("UPDATE").replace("sip:party@192.0.2.10:5062", "sip:moved@192.0.2.99:5070");
    call.rig.receive(CALLER, update);
    let update = call.rig.next(CARRIERS[0], "UPDATE");
    call.callee_says(&update, 200);
    call.rig.pass(LONGEST);
    let bye = call.rig.next("192.0.2.99:5070", "BYE");
    assert_eq!(text(bye.uri()), "sip:moved@192.0.2.99:5070");
}

#[test]
fn a_contact_is_refreshed_by_a_2xx_alone() {
    let mut call = Answered::new();
    let update = call.caller.request("UPDATE").replace("sip:party@192.0.2.10:5062", "sip:moved@192.0.2.99:5070");
    call.rig.receive(CALLER, update);
    let update = call.rig.next(CARRIERS[0], "UPDATE");
    call.callee_says(&update, 491);
    call.rig.pass(LONGEST);
    let bye = call.rig.next(CALLER, "BYE");
    assert_eq!(text(bye.uri()), format!("sip:caller@{CALLER}"));
}

#[test]
fn a_408_to_anything_but_an_invite_is_not_passed_on() {
    let mut call = Answered::new();
    let info = call.caller_sends("INFO");
    call.rig.receive(CARRIERS[0], ua::response(&info, 408, "unused", CARRIERS[0]));
    call.rig.silence();
    let invite = call.caller_sends("INVITE");
    call.rig.receive(CARRIERS[0], ua::response(&invite, 408, "unused", CARRIERS[0]));
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CALLER, "408 INVITE");
}

#[test]
fn a_request_of_no_call_gets_481_and_its_ack_is_dropped() {
    let mut call = Answered::new();
    let mut foreign = call.caller.clone();
    foreign.call_id = "unknown".into();
    call.rig.receive(CALLER, foreign.request("INFO"));
    call.rig.next(CALLER, "481 INFO");
    call.rig.receive(CALLER, foreign.request("ACK"));
    call.rig.silence();
    let mut stranger = call.caller.clone();
    stranger.local = stranger.local.replace("from-a", "somebody");
    call.rig.receive(CALLER, stranger.request("BYE"));
    call.rig.next(CALLER, "481 BYE");
    assert!(call.rig.records.is_empty());
}

#[test]
fn a_bye_with_an_unknown_callee_tag_does_not_end_the_call() {
    let mut call = Answered::new();
    call.caller.remote = call.caller.remote.replace("to-0", "guessed");
    call.rig.receive(CALLER, call.caller.request("BYE"));
    call.rig.next(CALLER, "481 BYE");
    assert!(call.rig.records.is_empty());
    assert_eq!(call.rig.core.in_progress(), 1);
}

#[test]
fn requests_of_one_call_are_bounded() {
    let mut call = Answered::new();
    for _ in 0..200 {
        call.rig.receive(CALLER, call.caller.request("INFO"));
    }
    let refused = call.rig.sent.iter().filter(|sent| sent.message.code() == 500).count();
    assert!((130..200).contains(&refused), "{refused} refused");
    assert!(call.rig.core.counters().overloaded >= 130);
}

#[test]
fn after_the_end_a_bye_of_the_other_side_still_passes() {
    let mut call = Answered::new();
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    let late = call.callee_sends("BYE");
    call.caller_says(&late, 200);
    assert_eq!(call.rig.records.len(), 1);
    call.rig.ends_clean();
}

#[test]
fn a_call_goes_on_through_hours_of_refreshes_with_few_timers() {
    let mut call = Answered::new();
    for _ in 0..100 {
        let update = call.caller_sends("UPDATE");
        call.callee_says(&update, 200);
        call.rig.pass(secs(90));
    }
    assert!(call.rig.core.wheel.len() < 20, "{} timers for one call", call.rig.core.wheel.len());
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    call.rig.ends_clean();
}

#[test]
fn a_call_that_is_over_leaves_no_timer_of_hours_behind() {
    let mut call = Answered::new();
    call.rig.pass(secs(100));
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    call.rig.pass(secs(100));
    assert_eq!(call.rig.core.wheel.len(), 0);
    assert_eq!(call.rig.core.held(), 0);
}

#[test]
fn an_invite_that_names_a_callee_who_never_answered_is_no_way_past_the_stages() {
    let mut call = Answered::new();
    let invented = call.caller.request("INVITE").replace("tag=to-0", "tag=invented");
    call.rig.receive(CALLER, invented);
    call.rig.next(CALLER, "481 INVITE");
    call.rig.silence();
}

#[test]
fn a_request_that_names_nobody_of_the_call_is_no_way_past_the_stages() {
    let mut call = Answered::new();
    for method in ["MESSAGE", "OPTIONS", "REFER", "BYE"] {
        let invented = call.caller.request(method).replace("tag=to-0", "tag=invented");
        call.rig.receive(CALLER, invented);
        call.rig.next(CALLER, &format!("481 {method}"));
    }
    call.rig.silence();
}

#[test]
fn a_request_within_the_call_goes_to_its_peer_and_nowhere_else() {
    let mut call = Answered::new();
    let info = call.caller.request("INFO");
    let (line, rest) = info.split_once("\r\n").expect("a start line");
    let elsewhere = format!("INFO sip:victim@203.0.113.99:5999 SIP/2.0\r\n{rest}");
    assert!(line.starts_with("INFO "));
    call.rig.receive(CALLER, elsewhere);
    let arrived = call.rig.next(CARRIERS[0], "INFO");
    assert_eq!(text(arrived.uri()), "sip:victim@203.0.113.99:5999", "the Request-URI is the sender's own");
    call.rig.silence();
}

#[test]
fn a_refused_call_lends_its_name_to_nothing() {
    let mut rig = super::rig::Rig::new();
    let invite = parse(ua::invite(CALLER, "a", super::rig::URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.decide(crate::decision::Decision::Respond { code: 403, reason: String::new(), headers: Vec::new() });
    rig.next(CALLER, "403 INVITE");
    let to = text(invite.get(Name::To).expect("To"));
    let within = text(invite.raw()).replace(&format!("To: {to}"), &format!("To: {to};tag=invented"));
    for method in ["INVITE", "MESSAGE"] {
        rig.receive(CALLER, within.replace("INVITE", method).replace("z9hG4bK-a", &format!("z9hG4bK-{method}")));
        rig.next(CALLER, &format!("481 {method}"));
    }
    rig.silence();
}
