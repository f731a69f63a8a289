//! Routes that ring together (RFC 3261 sections 16.6 and 16.7), and forks behind a carrier.

use super::rig::{CALLER, CARRIERS, Placed, Rig, URI, outcomes, target, verdict};
use super::ua::{self, Dialog, parse};
use crate::decision::Target;
use crate::end::{AttemptOutcome, End};
use crate::message::{Message, Name};

/// Two carriers ring together, a third comes after them; the INVITEs of the first two.
fn ringing_together() -> (Placed, Message) {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    let beside = Target { parallel: true, ..target(CARRIERS[1]) };
    rig.hunt(vec![target(CARRIERS[0]), beside, target(CARRIERS[2])]);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let second = rig.next(CARRIERS[1], "INVITE");
    rig.silence();
    (Placed { rig, invite, forwarded }, second)
}

#[test]
fn the_first_to_answer_has_the_call_and_the_other_is_cancelled() {
    let (mut call, second) = ringing_together();
    call.carrier_says(180);
    call.rig.next(CALLER, "180 INVITE");
    call.answer(1, &second, 180);
    call.rig.next(CALLER, "180 INVITE");
    call.answer(1, &second, 200);
    let answer = call.rig.next(CALLER, "200 INVITE");
    let cancel = call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.silence();
    call.answer(0, &cancel, 200);
    call.carrier_says(487);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
    let bye = Dialog::caller(CALLER, &call.invite, &answer).request("BYE");
    call.rig.receive(CALLER, bye);
    let bye = call.rig.next(CARRIERS[1], "BYE");
    call.answer(1, &bye, 200);
    let record = call.rig.record();
    assert_eq!(verdict(&record), (200, End::CallerHungUp));
    assert_eq!(outcomes(&record), [(0, 487, AttemptOutcome::Cancelled), (1, 200, AttemptOutcome::Response)]);
    call.rig.ends_clean();
}

#[test]
fn both_that_answer_at_once_are_in_the_record_and_the_second_is_hung_up() {
    let (mut call, second) = ringing_together();
    call.answer(1, &second, 200);
    let answer = call.rig.next(CALLER, "200 INVITE");
    call.carrier_says(200);
    assert_eq!(call.rig.next(CARRIERS[0], "ACK").to_tag(), Some(&b"to-0"[..]));
    let bye = call.rig.next(CARRIERS[0], "BYE");
    call.answer(0, &bye, 200);
    call.rig.silence();
    call.rig.receive(CALLER, Dialog::caller(CALLER, &call.invite, &answer).request("BYE"));
    let bye = call.rig.next(CARRIERS[1], "BYE");
    call.answer(1, &bye, 200);
    let record = call.rig.record();
    assert!(record.attempts[0].released.is_some() && record.attempts[1].released.is_none());
    call.rig.ends_clean();
}

#[test]
fn the_next_route_waits_until_all_that_ring_together_have_failed() {
    let (mut call, second) = ringing_together();
    call.carrier_says(503);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
    call.answer(1, &second, 500);
    call.rig.next(CARRIERS[1], "ACK");
    let third = call.rig.next(CARRIERS[2], "INVITE");
    call.rig.silence();
    call.answer(2, &third, 404);
    call.rig.next(CARRIERS[2], "ACK");
    call.rig.next(CALLER, "404 INVITE");
    assert_eq!(call.rig.record().attempts.len(), 3);
    call.rig.ends_clean();
}

#[test]
fn one_that_is_busy_does_not_stop_the_other_but_nothing_new_is_tried() {
    let (mut call, second) = ringing_together();
    call.carrier_says(486);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
    call.answer(1, &second, 503);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "486 INVITE");
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (486, End::Failed));
    call.rig.ends_clean();
}

#[test]
fn a_6xx_cancels_the_others_and_is_what_the_caller_hears() {
    let (mut call, second) = ringing_together();
    call.answer(1, &second, 180);
    call.rig.next(CALLER, "180 INVITE");
    call.carrier_says(603);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.next(CARRIERS[1], "CANCEL");
    call.rig.silence();
    call.answer(1, &second, 487);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "603 INVITE");
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (603, End::Failed));
    call.rig.ends_clean();
}

#[test]
fn a_cancel_of_the_caller_reaches_all_that_ring() {
    let (mut call, second) = ringing_together();
    call.carrier_says(180);
    call.answer(1, &second, 180);
    call.rig.sent.clear();
    call.cancel();
    call.rig.next(CALLER, "200 CANCEL");
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.next(CARRIERS[1], "CANCEL");
    call.carrier_says(487);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.silence();
    call.answer(1, &second, 487);
    call.rig.next(CARRIERS[1], "ACK");
    call.rig.next(CALLER, "487 INVITE");
    assert_eq!(verdict(&call.rig.record()), (487, End::Cancelled));
    call.rig.ends_clean();
}

#[test]
fn the_challenges_of_all_that_asked_reach_the_caller_together() {
    let (mut call, second) = ringing_together();
    let challenge = |request: &Message, code, carrier: usize, field: &str| {
        let response = ua::response(request, code, &format!("to-{carrier}"), CARRIERS[carrier]);
        response.replace("Contact:", &format!("{field}: Digest realm=\"r{carrier}\", nonce=\"n\"\r\nContact:"))
    };
    let forwarded = call.forwarded.clone();
    call.rig.receive(CARRIERS[0], challenge(&forwarded, 407, 0, "Proxy-Authenticate"));
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.receive(CARRIERS[1], challenge(&second, 401, 1, "WWW-Authenticate"));
    call.rig.next(CARRIERS[1], "ACK");
    let told = call.rig.sent.pop_front().expect("a challenge").message;
    assert!(matches!(told.code(), 401 | 407));
    assert_eq!((told.all(Name::ProxyAuthenticate).count(), told.all(Name::WwwAuthenticate).count()), (1, 1));
    call.rig.record();
}

#[test]
fn early_media_of_several_callees_reaches_the_caller_and_each_prack_its_own() {
    let (mut call, second) = ringing_together();
    let forwarded = call.forwarded.clone();
    let mut dialogs = Vec::new();
    for (carrier, request, tag) in [(0, &forwarded, "x"), (0, &forwarded, "y"), (1, &second, "z")] {
        call.rig.receive(CARRIERS[carrier], ua::response(request, 183, tag, CARRIERS[carrier]));
        let heard = call.rig.next(CALLER, "183 INVITE");
        assert_eq!(heard.to_tag(), Some(tag.as_bytes()));
        dialogs.push((carrier, tag, Dialog::caller(CALLER, &call.invite, &heard)));
    }
    for (carrier, tag, mut dialog) in dialogs {
        call.rig.receive(CALLER, dialog.request("PRACK"));
        let prack = call.rig.next(CARRIERS[carrier], "PRACK");
        assert_eq!(prack.to_tag(), Some(tag.as_bytes()));
        call.answer(carrier, &prack, 200);
        call.rig.next(CALLER, "200 PRACK");
    }
    call.rig.silence();
}

#[test]
fn a_prack_to_a_carrier_that_has_failed_goes_nowhere() {
    let (mut call, _) = ringing_together();
    call.carrier_says(183);
    let heard = call.rig.next(CALLER, "183 INVITE");
    call.carrier_says(503);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.receive(CALLER, Dialog::caller(CALLER, &call.invite, &heard).request("PRACK"));
    call.rig.next(CALLER, "481 PRACK");
    call.rig.silence();
}
