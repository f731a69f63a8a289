use bytes::Bytes;
use proptest::prelude::*;

use super::{Edit, EditFault, Splices, edited};
use crate::message::{Message, Name, Span};

const INVITE: &str = "INVITE sip:+12125550100;npdi@example.com:5070;user=phone SIP/2.0\r\n\
    Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n\
    f: Alice  <sip:+13125550000;cpc=x@example.com>;tag=abc\r\n\
    To: sip:+12125550100@example.com\r\n\
    Call-ID: 1\r\n\
    CSeq: 1 INVITE\r\n\
    P-Asserted-Identity: \"Al\" <sip:+13125550000@example.com>, <tel:+1-312-555-0000;ext=5>\r\n\
    X-A: one\r\n\
    s:   subject\r\n\
    x-a: two\r\n\
    Content-Length: 4\r\n\r\nbody";

fn invite() -> Message {
    parsed(INVITE)
}

fn parsed(text: &str) -> Message {
    Message::parse(Bytes::copy_from_slice(text.as_bytes())).expect("a message")
}

/// The INVITE with these texts replaced, which is all that the edits may have changed.
#[track_caller]
fn expect(edits: &[Edit], changes: &[(&str, &str)]) {
    let mut wanted = INVITE.to_owned();
    for (from, to) in changes {
        assert!(wanted.contains(from), "{from}");
        wanted = wanted.replacen(from, to, 1);
    }
    let message = edited(&invite(), edits).expect("edits that fit");
    assert_eq!(String::from_utf8_lossy(message.raw()), wanted);
}

fn set(name: &str, value: &str) -> Edit {
    Edit::SetHeader { name: name.into(), value: value.into() }
}

fn add(name: &str, value: &str) -> Edit {
    Edit::AddHeader { name: name.into(), value: value.into() }
}

fn param(name: &str, value: &str) -> Edit {
    Edit::UserParameter { name: name.into(), value: value.into() }
}

fn why(edits: &[Edit]) -> (usize, EditFault) {
    let error = edited(&invite(), edits).expect_err("an edit that does not fit");
    (error.index, error.why)
}

#[test]
fn no_edits_change_nothing() {
    expect(&[], &[]);
}

#[test]
fn a_caller_name_is_quoted_wherever_the_caller_stands() {
    expect(
        &[Edit::CallerName("Bob \"B\\\" é".into())],
        &[
            ("Alice  <", "\"Bob \\\"B\\\\\\\" é\"  <"),
            ("\"Al\" <", "\"Bob \\\"B\\\\\\\" é\" <"),
            ("<tel:", "\"Bob \\\"B\\\\\\\" é\" <tel:"),
        ],
    );
    expect(&[Edit::CallerName(String::new())], &[("Alice  <", "<"), ("\"Al\" <", "<")]);
}

#[test]
fn a_caller_name_brings_the_brackets_that_it_needs() {
    let request = parsed(&INVITE.replace("Alice  <sip:+13125550000;cpc=x@example.com>", "sip:a@example.com"));
    let message = edited(&request, &[Edit::CallerName("B".into())]).expect("an edit that fits");
    assert_eq!(message.get(Name::From), Some(&b"\"B\" <sip:a@example.com>;tag=abc"[..]));
}

#[test]
fn a_caller_number_keeps_host_parameters_and_names() {
    expect(
        &[Edit::CallerNumber("4915112345".into())],
        &[
            ("Alice  <sip:+13125550000;", "Alice  <sip:4915112345;"),
            ("<sip:+13125550000@", "<sip:4915112345@"),
            ("+1-312-555-0000;", "4915112345;"),
        ],
    );
}

#[test]
fn a_callee_number_and_its_parameters_change_the_request_uri_alone() {
    expect(&[Edit::CalleeNumber("+442071234567".into())], &[("+12125550100;npdi@", "+442071234567;npdi@")]);
    expect(&[Edit::CalleeNumber("99#1".into())], &[("+12125550100;npdi@", "99%231;npdi@")]);
    expect(
        &[
            param("rn", "+12125550000"),
            param("NPDI", ""),
            param("x", "a;b:c@d"),
            Edit::CalleeNumber("1".into()),
            param("rn", "2"),
        ],
        &[("+12125550100;npdi@", "1;NPDI;x=a%3Bb%3Ac%40d;rn=2@")],
    );
}

#[test]
fn tel_and_bare_request_uris_take_numbers_too() {
    let edits = [Edit::CalleeNumber("+15#".into()), param("rn", "+1999"), param("npdi", "")];
    for (from, to) in [
        ("tel:+12125550100;npdi=no;a=b", "tel:+15#;npdi;a=b;rn=+1999"),
        ("sip:example.com;lr", "sip:+15%23;rn=+1999;npdi@example.com;lr"),
        ("sip:+1:pw@example.com", "sip:+15%23;rn=+1999;npdi:pw@example.com"),
    ] {
        let request = parsed(&INVITE.replace("sip:+12125550100;npdi@example.com:5070;user=phone", from));
        let message = edited(&request, &edits).expect("edits that fit");
        assert_eq!(String::from_utf8_lossy(message.uri()), to);
    }
}

#[test]
fn fields_are_set_in_place_added_behind_their_namesakes_and_removed() {
    expect(&[set("X-A", "three")], &[("X-A: one", "X-A: three"), ("x-a: two\r\n", "")]);
    expect(&[add("X-A", "three")], &[("x-a: two\r\n", "x-a: two\r\nX-A: three\r\n")]);
    expect(&[Edit::RemoveHeader("x-A".into())], &[("X-A: one\r\n", ""), ("x-a: two\r\n", "")]);
    expect(&[set("Subject", "new")], &[("s:   subject", "Subject: new")]);
    expect(&[set("X-B", "1"), add("X-C", "2")], &[("Length: 4\r\n", "Length: 4\r\nX-B: 1\r\nX-C: 2\r\n")]);
}

#[test]
fn a_later_edit_sees_what_an_earlier_one_did() {
    expect(&[set("X-B", "1"), Edit::RemoveHeader("x-b".into())], &[]);
    expect(
        &[Edit::RemoveHeader("X-A".into()), add("X-A", "3"), add("x-a", "4")],
        &[("X-A: one\r\n", "X-A: 3\r\nX-A: 4\r\n"), ("x-a: two\r\n", "")],
    );
    let identity = "P-Asserted-Identity: \"Al\" <sip:+13125550000@example.com>, <tel:+1-312-555-0000;ext=5>";
    let number = Edit::CallerNumber("77".into());
    let from = ("Alice  <sip:+13125550000;", "Alice  <sip:77;");
    expect(
        &[set("P-Asserted-Identity", "<tel:+5>"), number.clone()],
        &[(identity, "P-Asserted-Identity: <tel:77>"), from],
    );
    expect(&[number, set("P-Asserted-Identity", "<tel:+5>")], &[(identity, "P-Asserted-Identity: <tel:+5>"), from]);
}

#[test]
fn an_edit_that_does_not_fit_is_named_and_none_is_made() {
    let fit = Edit::CallerName("Bob".into());
    for (edit, fault) in [
        (Edit::CallerName("a\r\nX: y".into()), EditFault::DisplayName),
        (Edit::CallerNumber("+1 2".into()), EditFault::CallerNumber),
        (Edit::CallerNumber(String::new()), EditFault::CallerNumber),
        (Edit::CalleeNumber("1@evil".into()), EditFault::CalleeNumber),
        (Edit::CalleeNumber("1".repeat(33)), EditFault::CalleeNumber),
        (param("r n", "1"), EditFault::UserParameter),
        (param("rn", "1\n"), EditFault::UserParameter),
        (set("X A", "1"), EditFault::FieldName),
        (add("", "1"), EditFault::FieldName),
        (set("X-A", "1\r\nX-B: 2"), EditFault::FieldValue),
        (add("X-A", "\0"), EditFault::FieldValue),
        (set("v", "SIP/2.0/UDP x"), EditFault::Owned(Name::Via)),
        (Edit::RemoveHeader("call-id".into()), EditFault::Owned(Name::CallId)),
        (add("Content-Length", "0"), EditFault::Owned(Name::ContentLength)),
    ] {
        assert_eq!(why(&[fit.clone(), edit.clone()]), (1, fault), "{edit:?}");
    }
    assert!(matches!(why(&[set("X-A", &"a".repeat(70_000))]), (0, EditFault::Outcome(_))));
    let error = edited(&invite(), &[fit, set("X A", "1")]).expect_err("an edit that does not fit");
    assert_eq!(error.to_string(), "edit 1 (set-header): a header field's name is a token (RFC 3261 section 25.1)");
}

#[test]
fn a_place_that_the_request_does_not_have_is_named() {
    let request = parsed(&INVITE.replace("sip:+12125550100;npdi@example.com:5070;user=phone", "sip:example.com"));
    assert_eq!(edited(&request, &[param("rn", "1")]).expect_err("no user part").why, EditFault::RequestUri);
    let request = parsed(&INVITE.replace("<sip:+13125550000;cpc=x@example.com>;tag", "<name:Bob>;tag"));
    assert_eq!(edited(&request, &[Edit::CallerName("B".into())]).expect_err("no SIP URI").why, EditFault::From);
}

#[test]
fn splices_apply_in_the_order_of_the_text() {
    let mut splices = Splices::new();
    splices.remove(Span::new(6, 7));
    splices.replace(Span::new(1, 3), b"XYZ");
    splices.insert(1, b"-");
    splices.insert(3, b"+");
    splices.insert(1, b"=");
    splices.insert(7, b"!");
    assert_eq!(splices.apply(b"abcdefg"), b"a-=XYZ+def!");
}

#[test]
fn splices_that_overlap_are_refused() {
    let mut splices = Splices::new();
    assert!(splices.try_replace(Span::new(2, 5), b""));
    for (start, end) in [(0, 3), (3, 3), (4, 6), (2, 5), (1, 9), (5, 4)] {
        assert!(!splices.try_replace(Span::new(start, end), b"x"), "{start}..{end}");
    }
    assert_eq!(splices.apply(b"abcdefg"), b"abfg");
    assert_eq!(splices.apply(b"ab"), b"ab", "what reaches beyond the text has no effect");
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let name = prop_oneof![Just("X-A".to_owned()), Just("P-Asserted-Identity".to_owned()), "[A-Za-z-]{1,8}"];
    let value = "[ -~é]{0,12}";
    prop_oneof![
        "[ -~é]{0,12}".prop_map(Edit::CallerName),
        "\\+?[0-9]{1,5}".prop_map(Edit::CallerNumber),
        "\\+?[0-9*#]{1,5}".prop_map(Edit::CalleeNumber),
        ("[a-z]{1,3}", value).prop_map(|(name, value)| Edit::UserParameter { name, value }),
        (name.clone(), value).prop_map(|(name, value)| Edit::SetHeader { name, value }),
        (name.clone(), value).prop_map(|(name, value)| Edit::AddHeader { name, value }),
        name.prop_map(Edit::RemoveHeader),
    ]
}

proptest! {
    #[test]
    fn no_splices_are_the_identity(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(Splices::new().apply(&bytes), bytes);
    }

    #[test]
    fn splices_agree_with_a_plain_rewrite(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        pieces in prop::collection::vec((0_usize..45, 0_usize..5, "[a-z]{0,4}"), 0..12),
    ) {
        let mut splices = Splices::new();
        // The rewrite keeps, for every byte, whether it stays, and before every byte what was inserted and replaced.
        let mut taken = vec![false; bytes.len() + 1];
        let mut inserted = vec![String::new(); bytes.len() + 1];
        let mut replaced = vec![String::new(); bytes.len() + 1];
        for (start, length, text) in pieces {
            let end = (start + length).min(bytes.len());
            if start > end || !splices.try_replace(Span::new(start, end), text.as_bytes()) {
                continue;
            }
            if start == end { inserted[start] += &text } else { replaced[start] += &text }
            taken[start..end].fill(true);
        }
        let mut wanted = Vec::new();
        for at in 0..=bytes.len() {
            wanted.extend_from_slice(inserted[at].as_bytes());
            wanted.extend_from_slice(replaced[at].as_bytes());
            if !taken[at] {
                wanted.extend(bytes.get(at));
            }
        }
        prop_assert_eq!(splices.apply(&bytes), wanted);
    }

    #[test]
    fn edits_keep_every_field_that_they_do_not_name(edits in prop::collection::vec(any_edit(), 0..6)) {
        let request = invite();
        let Ok(message) = edited(&request, &edits) else { return Ok(()) };
        prop_assert_eq!(message.check(), Ok(()));
        prop_assert_eq!(message.body(), request.body());
        prop_assert_eq!(message.from_tag(), request.from_tag());
        for name in [Name::Via, Name::To, Name::CallId, Name::CSeq, Name::ContentLength] {
            let lines = |m: &Message| m.all(name).map(|h| h.line.of(m.raw()).to_vec()).collect::<Vec<_>>();
            prop_assert_eq!(lines(&message), lines(&request));
        }
        let names_x_a = |edit: &Edit| matches!(edit, Edit::SetHeader { name, .. } | Edit::AddHeader { name, .. }
            | Edit::RemoveHeader(name) if name.eq_ignore_ascii_case("x-a"));
        if !edits.iter().any(names_x_a) {
            prop_assert_eq!(message.values_of("X-A"), ["one", "two"]);
        }
    }

    #[test]
    fn edits_of_any_request_never_panic(
        fields in "((f|t|P-Asserted-Identity|X-A|v): ?[-a-z0-9\"<>@:;,. \\\\]{0,30}\r\n){0,5}",
        uri in "(sip|tel):[-a-z0-9@:;?=.\\[\\]%]{0,15}",
        edits in prop::collection::vec(any_edit(), 0..6),
    ) {
        let raw = format!("INVITE {uri} SIP/2.0\r\nFrom: <sip:a@b>\r\n{fields}\r\n");
        if let Ok(request) = Message::parse(raw.into()) {
            let _ = edited(&request, &edits);
        }
    }
}
