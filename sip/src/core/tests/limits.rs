//! The longest call, draining, the node's end, and as many calls as fit.

use super::super::Settings;
use super::rig::{Answered, CALLER, CARRIERS, LONGEST, Placed, Rig, URI, ms, secs, settings, verdict};
use super::ua::{self, parse, text};
use crate::decision::Decision;
use crate::end::End;
use crate::message::Name;

#[test]
fn a_call_at_its_time_limit_is_ended_with_bye_to_both_sides() {
    let mut call = Answered::new();
    let update = call.caller_sends("UPDATE");
    call.callee_says(&update, 200);
    let update = call.callee_sends("UPDATE");
    call.caller_says(&update, 200);
    call.rig.pass(LONGEST);
    let to_caller = call.rig.next(CALLER, "BYE");
    let to_callee = call.rig.next(CARRIERS[0], "BYE");
    assert_eq!(text(to_caller.uri()), format!("sip:callee@{CALLER}"), "as in its answer to the UPDATE");
    assert_eq!((to_caller.from_tag(), to_caller.to_tag()), (Some(&b"to-0"[..]), Some(&b"from-a"[..])));
    assert_eq!(to_caller.cseq().map(|cseq| cseq.number), Some(102), "the callee's UPDATE had 101");
    assert_eq!(text(to_callee.uri()), format!("sip:party@{}", CARRIERS[0]));
    assert_eq!((to_callee.from_tag(), to_callee.to_tag()), (Some(&b"from-a"[..]), Some(&b"to-0"[..])));
    assert_eq!(to_callee.cseq().map(|cseq| cseq.number), Some(3), "the caller's UPDATE had 2");
    let record = call.rig.record();
    assert_eq!(verdict(&record), (200, End::MaxDuration));
    let lasted = record.ended.since(record.answered.expect("answered"));
    assert!((secs(4 * 3600)..secs(4 * 3600) + ms(2)).contains(&lasted), "{lasted:?}");
    call.rig.receive(CALLER, ua::response(&to_caller, 200, "x", CALLER));
    call.rig.receive(CARRIERS[0], ua::response(&to_callee, 481, "x", CARRIERS[0]));
    call.rig.ends_clean();
}

#[test]
fn its_byes_take_the_routes_of_the_proxies_on_either_side() {
    let mut rig = Rig::new();
    let own = "Record-Route: <sip:10.0.0.2:5080;lr>\r\nRecord-Route: <sip:10.0.0.1;lr>\r\nFrom:";
    rig.receive(CALLER, ua::invite(CALLER, "a", URI).replacen("From:", own, 1));
    rig.next(CALLER, "100 INVITE");
    rig.hunt_carriers(1);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let theirs = "Record-Route: <sip:10.9.0.2;lr>\r\nRecord-Route: <sip:10.9.0.1:5081;lr>\r\nRecord-Route:";
    let answer = ua::response(&forwarded, 200, "to", CARRIERS[0]).replacen("Record-Route:", theirs, 1);
    rig.receive(CARRIERS[0], answer);
    rig.next(CALLER, "200 INVITE");
    rig.pass(LONGEST);
    let routes = |message: &crate::message::Message| -> Vec<String> {
        message.routes().map(|route| text(route.uri).to_owned()).collect()
    };
    let bye = rig.next("10.0.0.2:5080", "BYE");
    assert_eq!(routes(&bye), ["sip:10.0.0.2:5080;lr", "sip:10.0.0.1;lr"]);
    assert_eq!(text(bye.uri()), format!("sip:caller@{CALLER}"));
    let bye = rig.next("10.9.0.1:5081", "BYE");
    assert_eq!(routes(&bye), ["sip:10.9.0.1:5081;lr", "sip:10.9.0.2;lr"]);
    rig.ends_clean();
}

#[test]
fn a_strict_router_gets_our_own_bye_as_it_wants_it() {
    let mut rig = Rig::new();
    let own = "Record-Route: <sip:10.0.0.2:5080>\r\nFrom:";
    rig.receive(CALLER, ua::invite(CALLER, "a", URI).replacen("From:", own, 1));
    rig.next(CALLER, "100 INVITE");
    rig.hunt_carriers(1);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    rig.receive(CARRIERS[0], ua::response(&forwarded, 200, "to", CARRIERS[0]));
    rig.next(CALLER, "200 INVITE");
    rig.pass(LONGEST);
    let bye = rig.next("10.0.0.2:5080", "BYE");
    assert_eq!(text(bye.uri()), "sip:10.0.0.2:5080");
    assert_eq!(bye.get(Name::Route), Some(format!("<sip:caller@{CALLER}>").as_bytes()));
}

#[test]
fn a_peer_that_gave_no_contact_is_hung_up_by_its_address() {
    let mut call = Placed::at_carrier(1);
    let contact = format!("Contact: <sip:callee@{}>\r\n", CARRIERS[0]);
    let answer = ua::response(&call.forwarded, 200, "to", CARRIERS[0]).replace(&contact, "");
    call.rig.receive(CARRIERS[0], answer);
    call.rig.next(CALLER, "200 INVITE");
    call.rig.pass(LONGEST);
    call.rig.next(CALLER, "BYE");
    let bye = call.rig.next(CARRIERS[0], "BYE");
    assert_eq!(text(bye.uri()), URI);
    call.rig.ends_clean();
}

#[test]
fn a_draining_node_refuses_new_calls_and_goes_on_with_the_others() {
    let mut call = Answered::new();
    call.rig.core.drain();
    call.rig.receive(CALLER, ua::invite(CALLER, "b", URI));
    let refused = call.rig.next(CALLER, "503 INVITE");
    assert!(refused.get(Name::RetryAfter).is_some());
    assert!(call.rig.routes.is_empty());
    assert_eq!(call.rig.core.counters().overloaded, 1);
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    assert_eq!(call.rig.record().end, End::CallerHungUp);
    call.rig.ends_clean();
}

#[test]
fn a_full_node_refuses_new_calls_until_one_is_gone() {
    let mut rig = Rig::with(Settings { max_calls: 1, ..settings() });
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.receive(CALLER, ua::invite(CALLER, "b", URI));
    rig.next(CALLER, "503 INVITE");
    assert_eq!((rig.core.counters().full, rig.core.counters().overloaded), (1, 0));
    rig.decide(Decision::Respond { code: 404, reason: String::new(), headers: Vec::new() });
    let failure = rig.next(CALLER, "404 INVITE");
    rig.receive(CALLER, ua::hop_by_hop(&invite, "ACK", Some(&failure)));
    rig.pass(secs(6));
    rig.receive(CALLER, ua::invite(CALLER, "c", URI));
    rig.next(CALLER, "100 INVITE");
}

#[test]
fn when_the_node_stops_a_call_in_setup_has_its_record_and_who_rings_is_cancelled() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(180);
    call.rig.sent.clear();
    call.rig.receive(CALLER, ua::invite(CALLER, "b", URI));
    call.rig.next(CALLER, "100 INVITE");
    call.rig.core.interrupt(call.rig.now);
    call.rig.pass(ms(0));
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.next(CALLER, "503 INVITE");
    call.rig.next(CALLER, "503 INVITE");
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (503, End::Interrupted));
    call.rig.hunt_carriers(1);
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (503, End::Interrupted), "with the decision of the other");
    call.rig.ends_clean();
}

#[test]
fn when_the_node_stops_an_answered_call_goes_on_without_it() {
    let mut call = Answered::new();
    call.rig.core.interrupt(call.rig.now);
    call.rig.pass(ms(0));
    call.rig.silence();
    assert!(call.rig.records.is_empty(), "its record is still to come");
    assert_eq!(call.rig.noted.len(), 1, "from who takes it up");
}

#[test]
fn an_overloaded_node_refuses_new_calls_and_probes_for_a_while_and_goes_on_with_the_others() {
    let mut call = Answered::new();
    let mut ringing = Placed::at_carrier(1);
    for rig in [&mut call.rig, &mut ringing.rig] {
        rig.core.overloaded(Some(secs(10)));
    }
    let mut waits = Vec::new();
    for name in 0..64 {
        call.rig.receive(CALLER, ua::invite(CALLER, &format!("b{name}"), URI));
        let refused = call.rig.next(CALLER, "503 INVITE");
        waits.push(text(refused.get(Name::RetryAfter).expect("when to try again")).parse::<u64>().expect("seconds"));
    }
    assert!(waits.iter().all(|wait| (10..=20).contains(wait)), "{waits:?}");
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 5, "not all come back at once: {waits:?}");
    call.rig.receive(CALLER, ua::invite(CALLER, "o", URI).replace("INVITE", "OPTIONS"));
    assert!(call.rig.next(CALLER, "503 OPTIONS").get(Name::RetryAfter).is_some());
    assert_eq!((call.rig.core.counters().overloaded, call.rig.core.held()), (64, 1), "nothing is kept of them");

    ringing.carrier_says(200);
    ringing.rig.next(CALLER, "200 INVITE");
    let again = call.caller_sends("INVITE");
    call.callee_says(&again, 200);
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    call.rig.core.overloaded(None);
    call.rig.receive(CALLER, ua::invite(CALLER, "c", URI));
    call.rig.next(CALLER, "100 INVITE");
}
