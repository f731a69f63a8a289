use bytes::Bytes;
use proptest::prelude::*;

use super::{CSeq, MAX_HEADERS, MAX_MESSAGE, Message, Method, Name, ParseError, call_id_of};

const INVITE: &str = "INVITE sip:+12125550100@example.com:5060 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop;rport, SIP/2.0/TCP \"a,b\".example.com;branch=z9hG4bKx\r\n\
    v: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKlast\r\n\
    Max-Forwards: 70\r\n\
    f: \"Doe, \\\"J\\\"\" <sip:alice@example.com>;tag=abc\r\n\
    To: <sip:+12125550100@example.com>\r\n\
    i: call-1@example.com\r\n\
    CSeq: 17 INVITE\r\n\
    Route: <sip:a.example.com;lr>,\r\n <sip:b,c@b.example.com;lr>\r\n\
    X-Note: first\r\n  second\r\n\
    x-note: third\r\n\
    Content-Length: 4\r\n\r\nbody";

fn parsed(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect("a message")
}

/// The INVITE with one text replaced.
fn with(from: &str, to: &str) -> Message {
    assert!(INVITE.contains(from), "{from}");
    parsed(&INVITE.replacen(from, to, 1))
}

fn fault(message: &Message) -> Option<u16> {
    message.check().err().map(|fault| fault.code)
}

#[test]
fn reads_the_parts_of_a_request() {
    let message = parsed(INVITE);
    assert!(message.is_request());
    assert_eq!((message.method(), message.method_bytes()), (Method::Invite, &b"INVITE"[..]));
    assert_eq!(message.uri(), b"sip:+12125550100@example.com:5060");
    assert_eq!((message.code(), message.reason()), (0, &b""[..]));
    assert_eq!(message.body(), b"body");
    assert_eq!(message.call_id(), b"call-1@example.com");
    assert_eq!(message.cseq(), Some(CSeq { number: 17, method: Method::Invite, method_bytes: b"INVITE" }));
    assert_eq!((message.from_tag(), message.to_tag()), (Some(&b"abc"[..]), None));
    assert_eq!(message.max_forwards(), Some(Ok(70)));
    assert_eq!(message.check(), Ok(()));
}

#[test]
fn reads_the_parts_of_a_response() {
    let message = parsed("SIP/2.0 183 Session Progress\r\nCSeq: 4 UPDATE\r\n\r\n");
    assert!(!message.is_request());
    assert_eq!((message.code(), message.reason()), (183, &b"Session Progress"[..]));
    assert_eq!((message.method(), message.uri()), (Method::Update, &b""[..]));
}

#[test]
fn walks_lists_over_fields_folds_and_quoted_commas() {
    let message = parsed(INVITE);
    let branches: Vec<_> = message.vias().filter_map(|via| via.branch).collect();
    assert_eq!(branches, [&b"z9hG4bKtop"[..], b"z9hG4bKx", b"z9hG4bKlast"]);
    let routes: Vec<_> = message.routes().map(|route| route.uri).collect();
    assert_eq!(routes, [&b"sip:a.example.com;lr"[..], b"sip:b,c@b.example.com;lr"]);
}

#[test]
fn plugins_read_fields_in_any_form_unfolded() {
    let message = parsed(INVITE);
    assert_eq!(message.values_of("X-NOTE"), ["first second", "third"]);
    assert_eq!(message.values_of("call-id"), ["call-1@example.com"]);
    assert_eq!(message.values_of("I"), ["call-1@example.com"]);
    assert_eq!(message.values_of("Y-Note"), [""; 0]);
    let latin = Message::parse(Bytes::from_static(b"BYE sip:a SIP/2.0\r\nX: caf\xe9\r\n\r\n")).expect("a message");
    assert_eq!(latin.values_of("x-"), [""; 0]);
    assert_eq!(latin.values_of("Session-Expires"), ["caf\u{fffd}"]);
}

#[test]
fn line_ends_before_a_message_are_skipped_and_bare_line_feeds_end_lines() {
    let message = parsed(&format!("\r\n\r\n{}", INVITE.replace("\r\n", "\n")));
    assert_eq!(message.check(), Ok(()));
    assert!(message.raw().starts_with(b"INVITE"));
    assert_eq!(message.body(), b"body");
    assert_eq!(Message::parse(Bytes::from_static(b"\r\n\r\n")).err(), Some(ParseError::Empty));
}

#[test]
fn the_body_is_what_content_length_says_and_the_rest_is_discarded() {
    assert_eq!(with("Content-Length: 4", "Content-Length: 2").body(), b"bo");
    assert!(with("Content-Length: 4", "l: 2").raw().ends_with(b"\r\n\r\nbo"));
    assert_eq!(with("Content-Length: 4\r\n", "").body(), b"body");
    assert_eq!(with("Content-Length: 4", "Content-Length: 5").body(), b"body");
}

#[test]
fn a_content_length_that_cannot_hold_is_refused() {
    for value in ["5", "-1", "+4", "4x", "", "99999999999999999999999", "4\r\nl: 3"] {
        assert_eq!(fault(&with("Content-Length: 4", &format!("Content-Length: {value}"))), Some(400), "{value}");
    }
    assert_eq!(fault(&with("Content-Length: 4", "Content-Length: 4\r\nl: 4")), None);
}

#[test]
fn a_request_without_what_every_request_has_is_refused() {
    for line in [
        "f: \"Doe, \\\"J\\\"\" <sip:alice@example.com>;tag=abc\r\n",
        "i: call-1@example.com\r\n",
        "CSeq: 17 INVITE\r\n",
    ] {
        assert_eq!(fault(&with(line, "")), Some(400), "without {line}");
        assert_eq!(fault(&with(line, &line.repeat(2))), Some(400), "two {line}");
    }
    assert_eq!(fault(&with("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 70")), Some(400));
    assert_eq!(fault(&with("Max-Forwards: 70\r\n", "")), None, "RFC 2543 has none");
    assert_eq!(
        fault(&parsed("BYE sip:a SIP/2.0\r\nf: <sip:a@b>\r\nt: <sip:a@b>\r\ni: 1\r\nCSeq: 1 BYE\r\n\r\n")),
        Some(400)
    );
}

#[test]
fn what_a_request_says_wrongly_is_refused() {
    for (from, to, code) in [
        (" SIP/2.0\r\n", " SIP/3.0\r\n", 505),
        ("INVITE sip:+1", "INVITE urn:+1", 416),
        ("example.com:5060 ", "example.com:99999 ", 400),
        ("17 INVITE", "17 BYE", 400),
        ("17 INVITE", "17 invite", 400),
        ("17 INVITE", "2147483648 INVITE", 400),
        ("17 INVITE", "INVITE", 400),
        ("Forwards: 70", "Forwards: many", 400),
        ("Forwards: 70", "Forwards: 256", 400),
        ("X-Note: first", "X-Note", 400),
        ("X-Note: first", "X Note: first", 400),
        (": SIP/2.0/UDP 192", ": SIP/2.0 192", 400),
        ("192.0.2.1:5060", "192.0.2.1:x", 400),
        ("<sip:a.example.com;lr>", "<sip:a.example.com;lr> x", 400),
        ("<sip:alice@example.com>", "<sip:alice@example.com", 400),
    ] {
        assert_eq!(fault(&with(from, to)), Some(code), "{to}");
    }
    assert_eq!(fault(&with("17 INVITE", "2147483647 INVITE")), None);
}

#[test]
fn a_message_whose_head_does_not_end_is_refused() {
    assert_eq!(fault(&parsed(&INVITE.replace("Content-Length: 4\r\n\r\nbody", ""))), Some(400));
}

#[test]
fn what_is_not_sip_is_no_message() {
    for text in
        ["GET / HTTP/1.1\r\n\r\n", "INVITE\r\n\r\n", "IN(VITE sip:a SIP/2.0\r\n\r\n", " SIP/2.0\r\n\r\n", "\0\0"]
    {
        assert_eq!(Message::parse(text.into()).err(), Some(ParseError::RequestLine), "{text}");
    }
    for text in ["SIP/2.0 99 x\r\n\r\n", "SIP/2.0 700 x\r\n\r\n", "SIP/2.0 0200 x\r\n\r\n", "SIP/2.0\r\n\r\n"] {
        assert_eq!(Message::parse(text.into()).err(), Some(ParseError::StatusLine), "{text}");
    }
}

#[test]
fn size_and_number_of_fields_are_bounded() {
    let fields = |n: usize| Message::parse(format!("BYE sip:a SIP/2.0\r\n{}\r\n", "A: b\r\n".repeat(n)).into());
    assert_eq!(fields(MAX_HEADERS).expect("a message").headers().len(), MAX_HEADERS);
    assert_eq!(fields(MAX_HEADERS + 1).err(), Some(ParseError::TooManyHeaders));
    let mut long = INVITE.replace("Content-Length: 4\r\n", "").into_bytes();
    long.resize(MAX_MESSAGE, 0);
    let message = Message::parse(long.clone().into()).expect("a message");
    assert_eq!(message.raw().len(), MAX_MESSAGE);
    long.push(0);
    assert_eq!(Message::parse(long.into()).err(), Some(ParseError::TooLong));
}

#[test]
fn a_log_of_a_message_shows_no_numbers() {
    assert_eq!(format!("{:?}", parsed(INVITE)), format!("Message(INVITE, {} bytes)", INVITE.len()));
}

#[test]
fn the_quick_scan_takes_the_first_call_id_of_the_head() {
    assert_eq!(call_id_of(INVITE.as_bytes()), Some(&b"call-1@example.com"[..]));
    assert_eq!(
        call_id_of(b"BYE sip:a SIP/2.0\r\nContact: <sip:a>\r\ncall-id :\r\n\tx\r\nI: y\r\n\r\n"),
        Some(&b"x"[..])
    );
    assert_eq!(call_id_of(b"BYE sip:a SIP/2.0\r\nFrom: a\r\n\r\nCall-ID: in the body\r\n"), None);
    assert_eq!(call_id_of(b"\r\n\r\n"), None);
    assert_eq!(call_id_of(b""), None);
}

/// Bytes that look like SIP often enough to reach every branch.
fn almost_sip() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "INVITE sip:a@b SIP/2.0\r\n",
            "SIP/2.0 200 OK\r\n",
            "Via",
            "v",
            "From",
            "To",
            "i",
            "Call-ID",
            "CSeq",
            "l",
            "Contact",
            "Route",
            ":",
            " ",
            "\t",
            "\r\n",
            "\n",
            "\r",
            "\r\n\r\n",
            ",",
            ";",
            "=",
            "\"",
            "\\",
            "<",
            ">",
            "[",
            "]",
            "@",
            "?",
            "%",
            "%4",
            "sip:",
            "tel:",
            "+1",
            "SIP/2.0/UDP h",
            "1 INVITE",
            "4",
            "tag=x",
            "branch=z",
            "*",
            "rport",
            "received=",
            "Digest ",
            "username=\"",
            "Proxy-Authorization:",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn reading_any_bytes_never_panics(start in prop::bool::ANY, bytes in almost_sip()) {
        let mut raw = if start { b"INVITE sip:a@b SIP/2.0\r\n".to_vec() } else { Vec::new() };
        raw.extend_from_slice(&bytes);
        let scanned = call_id_of(&raw).unwrap_or_default().to_vec();
        let Ok(message) = Message::parse(raw.into()) else { return Ok(()) };
        prop_assert_eq!(scanned, message.call_id());
        let _ = (message.check(), message.cseq(), message.max_forwards(), message.body(), message.method());
        let _ = (message.from_tag(), message.to_tag(), message.contact(), message.values_of("Via"));
        for via in message.vias() {
            prop_assert!(via.span.of(message.raw()).len() <= message.raw().len());
            prop_assert!(via.cut.start <= via.span.start && via.span.end <= via.cut.end);
        }
        for name in [Name::Contact, Name::Route, Name::From, Name::To, Name::PAssertedIdentity] {
            for address in message.name_addrs(name) {
                prop_assert_eq!(address.uri_span.of(message.raw()), address.uri);
                let _ = address.params.count();
            }
        }
        for header in message.headers() {
            prop_assert!(header.line.start <= header.value.start && header.value.end <= header.line.end);
        }
    }

    #[test]
    fn a_top_via_that_is_amended_leaves_the_index_that_reading_anew_would_make(
        above in almost_sip(), via in almost_sip(), below in almost_sip(), far in prop::bool::ANY,
    ) {
        let parts = [&b"BYE sip:a@b SIP/2.0\r\n"[..], &above, b"\r\nVia: SIP/2.0/UDP h;rport", &via, b"\r\n", &below];
        let Ok(mut message) = Message::parse(parts.concat().into()) else { return Ok(()) };
        let source = if far { "[2001:db8::9]:5062" } else { "192.0.2.1:9" }.parse().expect("an address");
        let Some(fix) = crate::header::via_fixup(&message, &source) else { return Ok(()) };
        let anew = Message::parse(fix.apply(message.raw()).into()).expect("a message");
        prop_assert_eq!(message.amend_top_via(&fix), Ok(()));
        let index = |m: &Message| {
            let firsts = (m.firsts, m.repeated, m.headers_start, m.head_end, m.head_well_formed, m.length);
            (m.raw().clone(), m.headers.clone(), firsts, format!("{:?}", (m.top_via, m.parties, m.cseq)))
        };
        prop_assert_eq!(index(&message), index(&anew));
    }

    #[test]
    fn an_answer_to_any_request_is_one_response_and_nothing_more(bytes in almost_sip(), tag in ".{0,8}", reason in ".{0,20}") {
        let raw = [&b"INVITE sip:a@b SIP/2.0\r\n"[..], &bytes].concat();
        let Ok(request) = Message::parse(raw.into()) else { return Ok(()) };
        let answer = crate::reply::reply(&request, 404, &reason, Some(&tag), &[("X-A", &reason), (&tag, "x")]);
        let length = answer.len();
        let answer = Message::parse(answer.into()).expect("a response");
        prop_assert_eq!(answer.code(), 404);
        prop_assert_eq!(answer.raw().len(), length);
        prop_assert_eq!(answer.body(), b"");
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | 0);
        let words = |id: &[u8]| id.split(blank).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect::<Vec<_>>();
        prop_assert_eq!(words(answer.call_id()), words(request.call_id()));
    }
}

/// Whatever one of these bytes would do to a peer that ends its strings at it, this router does not pass it on there.
#[test]
fn a_control_character_in_what_a_proxy_acts_on_is_refused() {
    let sound = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\nFrom: <sip:e@b>;tag=1\r\n\
                 To: \"bell \\\u{7}\" <sip:f@b>;tag=2\r\nCall-ID: 3@c\r\nCSeq: 1 OPTIONS\r\nRoute: <sip:g;lr>\r\n\
                 Record-Route: <sip:h;lr>\r\nContact: <sip:j>\r\nSubject: k\r\n\r\n";
    let code = |text: String| Message::parse(text.into()).map(|message| message.check().map_err(|fault| fault.code));
    assert_eq!(code(sound.to_owned()), Ok(Ok(())));
    assert_eq!(code(sound.replace(": k", ": \0k")), Ok(Ok(())), "no business of a proxy");
    for (plain, odd) in [
        ("sip:a", "sip:\0a"),
        ("2.0\r\nV", "2.0\0\r\nV"),
        ("2.0\r\nV", "\x0b2.0\r\nV"),
        ("UDP c", "UDP \0c"),
        ("K1\r", "K1\0\r"),
        ("<sip:e", "<sip:\x1be"),
        ("tag=1", "tag=\u{1}1"),
        (">;tag=1", ">;tag\0=1"),
        (">;tag=2", ">;\0tag=2"),
        ("<sip:f", "<sip:\0f"),
        ("tag=2", "tag=2\r2"),
        ("3@c", "3\r@c"),
        ("3@c", "3@\u{7f}c"),
        ("3@c", "3@\r\n c"),
        ("K1\r", "K1\r\n 2\r"),
        ("tag=1", "tag=1\r\n 1"),
        ("1 OPT", "1\0 OPT"),
        ("<sip:g", "<sip:\0g"),
        ("<sip:h", "<sip:\0h"),
        ("<sip:j", "<sip:\0j"),
    ] {
        assert_eq!(code(sound.replacen(plain, odd, 1)), Ok(Err(400)), "{odd:?}");
    }
    let answer = sound.replacen("OPTIONS sip:a@b SIP/2.0", "SIP/2.0 200 O\0K", 1);
    assert_eq!(code(answer), Ok(Err(400)), "dropped");
    assert_eq!(code(sound.replacen("OPT", "O\0T", 1)), Err(ParseError::RequestLine), "no method, so nobody to answer");
}
