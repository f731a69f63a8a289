//! Session timers as a proxy sees them (RFC 4028).

use super::super::Settings;
use super::rig::{Answered, CALLER, CARRIERS, Placed, Rig, URI, secs, settings, verdict};
use super::ua::{self, Dialog, parse};
use crate::end::End;
use crate::message::{Message, Name};

fn with_timer(response: &str, seconds: u32) -> String {
    response.replace("Contact:", &format!("Session-Expires: {seconds};refresher=uac\r\nContact:"))
}

/// A call whose answer agrees on a session of so many seconds.
fn answered(hang_up_expired: bool, seconds: u32) -> Answered {
    let mut rig = Rig::with(Settings { hang_up_expired, ..settings() });
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.hunt_carriers(1);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let answer = parse(with_timer(&ua::response(&forwarded, 200, "to-0", CARRIERS[0]), seconds));
    rig.receive(CARRIERS[0], answer.raw());
    let mut caller = Dialog::caller(CALLER, &invite, &rig.next(CALLER, "200 INVITE"));
    let callee = Dialog::callee(CARRIERS[0], &forwarded, &answer);
    rig.receive(CALLER, caller.request("ACK"));
    rig.next(CARRIERS[0], "ACK");
    Answered { rig, caller, callee }
}

fn refreshed(call: &mut Answered, request: &Message, seconds: u32) {
    call.rig.receive(CARRIERS[0], with_timer(&ua::response(request, 200, "unused", CARRIERS[0]), seconds));
    call.rig.sent.clear();
}

#[test]
fn a_call_whose_refreshes_stop_is_closed_in_the_record() {
    let mut call = answered(false, 1_800);
    call.rig.pass(secs(900));
    let update = call.caller_sends("UPDATE");
    refreshed(&mut call, &update, 1_800);
    call.rig.pass(secs(1_799));
    assert!(call.rig.records.is_empty(), "it was refreshed");
    call.rig.pass(secs(2));
    let record = call.rig.record();
    assert_eq!(verdict(&record), (200, End::SessionExpired));
    assert_eq!(record.ended.since(record.answered.expect("answered")).as_secs(), 2_700);
    call.rig.silence();
    call.rig.ends_clean();
}

#[test]
fn where_the_operator_wants_it_both_sides_are_hung_up() {
    let mut call = answered(true, 90);
    call.rig.pass(super::rig::ms(90_100));
    call.rig.next(CALLER, "BYE");
    call.rig.next(CARRIERS[0], "BYE");
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (200, End::SessionExpired));
    call.rig.ends_clean();
}

#[test]
fn a_refresh_that_is_refused_refreshes_nothing() {
    let mut call = answered(false, 90);
    call.rig.pass(secs(60));
    let invite = call.caller_sends("INVITE");
    call.rig.receive(CARRIERS[0], with_timer(&ua::response(&invite, 488, "unused", CARRIERS[0]), 90));
    call.rig.pass(secs(31));
    assert_eq!(verdict(&call.rig.record()), (200, End::SessionExpired));
}

#[test]
fn a_refresh_without_a_time_ends_the_watch() {
    let mut call = answered(false, 90);
    let invite = call.callee_sends("INVITE");
    call.caller_says(&invite, 200);
    call.rig.pass(secs(3_600));
    assert!(call.rig.records.is_empty());
}

#[test]
fn a_session_that_is_too_short_for_the_callee_is_the_caller_s_matter() {
    let mut call = Placed::at_carrier(2);
    let refusal =
        ua::response(&call.forwarded, 422, "to-0", CARRIERS[0]).replace("Contact:", "Min-SE: 1800\r\nContact:");
    call.rig.receive(CARRIERS[0], refusal);
    call.rig.next(CARRIERS[0], "ACK");
    assert_eq!(call.rig.next(CALLER, "422 INVITE").get(Name::MinSe), Some(&b"1800"[..]));
    call.rig.silence();
    assert_eq!(verdict(&call.rig.record()), (422, End::Failed));
}
