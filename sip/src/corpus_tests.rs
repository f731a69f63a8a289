//! The torture messages of RFC 4475 and RFC 5118: what each comes to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::edit::{Edit, Splices, edited};
use super::message::{Message, Name, call_id_of};
use super::reply::reply;

/// What a message comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// Accepted: forwarded as it is.
    Valid,
    /// Refused with this code; a response is dropped.
    Fault(u16),
    /// No SIP message: dropped.
    Unreadable,
}
use Comes::{Fault, Unreadable, Valid};

const RFC4475: &[(&str, Comes)] = &[
    ("wsinv", Valid),
    ("intmeth", Valid),
    ("esc01", Valid),
    ("escnull", Valid),
    ("esc02", Valid),
    ("lwsdisp", Valid),
    ("longreq", Valid),
    ("dblreq", Valid),
    ("semiuri", Valid),
    ("transports", Valid),
    ("mpart01", Valid),
    ("unreason", Valid),
    ("noreason", Valid),
    ("badinv01", Fault(400)),
    ("clerr", Fault(400)),
    ("ncl", Fault(400)),
    ("scalar02", Fault(400)),
    ("scalarlg", Fault(400)),
    ("quotbal", Fault(400)),
    ("ltgtruri", Fault(400)),
    ("lwsruri", Fault(400)),
    ("lwsstart", Fault(400)),
    ("trws", Fault(400)),
    ("escruri", Fault(400)),
    // A Date that is none is no business of a proxy (section 3.1.2.12).
    ("baddate", Valid),
    ("regbadct", Fault(400)),
    ("badaspec", Fault(400)),
    ("baddn", Fault(400)),
    ("badvers", Fault(505)),
    ("mismatch01", Fault(400)),
    ("mismatch02", Fault(400)),
    ("bigcode", Unreadable),
    ("badbranch", Valid),
    ("insuf", Fault(400)),
    ("unkscm", Fault(416)),
    ("novelsc", Fault(416)),
    // Schemes in To, From and Contact that nobody knows are the registrar's business (section 3.3.4).
    ("unksm2", Valid),
    // Whether a Proxy-Require is met is the proxy's to say, not the message's.
    ("bext01", Valid),
    ("invut", Valid),
    ("regaut01", Valid),
    ("multi01", Fault(400)),
    ("mcl01", Fault(400)),
    ("bcast", Valid),
    ("zeromf", Valid),
    ("cparam01", Valid),
    ("cparam02", Valid),
    ("regescrt", Valid),
    ("sdp01", Valid),
    ("inv2543", Valid),
];

const RFC5118: &[(&str, Comes)] = &[
    ("ipv6-good", Valid),
    ("ipv6-bad", Fault(400)),
    ("port-ambiguous", Valid),
    ("port-unambiguous", Valid),
    ("via-received-param-with-delim", Valid),
    ("via-received-param-no-delim", Valid),
    ("ipv6-in-sdp", Valid),
    ("mult-ip-in-header", Valid),
    ("mult-ip-in-sdp", Valid),
    ("ipv4-mapped-ipv6", Valid),
    ("ipv6-bug-abnf-3-colons", Valid),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/corpus").join(name)
}

fn read(rfc: &str, name: &str) -> Bytes {
    fs::read(folder(rfc).join(name).with_extension("sip")).unwrap_or_else(|e| panic!("{rfc}/{name}: {e}")).into()
}

fn each(mut test: impl FnMut(&str, Bytes, Comes)) {
    for (rfc, table) in [("rfc4475", RFC4475), ("rfc5118", RFC5118)] {
        for &(name, comes) in table {
            test(name, read(rfc, name), comes);
        }
    }
}

#[test]
fn every_message_of_the_corpus_is_in_the_table() {
    for (rfc, table) in [("rfc4475", RFC4475), ("rfc5118", RFC5118)] {
        let files: BTreeSet<String> = fs::read_dir(folder(rfc))
            .expect("the corpus is there")
            .map(|entry| entry.expect("a file").path().file_stem().expect("a name").to_string_lossy().into_owned())
            .collect();
        let named: BTreeSet<String> = table.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files, named, "{rfc}");
    }
}

#[test]
fn each_message_is_accepted_or_refused_as_the_rfc_says() {
    each(|name, raw, comes| {
        let found = match Message::parse(raw) {
            Err(_) => Unreadable,
            Ok(message) => message.check().map_or_else(|fault| Fault(fault.code), |()| Valid),
        };
        assert_eq!(found, comes, "{name}");
    });
}

#[test]
fn a_valid_message_leaves_byte_for_byte_as_it_came() {
    each(|name, raw, comes| {
        if comes != Valid {
            return;
        }
        let message = Message::parse(raw.clone()).expect(name);
        assert_eq!(Splices::new().apply(message.raw()), raw[..message.raw().len()], "{name}");
        // Only what follows the body is left behind, and only one message of the corpus has such bytes.
        assert_eq!(message.raw().len() < raw.len(), name == "dblreq", "{name}");
    });
}

#[test]
fn the_quick_scan_finds_the_call_id_of_each_message() {
    each(|name, raw, _| {
        if let Ok(message) = Message::parse(raw.clone()) {
            assert_eq!(call_id_of(&raw).unwrap_or_default(), message.call_id(), "{name}");
        }
    });
}

#[test]
fn the_answer_to_each_request_is_a_sound_response_to_it() {
    each(|name, raw, comes| {
        let Ok(request) = Message::parse(raw) else { return };
        if !request.is_request() {
            return;
        }
        let code = if let Fault(code) = comes { code } else { 404 };
        let answer = Message::parse(reply(&request, code, "", Some("local"), &[]).into()).expect(name);
        assert_eq!(answer.code(), code, "{name}");
        assert_eq!(answer.call_id().is_empty(), request.call_id().is_empty(), "{name}");
        assert_eq!(answer.all(Name::Via).count(), request.all(Name::Via).count(), "{name}");
        if comes == Valid {
            assert_eq!(answer.check(), Ok(()), "{name}");
            assert_eq!(answer.from_tag(), request.from_tag(), "{name}");
            assert!(answer.vias().map(|via| via.branch).eq(request.vias().map(|via| via.branch)), "{name}");
        }
    });
}

#[test]
fn edits_of_each_valid_request_leave_a_valid_request() {
    let edits = [
        Edit::CallerName("Bob \"the\" B\\uilder".into()),
        Edit::SetHeader { name: "X-Trunk".into(), value: "a".into() },
        Edit::AddHeader { name: "Subject".into(), value: "b".into() },
    ];
    each(|name, raw, comes| {
        let Ok(request) = Message::parse(raw) else { return };
        // A From with a scheme that nobody knows holds no caller that could be renamed.
        if comes != Valid || !request.is_request() || name == "unksm2" {
            return;
        }
        let changed = edited(&request, &edits).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(changed.check(), Ok(()), "{name}");
        assert_eq!(changed.from().expect(name).display, br#"Bob \"the\" B\\uilder"#, "{name}");
        assert_eq!(changed.body(), request.body(), "{name}");
        assert_eq!(changed.headers().len(), request.headers().len() + 2, "{name}");
    });
}
