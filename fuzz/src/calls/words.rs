//! What user agents say: requests and responses that are nearly right.

use std::fmt::Write as _;

use trunkline_sip::message::{Message, Name};

use super::script::Script;

pub(super) const PEERS: [&str; 5] =
    ["192.0.2.10:5062", "198.51.100.1:5060", "198.51.100.2:5060", "203.0.113.9:1", "[2001:db8::99]:5060"];

const METHODS: [&str; 12] =
    ["ACK", "BYE", "CANCEL", "INVITE", "PRACK", "UPDATE", "INFO", "REFER", "NOTIFY", "OPTIONS", "REGISTER", "NEW"];
const CODES: [u16; 20] =
    [100, 180, 183, 200, 202, 300, 302, 401, 404, 407, 408, 422, 481, 486, 487, 491, 500, 503, 603, 699];
/// Fields that change what a proxy does.
const FIELDS: [&str; 16] = [
    "",
    "Supported: 100rel, timer\r\n",
    "Session-Expires: 90;refresher=uac\r\n",
    "Require: 100rel\r\nRSeq: 7\r\n",
    "RAck: 7 1 INVITE\r\n",
    "Proxy-Require: foo\r\n",
    "Max-Forwards: 0\r\n",
    "Max-Forwards: 1\r\n",
    "Route: <sip:192.0.2.1;lr>, <sip:198.51.100.9;lr>\r\n",
    "Record-Route: <sip:198.51.100.1;lr>\r\n",
    "Contact: <sip:a@203.0.113.7>;q=0.5, \"B, C\" <sip:b@[2001:db8::7]:5070;transport=tcp>\r\n",
    "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
    "Proxy-Authenticate: Digest realm=\"r\", nonce=\"m\", algorithm=SHA-256, stale=true\r\n",
    "Retry-After: 5 (soon);duration=9\r\n",
    "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK0\r\n",
    "P-Asserted-Identity: \"a\" <sip:+1212@x>\r\n",
];

fn fields(script: &mut Script<'_>) -> String {
    (0..script.below(3)).filter_map(|_| script.any(&FIELDS)).collect()
}

/// A request outside of any dialog, an INVITE mostly.
pub(super) fn fresh(script: &mut Script<'_>) -> Vec<u8> {
    let (name, host) = (script.below(8), PEERS[0]);
    let method = if script.chance(4) { script.any(&METHODS).unwrap_or("INVITE") } else { "INVITE" };
    let uri = script.any(&[
        "sip:+12125559999@192.0.2.1",
        "sip:12125559999;rn=1@192.0.2.1",
        "tel:+12125559999",
        "sip:192.0.2.1",
    ]);
    let uri = uri.unwrap_or_default();
    let more = fields(script);
    let hops = if more.contains("Max-Forwards") { "" } else { "Max-Forwards: 70\r\n" };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {host};rport;branch=z9hG4bK-{name}\r\n\
         From: \"A Caller\" <sip:+12125550001@{host}>;tag=f{name}\r\nTo: <{uri}>\r\nCall-ID: c{name}@{host}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:caller@{host}>\r\n{hops}{more}Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// A response to a request, with what a response copies.
pub(super) fn response(script: &mut Script<'_>, request: &Message) -> Vec<u8> {
    let (code, tag) = (script.any(&CODES).unwrap_or(200), script.below(3));
    let mut out = format!("SIP/2.0 {code} Why Not\r\n").into_bytes();
    let copied = [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq, Name::RecordRoute];
    for header in request.headers().iter().filter(|header| copied.contains(&header.name)) {
        out.extend_from_slice(header.name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(request.value(header));
        if header.name == Name::To && request.to_tag().is_none() {
            out.extend_from_slice(format!(";tag=t{tag}").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }
    let more = fields(script);
    if !more.contains("Contact") {
        out.extend_from_slice(b"Contact: <sip:callee@198.51.100.1>\r\n");
    }
    out.extend_from_slice(more.as_bytes());
    out.extend_from_slice(b"Content-Length: 0\r\n\r\n");
    out
}

/// A request that follows from a message which was seen: within its dialog, or on the branch of the same transaction.
pub(super) fn following(script: &mut Script<'_>, seen: &Message) -> Vec<u8> {
    let method = script.any(&METHODS).unwrap_or("BYE");
    let (turned, same_branch, routed) = (script.chance(2), script.chance(2), !script.chance(3));
    let text = |name| String::from_utf8_lossy(seen.get(name).unwrap_or_default()).into_owned();
    let (mut from, mut to) = (text(Name::From), text(Name::To));
    if turned {
        std::mem::swap(&mut from, &mut to);
    }
    let uri = seen.contact().map_or(&b"sip:192.0.2.1"[..], |contact| contact.uri);
    let uri = String::from_utf8_lossy(if same_branch && seen.is_request() { seen.uri() } else { uri }).into_owned();
    let via = if same_branch {
        text(Name::Via)
    } else {
        format!("SIP/2.0/UDP {};branch=z9hG4bK-n{}", PEERS[usize::from(turned)], script.byte())
    };
    let number = seen.cseq().map_or(1, |cseq| cseq.number).saturating_add(if same_branch {
        0
    } else {
        u32::from(script.byte())
    });
    let mut out = format!("{method} {uri} SIP/2.0\r\nVia: {via}\r\n");
    let routes: Vec<String> =
        seen.record_routes().map(|route| String::from_utf8_lossy(route.uri).into_owned()).collect();
    if routed {
        let ordered: Vec<&String> = if turned { routes.iter().collect() } else { routes.iter().rev().collect() };
        for route in ordered {
            let _infallible = write!(out, "Route: <{route}>\r\n");
        }
    }
    let more = fields(script);
    let _infallible = write!(
        out,
        "From: {from}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {number} {method}\r\nContact: <sip:party@{}>\r\n{more}Content-Length: 0\r\n\r\n",
        text(Name::CallId),
        PEERS[usize::from(turned)],
    );
    out.into_bytes()
}
