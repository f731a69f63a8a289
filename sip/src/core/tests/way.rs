//! What leaves is what came, byte for byte, outside the header fields that a proxy must touch.

use std::sync::Arc;

use super::rig::{Answered, CALLER, CARRIERS, Placed, Rig, target};
use super::ua::{self, parse, text};
use crate::decision::Decision;
use crate::edit::{Edit, edited};
use crate::message::Name;

/// Folded, compact, in odd cases, with a comma in quotes, bytes beyond ASCII and a body.
const ODD: &[u8] = b"INVITE sip:+12125559999;npdi@192.0.2.1:5060;user=phone SIP/2.0\r\n\
v:SIP / 2.0 / UDP 192.0.2.10:5062 ;branch=z9hG4bK-odd;rport\r\n\
Via:  SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK-first, SIP/2.0/TCP 10.0.0.2\r\n\
FROM: \"Smith, \\\"J\\\" \xe9\" <sip:+12125550001@192.0.2.10>;tag=odd\r\n\
t: <sip:+12125559999@192.0.2.1>\r\n\
X-Folded: one\r\n\t two\r\n   three\r\n\
i:    odd@192.0.2.10\r\n\
cseq:    0009 INVITE\r\n\
m: \"Mr. Smith\" <sip:caller@192.0.2.10:5062>;q=0.5\r\n\
mAX-fORWARDS: 070\r\n\
X-Empty:\r\n\
c: application/sdp\r\n\
l: 7\r\n\r\n\
v=0\r\n\0\xff";

const ODD_FORWARDED: &[u8] = b"INVITE sip:+12125559999;npdi@198.51.100.1:5060;user=phone SIP/2.0\r\n\
Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=BRANCH\r\n\
Record-Route: <sip:192.0.2.1:5060;lr;c=COOKIE>\r\n\
v:SIP / 2.0 / UDP 192.0.2.10:5062 ;branch=z9hG4bK-odd;rport=5062;received=192.0.2.10\r\n\
Via:  SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK-first, SIP/2.0/TCP 10.0.0.2\r\n\
FROM: \"Smith, \\\"J\\\" \xe9\" <sip:+12125550001@192.0.2.10>;tag=odd\r\n\
t: <sip:+12125559999@192.0.2.1>\r\n\
X-Folded: one\r\n\t two\r\n   three\r\n\
i:    odd@192.0.2.10\r\n\
cseq:    0009 INVITE\r\n\
m: \"Mr. Smith\" <sip:caller@192.0.2.10:5062>;q=0.5\r\n\
mAX-fORWARDS: 69\r\n\
X-Empty:\r\n\
c: application/sdp\r\n\
l: 7\r\n\r\n\
v=0\r\n\0\xff";

fn lossy(bytes: &[u8]) -> String {
    bytes.iter().map(|&b| char::from(b)).collect()
}

#[test]
fn an_odd_invite_leaves_as_it_came() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ODD);
    rig.next(CALLER, "100 INVITE");
    rig.hunt_carriers(1);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let branch = lossy(forwarded.top_via().and_then(|via| via.branch).expect("a branch"));
    let route = lossy(forwarded.record_routes().next().expect("ours").uri);
    let cookie = route.rsplit_once("c=").expect("a cookie").1;
    let got = lossy(forwarded.raw()).replacen(&branch, "BRANCH", 1).replacen(cookie, "COOKIE", 1);
    assert_eq!(got, lossy(ODD_FORWARDED));
}

#[test]
fn a_response_leaves_as_it_came_but_for_our_via() {
    let mut call = Placed::at_carrier(1);
    let answer = ua::response(&call.forwarded, 183, "x", CARRIERS[0])
        .replace("Contact", "X-Odd:a,b ;c\r\n\td\r\nm")
        .replace("Content-Length: 0\r\n\r\n", "l:3\r\n\r\na\r\n");
    call.rig.receive(CARRIERS[0], &answer);
    let relayed = call.rig.next(CALLER, "183 INVITE");
    let ours = text(call.forwarded.top_via().expect("ours").span.of(call.forwarded.raw()));
    assert_eq!(text(relayed.raw()), answer.replacen(&format!("Via: {ours}\r\n"), "", 1));
}

#[test]
fn a_response_with_both_vias_on_one_line_keeps_the_callers() {
    let mut call = Placed::at_carrier(1);
    let answer = ua::response(&call.forwarded, 180, "x", CARRIERS[0]);
    let theirs = call.forwarded.vias().nth(1).expect("the caller's").span.of(call.forwarded.raw());
    let line = format!("Via: {}\r\n", text(theirs));
    let joined =
        answer.replacen(&line, "", 1).replacen("\r\n", "\n", 1).replacen("\r\n", &format!(", {}\r\n", text(theirs)), 1);
    assert_eq!(joined.matches("Via: ").count(), 1);
    call.rig.receive(CARRIERS[0], &joined);
    let relayed = call.rig.next(CALLER, "180 INVITE");
    let via = relayed.top_via().expect("the caller's");
    assert_eq!((relayed.vias().count(), via.host), (1, &b"192.0.2.10"[..]));
}

#[test]
fn a_request_within_a_call_leaves_as_it_came() {
    let mut call = Answered::new();
    let info = call.caller.request("INFO").replace("Content-Length: 0\r\n\r\n", "X-A:b\r\nl:4\r\n\r\n\0\x01ab");
    call.rig.receive(CALLER, &info);
    let arrived = call.rig.next(CARRIERS[0], "INFO");
    let via = text(arrived.first(Name::Via).expect("ours").line.of(arrived.raw())).to_owned();
    let got = text(arrived.raw()).replacen(&via, "", 1).replace("Forwards: 69", "Forwards: 70");
    let got = got.replace(";rport=5062;branch", ";rport;branch").replace(";received=192.0.2.10", "");
    let route = parse(info.clone());
    let route = text(route.first(Name::Route).expect("ours").line.of(route.raw())).to_owned();
    assert_eq!(got, info.replacen(&route, "", 1));
}

#[test]
fn a_from_that_the_stages_changed_is_put_back_in_every_response() {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", super::rig::URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    let edits = [Edit::CallerName("JOHN DOE".into()), Edit::CallerNumber("+19175550000".into())];
    let message = Arc::new(edited(&rig.routes[0].message, &edits).expect("fits"));
    let last = Edit::CallerNumber("+13125550000".into());
    let second = crate::decision::Target { edits: vec![last], ..target(CARRIERS[1]) };
    rig.decide(Decision::Hunt {
        message,
        targets: vec![target(CARRIERS[0]), second],
        customer: "".into(),
        believed: true,
        realm: None,
    });
    let first = rig.next(CARRIERS[0], "INVITE");
    assert_eq!(first.from().map(|from| from.display), Some(&b"JOHN DOE"[..]));
    for code in [180, 500] {
        rig.receive(CARRIERS[0], ua::response(&first, code, "x", CARRIERS[0]));
    }
    let relayed = rig.next(CALLER, "180 INVITE");
    assert_eq!(relayed.get(Name::From), invite.get(Name::From));
    let ack = rig.next(CARRIERS[0], "ACK");
    assert_eq!(ack.get(Name::From), first.get(Name::From), "the carrier knows the other");
    let second = rig.next(CARRIERS[1], "INVITE");
    assert!(text(second.from().expect("From").uri).starts_with("sip:+13125550000@"));
    rig.receive(CARRIERS[1], ua::response(&second, 486, "x", CARRIERS[1]));
    rig.next(CARRIERS[1], "ACK");
    let failure = rig.next(CALLER, "486 INVITE");
    assert_eq!(failure.get(Name::From), invite.get(Name::From));
    rig.record();
}

#[test]
fn an_attempt_whose_edits_do_not_fit_counts_as_unreachable() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", super::rig::URI));
    rig.next(CALLER, "100 INVITE");
    let unfit = crate::decision::Target { edits: vec![Edit::CalleeNumber("no number".into())], ..target(CARRIERS[0]) };
    rig.hunt(vec![unfit, target(CARRIERS[1])]);
    rig.next(CARRIERS[1], "INVITE");
}

#[test]
fn a_caller_whom_the_stages_renamed_keeps_that_name_towards_the_callee() {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", super::rig::URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    let edits = [Edit::CallerName("Anonymous".into()), Edit::CallerNumber("+19175550000".into())];
    let message = Arc::new(edited(&rig.routes[0].message, &edits).expect("fits"));
    rig.decide(Decision::Hunt {
        message,
        targets: vec![target(CARRIERS[0])],
        customer: "".into(),
        believed: true,
        realm: None,
    });
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let (own, shown) = (invite.get(Name::From), forwarded.get(Name::From));
    assert_ne!(own, shown);
    let mut call = Answered::from(Placed { rig, invite: invite.clone(), forwarded: forwarded.clone() });

    let info = call.caller_sends("INFO");
    assert_eq!(info.get(Name::From), shown);
    assert_eq!(call.callee_says(&info, 200).get(Name::From), own);
    let info = call.callee_sends("INFO");
    assert_eq!(info.get(Name::To), own);
    assert_eq!(call.caller_says(&info, 200).get(Name::To), shown);
    let bye = call.caller_sends("BYE");
    assert_eq!(bye.get(Name::From), shown);
}
