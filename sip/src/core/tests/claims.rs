//! What a caller who is not trusted says about itself goes no further (RFC 3325 section 5).

use std::sync::Arc;

use super::rig::{Answered, CALLER, CARRIERS, Placed, Rig, hop, target};
use super::ua::{self, parse};
use crate::decision::{Decision, NextHop, Target};
use crate::message::{Message, Name};

const CLAIM: &str = "P-Asserted-Identity: <tel:+12125550911>\r\nMax-F";

fn claiming(text: &str) -> String {
    text.replacen("Max-F", CLAIM, 1)
}

fn claims(message: &Message) -> bool {
    message.first(Name::PAssertedIdentity).is_some()
}

/// An answered call of a caller who is believed, or not.
fn answered(believed: bool) -> Answered {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", super::rig::URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    let message = rig.routes.front().expect("a call wants routes").message.clone();
    rig.decide(Decision::Hunt { message, targets: vec![target(CARRIERS[0])], believed });
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    Answered::from(Placed { rig, invite, forwarded })
}

#[test]
fn requests_within_the_call_lose_their_claims_unless_the_caller_is_believed() {
    for believed in [true, false] {
        let mut call = answered(believed);
        let request = claiming(&call.caller.request("UPDATE"));
        call.rig.receive(CALLER, request);
        assert_eq!(claims(&call.rig.next(CARRIERS[0], "UPDATE")), believed);
        // The carrier's own claims pass in any case.
        let request = claiming(&call.callee.request("UPDATE"));
        call.rig.receive(CARRIERS[0], request);
        assert!(claims(&call.rig.next(CALLER, "UPDATE")));
    }
}

#[test]
fn so_do_its_responses() {
    for believed in [true, false] {
        let mut call = answered(believed);
        let update = call.callee_sends("UPDATE");
        let response = ua::response(&update, 200, "unused", CALLER).replacen(
            "Contact",
            "P-Asserted-Identity: <tel:+1911>\r\nContact",
            1,
        );
        call.rig.receive(CALLER, response);
        assert_eq!(claims(&call.rig.next(CARRIERS[0], "200 UPDATE")), believed);
    }
}

#[test]
fn a_call_that_is_taken_up_is_believed_as_before() {
    for believed in [true, false] {
        let call = answered(believed);
        let Answered { mut rig, mut caller, .. } = call;
        rig.dies_and_is_succeeded_by(super::rig::settings());
        let request = claiming(&caller.request("UPDATE"));
        rig.receive(CALLER, request);
        assert_eq!(claims(&rig.next(CARRIERS[0], "UPDATE")), believed);
    }
}

const PRIVATE: &str = "Privacy: id\r\nP-Asserted-Identity: <tel:+12125550911>\r\nMax-F";

#[test]
fn a_gateway_that_is_not_trusted_is_not_told_what_is_private_and_one_that_is_trusted_is() {
    for (trusted, text, told) in [(true, PRIVATE, true), (false, PRIVATE, false), (false, CLAIM, true)] {
        let mut rig = Rig::new();
        let invite = parse(ua::invite(CALLER, "a", super::rig::URI).replacen("Max-F", text, 1));
        rig.receive(CALLER, invite.raw());
        rig.next(CALLER, "100 INVITE");
        let hop = Arc::new(NextHop { trusted, ..(*hop()).clone() });
        rig.hunt(vec![Target { hop, ..target(CARRIERS[0]) }]);
        let forwarded = rig.next(CARRIERS[0], "INVITE");
        assert_eq!(claims(&forwarded), told);
        let mut call = Answered::from(Placed { rig, invite, forwarded });
        let request = call.caller.request("UPDATE").replacen("Max-F", text, 1);
        call.rig.receive(CALLER, request);
        assert_eq!(claims(&call.rig.next(CARRIERS[0], "UPDATE")), told, "within the call too");
    }
}

#[test]
fn a_caller_who_is_not_believed_is_not_told_what_is_private_of_the_callee() {
    for believed in [true, false] {
        let mut rig = Rig::new();
        let invite = parse(ua::invite(CALLER, "a", super::rig::URI));
        rig.receive(CALLER, invite.raw());
        rig.next(CALLER, "100 INVITE");
        let message = rig.routes.front().expect("a call wants routes").message.clone();
        rig.decide(Decision::Hunt { message, targets: vec![target(CARRIERS[0])], believed });
        let forwarded = rig.next(CARRIERS[0], "INVITE");
        let private = "Privacy: id\r\nP-Asserted-Identity: <tel:+1911>\r\nContact";
        for code in [180, 200] {
            let response = ua::response(&forwarded, code, "to", CARRIERS[0]).replacen("Contact", private, 1);
            rig.receive(CARRIERS[0], response);
            assert_eq!(claims(&rig.next(CALLER, &format!("{code} INVITE"))), believed);
        }
    }
}
