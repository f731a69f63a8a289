//! What a user agent writes: requests, responses, and requests within a dialog (RFC 3261 sections 8 and 12).

use std::fmt::Write as _;

use bytes::Bytes;

use crate::message::{Message, Name};

pub(super) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the tests write ASCII")
}

pub(super) fn parse(bytes: impl Into<Bytes>) -> Message {
    let message = Message::parse(bytes.into()).expect("a SIP message");
    if let Err(fault) = message.check() {
        panic!("{fault} in\n{}", text(message.raw()));
    }
    message
}

/// An INVITE from `host` (with port) with the branch and tag of `name`.
pub(super) fn invite(host: &str, name: &str, uri: &str) -> String {
    format!(
        "INVITE {uri} SIP/2.0\r\n\
         Via: SIP/2.0/UDP {host};rport;branch=z9hG4bK-{name}\r\n\
         From: \"A Caller\" <sip:+12125550001@{host}>;tag=from-{name}\r\n\
         To: <{uri}>\r\n\
         Call-ID: {name}@{host}\r\n\
         CSeq: 1 INVITE\r\n\
         Contact: <sip:caller@{host}>\r\n\
         Max-Forwards: 70\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A response of a user agent at `host` to a request as it received it.
pub(super) fn response(request: &Message, code: u16, tag: &str, host: &str) -> String {
    let mut out = format!("SIP/2.0 {code} So It Is\r\n");
    let copied =
        |name| matches!(name, Name::Via | Name::From | Name::To | Name::CallId | Name::CSeq | Name::RecordRoute);
    for header in request.headers().iter().filter(|header| copied(header.name)) {
        let _ = write!(out, "{}: {}", header.name.as_str(), text(request.value(header)));
        if header.name == Name::To && request.to_tag().is_none() && code > 100 {
            let _ = write!(out, ";tag={tag}");
        }
        out += "\r\n";
    }
    let _ = write!(out, "Contact: <sip:callee@{host}>\r\nContent-Length: 0\r\n\r\n");
    out
}

/// The CANCEL of an INVITE, or the ACK of its failure response (then with that response's To).
pub(super) fn hop_by_hop(invite: &Message, method: &str, to: Option<&Message>) -> String {
    let to = to.unwrap_or(invite).get(Name::To).expect("To");
    format!(
        "{method} {} SIP/2.0\r\nVia: {}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {} {method}\r\n\
         Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        text(invite.uri()),
        text(invite.get(Name::Via).expect("Via")),
        text(invite.get(Name::From).expect("From")),
        text(to),
        text(invite.call_id()),
        invite.cseq().expect("CSeq").number,
    )
}

/// One end of a dialog.
#[derive(Debug, Clone)]
pub(super) struct Dialog {
    pub(super) host: String,
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) call_id: String,
    pub(super) target: String,
    pub(super) routes: Vec<String>,
    pub(super) cseq: u32,
    branches: u32,
}

impl Dialog {
    /// That of the caller, from its INVITE as sent and the answer as received.
    pub(super) fn caller(host: &str, invite: &Message, answer: &Message) -> Self {
        let mut dialog = Self::new(host, answer, Name::From, Name::To, invite.cseq().expect("CSeq").number);
        dialog.routes.reverse();
        dialog.target = text(answer.contact().expect("Contact").uri).into();
        dialog
    }

    /// That of the callee, from the INVITE as received and its answer.
    pub(super) fn callee(host: &str, invite: &Message, answer: &Message) -> Self {
        let mut dialog = Self::new(host, answer, Name::To, Name::From, 100);
        dialog.target = text(invite.contact().expect("Contact").uri).into();
        dialog
    }

    fn new(host: &str, answer: &Message, local: Name, remote: Name, cseq: u32) -> Self {
        let value = |name| text(answer.get(name).expect("there")).to_owned();
        Self {
            host: host.into(),
            local: value(local),
            remote: value(remote),
            call_id: text(answer.call_id()).into(),
            target: String::new(),
            routes: answer.record_routes().map(|route| text(route.uri).to_owned()).collect(),
            cseq,
            branches: 0,
        }
    }

    /// A new request; an ACK has the number of the INVITE that it belongs to.
    pub(super) fn request(&mut self, method: &str) -> String {
        if method != "ACK" {
            self.cseq += 1;
        }
        self.numbered(method, self.cseq)
    }

    pub(super) fn numbered(&mut self, method: &str, cseq: u32) -> String {
        self.branches += 1;
        let tag = |party: &str| party.rsplit_once("tag=").map_or(String::new(), |(_, tag)| tag.to_owned());
        let branch = format!("z9hG4bK-{}-{}-{}", tag(&self.local), tag(&self.remote), self.branches);
        let mut out =
            format!("{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {};rport;branch={branch}\r\n", self.target, self.host);
        for route in &self.routes {
            let _ = write!(out, "Route: <{route}>\r\n");
        }
        let _ = write!(
            out,
            "From: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} {method}\r\n",
            self.local, self.remote, self.call_id
        );
        if matches!(method, "INVITE" | "UPDATE") {
            let _ = write!(out, "Contact: <sip:party@{}>\r\n", self.host);
        }
        out += "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n";
        out
    }
}
