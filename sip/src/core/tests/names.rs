//! Sides of a call that give a name in place of an address: found in the background, and never waited for.

use std::time::Duration;

use super::rig::{CALLER, CARRIERS, Rig, URI, secs, target};
use super::ua::{self, Dialog, parse};
use crate::decision::{Decision, Destination};
use crate::flow::Transport;
use crate::place::Place;

/// Where the name of the callee leads.
const FOUND: &str = "198.51.100.77:5070";

fn place() -> Place {
    Place { host: "media.carrier.example".into(), port: Some(5070), transport: None, secure: false }
}

fn found() -> Destination {
    Destination { transport: Transport::Udp, address: FOUND.parse().expect("an address") }
}

fn located(rig: &mut Rig, found: Option<(Destination, Duration)>) {
    rig.located(&place(), found.map(|(destination, fresh_for)| ([destination].into(), fresh_for)));
}

/// A call whose callee answers with a name in its Contact; acknowledged.
fn answered(rig: &mut Rig, name: &str) -> Dialog {
    let invite = parse(ua::invite(CALLER, name, URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.hunt(vec![target(CARRIERS[0])]);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let answer = ua::response(&forwarded, 200, "to", "media.carrier.example:5070");
    rig.receive(CARRIERS[0], &answer);
    Dialog::caller(CALLER, &invite, &rig.next(CALLER, "200 INVITE"))
}

#[test]
fn until_a_name_is_found_requests_go_to_where_its_side_sends_from_and_then_to_where_it_leads() {
    let mut rig = Rig::new();
    let mut caller = answered(&mut rig, "a");
    assert_eq!(rig.sought, [place()], "asked for with the answer, before anything is to be sent there");
    rig.receive(CALLER, caller.request("ACK"));
    rig.next(CARRIERS[0], "ACK");
    located(&mut rig, Some((found(), secs(60))));
    rig.receive(CALLER, caller.request("INFO"));
    let info = rig.next(FOUND, "INFO");
    rig.receive(FOUND, ua::response(&info, 200, "to", FOUND));
    rig.next(CALLER, "200 INFO");
    rig.receive(CALLER, caller.request("BYE"));
    rig.next(FOUND, "BYE");
    assert_eq!(rig.sought.len(), 1, "the next ones know");
}

#[test]
fn a_name_that_leads_nowhere_costs_no_request_its_way_and_is_asked_for_again_later() {
    let mut rig = Rig::new();
    let mut caller = answered(&mut rig, "a");
    rig.receive(CALLER, caller.request("ACK"));
    located(&mut rig, None);
    rig.sent.clear();
    for (pause, asked) in [(1, 1), (31, 2)] {
        rig.pass(secs(pause));
        rig.sent.clear();
        rig.receive(CALLER, caller.request("INFO"));
        rig.next(CARRIERS[0], "INFO");
        assert_eq!(rig.sought.len(), asked);
    }
}

#[test]
fn a_call_that_is_hung_up_by_us_is_hung_up_where_the_name_leads() {
    let mut rig = Rig::new();
    let mut caller = answered(&mut rig, "a");
    rig.receive(CALLER, caller.request("ACK"));
    located(&mut rig, Some((found(), secs(60))));
    rig.sent.clear();
    rig.pass(super::rig::LONGEST);
    rig.next(CALLER, "BYE");
    rig.next(FOUND, "BYE");
}

#[test]
fn where_one_address_of_a_name_cannot_be_reached_the_next_is_tried_and_at_last_where_the_side_sends_from() {
    let other = Destination { address: "198.51.100.78:5070".parse().expect("an address"), ..found() };
    for method in ["INFO", "INVITE", "BYE"] {
        let mut rig = Rig::new();
        let mut caller = answered(&mut rig, "a");
        rig.receive(CALLER, caller.request("ACK"));
        rig.next(CARRIERS[0], "ACK");
        rig.located(&place(), Some(([found(), other].into(), secs(60))));
        rig.receive(CALLER, caller.request(method));
        if method == "INVITE" {
            rig.next(CALLER, "100 INVITE");
        }
        let mut branches = Vec::new();
        let mut sent = None;
        for to in [FOUND, "198.51.100.78:5070", CARRIERS[0]] {
            if let Some(sent) = &sent {
                rig.unreachable(sent);
            }
            let got = rig.next(to, method);
            rig.silence();
            branches.push(got.top_via().and_then(|via| via.branch).expect("a branch").to_vec());
            sent = Some(got);
        }
        branches.dedup();
        assert_eq!(branches.len(), 3, "each is a transaction of its own");
        let got = sent.expect("the last");
        rig.receive(CARRIERS[0], ua::response(&got, 200, "to", CARRIERS[0]));
        rig.next(CALLER, &format!("200 {method}"));
        rig.silence();
    }
}

#[test]
fn where_no_address_of_a_name_can_be_reached_the_sender_is_told_503() {
    let mut rig = Rig::new();
    let mut caller = answered(&mut rig, "a");
    rig.receive(CALLER, caller.request("ACK"));
    rig.next(CARRIERS[0], "ACK");
    located(&mut rig, Some((found(), secs(60))));
    rig.receive(CALLER, caller.request("INFO"));
    let first = rig.next(FOUND, "INFO");
    rig.unreachable(&first);
    let last = rig.next(CARRIERS[0], "INFO");
    rig.unreachable(&last);
    rig.next(CALLER, "503 INFO");
    rig.silence();
}

#[test]
fn nobody_makes_us_ask_for_names_but_who_may_call_and_who_answers() {
    let mut rig = Rig::new();
    let named = ua::invite(CALLER, "a", URI).replace("sip:caller@192.0.2.10:5062", "sip:caller@victim.example");
    rig.receive(CALLER, &named);
    rig.decide(Decision::Respond { code: 403, reason: String::new(), headers: Vec::new() });
    assert_eq!(rig.sought, []);
    let again = named.replace("Call-ID: a", "Call-ID: b").replace("z9hG4bK-a", "z9hG4bK-b");
    rig.receive(CALLER, again);
    rig.hunt(vec![target(CARRIERS[0])]);
    assert_eq!(rig.sought.len(), 1);
}
