//! Gateways that ask this node for credentials (RFC 3261 section 22, RFC 7616).

use std::sync::Arc;

use super::rig::{Answered, CALLER, CARRIERS, LONGEST, Placed, Rig, URI, hop, outcomes, target, verdict};
use super::ua::{self, Dialog, parse, text};
use crate::decision::{NextHop, Target};
use crate::digest::{DigestStatus, Login, Md5, Nonces, Realm};
use crate::end::{AttemptOutcome, End};
use crate::message::{Message, Name};

fn nonces() -> Nonces {
    Nonces::new([3; 32])
}

fn with_login() -> Arc<NextHop> {
    let login = Login { user: "trunk".into(), password: "secret".into() };
    Arc::new(NextHop { login: Some(Arc::new(login)), ..(*hop()).clone() })
}

/// The INVITE is at the first of two carriers, of which the first knows us by a login.
fn placed() -> Placed {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.hunt(vec![Target { hop: with_login(), ..target(CARRIERS[0]) }, target(CARRIERS[1])]);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    Placed { rig, invite, forwarded }
}

/// The first carrier challenges a request; the request as it comes again.
fn challenge(rig: &mut Rig, request: &Message, code: u16, stale: bool) -> Message {
    let field = if code == 407 { "Proxy-Authenticate" } else { "WWW-Authenticate" };
    let values = Realm { name: "carrier", md5: Md5::Offered, nonces: &nonces() }.challenge(100, 1, stale);
    let lines = values.iter().map(|value| format!("{field}: {value}\r\n")).collect::<Vec<_>>().concat();
    let response = ua::response(request, code, "to-0", CARRIERS[0]).replace("Contact:", &format!("{lines}Contact:"));
    rig.receive(CARRIERS[0], response);
    if text(request.method_bytes()) == "INVITE" {
        rig.next(CARRIERS[0], "ACK");
    }
    rig.next(CARRIERS[0], text(request.method_bytes()))
}

fn is_verified(request: &Message) -> bool {
    let password = |user: &str| (user == "trunk").then(|| "secret".to_owned());
    Realm { name: "carrier", md5: Md5::Offered, nonces: &nonces() }.verify(request, password, 100)
        == DigestStatus::Verified("trunk".into())
}

fn number(message: &Message) -> u32 {
    message.cseq().expect("CSeq").number
}

/// Answered after a challenge.
fn answered() -> Answered {
    let mut call = placed();
    let forwarded = call.forwarded.clone();
    let again = challenge(&mut call.rig, &forwarded, 407, false);
    call.forwarded = again;
    Answered::from(call)
}

#[test]
fn a_challenge_is_answered_on_a_branch_of_its_own_with_the_next_number() {
    for code in [401, 407] {
        let mut call = placed();
        let forwarded = call.forwarded.clone();
        let again = challenge(&mut call.rig, &forwarded, code, false);
        call.rig.silence();
        assert!(is_verified(&again), "{}", text(again.raw()));
        assert_eq!(number(&again), 2);
        assert_ne!(again.top_via().map(|via| via.branch), forwarded.top_via().map(|via| via.branch));
        assert_eq!(again.get(Name::RecordRoute), forwarded.get(Name::RecordRoute));
        call.answer(0, &again, 180);
        assert_eq!(number(&call.rig.next(CALLER, "180 INVITE")), 1, "the caller sees the number that it gave");
        call.answer(0, &again, 486);
        assert_eq!(number(&call.rig.next(CARRIERS[0], "ACK")), 2);
        assert_eq!(number(&call.rig.next(CALLER, "486 INVITE")), 1);
        let record = call.rig.record();
        assert_eq!(outcomes(&record), [(0, 486, AttemptOutcome::Response)], "one attempt");
        call.rig.ends_clean();
    }
}

#[test]
fn a_nonce_that_was_too_old_is_answered_once_more_and_a_wrong_password_is_not() {
    let mut call = placed();
    let forwarded = call.forwarded.clone();
    let second = challenge(&mut call.rig, &forwarded, 407, false);
    let third = challenge(&mut call.rig, &second, 407, true);
    assert_eq!((number(&third), third.all(Name::ProxyAuthorization).count()), (3, 1));
    assert!(is_verified(&third));
    call.answer(0, &third, 407);
    call.rig.next(CARRIERS[0], "ACK");
    let next = call.rig.next(CARRIERS[1], "INVITE");
    assert_eq!((number(&next), next.get(Name::ProxyAuthorization)), (1, None), "the login is that gateway's alone");
    call.answer(1, &next, 503);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "500 INVITE");
    assert_eq!(outcomes(&call.rig.record())[0], (0, 407, AttemptOutcome::Response));
    call.rig.ends_clean();
}

#[test]
fn without_a_login_the_challenge_goes_to_the_caller() {
    let mut call = Placed::at_carrier(2);
    call.carrier_says(407);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CALLER, "407 INVITE");
    assert_eq!(verdict(&call.rig.record()), (407, End::Failed));
}

#[test]
fn the_numbers_of_the_caller_stay_ahead_at_the_callee_for_the_whole_call() {
    let mut call = answered();
    for (method, expected) in [("INFO", 3), ("INVITE", 4), ("UPDATE", 5)] {
        let request = call.caller_sends(method);
        assert_eq!(number(&request), expected, "{method}");
        let response = call.callee_says(&request, 200);
        assert_eq!(number(&response), expected - 1, "{method}");
        if method == "INVITE" {
            call.rig.receive(CALLER, call.caller.request("ACK"));
            let ack = call.rig.next(CARRIERS[0], "ACK");
            assert_eq!(number(&ack), expected);
            assert!(ack.get(Name::ProxyAuthorization).is_some(), "as its INVITE had");
        }
    }
    let info = call.callee_sends("INFO");
    assert_eq!(number(&info), call.callee.cseq, "the callee's own numbers are not ours");
    call.caller_says(&info, 200);
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    assert_eq!(verdict(&call.rig.record()), (200, End::CallerHungUp));
    call.rig.ends_clean();
}

#[test]
fn a_request_within_the_call_is_answered_for_too() {
    for method in ["INVITE", "INFO", "BYE"] {
        let mut call = answered();
        let request = call.caller_sends(method);
        let again = challenge(&mut call.rig, &request, 407, false);
        call.rig.silence();
        assert!(is_verified(&again), "{method}");
        assert_eq!((number(&request), number(&again)), (3, 4));
        let response = call.callee_says(&again, 200);
        assert_eq!(number(&response), 2);
        if method == "INVITE" {
            call.rig.receive(CALLER, call.caller.request("ACK"));
            assert_eq!(number(&call.rig.next(CARRIERS[0], "ACK")), 4);
        }
        if method != "BYE" {
            assert_eq!(number(&call.caller_sends("UPDATE")), 5, "{method}");
        }
    }
}

#[test]
fn a_request_sent_while_another_is_challenged_keeps_the_order_of_numbers() {
    let mut call = answered();
    let invite = call.caller_sends("INVITE");
    let info = call.caller_sends("INFO");
    let again = challenge(&mut call.rig, &invite, 407, false);
    assert_eq!((number(&invite), number(&info), number(&again)), (3, 4, 5));
    assert_eq!(number(&call.callee_says(&again, 200)), 2);
    assert_eq!(number(&call.callee_says(&info, 200)), 3);
    let ack = call.caller.numbered("ACK", 2);
    call.rig.receive(CALLER, ack);
    assert_eq!(number(&call.rig.next(CARRIERS[0], "ACK")), 5);
    assert_eq!(number(&call.caller_sends("UPDATE")), 6);
}

#[test]
fn a_prack_counts_on_and_names_the_invite_by_the_number_that_the_callee_got() {
    let mut call = placed();
    let forwarded = call.forwarded.clone();
    let again = challenge(&mut call.rig, &forwarded, 401, false);
    call.answer(0, &again, 183);
    let heard = call.rig.next(CALLER, "183 INVITE");
    let prack = Dialog::caller(CALLER, &call.invite, &heard).request("PRACK");
    call.rig.receive(CALLER, prack.replace("Max-F", "RAck: 776 1 INVITE\r\nMax-F"));
    let prack = call.rig.next(CARRIERS[0], "PRACK");
    assert_eq!((number(&prack), prack.get(Name::RAck)), (3, Some(&b"776 2 INVITE"[..])));
    call.answer(0, &prack, 200);
    assert_eq!(number(&call.rig.next(CALLER, "200 PRACK")), 2);
}

#[test]
fn a_cancel_reaches_the_branch_that_carries_the_credentials() {
    let mut call = placed();
    let forwarded = call.forwarded.clone();
    let again = challenge(&mut call.rig, &forwarded, 407, false);
    call.answer(0, &again, 180);
    call.rig.next(CALLER, "180 INVITE");
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    let cancel = call.rig.next(CARRIERS[0], "CANCEL");
    assert_eq!(number(&cancel), 2);
    assert_eq!(cancel.top_via().map(|via| via.branch), again.top_via().map(|via| via.branch));
    call.rig.silence();
    call.answer(0, &again, 487);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CALLER, "487 INVITE");
    assert_eq!(verdict(&call.rig.record()), (487, End::Cancelled));
    call.rig.ends_clean();
}

#[test]
fn our_own_bye_comes_after_all_that_the_callee_got_and_is_answered_for() {
    let mut call = answered();
    call.rig.pass(LONGEST);
    call.rig.next(CALLER, "BYE");
    let bye = call.rig.next(CARRIERS[0], "BYE");
    assert_eq!(number(&bye), 3);
    let again = challenge(&mut call.rig, &bye, 401, false);
    assert!(is_verified(&again));
    assert_eq!(number(&again), 4);
}
