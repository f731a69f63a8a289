//! The timers A to K of RFC 3261 section 17 and L, M of RFC 6026, each at its time.

use super::super::Settings;
use super::rig::{Answered, CALLER, CARRIERS, Placed, Rig, URI, ms, secs, settings, target};
use super::ua::{self, parse};
use crate::decision::Decision;

/// These milliseconds, each as the wheel rounds it up: it never fires early and at most one tick late, and each time
/// counts from the one before.
pub(super) fn ticks(millis: &[u64]) -> Ticks {
    Ticks(millis.to_vec())
}

#[derive(Debug)]
pub(super) struct Ticks(Vec<u64>);

impl PartialEq<Ticks> for Vec<u64> {
    fn eq(&self, wanted: &Ticks) -> bool {
        let late = |(index, (at, wanted)): (usize, (&u64, &u64))| {
            (0..=2 * (index as u64 + 1)).contains(&at.wrapping_sub(*wanted))
        };
        self.len() == wanted.0.len() && self.iter().zip(&wanted.0).enumerate().all(late)
    }
}

/// A call that waits for its only carrier as long as the transaction itself would.
fn patient(settings: Settings) -> Rig {
    let mut rig = Rig::with(settings);
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    let patient = crate::decision::Target { attempt_timeout: secs(100), ..target(CARRIERS[0]) };
    rig.hunt(vec![patient]);
    rig
}

#[test]
fn a_an_invite_is_sent_again_after_t1_doubling_without_bound() {
    let mut rig = patient(settings());
    rig.sent.clear();
    let times = rig.times(CARRIERS[0], "INVITE", ms(31_990));
    assert_eq!(times, ticks(&[500, 1_500, 3_500, 7_500, 15_500, 31_500]));
    assert_eq!(rig.core.counters().retransmitted, 6);
}

#[test]
fn a_t1_is_settable() {
    let mut rig = patient(Settings { t1: ms(100), ..settings() });
    rig.sent.clear();
    assert_eq!(rig.times(CARRIERS[0], "INVITE", secs(2)), ticks(&[100, 300, 700, 1_500]));
}

#[test]
fn a_stops_at_the_first_provisional() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(100);
    assert_eq!(call.rig.times(CARRIERS[0], "INVITE", secs(20)), Vec::<u64>::new());
}

#[test]
fn b_a_silent_carrier_is_given_up_after_64_t1_however_patient_its_route_is() {
    let mut rig = patient(settings());
    rig.sent.clear();
    assert_eq!(rig.times(CALLER, "408 INVITE", ms(32_100)), ticks(&[32_000]));
    assert_eq!(rig.times(CARRIERS[0], "INVITE", secs(100)), Vec::<u64>::new());
    rig.ends_clean();
}

#[test]
fn b_a_reinvite_without_any_response_ends_with_408_after_64_t1() {
    let mut call = Answered::new();
    call.caller_sends("INVITE");
    call.rig.pass(ms(31_990));
    call.rig.sent.clear();
    call.rig.pass(ms(20));
    call.rig.next(CALLER, "408 INVITE");
    call.rig.silence();
}

#[test]
fn c_a_reinvite_that_rings_without_end_is_cancelled_after_three_minutes() {
    let mut call = Answered::new();
    let invite = call.caller_sends("INVITE");
    call.callee_says(&invite, 180);
    call.rig.pass(secs(180));
    call.rig.silence();
    call.rig.pass(secs(6));
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.next(CALLER, "408 INVITE");
}

#[test]
fn c_begins_anew_with_every_provisional_response_but_100() {
    let mut call = Answered::new();
    let invite = call.caller_sends("INVITE");
    for _ in 0..5 {
        call.callee_says(&invite, 182);
        call.rig.pass(secs(180));
        call.rig.silence();
    }
    call.rig.receive(CARRIERS[0], ua::response(&invite, 100, "x", CARRIERS[0]));
    call.rig.pass(secs(6));
    call.rig.next(CARRIERS[0], "CANCEL");
    call.rig.next(CALLER, "408 INVITE");
}

#[test]
fn d_a_failure_is_acknowledged_again_for_64_t1() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(404);
    let failure = parse(ua::response(&call.forwarded, 404, "to-0", CARRIERS[0]));
    call.ack_failure_from(&failure);
    call.rig.pass(ms(31_900));
    call.carrier_says(404);
    call.rig.next(CARRIERS[0], "ACK");
    call.rig.pass(ms(200));
    call.carrier_says(404);
    call.rig.silence();
    assert_eq!(call.rig.core.held(), 0);
}

#[test]
fn e_another_request_is_sent_again_after_t1_doubling_up_to_t2() {
    let mut call = Answered::new();
    call.caller_sends("INFO");
    let times = call.rig.times(CARRIERS[0], "INFO", secs(31));
    assert_eq!(times, ticks(&[500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500]));
}

#[test]
fn e_goes_on_at_t2_after_a_provisional() {
    let mut call = Answered::new();
    let info = call.caller_sends("INFO");
    call.rig.receive(CARRIERS[0], ua::response(&info, 100, "x", CARRIERS[0]));
    call.rig.silence();
    assert_eq!(call.rig.times(CARRIERS[0], "INFO", secs(10)), ticks(&[500, 4_500, 8_500]));
}

#[test]
fn f_another_request_without_final_response_is_given_up_in_silence_after_64_t1() {
    let mut call = Answered::new();
    call.caller_sends("INFO");
    assert_eq!(call.rig.times(CALLER, "408 INFO", secs(40)), Vec::<u64>::new());
    let bye = call.caller_sends("BYE");
    call.callee_says(&bye, 200);
    call.rig.record();
    call.rig.ends_clean();
}

#[test]
fn g_and_h_a_failure_is_sent_again_up_to_t2_until_64_t1() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    rig.decide(Decision::Respond { code: 404, reason: String::new(), headers: Vec::new() });
    rig.sent.clear();
    let times = rig.times(CALLER, "404 INVITE", secs(40));
    assert_eq!(times, ticks(&[500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]));
    assert_eq!(rig.core.counters().unacknowledged, 1);
    assert_eq!(rig.core.held(), 0);
}

#[test]
fn i_the_invite_is_absorbed_for_t4_after_the_ack() {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.decide(Decision::Respond { code: 404, reason: String::new(), headers: Vec::new() });
    let failure = rig.sent.pop_back().expect("404").message;
    rig.sent.clear();
    rig.receive(CALLER, ua::hop_by_hop(&invite, "ACK", Some(&failure)));
    rig.pass(ms(4_990));
    rig.receive(CALLER, invite.raw());
    rig.receive(CALLER, ua::hop_by_hop(&invite, "ACK", Some(&failure)));
    rig.silence();
    assert_eq!(rig.core.held(), 1);
    rig.pass(ms(20));
    assert_eq!(rig.core.held(), 0);
}

#[test]
fn j_a_final_response_is_repeated_for_64_t1() {
    let mut call = Answered::new();
    let request = parse(call.caller.request("INFO"));
    call.rig.receive(CALLER, request.raw());
    let arrived = call.rig.next(CARRIERS[0], "INFO");
    call.callee_says(&arrived, 200);
    call.rig.pass(ms(31_900));
    call.rig.receive(CALLER, request.raw());
    call.rig.next(CALLER, "200 INFO");
    call.rig.pass(ms(200));
    call.rig.receive(CALLER, request.raw());
    call.rig.next(CARRIERS[0], "INFO");
}

#[test]
fn k_a_repeated_response_is_absorbed_for_t4() {
    let mut call = Answered::new();
    let info = call.caller_sends("INFO");
    call.callee_says(&info, 200);
    call.rig.receive(CARRIERS[0], ua::response(&info, 200, "x", CARRIERS[0]));
    call.rig.silence();
    assert_eq!(call.rig.core.counters().strays, 0);
}

#[test]
fn l_and_m_a_2xx_is_relayed_again_for_64_t1_and_not_longer() {
    let mut call = Placed::at_carrier(1);
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    call.rig.pass(ms(31_900));
    call.carrier_says(200);
    call.rig.next(CALLER, "200 INVITE");
    call.rig.pass(ms(200));
    call.carrier_says(200);
    call.rig.silence();
    assert_eq!(call.rig.core.counters().strays, 1);
}

impl Placed {
    fn ack_failure_from(&mut self, failure: &crate::message::Message) {
        self.rig.sent.clear();
        self.ack_failure(failure);
    }
}
