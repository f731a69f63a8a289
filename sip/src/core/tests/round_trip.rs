//! Whatever a message looks like, what leaves is what came outside of the header fields that a proxy must touch.
//!
//! A message is made of pieces, each with the bytes that come and the bytes that must leave. So what is expected is known
//! without reading the message, and a reader that is wrong cannot hide behind itself.

use proptest::prelude::*;
use proptest::sample::select;

use super::rig::{CALLER, CARRIERS, Rig, tcp, udp};
use crate::flow::Flow;
use crate::message::Message;

/// What comes, and what leaves.
type Piece = (Vec<u8>, Vec<u8>);

fn same(bytes: impl Into<Vec<u8>>) -> Piece {
    let bytes = bytes.into();
    (bytes.clone(), bytes)
}

/// Of a text for a person: `\x` is a byte that is no UTF-8, `|` a fold.
fn ugly(text: &str) -> Vec<u8> {
    let folded = text.replace('|', "\r\n \t");
    folded.chars().map(|c| if c == 'é' { 0xe9 } else { c as u8 }).collect()
}

/// The name of a field in its long or compact form and in any case, with its colon.
fn named(long: &'static str, compact: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![Just(long.to_owned()), Just(compact.to_owned())];
    let colon = select(vec![":", ": ", " : ", "\t:\t", ":\r\n  "]);
    (word, 0..3, colon).prop_map(|(word, case, colon)| {
        let word = match case {
            0 => word,
            1 => word.to_ascii_uppercase(),
            _ => word.to_ascii_lowercase(),
        };
        (word + colon).into_bytes()
    })
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("\r\n"), 1 => Just("\n"), 1 => Just(" \t\r\n")]
}

/// A whole field with one of these values.
fn field(long: &'static str, compact: &'static str, values: &[&str]) -> BoxedStrategy<Piece> {
    let values: Vec<Vec<u8>> = values.iter().map(|value| ugly(value)).collect();
    (named(long, compact), select(values), line_end())
        .prop_map(|(name, value, end)| same([&name, &value[..], end.as_bytes()].concat()))
        .boxed()
}

/// A whole field of which a part leaves as another text.
fn touched(long: &'static str, compact: &'static str, values: &[(&str, &str)]) -> BoxedStrategy<Piece> {
    let values: Vec<Piece> = values.iter().map(|(came, leaves)| (ugly(came), ugly(leaves))).collect();
    (named(long, compact), select(values), line_end())
        .prop_map(|(name, (came, leaves), end)| {
            let whole = |value: &[u8]| [&name, value, end.as_bytes()].concat();
            (whole(&came), whole(&leaves))
        })
        .boxed()
}

/// The first line: the host becomes the carrier's, where there is one.
fn first_line() -> BoxedStrategy<Piece> {
    let uris: Vec<(String, String)> = [
        ("sip:+12125559999;npdi@", "192.0.2.1:5060", ";user=phone"),
        ("sip:+12125559999;rn=+1212;ext=a%3Bb@", "[2001:db8::1]:5070", ";x=\u{e9}"),
        ("SIP:J\u{e9}rgen,a?b:secret@", "gw.example.com", ";lr;p;q=1"),
        ("sip:", "192.0.2.1", ""),
        ("tel:+1-212-555.9999;phone-context=example.com", "", ""),
    ]
    .map(|(before, host, behind)| {
        let leaves = if host.is_empty() { "" } else { CARRIERS[0] };
        (format!("INVITE {before}{host}{behind} SIP/2.0"), format!("INVITE {before}{leaves}{behind} SIP/2.0"))
    })
    .into();
    (select(uris), select(vec!["\r\n", "\n"]))
        .prop_map(|((came, leaves), end)| (ugly(&(came + end)), ugly(&(leaves + end))))
        .boxed()
}

/// The Via of the caller, who is at 192.0.2.10:5062.
fn top_via() -> BoxedStrategy<Piece> {
    touched(
        "Via",
        "v",
        &[
            (
                "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKa;rport",
                "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKa;rport=5062;received=192.0.2.10",
            ),
            (
                "SIP / 2.0| / UDP pc.example.com : 5062 |; branch = z9hG4bKb;x=\"a,b;c\"",
                "SIP / 2.0| / UDP pc.example.com : 5062 |; branch = z9hG4bKb;x=\"a,b;c\";received=192.0.2.10",
            ),
            (
                "SIP/2.0/TCP [2001:db8::9]:5070;rport;branch=z9hG4bKc, SIP/2.0/UDP 10.0.0.1;rport",
                "SIP/2.0/TCP [2001:db8::9]:5070;rport=5062;branch=z9hG4bKc;received=192.0.2.10, SIP/2.0/UDP 10.0.0.1;rport",
            ),
            ("SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKd", "SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKd"),
        ],
    )
}

fn max_forwards() -> BoxedStrategy<Piece> {
    touched("Max-Forwards", "Max-Forwards", &[("70", "69"), ("0012", "11"), ("1", "0")])
}

/// Every other field that a request must have, in whatever forms.
fn needed(call_ids: &[&str], cseqs: &[&str]) -> Vec<BoxedStrategy<Piece>> {
    vec![
        field(
            "From",
            "f",
            &[
                "\"Smith, \\\"J\\\" é; tag=no\" <sip:+12125550001@192.0.2.10>;tag=odd",
                "sip:+12125550001@[2001:db8::9]:5061;tag=x",
                "Jérôme é <tel:+1-212-555-0001>|;x=\"a;tag=b,c\"|;tag=abc",
                "<sips:a%40b;c=d@privacy.example>;tag=1.2_3~4",
            ],
        ),
        field(
            "To",
            "t",
            &["<sip:+12125559999@192.0.2.1>", "\"<sip:a@b>, c\" <tel:911>;x", "|sip:example.com", "<urn:service:sos>"],
        ),
        field("Call-ID", "i", call_ids),
        field("CSeq", "CSeq", cseqs),
        field(
            "Contact",
            "m",
            &[
                "\"Mr, <X>\" <sip:caller@192.0.2.10:5062>;q=0.5, <sip:b@[2001:db8::7];transport=tcp>",
                "sip:caller@192.0.2.10",
                "|<tel:+12125550001>|,| <mailto:a@b>",
            ],
        ),
    ]
}

/// Fields that are nobody's business.
fn other() -> BoxedStrategy<Piece> {
    let bytes = prop::collection::vec(any::<u8>().prop_filter("no line end", |b| !matches!(b, b'\r' | b'\n')), 0..40);
    prop_oneof![
        4 => (named("X-Any", "X-Y"), bytes.clone(), bytes, line_end()).prop_map(|(name, one, two, end)| {
            same([&name, &one[..], b"\r\n ", &two[..], end.as_bytes()].concat())
        }),
        2 => field("Subject", "s", &["", "é\0\u{1}", "one| two|  three", "a,b;c=\"d", ",,;;,"]),
        1 => field("Via", "v", &["SIP/2.0/UDP 10.0.0.9;branch=old, SIP/2.0/SCTP [::1]", "SIP/2.0/TLS h;received=[::1]"]),
        1 => field("Record-Route", "Record-Route", &["<sip:[2001:db8::5];lr>,<sip:a,b@c;lr>|, <sip:d;lr>", "\"é\" <sip:e>"]),
        1 => field("P-Asserted-Identity", "P-Asserted-Identity", &["\"a, b\" <sip:+1@c>, <tel:+1212>"]),
        1 => field("Authorization", "Authorization", &["Digest realm=\"a,b\",|nonce=\"\\\"\"", "NTLM é"]),
        1 => field("Session-Expires", "x", &["90;refresher=uac"]),
        1 => field("Supported", "k", &["timer,|100rel", ""]),
        1 => field("Date", "Date", &["Sat, 01 Dec 2040 16:00:00 EST"]),
    ]
    .boxed()
}

#[derive(Debug, Clone)]
struct Whole {
    first: Piece,
    fields: Vec<Piece>,
    limit: Option<Piece>,
    body: Vec<u8>,
    /// The Content-Length, and what follows the body in the datagram.
    length: Option<(Vec<u8>, Vec<u8>)>,
}

impl Whole {
    fn came(&self) -> Vec<u8> {
        self.joined(|piece| &piece.0, b"", |(_, behind)| behind)
    }

    /// As it leaves, but for these lines of the proxy's own.
    fn leaves(&self, own: &[u8]) -> Vec<u8> {
        self.joined(|piece| &piece.1, own, |_| &[])
    }

    fn joined<'a>(
        &'a self,
        side: impl Fn(&'a Piece) -> &'a Vec<u8>,
        own: &[u8],
        behind: impl Fn(&'a (Vec<u8>, Vec<u8>)) -> &'a [u8],
    ) -> Vec<u8> {
        let mut out = [side(&self.first), own].concat();
        for piece in self.fields.iter().chain(&self.limit) {
            out.extend_from_slice(side(piece));
        }
        if let Some((name, _)) = &self.length {
            out.extend_from_slice(name);
            out.extend_from_slice(format!("{}\r\n", self.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out.extend_from_slice(self.length.as_ref().map_or(&[], behind));
        out
    }
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

/// An INVITE; over a stream it says how long it is, and nothing follows it.
fn invite(datagram: bool) -> impl Strategy<Value = Whole> {
    let mixed = (
        needed(&["odd@192.0.2.10", "<é\"/{}?>", "12345"], &["1 INVITE", "0009|INVITE", "2147483647\tINVITE"]),
        prop::collection::vec(other(), 0..8),
    )
        .prop_map(|(needed, others)| [needed, others].concat())
        .prop_shuffle();
    let behind = bytes(if datagram { 9 } else { 1 });
    let length = (named("Content-Length", "l"), behind);
    let length = prop::option::weighted(if datagram { 0.7 } else { 0.999_999_999 }, length);
    (first_line(), top_via(), mixed, prop::option::weighted(0.8, max_forwards()), bytes(300), length).prop_map(
        |(first, via, mut fields, limit, body, length)| {
            // Any Via of another hop is below the caller's.
            fields.insert(0, via);
            Whole { first, fields, limit, body, length }
        },
    )
}

fn passes(whole: &Whole, flow: Flow) {
    let mut rig = Rig::new();
    let came = whole.came();
    rig.receive_on(flow, &came);
    assert_eq!(rig.sent.pop_front().map(|sent| sent.message.code()), Some(100), "{}", lossy(&came));
    rig.hunt_carriers(1);
    let forwarded = rig.next(CARRIERS[0], "INVITE");
    // The lines of its own, which are checked where they are made, stand behind the first line.
    let mut own = own_lines(&forwarded, if flow == udp(CALLER) { 2 } else { 3 });
    if whole.limit.is_none() {
        own.extend_from_slice(b"Max-Forwards: 70\r\n");
    }
    let (got, wanted) = (forwarded.raw(), whole.leaves(&own));
    assert!(*got == wanted, "came\n{}\nleft\n{}\nnot\n{}", lossy(&came), lossy(got), lossy(&wanted));
}

/// Our Via and our Record-Routes.
fn own_lines(message: &Message, count: usize) -> Vec<u8> {
    let lines = message.headers().iter().take(count).map(|header| header.line.of(message.raw()));
    let lines: Vec<&[u8]> = lines.collect();
    assert!(lines[0].starts_with(b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport;branch=z9hG4bK"));
    assert!(lines[1..].iter().all(|line| line.starts_with(b"Record-Route: <sip:192.0.2.1:5060;")));
    lines.concat()
}

fn lossy(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\r\\n", "\n")
}

/// What comes back: our Via, and below it whatever the carrier says.
fn answer() -> impl Strategy<Value = (Vec<u8>, Whole, bool)> {
    let first =
        select(vec!["SIP/2.0 183 Spricht é\r\n", "SIP/2.0 180 \r\n", "SIP/2.0 199\n", "sip/2.0 183 a  b\t\r\n"]);
    let first = first.prop_map(|line| same(ugly(line)));
    let theirs = field("Via", "v", &["SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bKa;rport=5062;received=192.0.2.10"]);
    let mixed = (
        needed(&["a@192.0.2.10:5062"], &["1 INVITE", "0001|INVITE", "1\tINVITE"]),
        prop::collection::vec(other(), 0..8),
    )
        .prop_map(|(needed, others)| [needed, others].concat())
        .prop_shuffle();
    let length = prop::option::of((named("Content-Length", "l"), bytes(9)));
    (named("Via", "v"), first, theirs, mixed, bytes(300), length, any::<bool>()).prop_map(
        |(name, first, theirs, mut fields, body, length, joined)| {
            fields.insert(0, theirs);
            (name, Whole { first, fields, limit: None, body, length }, joined)
        },
    )
}

proptest! {
    #[test]
    fn an_invite_of_any_form_leaves_as_it_came_but_for_what_a_proxy_must_touch(whole in invite(true)) {
        passes(&whole, udp(CALLER));
    }

    #[test]
    fn the_same_over_a_stream(whole in invite(false)) {
        passes(&whole, tcp(CALLER));
    }

    #[test]
    fn an_answer_of_any_form_leaves_as_it_came_but_for_our_via((name, whole, joined) in answer()) {
        let mut call = super::rig::Placed::at_carrier(1);
        let ours = call.forwarded.top_via().expect("ours").span.of(call.forwarded.raw()).to_vec();
        let line = if joined {
            // Both on one line: the comma goes with ours.
            [&name[..], &ours, b" ,\r\n  SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK0\r\n"].concat()
        } else {
            [&name[..], &ours, b"\r\n"].concat()
        };
        let left = if joined { [&name[..], b"SIP/2.0/UDP 192.0.2.10:5062;branch=z9hG4bK0\r\n"].concat() } else { Vec::new() };
        let first = whole.first.0.len();
        let came = whole.came();
        let came = [&came[..first], &line, &came[first..]].concat();
        call.rig.receive(CARRIERS[0], &came);
        let relayed = call.rig.sent.pop_front().expect("it is passed on").message;
        let wanted = whole.leaves(&left);
        prop_assert!(*relayed.raw() == wanted, "came\n{}\nleft\n{}\nnot\n{}", lossy(&came), lossy(relayed.raw()), lossy(&wanted));
    }
}
