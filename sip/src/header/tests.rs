use bytes::Bytes;

use super::{Rport, Via, via_fixup};
use crate::edit::Splices;
use crate::message::{Message, Name};

fn with_fields(fields: &str) -> Message {
    Message::parse(Bytes::from(format!("BYE sip:a@b SIP/2.0\r\n{fields}\r\n"))).expect("a message")
}

fn cut(message: &Message, name: Name, index: usize) -> String {
    let mut splices = Splices::new();
    splices.remove(message.items(name).nth(index).expect("an item").cut);
    let out = String::from_utf8(splices.apply(message.raw())).expect("text");
    out.trim_start_matches("BYE sip:a@b SIP/2.0\r\n").trim_end_matches("\r\n").to_owned()
}

#[test]
fn one_value_can_be_cut_out_of_any_place_in_its_list() {
    let message = with_fields("Route: <sip:a>, <sip:b> ,<sip:c>\r\nRoute: <sip:d>\r\n");
    assert_eq!(cut(&message, Name::Route, 0), "Route: <sip:b> ,<sip:c>\r\nRoute: <sip:d>");
    assert_eq!(cut(&message, Name::Route, 1), "Route: <sip:a>, <sip:c>\r\nRoute: <sip:d>");
    assert_eq!(cut(&message, Name::Route, 2), "Route: <sip:a>, <sip:b> \r\nRoute: <sip:d>");
    assert_eq!(cut(&message, Name::Route, 3), "Route: <sip:a>, <sip:b> ,<sip:c>");
}

#[test]
fn an_address_is_read_with_and_without_brackets() {
    let message =
        with_fields("f: \"A <b>, \\\"c\\\"\"  <sip:x;p=1?h=2> ; tag = t1;lone;q=\"a;b\"\r\nt: sip:y@z;tag=t2\r\n");
    let from = message.from().expect("From");
    assert_eq!((from.display, from.uri), (&br#"A <b>, \"c\""#[..], &b"sip:x;p=1?h=2"[..]));
    assert_eq!(from.param("TAG"), Some(Some(&b"t1"[..])));
    assert_eq!((from.param("lone"), from.param("none")), (Some(None), None));
    assert_eq!(from.param("q"), Some(Some(&b"a;b"[..])));
    let to = message.to().expect("To");
    assert_eq!((to.display, to.uri, to.bracketed), (&b""[..], &b"sip:y@z"[..], false));
    assert_eq!(message.to_tag(), Some(&b"t2"[..]));
}

#[test]
fn what_is_no_address_is_not_read() {
    for value in
        ["\"a <sip:x>", "<sip:x", "\"a\" sip:x", "<>", "", "< sip:x>", "<sip:x> y", "\"a\" b <sip:x>", ";tag=1"]
    {
        assert!(with_fields(&format!("From: {value}\r\n")).from().is_none(), "{value}");
    }
}

fn via(value: &str, test: impl FnOnce(Via<'_>)) {
    test(with_fields(&format!("Via: {value}\r\n")).top_via().unwrap_or_else(|| panic!("{value}")));
}

#[test]
fn a_via_is_read_with_white_space_anywhere() {
    via("SIP / 2.0 / TCP  [2001:db8::1] : 5070 ; branch = z ;RPORT; received=192.0.2.1;maddr=m;ttl=1", |via| {
        assert_eq!((via.transport, via.host, via.port), (&b"TCP"[..], &b"[2001:db8::1]"[..], Some(5070)));
        assert_eq!((via.branch, via.received), (Some(&b"z"[..]), Some(&b"192.0.2.1"[..])));
        assert!(matches!(via.rport, Rport::Empty(word) if word.len() == 5));
        assert_eq!((via.maddr, via.param("ttl")), (Some(&b"m"[..]), Some(Some(&b"1"[..]))));
    });
    via("SIP/2.0/UDP h", |via| assert_eq!((via.port, via.rport, via.branch), (None, Rport::Absent, None)));
    via("SIP/2.0/UDP h;rport=99", |via| assert_eq!(via.rport, Rport::Port(99)));
}

fn fixed(value: &str, source: &str) -> Option<String> {
    let message = with_fields(&format!("v: {value}\r\n"));
    let splices = via_fixup(&message, &source.parse().expect("an address"))?;
    let fixed = Message::parse(splices.apply(message.raw()).into()).expect("a message");
    Some(String::from_utf8_lossy(fixed.get(Name::Via).expect("Via")).into_owned())
}

#[test]
fn the_top_via_learns_where_its_request_came_from() {
    for (value, source, wanted) in [
        // RFC 3261 section 18.2.1.
        ("SIP/2.0/UDP host", "192.0.2.1:5060", "SIP/2.0/UDP host;received=192.0.2.1"),
        ("SIP/2.0/UDP 10.0.0.1;branch=b", "192.0.2.1:9", "SIP/2.0/UDP 10.0.0.1;branch=b;received=192.0.2.1"),
        ("SIP/2.0/UDP a, SIP/2.0/UDP b", "192.0.2.1:9", "SIP/2.0/UDP a;received=192.0.2.1, SIP/2.0/UDP b"),
        // RFC 3581 section 4: rport always brings received along.
        (
            "SIP/2.0/UDP 192.0.2.1;rport;branch=b",
            "192.0.2.1:9",
            "SIP/2.0/UDP 192.0.2.1;rport=9;branch=b;received=192.0.2.1",
        ),
        // RFC 5118 section 4.5: received has no brackets.
        ("SIP/2.0/UDP h;rport", "[2001:db8::9]:7", "SIP/2.0/UDP h;rport=7;received=2001:db8::9"),
        // What the sender claims of itself does not stand.
        ("SIP/2.0/UDP h;received=10.9.9.9", "192.0.2.1:9", "SIP/2.0/UDP h;received=192.0.2.1"),
        ("SIP/2.0/UDP 192.0.2.1;received=10.9.9.9", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;received=192.0.2.1"),
        ("SIP/2.0/UDP 192.0.2.1;rport=1", "192.0.2.1:9", "SIP/2.0/UDP 192.0.2.1;rport=9;received=192.0.2.1"),
    ] {
        assert_eq!(fixed(value, source).as_deref(), Some(wanted), "{value}");
    }
}

#[test]
fn a_top_via_that_is_right_stays() {
    assert_eq!(fixed("SIP/2.0/UDP 192.0.2.1:5060;branch=b", "192.0.2.1:9"), None);
    assert_eq!(fixed("SIP/2.0/UDP [2001:DB8:0::9]", "[2001:db8::9]:7"), None);
    assert_eq!(fixed("SIP/2.0/UDP 192.0.2.1", "[::ffff:192.0.2.1]:7"), None);
    assert_eq!(fixed("SIP/2.0/UDP h;received=192.0.2.1;rport=9", "192.0.2.1:9"), None);
}
