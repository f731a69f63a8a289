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

/// A call that is at its carrier, of a caller who is believed, or not.
fn placed(believed: bool) -> Placed {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", super::rig::URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    let message = rig.routes.front().expect("a call wants routes").message.clone();
    rig.decide(Decision::Hunt { message, targets: vec![target(CARRIERS[0])], believed });
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    Placed { rig, invite, forwarded }
}

/// The same, answered.
fn answered(believed: bool) -> Answered {
    Answered::from(placed(believed))
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

/// A call that says this of its caller, at a gateway like this.
fn claimed(text: &str, hop: NextHop) -> Placed {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", super::rig::URI).replacen("Max-F", text, 1));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.hunt(vec![Target { hop: Arc::new(hop), ..target(CARRIERS[0]) }]);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    Placed { rig, invite, forwarded }
}

#[test]
fn whom_a_trusted_gateway_redirects_to_is_not_trusted_for_that() {
    for (text, told) in [(PRIVATE, false), (CLAIM, true)] {
        let mut call = claimed(text, NextHop { follows_redirects: true, ..(*hop()).clone() });
        assert!(claims(&call.forwarded));
        let answer = ua::response(&call.forwarded, 302, "to-0", CARRIERS[0]);
        call.rig.receive(CARRIERS[0], answer.replace("<sip:callee@198.51.100.1:5060>", "<sip:b@198.51.100.3>"));
        call.rig.next(CARRIERS[0], "ACK");
        assert_eq!(claims(&call.rig.next(CARRIERS[2], "INVITE")), told);
    }
}

#[test]
fn a_gateway_that_is_not_trusted_is_not_told_what_is_private_and_one_that_is_trusted_is() {
    for (trusted, text, told) in [(true, PRIVATE, true), (false, PRIVATE, false), (false, CLAIM, true)] {
        let call = claimed(text, NextHop { trusted, ..(*hop()).clone() });
        assert_eq!(claims(&call.forwarded), told);
        let mut call = Answered::from(call);
        let request = call.caller.request("UPDATE").replacen("Max-F", text, 1);
        call.rig.receive(CALLER, request);
        assert_eq!(claims(&call.rig.next(CARRIERS[0], "UPDATE")), told, "within the call too");
    }
}

#[test]
fn a_caller_who_is_not_believed_is_not_told_what_is_private_of_the_callee() {
    for believed in [true, false] {
        let Placed { mut rig, forwarded, .. } = placed(believed);
        let private = "Privacy: id\r\nP-Asserted-Identity: <tel:+1911>\r\nContact";
        for code in [180, 200] {
            let response = ua::response(&forwarded, code, "to", CARRIERS[0]).replacen("Contact", private, 1);
            rig.receive(CARRIERS[0], response);
            assert_eq!(claims(&rig.next(CALLER, &format!("{code} INVITE"))), believed);
        }
    }
}
