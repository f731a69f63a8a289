//! What is answered without a call (RFC 3261 sections 8.2 and 16.3).

use bytes::Bytes;

use super::rig::{Answered, CALLER, Rig, URI};
use super::ua::{self, parse, text};
use crate::door::{Dismissal, Door};
use crate::message::Name;

/// The answer to one request that opens no call.
fn answer(request: &str) -> crate::message::Message {
    let mut rig = Rig::new();
    rig.receive(CALLER, request);
    let sent = rig.sent.pop_front().expect("an answer");
    rig.silence();
    assert!(rig.routes.is_empty());
    assert_eq!((rig.core.held(), rig.core.next_deadline()), (0, None));
    let mut again = Rig::new();
    again.receive(CALLER, request);
    assert_eq!(again.sent[0].message.raw(), sent.message.raw(), "a retransmission gets the same");
    sent.message
}

fn request(method: &str) -> String {
    ua::invite(CALLER, "a", URI).replace("INVITE", method)
}

#[test]
fn options_are_answered_here() {
    let answer = answer(&request("OPTIONS"));
    assert_eq!(answer.code(), 200);
    assert!(text(answer.get(Name::Allow).expect("Allow")).contains("INVITE"));
    assert!(answer.to_tag().is_some());
}

#[test]
fn options_with_max_forwards_0_are_answered_here() {
    assert_eq!(answer(&request("OPTIONS").replace("Forwards: 70", "Forwards: 0")).code(), 200);
}

#[test]
fn max_forwards_0_gets_483() {
    assert_eq!(answer(&request("INVITE").replace("Forwards: 70", "Forwards: 0")).code(), 483);
}

#[test]
fn an_invite_that_is_refused_before_the_stages_is_counted() {
    let mut rig = Rig::new();
    rig.receive(CALLER, request("INVITE").replace("Forwards: 70", "Forwards: 0"));
    rig.receive(CALLER, request("INVITE").replace("Max-F", "Proxy-Require: x-magic\r\nMax-F"));
    rig.receive(CALLER, request("INVITE").replace("Forwards: 70", "Forwards: many"));
    rig.core.drain();
    rig.receive(CALLER, request("INVITE"));
    let codes: Vec<u16> = rig.sent.drain(..).map(|sent| sent.message.code()).collect();
    assert_eq!(codes, [483, 420, 400, 503]);
    let counters = rig.core.counters();
    assert_eq!((counters.declined, counters.malformed, counters.overloaded), (2, 1, 1));
}

#[test]
fn a_request_outside_of_a_call_that_opens_none_gets_405_with_allow() {
    assert_eq!(answer(&request("BYE")).code(), 481, "it names no dialog");
    for method in ["INFO", "REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "X-NEW"] {
        let answer = answer(&request(method));
        assert_eq!(answer.code(), 405);
        assert!(answer.get(Name::Allow).is_some());
    }
}

#[test]
fn proxy_require_gets_420_that_names_what_is_not_supported() {
    let answer =
        answer(&request("INVITE").replace("Max-F", "Proxy-Require: privacy\r\nProxy-Require: x-magic\r\nMax-F"));
    assert_eq!(answer.code(), 420);
    assert_eq!(answer.get(Name::Unsupported), Some(&b"privacy, x-magic"[..]));
}

#[test]
fn a_malformed_request_gets_400_and_opens_no_call() {
    let whole = request("INVITE");
    for broken in [
        whole.replace("CSeq: 1 INVITE", "CSeq: 1 BYE"),
        whole.replace("Max-Forwards: 70", "Max-Forwards: many"),
        whole.replace("Content-Length: 0", "Content-Length: 10"),
    ] {
        assert_eq!(answer(&broken).code(), 400, "{broken}");
    }
    assert_eq!(answer(&whole.replacen("SIP/2.0", "SIP/3.0", 1)).code(), 505);
    assert_eq!(answer(&whole.replacen("sip:", "nobody:", 1)).code(), 416);
}

#[test]
fn a_request_without_cseq_gets_400() {
    let mut rig = Rig::new();
    let request = request("INVITE").replace("CSeq: 1 INVITE\r\n", "");
    rig.core.receive(rig.now, super::rig::udp(CALLER), request.into());
    let Some(super::super::Action::Send { bytes, .. }) = rig.core.poll_action() else { panic!("an answer") };
    assert!(bytes.starts_with(b"SIP/2.0 400 "));
}

#[test]
fn a_malformed_ack_gets_no_answer() {
    let mut rig = Rig::new();
    rig.receive(CALLER, request("ACK").replace("Max-Forwards: 70", "Max-Forwards: many"));
    rig.receive(CALLER, request("ACK"));
    rig.silence();
}

#[test]
fn what_is_no_message_is_counted() {
    let mut rig = Rig::new();
    for bytes in [&b"hello"[..], b"\x01\x02", b"\r\n\r\n", b"", b"\0\0\0\0"] {
        rig.core.receive(rig.now, super::rig::udp(CALLER), Bytes::copy_from_slice(bytes));
    }
    assert_eq!(rig.core.counters().unreadable, 2, "keep-alives are none of those");
}

#[test]
fn a_missing_max_forwards_becomes_70() {
    let mut rig = Rig::new();
    rig.receive(CALLER, request("INVITE").replace("Max-Forwards: 70\r\n", ""));
    rig.hunt_carriers(1);
    let forwarded = rig.sent.pop_back().expect("sent").message;
    assert_eq!(forwarded.get(Name::MaxForwards), Some(&b"70"[..]));
}

#[test]
fn within_a_call_proxy_require_gets_420() {
    let mut call = super::rig::Answered::new();
    let info = call.caller.request("INFO").replace("Max-F", "Proxy-Require: x-magic\r\nMax-F");
    call.rig.receive(CALLER, info);
    call.rig.next(CALLER, "420 INFO");
    call.rig.silence();
}

#[test]
fn within_a_call_max_forwards_0_gets_483_and_of_an_ack_silence() {
    let mut call = super::rig::Answered::new();
    let info = call.caller.request("INFO").replace("Forwards: 70", "Forwards: 0");
    call.rig.receive(CALLER, info);
    call.rig.next(CALLER, "483 INFO");
    let ack = call.caller.request("ACK").replace("Forwards: 70", "Forwards: 0");
    call.rig.receive(CALLER, ack);
    call.rig.silence();
}

#[test]
fn who_is_nobodys_is_answered_once_and_forgotten() {
    let mut rig = Rig::new();
    rig.receive(CALLER, request("INVITE"));
    rig.next(CALLER, "100 INVITE");
    rig.decide(crate::decision::Decision::Dismiss(Dismissal::with(403)));
    rig.next(CALLER, "403 INVITE");
    assert_eq!(rig.record().code, 403);
    assert_eq!(rig.core.held(), 0);
    rig.pass(super::rig::secs(40));
    rig.silence();
}

#[test]
fn a_challenge_that_nobody_acknowledges_is_sent_four_times_and_no_oftener() {
    let mut rig = Rig::new();
    rig.receive(CALLER, request("INVITE"));
    rig.next(CALLER, "100 INVITE");
    rig.decide(crate::decision::Decision::Respond { code: 407, reason: String::new(), headers: Vec::new() });
    rig.next(CALLER, "407 INVITE");
    assert_eq!(rig.times(CALLER, "407 INVITE", super::rig::secs(60)), super::timers::ticks(&[500, 1_500, 3_500]));
    rig.receive(CALLER, request("INVITE"));
    rig.next(CALLER, "100 INVITE");
    assert_eq!(rig.core.held(), 1, "the first was forgotten in time");
}

/// Turns everybody away.
#[derive(Debug)]
struct Shut(Vec<(String, String)>);

impl Door for Shut {
    fn turns_away(&self, _: &crate::message::Message, flow: crate::flow::Flow) -> Option<Dismissal> {
        (flow.remote.to_string() == CALLER).then(|| Dismissal { code: 407, headers: self.0.clone() })
    }
}

#[test]
fn a_strangers_invite_is_answered_as_often_as_it_comes_and_nothing_is_kept_of_it() {
    let mut call = Answered::new();
    let rig = &mut call.rig;
    rig.core.put_before(Box::new(Shut(vec![("Proxy-Authenticate".into(), "Digest".into())])));
    let invite = super::ua::invite(CALLER, "b", URI);
    for _ in 0..3 {
        rig.receive(CALLER, &invite);
        let refusal = rig.next(CALLER, "407 INVITE");
        assert_eq!(refusal.get(Name::ProxyAuthenticate), Some(&b"Digest"[..]));
        rig.receive(CALLER, super::ua::hop_by_hop(&parse(invite.clone()), "ACK", Some(&refusal)));
        rig.silence();
    }
    assert_eq!((rig.core.held(), rig.core.counters().strangers), (1, 3));
    assert!(rig.times(CALLER, "407 INVITE", super::rig::secs(40)).is_empty(), "it is never sent again");
    assert!(rig.records.is_empty());
    let other = "192.0.2.77:5060";
    rig.receive(other, super::ua::invite(other, "c", URI));
    rig.next(other, "100 INVITE");
}

#[test]
fn no_datagram_of_a_stranger_gets_an_answer_of_more_than_three_times_its_bytes() {
    let mut rig = Rig::new();
    let large = |bytes| Box::new(Shut(vec![("Proxy-Authenticate".into(), "x".repeat(bytes))]));
    let invite = super::ua::invite(CALLER, "b", URI);
    rig.core.put_before(large(invite.len()));
    rig.receive(CALLER, &invite);
    let answer = rig.next(CALLER, "407 INVITE");
    assert!(answer.raw().len() <= invite.len() * 3);
    rig.core.put_before(large(invite.len() * 3));
    rig.receive(CALLER, &invite);
    rig.silence();
    assert_eq!(rig.core.counters().amplified, 1);
    let connection = super::rig::tcp(CALLER);
    rig.receive_on(connection, invite.replace("/UDP", "/TCP"));
    rig.next(CALLER, "407 INVITE");
}
