//! What a caller who is not trusted says about itself goes no further (RFC 3325 section 5).

use std::sync::Arc;

use super::super::Terms;
use super::rig::{Answered, CALLER, CARRIERS, Placed, Rig, hop, target};
use super::ua::{self, Dialog, parse};
use crate::decision::{Decision, NextHop, Redirects, Target};
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
    rig.decide(Decision::Hunt {
        message,
        targets: vec![target(CARRIERS[0])],
        customer: "".into(),
        believed,
        realm: None,
    });
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    Placed { rig, invite, forwarded }
}

#[test]
fn credentials_for_this_node_go_no_further_within_the_call_and_those_for_others_do() {
    let of = |realm: &str| {
        let answer = "nonce=\"n\", uri=\"sip:a\", response=\"0\"";
        format!("Proxy-Authorization: Digest username=\"u\", realm=\"{realm}\", {answer}\r\nMax-F")
    };
    let realms = |message: &Message| -> Vec<String> {
        let fields = message.all(Name::ProxyAuthorization);
        fields.map(|field| ua::text(message.value(field)).split('"').nth(3).expect("a realm").to_owned()).collect()
    };
    for taken_up in [false, true] {
        let mut rig = Rig::new();
        let invite = parse(ua::invite(CALLER, "a", super::rig::URI));
        rig.receive(CALLER, invite.raw());
        rig.next(CALLER, "100 INVITE");
        let message = rig.routes.front().expect("a call wants routes").message.clone();
        let (targets, realm) = (vec![target(CARRIERS[0])], Some("here".into()));
        rig.decide(Decision::Hunt { message, targets, customer: "".into(), believed: true, realm });
        let forwarded = rig.next(CARRIERS[0], "INVITE");
        let Answered { mut rig, mut caller, mut callee } = Answered::from(Placed { rig, invite, forwarded });
        if taken_up {
            rig.dies_and_goes_on(super::rig::settings(), |_| Terms { realm: Some("here".into()), hop: Some(hop()) });
        }
        for method in ["UPDATE", "INVITE", "ACK", "BYE"] {
            let request = caller.request(method).replacen("Max-F", &of("here"), 1).replacen("Max-F", &of("there"), 1);
            rig.receive(CALLER, request);
            if method == "INVITE" {
                rig.next(CALLER, "100 INVITE");
            }
            let got = rig.next(CARRIERS[0], method);
            assert_eq!(realms(&got), ["there"], "{method}");
            if method != "ACK" {
                rig.receive(CARRIERS[0], ua::response(&got, 200, "to-0", CARRIERS[0]));
                rig.next(CALLER, &format!("200 {method}"));
            }
            if method == "ACK" {
                // The callee's own are none of this node's.
                rig.receive(CARRIERS[0], callee.request("INFO").replacen("Max-F", &of("here"), 1));
                assert_eq!(realms(&rig.next(CALLER, "INFO")), ["here"]);
            }
        }
    }
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
        let mut call = claimed(text, NextHop { redirects: Redirects::Follow, ..(*hop()).clone() });
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
fn a_gateway_is_trusted_after_a_restart_as_the_configuration_says_then_and_whom_it_redirected_to_is_not() {
    let trusted = |trusted| Arc::new(NextHop { trusted, ..(*hop()).clone() });
    for (then, now, redirected, told) in [
        (true, Some(trusted(true)), false, true),
        (true, Some(trusted(false)), false, false),
        (true, None, false, false),
        (true, Some(trusted(true)), true, false),
    ] {
        let follows = NextHop {
            redirects: if redirected { Redirects::Follow } else { Redirects::Pass },
            trusted: then,
            ..(*hop()).clone()
        };
        let mut call = claimed(PRIVATE, follows);
        let mut answerer = 0;
        if redirected {
            let answer = ua::response(&call.forwarded, 302, "to-0", CARRIERS[0]);
            call.rig.receive(CARRIERS[0], answer.replace("<sip:callee@198.51.100.1:5060>", "<sip:b@198.51.100.3>"));
            call.rig.next(CARRIERS[0], "ACK");
            call.forwarded = call.rig.next(CARRIERS[2], "INVITE");
            answerer = 2;
        }
        let answer = parse(ua::response(&call.forwarded, 200, "to", CARRIERS[answerer]));
        call.rig.receive(CARRIERS[answerer], answer.raw());
        let mut caller = Dialog::caller(CALLER, &call.invite, &call.rig.next(CALLER, "200 INVITE"));
        call.rig.dies_and_goes_on(super::rig::settings(), |open| Terms {
            realm: None,
            hop: open.hop(|target| {
                let now = now.clone().filter(|_| target == 0)?;
                Some((now, super::rig::target(CARRIERS[0]).destination.into_iter().collect()))
            }),
        });
        call.rig.receive(CALLER, caller.request("UPDATE").replacen("Max-F", PRIVATE, 1));
        assert_eq!(claims(&call.rig.next(CARRIERS[answerer], "UPDATE")), told, "{now:?}, {redirected}");
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
