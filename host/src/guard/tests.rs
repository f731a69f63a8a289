use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::config::model::Abuse;
use crate::routing::Known;

const OPTIONS: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nTo: <sip:a>\r\nUser-Agent: phone\r\n\r\n";

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn guard(keys: &str) -> Guard {
    let abuse: Abuse = toml::from_str(keys).expect("a section");
    let known = Known::of(
        &["192.0.2.0/24".parse().expect("a network"), "0.0.0.0/0".parse().expect("all")],
        &[ip("198.51.100.1")],
    );
    Guard::new(Clock::start(), Rules::new(&abuse, known))
}

#[test]
fn a_stranger_that_sends_too_much_is_banned_for_a_time_and_nobody_else_is() {
    let guard = guard("rate = 10\nburst = 20\nban = '30s'");
    let (begin, stranger) = (guard.now(), ip("203.0.113.9"));
    for _ in 0..20 {
        assert_eq!(guard.admit(begin, stranger, OPTIONS), Ok(()));
    }
    assert_eq!(guard.admit(begin, stranger, OPTIONS), Err(Refusal::Rate));
    let later = begin + Duration::from_secs(29);
    assert_eq!(guard.admit(later, stranger, OPTIONS), Err(Refusal::Banned));
    assert_eq!(guard.admit(later, ip("203.0.113.10"), OPTIONS), Ok(()));
    let told = guard.bans();
    assert_eq!((told.len(), told[0].source.as_str(), told[0].reason), (1, "203.0.113.9", "rate"));
    assert_eq!(guard.admit(begin + Duration::from_secs(31), stranger, OPTIONS), Ok(()));
    assert_eq!(guard.sample().dropped[..2], [("banned", 1), ("rate", 1)]);
}

#[test]
fn a_ban_that_is_pardoned_is_over() {
    let guard = guard("rate = 1\nburst = 1\nban = '1h'");
    let (now, stranger) = (guard.now(), ip("203.0.113.9"));
    assert_eq!([(); 3].map(|()| guard.admit(now, stranger, OPTIONS).is_ok()), [true, false, false]);
    assert!(guard.is_banned(stranger));
    assert!(guard.pardon(stranger) && !guard.pardon(stranger));
    assert_eq!(guard.admit(now, stranger, OPTIONS), Ok(()));
}

#[test]
fn customers_and_gateways_send_as_much_as_they_like_but_the_whole_world_is_no_customer() {
    let guard = guard("rate = 1\nburst = 1\nunknown-sources = 'drop'");
    for known in ["192.0.2.7", "::ffff:192.0.2.7", "198.51.100.1"] {
        assert!((0..1_000).all(|_| guard.admit(guard.now(), ip(known), OPTIONS).is_ok()), "{known}");
    }
    assert_eq!(guard.admit(guard.now(), ip("203.0.113.1"), OPTIONS), Err(Refusal::Stranger));
}

#[test]
fn a_network_of_ipv6_is_one_source() {
    let guard = guard("rate = 1\nburst = 1");
    assert_eq!(guard.admit(guard.now(), ip("2001:db8::1"), OPTIONS), Ok(()));
    assert_eq!(guard.admit(guard.now(), ip("2001:db8::ffff:2"), OPTIONS), Err(Refusal::Rate));
    assert_eq!(guard.admit(guard.now(), ip("2001:db8:0:1::1"), OPTIONS), Ok(()));
    assert_eq!(guard.bans()[0].source, "2001:db8::/64");
}

#[test]
fn what_is_no_sip_leads_to_a_ban_and_a_customers_does_not() {
    let guard = guard("malformed = 5");
    for source in ["203.0.113.9", "192.0.2.7"] {
        for _ in 0..6 {
            guard.malformed(guard.now(), ip(source));
        }
    }
    assert!(guard.is_banned(ip("203.0.113.9")) && !guard.is_banned(ip("192.0.2.7")));
    assert_eq!(guard.sample().begun, [("rate", 0), ("malformed", 1)]);
}

#[test]
fn scanners_and_what_is_too_long_are_dropped() {
    let guard = guard("max-message = '1KiB'");
    let admit = |text: &[u8]| guard.admit(guard.now(), ip("203.0.113.9"), text);
    assert_eq!(admit(OPTIONS), Ok(()));
    for scanner in [
        "OPTIONS sip:a SIP/2.0\r\nuser-agent : Friendly-Scanner 2\r\n\r\n",
        "\r\n\r\nOPTIONS sip:a SIP/2.0\r\nUser-Agent: friendly-scanner\r\n\r\n",
        "OPTIONS sip:a SIP/2.0\r\nUser-Agent:\r\n friendly-scanner\r\n\r\n",
        "OPTIONS sip:a SIP/2.0\nUser-Agent: phone\nUser-Agent: a\n\tfriendly-scanner\n\n",
    ] {
        assert_eq!(admit(scanner.as_bytes()), Err(Refusal::Scanner), "{scanner}");
    }
    assert_eq!(admit(b"OPTIONS sip:a SIP/2.0\r\nX: a\r\n\r\nUser-Agent: sipcli\r\n"), Ok(()), "in the body");
    assert_eq!(admit(&[b'a'; 1025]), Err(Refusal::Oversized));
}

#[test]
fn what_belongs_to_something_passes_where_strangers_are_not_answered() {
    for (text, begins) in [
        ("INVITE sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n", true),
        ("INVITE sip:a SIP/2.0\r\nTo: \";tag=x\" <sip:a>\r\n\r\n", true),
        ("\r\nINVITE sip:a SIP/2.0\r\nX: y\r\n To: <sip:a>;tag=x\r\n\r\n", true),
        ("INVITE sip:a SIP/2.0\r\nt: <sip:a>;Tag=x\r\n\r\n", false),
        ("\r\nBYE sip:a SIP/2.0\r\nTo: <sip:a>\r\n ;tag = x\r\n\r\n", false),
        ("ACK sip:a SIP/2.0\r\nTo: <sip:a>\r\n\r\n", false),
        ("SIP/2.0 200 OK\r\nTo: <sip:a>\r\n\r\n", false),
        ("\r\nSIP/2.0 200 OK\r\nTo: <sip:a>\r\n\r\n", false),
        ("\r\n\r\n", false),
        ("garbage", true),
        ("", false),
    ] {
        assert_eq!(super::begins(&Head::of(text.as_bytes())), begins, "{text}");
    }
}

#[test]
fn a_storm_of_forged_addresses_does_not_lift_the_ban_of_the_one_that_floods() {
    let guard = guard("rate = 10\nburst = 10\nban = '1h'");
    let (now, flooder) = (guard.now(), ip("203.0.113.9"));
    for _ in 0..11 {
        let _ = guard.admit(now, flooder, OPTIONS);
    }
    for forged in 0..300_000_u32 {
        let _ = guard.admit(now, IpAddr::from((0x0a00_0000 + forged).to_be_bytes()), OPTIONS);
    }
    assert_eq!(guard.admit(now, flooder, OPTIONS), Err(Refusal::Banned));
}

#[test]
fn a_response_behind_line_ends_costs_no_more_than_a_response() {
    let guard = guard("rate = 10\nburst = 10");
    let (now, gateway) = (guard.now(), ip("203.0.113.9"));
    let taken = (0..200).filter(|_| guard.admit(now, gateway, b"\r\nSIP/2.0 200 OK\r\n\r\n").is_ok()).count();
    assert_eq!(taken, 160);
}

#[test]
fn to_ask_whether_a_customer_is_banned_takes_no_place_from_those_who_are() {
    let guard = guard("rate = 10\nburst = 10\nban = '1h'");
    let (now, flooder) = (guard.now(), ip("203.0.113.9"));
    for _ in 0..11 {
        let _ = guard.admit(now, flooder, OPTIONS);
    }
    for customer in 0..=u8::MAX {
        assert!(!guard.is_banned(IpAddr::from([192, 0, 2, customer])));
    }
    assert_eq!(guard.0.table.taken(), 1);
}

#[test]
fn a_customer_has_its_own_rate_beyond_which_it_is_dropped_and_never_banned() {
    let abuse: Abuse = toml::from_str("rate = 1\nburst = 1").expect("a section");
    let known = Known::of(&["192.0.2.0/24".parse().expect("a network")], &[ip("198.51.100.1")]).with_rate(100);
    let guard = Guard::new(Clock::start(), Rules::new(&abuse, known));
    let (now, one, other) = (guard.now(), ip("192.0.2.7"), ip("192.0.2.8"));
    let taken = (0..1_000).filter(|_| guard.admit(now, one, OPTIONS).is_ok()).count();
    assert_eq!(taken, 200, "two seconds' worth");
    assert_eq!(guard.admit(now, other, OPTIONS), Err(Refusal::Customer), "all of its network");
    let later = now + Duration::from_secs(1);
    assert_eq!((0..1_000).filter(|_| guard.admit(later, other, OPTIONS).is_ok()).count(), 100);
    assert!((0..1_000).all(|_| guard.admit(now, ip("198.51.100.1"), OPTIONS).is_ok()), "a gateway is no customer");
    assert!(guard.bans().is_empty());
    assert_eq!(guard.sample().dropped[5], ("customer", 801 + 900));
}

#[test]
fn gateways_that_are_found_again_give_no_customer_a_new_allowance() {
    let abuse: Abuse = toml::from_str("").expect("a section");
    let network = ["192.0.2.0/24".parse().expect("a network")];
    let rules = |rate| Rules::new(&abuse, Known::of(&network, &[]).with_rate(rate));
    let guard = Guard::new(Clock::start(), rules(100));
    let (now, customer) = (guard.now(), ip("192.0.2.7"));
    let mut taken = 0;
    for _ in 0..10 {
        taken += (0..1_000).filter(|_| guard.admit(now, customer, OPTIONS).is_ok()).count();
        guard.change(rules(100));
    }
    assert_eq!(taken, 200);
    guard.change(rules(50));
    assert_eq!(
        (0..1_000).filter(|_| guard.admit(now, customer, OPTIONS).is_ok()).count(),
        100,
        "another rate is a new one"
    );
}
