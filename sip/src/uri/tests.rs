use proptest::prelude::*;

use super::{Scheme, Uri, UriError, unescaped};

fn uri(text: &str) -> Uri<'_> {
    Uri::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn reads_all_parts_of_a_sip_uri() {
    let text = "sips:+1-212;rn=+1999;npdi:pass@[2001:db8::1]:5061;transport=TCP;lr?Subject=a&b=c@d";
    let uri = uri(text);
    let part = |span: super::Span| std::str::from_utf8(span.of(text.as_bytes())).expect("text");
    assert_eq!(uri.scheme, Scheme::Sips);
    assert_eq!((uri.user.map(part), uri.password.map(part)), (Some("+1-212;rn=+1999;npdi"), Some("pass")));
    assert_eq!(uri.user_name().map(part), Some("+1-212"));
    assert_eq!((part(uri.host), part(uri.host_port), uri.port), ("[2001:db8::1]", "[2001:db8::1]:5061", Some(5061)));
    assert_eq!((part(uri.params), uri.headers.map(part)), (";transport=TCP;lr", Some("Subject=a&b=c@d")));
    assert_eq!((uri.param("TRANSPORT"), uri.param("lr")), (Some(Some(&b"TCP"[..])), Some(None)));
    assert_eq!((uri.user_param("rn"), uri.user_param("npdi")), (Some(Some(&b"+1999"[..])), Some(None)));
    assert_eq!((uri.param("rn"), uri.user_param("lr")), (None, None));
    assert_eq!(uri.ip_addr(), "2001:db8::1".parse().ok());
}

#[test]
fn reads_tel_uris_and_leaves_others_opaque() {
    let tel = uri("tel:+1(212)555.01-00;npdi;rn=+1999");
    assert_eq!(tel.user_number().expect("a number").as_str(), "12125550100");
    assert_eq!((tel.param("npdi"), tel.user_param("rn")), (Some(None), Some(Some(&b"+1999"[..]))));
    assert!(tel.host().is_empty());
    let other = uri("urn:service:sos");
    assert_eq!((other.scheme, other.user_number()), (Scheme::Other, None));
}

#[test]
fn a_number_is_digits_whatever_separates_them() {
    for (text, number) in [
        ("sip:+12125550100@h", Some("12125550100")),
        ("sip:1-212-555-0100;phone-context=x@h", Some("12125550100")),
        ("sip:%2B1%32@h", Some("12")),
        ("sip:alice@h", None),
        ("sip:john.doe@h", None),
        ("sip:1+2@h", None),
        ("sip:*67@h", None),
        ("sip:+@h", None),
        ("sip:h", None),
        ("sip:12345678901234567890123456789012@h", Some("12345678901234567890123456789012")),
        ("sip:123456789012345678901234567890123@h", None),
    ] {
        assert_eq!(uri(text).user_number().as_deref(), number, "{text}");
    }
}

#[test]
fn what_is_no_uri_is_refused() {
    for (text, error) in [
        ("", UriError::Scheme),
        ("alice", UriError::Scheme),
        ("1sip:a@b", UriError::Scheme),
        (":a", UriError::Scheme),
        ("sip:", UriError::Host),
        ("sip:a@", UriError::Host),
        ("sip:@b", UriError::User),
        ("sip:a@b c", UriError::Character),
        ("<sip:a@b>", UriError::Scheme),
        ("sip:a@b%4", UriError::Escape),
        ("sip:a@b:", UriError::Port),
        ("sip:a@b:65536", UriError::Port),
        ("sip:a@b:5060x", UriError::Port),
        ("sip:a@[::1", UriError::Host),
        ("sip:a@[1.2.3.4]", UriError::Host),
        ("sip:2001:db8::10", UriError::Port),
        ("sip:a@b/c", UriError::Host),
        ("tel:", UriError::User),
    ] {
        assert_eq!(Uri::parse(text.as_bytes()).err(), Some(error), "{text}");
    }
}

#[test]
fn escapes_are_undone_where_texts_are_compared() {
    assert_eq!(unescaped(b"%61%4C%zz%4").as_ref(), b"aL%zz%4");
    assert_eq!(uri("sip:h;%6C%72").param("lr"), Some(None));
}

proptest! {
    #[test]
    fn reading_any_text_never_panics(text in "(sips?|tel|x)?:?[-0-9a-z@:;?=%<>\\[\\]. +#\u{e9}]{0,40}") {
        if let Ok(uri) = Uri::parse(text.as_bytes()) {
            let _ = (uri.user_number(), uri.ip_addr(), uri.param("a"), uri.user_param("b"));
            prop_assert!(uri.host_port.start <= uri.host_port.end && uri.host_port.end as usize <= text.len());
        }
    }
}
