//! 3xx answers: passed on, or followed where the gateway is told so (RFC 3261 sections 8.1.3.4 and 16.5).

use std::sync::Arc;

use super::super::{Listener, Settings};
use super::rig::{CALLER, CARRIERS, Placed, Rig, URI, hop, listener, ms, outcomes, secs, settings, target, verdict};
use super::ua::{self, parse, text};
use crate::decision::{Destination, NextHop, Redirects, Target};
use crate::end::{AttemptOutcome, End};
use crate::flow::Transport;
use crate::place::Place;

/// The INVITE is at the first of two carriers, which may redirect.
fn followed() -> Placed {
    placed(Redirects::Follow)
}

/// The same at a node that listens there.
fn followed_by(listeners: Vec<Listener>) -> Placed {
    placed_at(Rig::with(Settings { listeners, ..settings() }), Redirects::Follow)
}

fn placed(redirects: Redirects) -> Placed {
    placed_at(Rig::new(), redirects)
}

fn placed_at(mut rig: Rig, redirects: Redirects) -> Placed {
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    let follows = Arc::new(NextHop { redirects, ..(*hop()).clone() });
    rig.hunt(vec![Target { hop: follows, ..target(CARRIERS[0]) }, target(CARRIERS[1])]);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    Placed { rig, invite, forwarded }
}

fn redirect(call: &mut Placed, contacts: &str) {
    let answer = ua::response(&call.forwarded, 302, "to-0", CARRIERS[0]);
    let answer = answer.replace("<sip:callee@198.51.100.1:5060>", contacts);
    call.rig.receive(CARRIERS[0], answer);
    call.rig.next(CARRIERS[0], "ACK");
}

#[test]
fn the_contacts_are_called_in_the_order_of_their_q_and_then_the_next_route() {
    let mut call = followed();
    redirect(&mut call, "<sip:b@198.51.100.4:5060>;q=0.2, <sip:a;rn=1@198.51.100.3>;q=0.7");
    let first = call.rig.next(CARRIERS[2], "INVITE");
    assert_eq!(text(first.uri()), "sip:a;rn=1@198.51.100.3");
    call.rig.silence();
    call.answer(2, &first, 503);
    call.rig.next(CARRIERS[2], "ACK");
    let second = call.rig.next(CARRIERS[3], "INVITE");
    assert_eq!(text(second.uri()), "sip:b@198.51.100.4:5060");
    call.answer(3, &second, 500);
    call.rig.next(CARRIERS[3], "ACK");
    let third = call.rig.next(CARRIERS[1], "INVITE");
    assert_eq!(text(third.uri()), "sip:+12125559999@198.51.100.2:5060");
    call.answer(1, &third, 486);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "486 INVITE");
    let record = call.rig.record();
    assert_eq!(verdict(&record), (486, End::Failed));
    let response = AttemptOutcome::Response;
    assert_eq!(outcomes(&record), [(0, 302, response), (0, 503, response), (0, 500, response), (1, 486, response)]);
    let led_to: Vec<Option<&str>> = record.attempts.iter().map(|attempt| attempt.redirected.as_deref()).collect();
    assert_eq!(led_to, [None, Some("a"), Some("b"), None]);
    call.rig.ends_clean();
}

#[test]
fn a_contact_with_a_host_name_is_called_at_the_gateway_that_gave_it_where_the_operator_says_so() {
    let mut call = placed(Redirects::Stay);
    redirect(&mut call, "<sip:+13105550000;npdi@sbc.example.net>");
    let again = call.rig.next(CARRIERS[0], "INVITE");
    assert_eq!(text(again.uri()), "sip:+13105550000;npdi@sbc.example.net");
    call.rig.silence();
}

fn sbc() -> Place {
    Place { host: "sbc.example.net".into(), port: None, transport: None, secure: false }
}

fn at(address: &str) -> Destination {
    Destination { transport: Transport::Udp, address: address.parse().expect("an address") }
}

fn located(call: &mut Placed, found: &[&str]) {
    let found: Box<[Destination]> = found.iter().map(|address| at(address)).collect();
    call.rig.located(&sbc(), Some((found, secs(60))).filter(|(found, _)| !found.is_empty()));
}

#[test]
fn a_contact_with_a_host_name_is_called_where_the_name_leads_each_of_its_addresses_in_turn() {
    let mut call = followed();
    redirect(&mut call, "<sip:+13105550000;npdi@sbc.example.net>");
    call.rig.silence();
    assert_eq!(call.rig.sought, [sbc()]);
    located(&mut call, &[CARRIERS[2], super::rig::US, CARRIERS[3]]);
    let first = call.rig.next(CARRIERS[2], "INVITE");
    assert_eq!(text(first.uri()), "sip:+13105550000;npdi@sbc.example.net");
    call.rig.silence();
    call.rig.unreachable(&first);
    let second = call.rig.next(CARRIERS[3], "INVITE");
    call.answer(3, &second, 503);
    call.rig.next(CARRIERS[3], "ACK");
    let third = call.rig.next(CARRIERS[1], "INVITE");
    call.answer(1, &third, 486);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "486 INVITE");
    let (response, unreachable) = (AttemptOutcome::Response, AttemptOutcome::Unreachable);
    let record = call.rig.record();
    assert_eq!(outcomes(&record), [(0, 302, response), (0, 503, unreachable), (0, 503, response), (1, 486, response)]);
    call.rig.ends_clean();

    call.rig.sent.clear();
    redirect_again(&mut call);
    call.rig.silence();
    assert_eq!(call.rig.sought.len(), 2, "what was long ago is asked for again");
    located(&mut call, &[CARRIERS[3]]);
    call.rig.next(CARRIERS[3], "INVITE");
}

#[test]
fn where_a_name_led_long_ago_is_tried_where_no_answer_comes_any_more() {
    for answered in [true, false] {
        let mut call = followed();
        redirect(&mut call, "<sip:b@sbc.example.net>");
        located(&mut call, &[CARRIERS[2]]);
        let first = call.rig.next(CARRIERS[2], "INVITE");
        call.answer(2, &first, 486);
        call.rig.ends_clean();
        call.rig.records.clear();
        call.rig.sent.clear();
        redirect_again(&mut call);
        call.rig.silence();
        if answered {
            located(&mut call, &[]);
        } else {
            call.rig.pass(ms(3_010));
        }
        call.rig.next(CARRIERS[2], "INVITE");
    }
}

#[test]
fn a_call_waits_for_a_name_that_could_not_be_asked_for_when_nobody_waited() {
    let mut rig = Rig::new();
    let invite = ua::invite(CALLER, "a", URI).replace("sip:caller@192.0.2.10:5062", "sip:caller@sbc.example.net");
    rig.receive(CALLER, &invite);
    rig.next(CALLER, "100 INVITE");
    let follows = Arc::new(NextHop { redirects: Redirects::Follow, ..(*hop()).clone() });
    rig.hunt(vec![Target { hop: follows, ..target(CARRIERS[0]) }, target(CARRIERS[1])]);
    assert_eq!((rig.sought.len(), rig.awaited), (1, 0));
    rig.unasked(&sbc(), false);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let mut call = Placed { rig, invite: parse(invite), forwarded };
    redirect(&mut call, "<sip:b@sbc.example.net>");
    assert_eq!((call.rig.sought.len(), call.rig.awaited), (2, 1));
    located(&mut call, &[CARRIERS[2]]);
    call.rig.next(CARRIERS[2], "INVITE");
}

#[test]
fn where_the_question_of_a_call_itself_cannot_be_asked_it_goes_to_the_next_route_at_once() {
    let mut call = followed();
    redirect(&mut call, "<sip:b@sbc.example.net>");
    call.rig.unasked(&sbc(), true);
    let next = call.rig.next(CARRIERS[1], "INVITE");
    call.rig.silence();
    call.answer(1, &next, 486);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "486 INVITE");
    let tried = [(0, 302, AttemptOutcome::Response), (0, 503, AttemptOutcome::Unreachable)];
    assert_eq!(outcomes(&call.rig.record())[..2], tried);
}

/// Another call that is redirected likewise.
fn redirect_again(call: &mut Placed) {
    let invite = parse(ua::invite(CALLER, "b", URI));
    call.rig.receive(CALLER, invite.raw());
    call.rig.next(CALLER, "100 INVITE");
    let follows = Arc::new(NextHop { redirects: Redirects::Follow, ..(*hop()).clone() });
    call.rig.hunt(vec![Target { hop: follows, ..target(CARRIERS[0]) }]);
    call.forwarded = call.rig.next(CARRIERS[0], "INVITE");
    redirect(call, "<sip:+13105550000;npdi@sbc.example.net>");
}

#[test]
fn a_name_that_leads_nowhere_and_one_of_which_nothing_is_heard_lead_to_the_next_route() {
    for answered in [true, false] {
        let mut call = followed();
        redirect(&mut call, "<sip:b@sbc.example.net>");
        if answered {
            located(&mut call, &[]);
        } else {
            call.rig.pass(ms(2_990));
            call.rig.silence();
            call.rig.pass(ms(20));
        }
        let next = call.rig.next(CARRIERS[1], "INVITE");
        located(&mut call, &[CARRIERS[2]]);
        call.rig.silence();
        call.answer(1, &next, 486);
        call.rig.next(CARRIERS[1], "ACK");
        call.rig.next(CALLER, "486 INVITE");
        let record = call.rig.record();
        let tried = [(0, 302, AttemptOutcome::Response), (0, 503, AttemptOutcome::Unreachable)];
        assert_eq!(outcomes(&record)[..2], tried);
        assert_eq!(record.attempts[1].redirected.as_deref(), Some("b"));
        call.rig.ends_clean();
    }
}

#[test]
fn a_call_that_is_cancelled_while_it_waits_for_a_name_ends_at_once() {
    let mut call = followed();
    redirect(&mut call, "<sip:b@sbc.example.net>");
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.next(CALLER, "487 INVITE");
    located(&mut call, &[CARRIERS[2]]);
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (487, End::Cancelled));
    call.rig.ends_clean();
}

#[test]
fn a_contact_that_leads_back_to_us_or_nowhere_is_no_contact() {
    for contacts in ["<sip:b@192.0.2.1:5060>", "<tel:+12125550000>", "<sip:b@198.51.100.3;transport=sctp>"] {
        let mut call = followed();
        redirect(&mut call, contacts);
        call.rig.next(CALLER, "302 INVITE");
        call.rig.silence();
        assert_eq!(verdict(&call.rig.record()), (302, End::Failed), "{contacts}");
    }
}

#[test]
fn a_name_that_leads_to_this_node_is_no_contact_wherever_it_listens() {
    let wildcard = Listener { host: "203.0.113.9".into(), ..listener(Transport::Udp, "0.0.0.0:5060") };
    let forwarded = Listener { host: "203.0.113.9".into(), port: 5080, ..listener(Transport::Udp, "10.0.0.5:5060") };
    let v6 = Listener { host: "[2001:db8::9]".into(), ..listener(Transport::Udp, "[::]:5060") };
    for (ours, address) in [
        (&wildcard, "203.0.113.9:5060"),
        (&forwarded, "203.0.113.9:5080"),
        (&forwarded, "10.0.0.5:5060"),
        (&v6, "[2001:db8::9]:5060"),
    ] {
        let mut call = followed_by(vec![wildcard.clone(), ours.clone()]);
        redirect(&mut call, "<sip:b@sbc.example.net>");
        located(&mut call, &[address]);
        call.rig.next(CARRIERS[1], "INVITE");
        call.rig.silence();
    }
}

#[test]
fn gateways_that_send_calls_round_in_circles_are_left_after_the_allowed_attempts() {
    let mut call = placed(Redirects::Stay);
    let mut sent = 1;
    redirect(&mut call, "<sip:b@sbc.example.net>");
    while let Some(again) = call.rig.sent.pop_front().filter(|sent| sent.message.code() == 0) {
        sent += 1;
        call.forwarded = again.message;
        redirect(&mut call, "<sip:b@sbc.example.net>");
    }
    assert_eq!(sent, settings().max_attempts);
    call.rig.record();
    call.rig.ends_clean();
}
