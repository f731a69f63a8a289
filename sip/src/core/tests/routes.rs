//! Record-Route and Route: loose and strict routers, two listeners, spirals (RFC 3261 section 16, RFC 5658).

use super::rig::{Answered, CALLER, CARRIERS, LONGEST, Placed, Rig, URI, target, tcp, udp, verdict};
use super::ua::{self, Dialog, parse, text};
use crate::end::End;
use crate::message::{Message, Name};

fn uris<'a>(values: impl Iterator<Item = crate::header::NameAddr<'a>>) -> Vec<String> {
    values.map(|value| text(value.uri).split(';').next().unwrap_or_default().to_owned()).collect()
}

fn routes(message: &Message) -> Vec<String> {
    uris(message.routes())
}

#[test]
fn one_record_route_is_enough_where_both_sides_use_one_listener() {
    let call = Placed::at_carrier(1);
    assert_eq!(uris(call.forwarded.record_routes()), ["sip:192.0.2.1:5060"]);
    assert!(text(call.forwarded.get(Name::RecordRoute).expect("there")).contains(";lr;"));
}

/// A call from IPv4 to an IPv6 carrier, answered: its dialogs as caller and callee have them.
fn across(carrier: &str) -> (Rig, Dialog, Dialog) {
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.hunt(vec![target(carrier)]);
    let forwarded = rig.next(carrier, "INVITE");
    let answer = parse(ua::response(&forwarded, 200, "to", carrier));
    rig.receive(carrier, answer.raw());
    let received = rig.next(CALLER, "200 INVITE");
    let dialogs = (Dialog::caller(CALLER, &invite, &received), Dialog::callee(carrier, &forwarded, &answer));
    (rig, dialogs.0, dialogs.1)
}

#[test]
fn both_listeners_are_recorded_where_a_call_crosses_from_ipv4_to_ipv6_and_both_routes_are_popped() {
    let carrier = "[2001:db8::99]:5060";
    let (mut rig, mut caller, mut callee) = across(carrier);
    assert_eq!(caller.routes.len(), 2);
    assert!(caller.routes[0].starts_with("sip:192.0.2.1:5060;"), "{:?}", caller.routes);
    assert!(caller.routes[1].starts_with("sip:[2001:db8::1]:5060;"), "{:?}", caller.routes);
    rig.receive(CALLER, caller.request("ACK"));
    let ack = rig.next(carrier, "ACK");
    assert_eq!(routes(&ack), Vec::<String>::new());
    rig.receive(carrier, callee.request("BYE"));
    let bye = rig.next(CALLER, "BYE");
    assert_eq!(routes(&bye), Vec::<String>::new());
    assert!(text(bye.get(Name::Via).expect("Via")).starts_with("SIP/2.0/UDP 192.0.2.1:5060;"));
    rig.receive(CALLER, ua::response(&bye, 200, "x", CALLER));
    rig.next(carrier, "200 BYE");
    assert_eq!(verdict(&rig.record()), (200, End::CalleeHungUp));
    rig.ends_clean();
}

#[test]
fn a_call_from_tcp_to_udp_records_both_with_the_transport_of_each() {
    let mut rig = Rig::new();
    rig.receive_on(tcp(CALLER), ua::invite(CALLER, "a", URI).replace("SIP/2.0/UDP", "SIP/2.0/TCP"));
    rig.next(CALLER, "100 INVITE");
    rig.hunt(vec![target(CARRIERS[0])]);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    let records: Vec<&str> = forwarded.record_routes().map(|route| text(route.uri)).collect();
    assert!(!records[0].contains("transport"), "{records:?}");
    assert!(records[1].contains(";transport=tcp"), "{records:?}");
    assert!(text(forwarded.get(Name::Via).expect("Via")).starts_with("SIP/2.0/UDP"));
    rig.receive(CARRIERS[0], ua::response(&forwarded, 200, "to", CARRIERS[0]));
    let answer = rig.sent.pop_front().expect("an answer");
    assert_eq!(answer.flow, tcp(CALLER));
}

#[test]
fn our_route_values_are_cut_out_of_a_comma_list_and_the_others_stay() {
    let mut call = Answered::new();
    let own = call.caller.routes.remove(0);
    let request = call.caller.request("INFO");
    let behind = "<sip:198.51.100.77:5080;lr>";
    let request = request.replacen("From:", &format!("Route: <{own}>, {behind} ,\r\n <sip:10.0.0.1;lr>\r\nFrom:"), 1);
    call.rig.receive(CALLER, request);
    // To the one hop that the dialog has learned.
    let arrived = call.rig.next(CARRIERS[0], "INFO");
    assert_eq!(routes(&arrived), ["sip:198.51.100.77:5080", "sip:10.0.0.1"]);
    assert_eq!(text(arrived.uri()), "sip:callee@198.51.100.1:5060");
}

#[test]
fn a_strict_router_behind_us_gets_itself_as_uri_and_the_target_as_last_route() {
    let mut call = Answered::new();
    call.caller.routes.push("sip:198.51.100.77:5080".into());
    call.caller.routes.push("sip:198.51.100.78;lr".into());
    call.rig.receive(CALLER, call.caller.request("INFO"));
    let arrived = call.rig.next(CARRIERS[0], "INFO");
    assert_eq!(text(arrived.uri()), "sip:198.51.100.77:5080");
    assert_eq!(routes(&arrived), ["sip:198.51.100.78", "sip:callee@198.51.100.1:5060"]);
}

#[test]
fn a_strict_router_before_us_has_our_route_as_uri_and_the_target_as_last_route() {
    let mut call = Answered::new();
    let own = std::mem::replace(&mut call.caller.target, "unused".into());
    let target = std::mem::replace(&mut call.caller.routes, vec![own]);
    call.caller.target = target[0].clone();
    let arrived = call.caller_sends("INFO");
    assert_eq!(text(arrived.uri()), "sip:callee@198.51.100.1:5060");
    assert_eq!(routes(&arrived), Vec::<String>::new());
}

#[test]
fn a_strict_router_before_both_our_listeners_leaves_no_route_of_ours() {
    let carrier = "[2001:db8::99]:5060";
    let (mut rig, mut caller, _) = across(carrier);
    let target = std::mem::replace(&mut caller.target, caller.routes.remove(0));
    caller.routes.push(target);
    rig.receive(CALLER, caller.request("INFO"));
    let arrived = rig.next(carrier, "INFO");
    assert_eq!(text(arrived.uri()), "sip:callee@[2001:db8::99]:5060");
    assert_eq!(routes(&arrived), Vec::<String>::new());
}

#[test]
fn a_preloaded_route_to_us_is_taken_out_of_the_invite() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", URI).replacen("From:", "Route: <sip:192.0.2.1;lr>\r\nFrom:", 1));
    rig.hunt_carriers(1);
    let forwarded = rig.sent.pop_back().expect("sent").message;
    assert_eq!(forwarded.get(Name::Route), None);
}

#[test]
fn rport_and_received_say_where_the_request_came_from_and_responses_go_there() {
    let nat = "203.0.113.50:40000";
    let mut rig = Rig::new();
    rig.receive(nat, ua::invite("10.1.1.1:5060", "a", URI));
    let trying = rig.next(nat, "100 INVITE");
    let via = trying.top_via().expect("Via");
    assert_eq!(via.param("rport"), Some(Some(&b"40000"[..])));
    assert_eq!(via.received, Some(&b"203.0.113.50"[..]));
}

#[test]
fn without_rport_responses_go_to_the_port_of_the_via() {
    let mut rig = Rig::new();
    rig.receive("203.0.113.50:40000", ua::invite("10.1.1.1:5070", "a", URI).replace(";rport", ""));
    let trying = rig.next("203.0.113.50:5070", "100 INVITE");
    assert_eq!(trying.top_via().and_then(|via| via.received), Some(&b"203.0.113.50"[..]));
    rig.receive("203.0.113.50:40000", ua::invite("10.1.1.1", "b", URI).replace(";rport", ""));
    rig.next("203.0.113.50:5060", "100 INVITE");
}

#[test]
fn an_invite_that_comes_back_as_it_went_is_a_loop() {
    let mut rig = Rig::new();
    rig.receive(CALLER, ua::invite(CALLER, "a", URI));
    rig.next(CALLER, "100 INVITE");
    rig.hunt(vec![crate::decision::Target { request_host: None, ..target(CARRIERS[0]) }]);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    rig.receive(CARRIERS[0], back(&forwarded, CARRIERS[0], text(forwarded.uri())));
    rig.next(CARRIERS[0], "482 INVITE");
    rig.silence();
    assert_eq!(rig.core.counters().loops, 1);
    assert!(rig.routes.is_empty());
}

/// What a proxy at `host` makes of a request: the same with its Via on top, to another target.
fn back(request: &Message, host: &str, uri: &str) -> String {
    let whole = text(request.raw());
    let (_, headers) = whole.split_once("\r\n").expect("lines");
    let hash = uri.len() + request.routes().count() * 100;
    format!(
        "{} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {host};branch=z9hG4bK-back-{hash}\r\n{headers}",
        text(request.method_bytes())
    )
}

/// What that proxy makes of the response.
fn without_top_via(response: &Message) -> String {
    let whole = text(response.raw());
    let cut = response.top_via().expect("Via").cut;
    format!("{}{}", &whole[..cut.start as usize], &whole[cut.end as usize..])
}

#[test]
fn a_call_that_spirals_through_us_is_two_calls_with_two_records_and_its_bye_passes_twice() {
    let proxy = CARRIERS[0];
    let mut rig = Rig::new();
    let invite = parse(ua::invite(CALLER, "a", URI));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.hunt_carriers(1);
    let first = rig.next(proxy, "INVITE");
    rig.receive(proxy, back(&first, proxy, "sip:+12125550000@192.0.2.1"));
    rig.next(proxy, "100 INVITE");
    rig.hunt(vec![target(CARRIERS[1])]);
    let second = rig.next(CARRIERS[1], "INVITE");
    rig.silence();
    assert_eq!(second.record_routes().count(), 2);
    assert_eq!(rig.core.held(), 2);

    let answer = parse(ua::response(&second, 200, "to", CARRIERS[1]));
    rig.receive(CARRIERS[1], answer.raw());
    let half = rig.next(proxy, "200 INVITE");
    rig.receive(proxy, without_top_via(&half));
    let received = rig.next(CALLER, "200 INVITE");
    let mut caller = Dialog::caller(CALLER, &invite, &received);
    let mut callee = Dialog::callee(CARRIERS[1], &second, &answer);

    // The proxy between the passages does not record itself: each passage sends to the other.
    rig.receive(CALLER, caller.request("ACK"));
    let ack = rig.next(super::rig::US, "ACK");
    rig.receive(super::rig::US, ack.raw());
    let ack = rig.next(CARRIERS[1], "ACK");
    assert_eq!(routes(&ack), Vec::<String>::new());
    rig.receive(CARRIERS[1], callee.request("BYE"));
    let bye = rig.next(super::rig::US, "BYE");
    rig.receive(super::rig::US, bye.raw());
    let bye = rig.next(CALLER, "BYE");
    rig.silence();
    rig.receive(CALLER, ua::response(&bye, 200, "x", CALLER));
    let answer = rig.next(super::rig::US, "200 BYE");
    rig.receive(super::rig::US, answer.raw());
    rig.next(CARRIERS[1], "200 BYE");
    rig.silence();
    assert_eq!(rig.records.len(), 2);
    for record in rig.records.drain(..) {
        assert_eq!(verdict(&record), (200, End::CalleeHungUp));
    }
    rig.ends_clean();
}

#[test]
fn a_time_limit_in_a_spiral_ends_the_call_through_the_later_passage() {
    let (mut rig, invite) = (Rig::new(), parse(ua::invite(CALLER, "a", URI)));
    rig.receive(CALLER, invite.raw());
    rig.next(CALLER, "100 INVITE");
    rig.hunt_carriers(1);
    let first = rig.next(CARRIERS[0], "INVITE");
    // Only the later passage's Record-Route stands above ours.
    let with_later =
        text(first.raw()).replacen("Record-Route", "Record-Route: <sip:192.0.2.1;lr;c=77>\r\nRecord-Route", 1);
    rig.receive(CARRIERS[0], ua::response(&parse(with_later), 200, "to", CARRIERS[1]));
    rig.next(CALLER, "200 INVITE");
    rig.pass(LONGEST);
    rig.next(CALLER, "BYE");
    let bye = rig.next("192.0.2.1:5060", "BYE");
    assert_eq!(routes(&bye), ["sip:192.0.2.1"]);
}

#[test]
fn a_loop_within_a_call_is_refused() {
    let mut call = Answered::new();
    call.caller.target = "sip:192.0.2.1:5060".into();
    call.callee.target = "sip:192.0.2.1:5060".into();
    call.caller.routes.clear();
    let info = call.caller_sends("INFO");
    let looped = back(&info, CARRIERS[0], "sip:192.0.2.1:5060");
    call.rig.receive(CARRIERS[0], looped);
    call.rig.next(CARRIERS[0], "482 INFO");
    call.rig.silence();
}

#[test]
fn an_ipv6_caller_gets_its_responses() {
    let caller = "[2001:db8::10]:5062";
    let mut rig = Rig::new();
    rig.receive_on(udp(caller), ua::invite(caller, "a", "sip:1@[2001:db8::1]"));
    rig.next(caller, "100 INVITE");
    rig.hunt(vec![target("[2001:db8::99]:5060")]);
    let forwarded = rig.next("[2001:db8::99]:5060", "INVITE");
    assert_eq!(text(forwarded.uri()), "sip:1@[2001:db8::99]:5060");
    assert_eq!(forwarded.record_routes().count(), 1);
}
