//! Who is the gateway itself where its 3xx leads on: it alone has its login, its trust and its places.

use std::sync::Arc;

use super::super::Terms;
use super::rig::{CALLER, CARRIERS, Placed, Rig, URI, hop, secs, settings, target};
use super::sim::Counting;
use super::ua::{self, Dialog, parse};
use crate::decision::{Destination, NextHop, Redirects, Target};
use crate::digest::Login;
use crate::flow::Transport;
use crate::gate::Gate;
use crate::message::{Message, Name};
use crate::place::Place;

const PRIVATE: &str = "Privacy: id\r\nP-Asserted-Identity: <tel:+12125550911>\r\nMax-F";
const NAME: &str = "<sip:x@sbc.example.net>";
const GATEWAY: &str = "<sip:x@198.51.100.1>";
const ELSEWHERE: &str = "<sip:x@198.51.100.3>";
/// Before the Contact of a 407.
const CHALLENGE: &str = "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256\r\nContact";

/// A call at a gateway of the first two carriers' addresses, which is trusted with the caller's private number, knows us by
/// a login and counts its calls.
struct Redirected {
    call: Placed,
    places: Arc<Counting>,
}

impl Redirected {
    fn new(redirects: Redirects) -> Self {
        let places = Arc::<Counting>::default();
        let login = Some(Arc::new(Login { user: "trunk".into(), password: "secret".into() }));
        let gate = Some(Arc::clone(&places) as Arc<dyn Gate>);
        let hop = Arc::new(NextHop { redirects, login, gate, ..(*hop()).clone() });
        let mut rig = Rig::new();
        let invite = parse(ua::invite(CALLER, "a", URI).replacen("Max-F", PRIVATE, 1));
        rig.receive(CALLER, invite.raw());
        rig.next(CALLER, "100 INVITE");
        rig.hunt(CARRIERS[..2].iter().map(|at| Target { hop: Arc::clone(&hop), ..target(at) }).collect());
        let forwarded = rig.next(CARRIERS[0], "INVITE");
        assert!(is_told(&forwarded));
        Self { call: Placed { rig, invite, forwarded }, places }
    }

    /// Whom this carrier calls in its place; a name leads to `found`. The INVITE as it comes there.
    fn leads(&mut self, carrier: usize, contact: &str, found: &str, to: usize) {
        let Placed { rig, forwarded, .. } = &mut self.call;
        let answer = ua::response(forwarded, 302, "to", CARRIERS[carrier]);
        let own = format!("<sip:callee@{}>", CARRIERS[carrier]);
        rig.receive(CARRIERS[carrier], answer.replace(&own, contact));
        rig.next(CARRIERS[carrier], "ACK");
        if let Some(place) = rig.sought.pop() {
            assert_eq!(place, Place { host: "sbc.example.net".into(), port: None, transport: None, secure: false });
            let found = Destination { transport: Transport::Udp, address: found.parse().expect("an address") };
            rig.located(&place, Some(([found].into(), secs(60))));
        }
        *forwarded = rig.next(CARRIERS[to], "INVITE");
    }

    /// That carrier wants credentials.
    fn challenges(&mut self, carrier: usize) {
        let Placed { rig, forwarded, .. } = &mut self.call;
        let answer = ua::response(forwarded, 407, "to", CARRIERS[carrier]);
        rig.receive(CARRIERS[carrier], answer.replacen("Contact", CHALLENGE, 1));
        rig.next(CARRIERS[carrier], "ACK");
    }
}

/// Whether a message says what the caller keeps private.
fn is_told(message: &Message) -> bool {
    message.first(Name::PAssertedIdentity).is_some()
}

#[test]
fn where_a_gateway_sends_the_call_to_itself_it_is_what_it_was_by_address_and_by_name() {
    for (redirects, contact, at) in [
        (Redirects::Follow, GATEWAY, 0),
        (Redirects::Follow, NAME, 0),
        (Redirects::Stay, NAME, 0),
        (Redirects::Follow, "<sip:x@198.51.100.2>", 1),
        (Redirects::Follow, NAME, 1),
    ] {
        let mut itself = Redirected::new(redirects);
        itself.leads(0, contact, CARRIERS[at], at);
        assert!(is_told(&itself.call.forwarded), "{contact}");
        assert_eq!((itself.places.calls(), itself.places.passed()), (1, 2), "{contact}");
        itself.challenges(at);
        let Placed { rig, invite, forwarded } = &mut itself.call;
        *forwarded = rig.next(CARRIERS[at], "INVITE");
        assert!(forwarded.get(Name::ProxyAuthorization).is_some(), "{contact}");
        rig.receive(CARRIERS[at], ua::response(forwarded, 200, "to", CARRIERS[at]));
        let mut caller = Dialog::caller(CALLER, invite, &rig.next(CALLER, "200 INVITE"));
        assert_eq!(itself.places.calls(), 1, "it has the call");
        rig.receive(CALLER, caller.request("BYE"));
        let bye = rig.next(CARRIERS[at], "BYE");
        rig.receive(CARRIERS[at], ua::response(&bye, 200, "to", CARRIERS[at]));
        rig.next(CALLER, "200 BYE");
        assert_eq!(itself.places.calls(), 0);
    }
}

#[test]
fn whom_a_gateway_has_led_to_stays_a_stranger_and_so_does_whomever_that_one_names() {
    for (redirects, contact, at) in [
        (Redirects::Follow, ELSEWHERE, 2),
        (Redirects::Follow, NAME, 2),
        (Redirects::Stay, NAME, 2),
        (Redirects::Follow, GATEWAY, 0),
        (Redirects::Follow, "<sip:x@198.51.100.4>", 3),
    ] {
        let mut stranger = Redirected::new(redirects);
        stranger.leads(0, ELSEWHERE, "", 2);
        assert!(!is_told(&stranger.call.forwarded));
        stranger.leads(2, contact, CARRIERS[2], at);
        assert!(!is_told(&stranger.call.forwarded), "{contact}");
        assert_eq!((stranger.places.calls(), stranger.places.passed()), (0, 1), "{contact}");
        stranger.challenges(at);
        stranger.call.rig.next(CALLER, "407 INVITE");
        stranger.call.rig.silence();
        stranger.call.rig.ends_clean();
    }
}

#[test]
fn after_a_restart_it_is_who_is_at_an_address_that_the_configuration_has_then() {
    // By these 3xx, the last carrier that was asked answers; the gateway of that name is at this address after the restart.
    let (itself, stranger) = ((0, GATEWAY, 0), (0, ELSEWHERE, 2));
    for (redirections, now, known) in [
        (&[][..], 0, true),
        (&[], 3, false),
        (&[itself], 0, true),
        (&[itself], 3, false),
        (&[stranger], 0, false),
        (&[stranger, (2, GATEWAY, 0)], 0, false),
    ] {
        let mut called = Redirected::new(Redirects::Follow);
        let mut answerer = 0;
        for (carrier, contact, to) in redirections {
            called.leads(*carrier, contact, "", *to);
            answerer = *to;
        }
        let Placed { rig, invite, forwarded } = &mut called.call;
        rig.receive(CARRIERS[answerer], ua::response(forwarded, 200, "to", CARRIERS[answerer]));
        let mut caller = Dialog::caller(CALLER, invite, &rig.next(CALLER, "200 INVITE"));
        let login = Login { user: "trunk".into(), password: "of the carrier that has the name now".into() };
        let hop = Arc::new(NextHop { login: Some(Arc::new(login)), ..(*hop()).clone() });
        rig.dies_and_goes_on(settings(), |open| Terms {
            realm: None,
            hop: open.hop(|_| Some((Arc::clone(&hop), target(CARRIERS[now]).destination.into_iter().collect()))),
        });
        rig.receive(CALLER, caller.request("INFO").replacen("Max-F", PRIVATE, 1));
        *forwarded = rig.next(CARRIERS[answerer], "INFO");
        assert_eq!(is_told(forwarded), known, "{redirections:?}, then at {}", CARRIERS[now]);
        let refused = ua::response(forwarded, 407, "to", CARRIERS[answerer]).replacen("Contact", CHALLENGE, 1);
        rig.receive(CARRIERS[answerer], refused);
        let (to, name) = if known { (CARRIERS[answerer], "INFO") } else { (CALLER, "407 INFO") };
        rig.next(to, name);
        rig.silence();
    }
}
