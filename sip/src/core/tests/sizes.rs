//! What is large for a datagram, and what is too large for every transport (RFC 3261 sections 18.1.1 and 21.5.14).

use std::sync::Arc;

use super::super::Terms;
use super::rig::{CALLER, CARRIERS, Rig, Sent, URI, hop, ms, outcomes, secs, target, tcp, udp, verdict};
use super::ua::{self, Dialog, parse, text};
use crate::decision::{NextHop, Target};
use crate::end::{AttemptOutcome, End};
use crate::flow::{Flow, Loss, Transport};
use crate::message::Message;

/// The same with a body that makes it so many bytes long.
fn padded(message: &str, length: usize) -> String {
    let head = message.strip_suffix("Content-Length: 0\r\n\r\n").expect("no body");
    let fixed = head.len() + "Content-Length: 00000\r\n\r\n".len();
    let body = length - fixed;
    format!("{head}Content-Length: {body:05}\r\n\r\n{}", "x".repeat(body))
}

/// A route over this carrier, whose large requests go by TCP.
fn takes_tcp(address: &str) -> Target {
    let hop = Arc::new(NextHop { tcp_above: Some(1_300), ..(*hop()).clone() });
    Target { hop, ..target(address) }
}

/// An INVITE of so many bytes comes by `from`, and is hunted.
fn calling(rig: &mut Rig, from: Flow, name: &str, length: usize, targets: Vec<Target>) -> Message {
    let invite = padded(&ua::invite(CALLER, name, URI), length).replace("/UDP", &format!("/{}", from.transport.via()));
    rig.receive_on(from, &invite);
    rig.next(CALLER, "100 INVITE");
    rig.hunt(targets);
    parse(invite)
}

#[track_caller]
fn left(rig: &mut Rig) -> Sent {
    let sent = rig.sent.pop_front().expect("something left");
    if sent.message.is_request() {
        let via = sent.message.top_via().expect("ours");
        assert_eq!(text(via.transport), sent.flow.transport.via(), "the Via says how it goes");
    }
    sent
}

fn branch(message: &Message) -> String {
    text(message.top_via().and_then(|via| via.branch).expect("a branch")).to_owned()
}

#[test]
fn a_request_larger_than_the_gateway_wants_by_datagram_goes_by_tcp_and_all_of_its_transaction_does() {
    let mut rig = Rig::new();
    let invite = calling(&mut rig, udp(CALLER), "a", 1_400, vec![takes_tcp(CARRIERS[0])]);
    let forwarded = left(&mut rig);
    assert_eq!(forwarded.flow, tcp(CARRIERS[0]));
    let recorded: Vec<&str> = forwarded.message.record_routes().map(|route| text(route.uri)).collect();
    assert!(
        matches!(recorded[..], [one] if !one.contains("transport")),
        "the dialog goes on by datagram: {recorded:?}"
    );
    assert_eq!(forwarded.message.body(), invite.body());
    assert_eq!(rig.times(CARRIERS[0], "INVITE", ms(2_900)), Vec::<u64>::new(), "a connection delivers");

    rig.receive_on(forwarded.flow, ua::response(&forwarded.message, 180, "to", CARRIERS[0]));
    rig.next(CALLER, "180 INVITE");
    rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    rig.next(CALLER, "200 CANCEL");
    let cancel = left(&mut rig);
    assert_eq!((cancel.flow, branch(&cancel.message)), (forwarded.flow, branch(&forwarded.message)));
    rig.receive_on(forwarded.flow, ua::response(&forwarded.message, 487, "to", CARRIERS[0]));
    assert_eq!(left(&mut rig).flow, forwarded.flow, "its ACK");
    rig.next(CALLER, "487 INVITE");
    assert_eq!(verdict(&rig.record()), (487, End::Cancelled));
    rig.ends_clean();
}

#[test]
fn a_request_that_is_not_large_or_whose_gateway_takes_datagrams_of_any_size_goes_by_datagram() {
    for (length, target) in [(1_000, takes_tcp(CARRIERS[0])), (9_000, target(CARRIERS[0]))] {
        let mut rig = Rig::new();
        calling(&mut rig, udp(CALLER), "a", length, vec![target]);
        assert_eq!(left(&mut rig).flow, udp(CARRIERS[0]));
    }
}

#[test]
fn where_no_connection_comes_about_the_same_request_goes_by_datagram_and_the_next_ones_at_once() {
    let mut rig = Rig::new();
    calling(&mut rig, udp(CALLER), "a", 1_400, vec![takes_tcp(CARRIERS[0]), target(CARRIERS[1])]);
    let by_tcp = left(&mut rig);
    assert_eq!(by_tcp.within, Some(ms(1_500)), "half of the time that the gateway has");
    rig.pass(ms(1_500));
    rig.lost(&by_tcp.message, Loss::NoConnection);
    let by_udp = left(&mut rig);
    assert_eq!((by_udp.flow, branch(&by_udp.message)), (udp(CARRIERS[0]), branch(&by_tcp.message)));
    assert_eq!(rig.times(CARRIERS[0], "INVITE", ms(1_400)), super::timers::ticks(&[500]));
    rig.receive(CARRIERS[0], ua::response(&by_udp.message, 486, "to", CARRIERS[0]));
    assert_eq!(left(&mut rig).flow, udp(CARRIERS[0]), "its ACK");
    rig.next(CALLER, "486 INVITE");
    assert_eq!(outcomes(&rig.record()), [(0, 486, AttemptOutcome::Response)], "one attempt");

    calling(&mut rig, udp(CALLER), "b", 1_400, vec![takes_tcp(CARRIERS[0])]);
    assert_eq!(left(&mut rig).flow, udp(CARRIERS[0]));
    rig.pass(secs(601));
    rig.sent.clear();
    calling(&mut rig, udp(CALLER), "c", 1_400, vec![takes_tcp(CARRIERS[0])]);
    assert_eq!(left(&mut rig).flow, tcp(CARRIERS[0]), "it may have learned to");
    let counters = rig.core.counters();
    assert_eq!((counters.by_connection, counters.by_datagram), (2, 1));
}

#[test]
fn what_has_been_cancelled_meanwhile_is_not_sent_by_datagram_after_all() {
    let mut rig = Rig::new();
    let invite = calling(&mut rig, udp(CALLER), "a", 1_400, vec![takes_tcp(CARRIERS[0])]);
    let by_tcp = left(&mut rig);
    rig.receive(CALLER, ua::hop_by_hop(&invite, "CANCEL", None));
    rig.next(CALLER, "200 CANCEL");
    rig.next(CALLER, "487 INVITE");
    rig.lost(&by_tcp.message, Loss::NoConnection);
    rig.silence();
}

#[test]
fn the_datagram_has_what_is_left_of_the_attempts_time_and_then_the_next_gateway_is_tried() {
    let mut rig = Rig::new();
    calling(&mut rig, udp(CALLER), "a", 1_400, vec![takes_tcp(CARRIERS[0]), target(CARRIERS[1])]);
    let by_tcp = left(&mut rig);
    rig.pass(ms(1_500));
    rig.lost(&by_tcp.message, Loss::NoConnection);
    left(&mut rig);
    assert_eq!(rig.times(CARRIERS[1], "INVITE", ms(1_600)).first().map(|at| at / 10), Some(150), "after 3 s in all");
}

#[test]
fn a_connection_that_breaks_or_takes_no_more_makes_no_datagram_of_a_request() {
    let mut rig = Rig::new();
    calling(&mut rig, udp(CALLER), "a", 1_400, vec![takes_tcp(CARRIERS[0]), target(CARRIERS[1])]);
    let by_tcp = left(&mut rig);
    rig.lost(&by_tcp.message, Loss::Other);
    assert_eq!(left(&mut rig).flow, udp(CARRIERS[1]), "the next gateway");
    calling(&mut rig, udp(CALLER), "b", 1_400, vec![takes_tcp(CARRIERS[0])]);
    assert_eq!(left(&mut rig).flow, tcp(CARRIERS[0]), "and the next call tries it again");
    assert_eq!(rig.core.counters().by_datagram, 0);
}

/// An answered call by datagram, over a gateway whose large requests go by TCP.
fn answered(rig: &mut Rig) -> (Dialog, Dialog) {
    let invite = calling(rig, udp(CALLER), "a", 900, vec![takes_tcp(CARRIERS[0])]);
    let forwarded = left(rig).message;
    let answer = parse(ua::response(&forwarded, 200, "to", CARRIERS[0]));
    rig.receive(CARRIERS[0], answer.raw());
    let received = rig.next(CALLER, "200 INVITE");
    let mut caller = Dialog::caller(CALLER, &invite, &received);
    rig.receive(CALLER, caller.request("ACK"));
    rig.next(CARRIERS[0], "ACK");
    (caller, Dialog::callee(CARRIERS[0], &forwarded, &answer))
}

#[test]
fn within_a_call_a_large_request_goes_by_tcp_to_the_gateway_and_by_datagram_to_the_caller() {
    let mut rig = Rig::new();
    let (mut caller, mut callee) = answered(&mut rig);
    rig.receive(CALLER, padded(&caller.request("INFO"), 2_000));
    let info = left(&mut rig);
    assert_eq!(info.flow, tcp(CARRIERS[0]));
    rig.lost(&info.message, Loss::NoConnection);
    let again = left(&mut rig);
    assert_eq!(again.flow, udp(CARRIERS[0]));
    rig.receive(CARRIERS[0], ua::response(&again.message, 200, "to", CARRIERS[0]));
    rig.next(CALLER, "200 INFO");
    rig.receive(CARRIERS[0], padded(&callee.request("INFO"), 2_000));
    assert_eq!(left(&mut rig).flow, udp(CALLER));
}

#[test]
fn a_call_that_is_taken_up_sends_large_requests_as_its_gateway_takes_them_now() {
    for (above, by) in [(Some(1_300), tcp(CARRIERS[0])), (None, udp(CARRIERS[0]))] {
        let mut rig = Rig::new();
        let (mut caller, _) = answered(&mut rig);
        let hop = Arc::new(NextHop { tcp_above: above, ..(*hop()).clone() });
        rig.dies_and_goes_on(super::rig::settings(), |open| Terms {
            realm: None,
            hop: open.hop(|_| Some((hop.clone(), target(CARRIERS[0]).destination.into_iter().collect()))),
        });
        rig.receive(CALLER, padded(&caller.request("INFO"), 2_000));
        assert_eq!(left(&mut rig).flow, by);
    }
}

#[test]
fn a_call_that_no_route_can_carry_for_its_size_is_answered_513() {
    // By TCP it may have as many bytes as ours would make too many; by datagram it may have less.
    let by_tcp = Target { destination: Some(at(CARRIERS[1], Transport::Tcp)), ..target(CARRIERS[1]) };
    for (length, targets) in [(65_450, vec![target(CARRIERS[0]), by_tcp]), (65_400, vec![takes_tcp(CARRIERS[0])])] {
        let mut rig = Rig::new();
        let invite = calling(&mut rig, tcp(CALLER), "a", length, targets);
        let refused = left(&mut rig).message;
        assert_eq!((refused.code(), refused.call_id()), (513, invite.call_id()));
        rig.silence();
        let record = rig.record();
        assert_eq!(verdict(&record), (513, End::Failed));
        assert!(record.attempts.iter().all(|attempt| attempt.ended.is_some_and(|(_, code, _)| code == 513)));
        assert_eq!(rig.core.counters().too_large, record.attempts.len() as u64);
        rig.ends_clean();
    }
}

fn at(address: &str, transport: Transport) -> crate::decision::Destination {
    crate::decision::Destination { transport, address: address.parse().expect("an address") }
}

#[test]
fn a_call_of_64_kilobytes_goes_by_the_route_that_carries_it_and_is_cancelled_and_acknowledged_as_any_other() {
    let by_tcp = Target { destination: Some(at(CARRIERS[1], Transport::Tcp)), ..target(CARRIERS[1]) };
    let mut rig = Rig::new();
    let invite = calling(&mut rig, tcp(CALLER), "a", 65_300, vec![target(CARRIERS[0]), by_tcp]);
    let forwarded = left(&mut rig);
    assert_eq!(forwarded.flow, tcp(CARRIERS[1]));
    assert_eq!(forwarded.message.body(), invite.body());
    rig.receive_on(forwarded.flow, ua::response(&forwarded.message, 180, "to", CARRIERS[1]));
    rig.next(CALLER, "180 INVITE");
    rig.receive_on(tcp(CALLER), ua::hop_by_hop(&invite, "CANCEL", None));
    rig.next(CALLER, "200 CANCEL");
    rig.next(CARRIERS[1], "CANCEL");
    rig.receive_on(forwarded.flow, ua::response(&forwarded.message, 487, "to", CARRIERS[1]));
    rig.next(CARRIERS[1], "ACK");
    rig.next(CALLER, "487 INVITE");
}

#[test]
fn a_request_without_room_for_where_it_came_from_is_answered_513() {
    let mut rig = Rig::new();
    rig.receive_on(tcp(CALLER), padded(&ua::invite(CALLER, "a", URI).replace("/UDP", "/TCP"), 65_530));
    rig.next(CALLER, "513 INVITE");
    rig.silence();
    assert_eq!((rig.core.counters().too_large, rig.core.counters().malformed), (1, 0));
}

#[test]
fn within_a_call_a_request_that_is_too_large_is_answered_513_and_the_call_goes_on() {
    let mut rig = Rig::new();
    let (mut caller, _) = answered(&mut rig);
    rig.receive_on(tcp(CALLER), padded(&caller.request("INFO"), 65_470));
    rig.next(CALLER, "513 INFO");
    rig.silence();
    rig.receive(CALLER, caller.request("BYE"));
    let bye = rig.next(CARRIERS[0], "BYE");
    rig.receive(CARRIERS[0], ua::response(&bye, 200, "to", CARRIERS[0]));
    rig.next(CALLER, "200 BYE");
    assert_eq!(verdict(&rig.record()), (200, End::CallerHungUp));
}
