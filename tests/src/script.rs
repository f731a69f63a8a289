//! What the caller and the carrier of a call say: the same words in the simulation and on the wire. A call is named by
//! its number, so that nobody has to keep what it said before.

use std::fmt::Write as _;
use std::net::SocketAddr;

use trunkline::sip::message::{Message, Name};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// The callers, behind one address.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Theirs.
    pub address: SocketAddr,
    /// The router's.
    pub router: SocketAddr,
    /// The carrier's: the Contact that requests within a call go to.
    pub carrier: SocketAddr,
}

impl Caller {
    /// Calls one of ten thousand numbers from one of ten thousand others.
    pub fn invite(&self, call: u32) -> String {
        let Self { address, router, .. } = self;
        let (from, to) = (calling(call), called(call));
        format!(
            "INVITE sip:{to}@{router} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{call}-i\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{from}@{address}>;tag=31415-caller-{call}\r\nTo: <sip:{to}@{router}>\r\n\
             Call-ID: {call}-31415@{}\r\nCSeq: 1 INVITE\r\nContact: <sip:{from}@{address}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{SDP}",
            address.ip(),
            SDP.len()
        )
    }

    /// A request within the call: `ACK` or `BYE`. `route` is the Record-Route of the answer.
    pub fn within(&self, method: &str, call: u32, route: &str) -> String {
        let Self { address, router, carrier } = self;
        let (from, to) = (calling(call), called(call));
        let cseq = if method == "ACK" { 1 } else { 2 };
        format!(
            "{method} sip:{carrier} SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK-{call}-{method}\r\n\
             Route: {route}\r\nMax-Forwards: 70\r\nFrom: <sip:{from}@{address}>;tag=31415-caller-{call}\r\n\
             To: <sip:{to}@{router}>;tag={}\r\nCall-ID: {call}-31415@{}\r\nCSeq: {cseq} {method}\r\n\
             Content-Length: 0\r\n\r\n",
            tag(call),
            address.ip()
        )
    }
}

fn calling(call: u32) -> String {
    format!("1212555{:04}", call % 10_000)
}

fn called(call: u32) -> String {
    format!("1919555{:04}", call % 10_000)
}

fn tag(call: u32) -> String {
    format!("27182-callee-{call}")
}

/// The number of the call that a message belongs to.
pub fn call_of(message: &Message) -> Option<u32> {
    let text = std::str::from_utf8(message.call_id()).ok()?;
    text.split_once('-')?.0.parse().ok()
}

/// The carrier at `address` responds to a request.
pub fn response(request: &Message, code: u16, address: SocketAddr) -> String {
    let reason = if code == 180 { "Ringing" } else { "OK" };
    let mut text = format!("SIP/2.0 {code} {reason}\r\n");
    for header in request.headers() {
        let copied =
            matches!(header.name, Name::Via | Name::RecordRoute | Name::From | Name::To | Name::CallId | Name::CSeq);
        if copied {
            let value = String::from_utf8_lossy(request.value(header));
            let _infallible = write!(text, "{}: {value}", header.name.as_str());
            if header.name == Name::To && request.to_tag().is_none() {
                let _infallible = write!(text, ";tag={}", tag(call_of(request).unwrap_or_default()));
            }
            text.push_str("\r\n");
        }
    }
    let answers = code == 200 && request.method_bytes() == b"INVITE";
    let (kind, body) = if answers { ("Content-Type: application/sdp\r\n", SDP) } else { ("", "") };
    let _infallible = write!(text, "Contact: <sip:{address}>\r\n{kind}Content-Length: {}\r\n\r\n{body}", body.len());
    text
}

/// The Record-Route of an answer, for the requests within its call.
pub fn route_of(answer: &Message) -> String {
    let routes = answer.all(Name::RecordRoute).map(|header| String::from_utf8_lossy(answer.value(header)));
    routes.collect::<Vec<_>>().join(", ")
}
