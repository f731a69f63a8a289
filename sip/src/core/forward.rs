//! The messages that leave: what came, with just those header fields changed that a proxy must change
//! (RFC 3261 sections 16.6 and 16.7).

use std::fmt::Write;
use std::ops::Range;

use bytes::Bytes;
use smallvec::SmallVec;

use super::settings::Listener;
use crate::digest::is_of_user;
use crate::edit::{Splices, Text};
use crate::flow::Transport;
use crate::message::{Message, Method, Name, Span};

/// How a request goes on.
pub(super) struct Onward<'a> {
    /// Replaces the host and port of the Request-URI.
    pub(super) request_host: Option<&'a str>,
    /// Replaces the whole Request-URI (strict routing, RFC 3261 section 16.4).
    pub(super) request_uri: Option<&'a [u8]>,
    /// The From or To by which the next hop knows the caller, where the stages gave it another name.
    pub(super) caller: Option<(Name, &'a [u8])>,
    /// How many Route values to take out at the top.
    pub(super) top_routes: usize,
    /// How many Route values to take out at the bottom.
    pub(super) bottom_routes: usize,
    /// Route values to add at the bottom (RFC 3261 section 16.6 item 6).
    pub(super) add_routes: &'a [Bytes],
    /// The listener it leaves by.
    pub(super) via: &'a Listener,
    pub(super) branch: &'a str,
    /// The listeners to record, outgoing first, and the cookie that names the call.
    pub(super) record: Option<(&'a [&'a Listener], u64)>,
    /// What the CSeq number goes ahead by.
    pub(super) shift: u32,
    /// Header lines to add.
    pub(super) more: &'a [u8],
}

impl<'a> Onward<'a> {
    /// Unchanged by this listener.
    pub(super) const fn by(via: &'a Listener, branch: &'a str) -> Self {
        Self {
            request_host: None,
            request_uri: None,
            caller: None,
            top_routes: 0,
            bottom_routes: 0,
            add_routes: &[],
            via,
            branch,
            record: None,
            shift: 0,
            more: &[],
        }
    }
}

/// The request as it goes to the next hop.
pub(super) fn request(message: &Message, onward: &Onward<'_>) -> Bytes {
    let mut splices = Splices::new();
    if let Some(uri) = onward.request_uri {
        splices.replace(message.uri_span(), uri);
    } else if let Some(host) = onward.request_host {
        replace_host(message, host, &mut splices);
    }
    replace_value(message, onward.caller, &mut splices);
    let hops = message.max_forwards().and_then(Result::ok).zip(message.first(Name::MaxForwards));
    splices.insert_with(message.headers_start(), |top| {
        push_via(top, onward.via, onward.branch);
        for listener in onward.record.iter().flat_map(|(listeners, _)| listeners.iter()) {
            push_record_route(top, listener, onward.record.map_or(0, |(_, cookie)| cookie));
        }
        if hops.is_none() {
            top.push(b"Max-Forwards: 70\r\n");
        }
    });
    if let Some((hops, header)) = hops {
        splices.replace_with(header.value, |text| text.put(format_args!("{}", hops.saturating_sub(1))));
    }
    frame(message, onward.via.transport, &mut splices);
    let routes: SmallVec<[Span; 4]> = message.routes().map(|route| route.span).collect();
    let kept = onward.top_routes.min(routes.len())..routes.len().saturating_sub(onward.bottom_routes);
    if kept.is_empty() {
        cut(message, Name::Route, &routes, 0..routes.len(), &mut splices);
    } else {
        cut(message, Name::Route, &routes, 0..kept.start, &mut splices);
        cut(message, Name::Route, &routes, kept.end..routes.len(), &mut splices);
    }
    if onward.shift > 0 {
        number_ahead(message, onward.shift, &mut splices);
    }
    if !onward.more.is_empty() {
        splices.insert(message.headers_end(), onward.more);
    }
    for uri in onward.add_routes {
        splices.insert_with(message.headers_end(), |text| push_all(text, &[b"Route: <", uri, b">\r\n"]));
    }
    splices.apply(message.raw()).into()
}

/// A request of ours with the Via of another listener, on the same branch.
pub(super) fn by_other_listener(request: &Bytes, listener: &Listener) -> Option<Bytes> {
    let message = Message::parse(request.clone()).ok()?;
    by_listener(&message, listener, std::str::from_utf8(message.top_via()?.branch?).ok()?)
}

/// The same on this branch.
pub(super) fn by_listener(message: &Message, listener: &Listener, branch: &str) -> Option<Bytes> {
    let mut splices = Splices::new();
    splices.replace_with(message.first(Name::Via)?.line, |text| push_via(text, listener, branch));
    frame(message, listener.transport, &mut splices);
    Some(splices.apply(message.raw()).into())
}

/// Our Via, as a whole line.
pub(super) fn push_via(out: &mut impl Write, listener: &Listener, branch: &str) {
    let Listener { transport, host, port, .. } = listener;
    // RFC 5923 section 5: the next hop may send its own requests to us by the connection that this one comes by.
    let alias = if transport.is_reliable() { ";alias" } else { "" };
    let _ = write!(out, "Via: SIP/2.0/{} {host}:{port};rport;branch={branch}{alias}\r\n", transport.via());
}

/// This listener as one to come back to, as a whole line.
fn push_record_route(out: &mut Text, listener: &Listener, cookie: u64) {
    out.put(format_args!("Record-Route: <sip:{}:{};", listener.host, listener.port));
    if listener.transport.is_reliable() {
        out.put(format_args!("transport={};", listener.transport.param()));
    }
    out.put(format_args!("lr;{COOKIE}={cookie:x}>\r\n"));
}

fn push_all(out: &mut Text, parts: &[&[u8]]) {
    for part in parts {
        out.push(part);
    }
}

/// Where a datagram may leave the body's length to its own, a stream may not (RFC 3261 section 18.3).
fn frame(message: &Message, transport: Transport, splices: &mut Splices) {
    if transport.is_reliable() && message.first(Name::ContentLength).is_none() {
        let length = message.body().len();
        splices.insert_with(message.headers_end(), |text| text.put(format_args!("Content-Length: {length}\r\n")));
    }
}

/// The Record-Route parameter that names the call.
pub(super) const COOKIE: &str = "c";

fn replace_host(message: &Message, host: &str, splices: &mut Splices) {
    if let Ok(uri) = crate::uri::Uri::parse(message.uri())
        && !uri.host_port.is_empty()
    {
        let start = message.uri_span().start;
        let host_port = Span { start: start + uri.host_port.start, end: start + uri.host_port.end };
        splices.replace(host_port, host.as_bytes());
    }
}

/// Cut the values `spans[from..to]` of a header, which stand in the order of the message: with their header line where
/// nothing of it is left, else with the comma that parts them from what is.
fn cut(message: &Message, name: Name, spans: &[Span], range: Range<usize>, splices: &mut Splices) {
    for header in message.all(name) {
        let inside = |span: &Span| header.value.start <= span.start && span.end <= header.value.end;
        let first = spans.iter().position(inside).unwrap_or(spans.len());
        let end = first + spans[first..].iter().take_while(|span| inside(span)).count();
        let (from, to) = (range.start.max(first), range.end.min(end));
        if from >= to {
            continue;
        }
        splices.remove(match (from == first, to == end) {
            (true, true) => header.line,
            (_, false) => Span { start: spans[from].start, end: spans[to].start },
            (false, true) => Span { start: spans[from - 1].end, end: spans[to - 1].end },
        });
    }
}

fn replace_value(message: &Message, value: Option<(Name, &[u8])>, splices: &mut Splices) {
    if let Some((name, value)) = value
        && let Some(header) = message.first(name)
    {
        splices.replace(header.value, value);
    }
}

fn push_cseq(out: &mut Text, number: u32, method: &[u8]) {
    out.put(format_args!("{number} "));
    out.push(method);
}

/// Where this node has sent an INVITE again with credentials, all that follows it counts on from there: the CSeq, and the
/// one that a PRACK acknowledges (RFC 3262 section 7.2).
fn number_ahead(message: &Message, shift: u32, splices: &mut Splices) {
    if let (Some(cseq), Some(header)) = (message.cseq(), message.first(Name::CSeq)) {
        splices
            .replace_with(header.value, |text| push_cseq(text, cseq.number.saturating_add(shift), cseq.method_bytes));
    }
    if let Some(header) = message.first(Name::RAck) {
        let text = String::from_utf8_lossy(message.value(header)).into_owned();
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        if let [response, number, method] = words[..]
            && let Ok(number) = number.parse::<u32>()
        {
            let number = number.saturating_add(shift);
            splices.replace_with(header.value, |text| text.put(format_args!("{response} {number} {method}")));
        }
    }
}

/// A request as it was sent, once more: on another branch, with this CSeq number and these header lines, and without the
/// credentials that `user` gave before.
pub(super) fn again(sent: &Bytes, branch: &str, number: u32, lines: &[u8], user: &str) -> Option<Bytes> {
    let message = Message::parse(sent.clone()).ok()?;
    let mut splices = Splices::new();
    let old = message.top_via()?.branch?;
    let start = (old.as_ptr() as usize).checked_sub(message.raw().as_ptr() as usize)?;
    splices.replace(Span { start: start as u32, end: (start + old.len()) as u32 }, branch.as_bytes());
    let cseq = message.first(Name::CSeq)?;
    splices.replace_with(cseq.value, |text| push_cseq(text, number, message.method_bytes()));
    for name in [Name::Authorization, Name::ProxyAuthorization] {
        for field in message.all(name).filter(|field| is_of_user(message.value(field), user)) {
            splices.remove(field.line);
        }
    }
    splices.insert(message.headers_end(), lines);
    Some(splices.apply(message.raw()).into())
}

/// The response as it goes back by `transport`: without our Via, and with the From or To and the CSeq number that the sender of the
/// request knows.
pub(super) fn response(
    message: &Message,
    caller: Option<(Name, &[u8])>,
    transport: Transport,
    shift: u32,
    more: &[(Name, Box<[u8]>)],
) -> Bytes {
    let mut splices = Splices::new();
    if let Some(via) = message.top_via() {
        splices.remove(via.cut);
    }
    replace_value(message, caller, &mut splices);
    frame(message, transport, &mut splices);
    if shift > 0
        && let (Some(cseq), Some(header)) = (message.cseq(), message.first(Name::CSeq))
    {
        splices
            .replace_with(header.value, |text| push_cseq(text, cseq.number.saturating_sub(shift), cseq.method_bytes));
    }
    for (name, value) in more {
        let line = [name.as_str().as_bytes(), b": ", value, b"\r\n"];
        splices.insert_with(message.headers_end(), |text| push_all(text, &line));
    }
    splices.apply(message.raw()).into()
}

/// The ACK that ends an INVITE transaction after a failure response (RFC 3261 section 17.1.1.3).
pub(super) fn ack_of_failure(sent: &Bytes, response: &Message) -> Option<Bytes> {
    let to = response.get(Name::To)?;
    hop_by_hop(sent, Method::Ack, Some(to))
}

/// The CANCEL of an INVITE that we sent (RFC 3261 section 9.1).
pub(super) fn cancel_of(sent: &Bytes) -> Option<Bytes> {
    hop_by_hop(sent, Method::Cancel, None)
}

fn hop_by_hop(sent: &Bytes, method: Method, to: Option<&[u8]>) -> Option<Bytes> {
    let invite = Message::parse(sent.clone()).ok()?;
    let mut out = Vec::with_capacity(512);
    let mut line = |parts: &[&[u8]]| {
        for part in parts {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(b"\r\n");
    };
    let name: &[u8] = if method == Method::Ack { b"ACK" } else { b"CANCEL" };
    let via = invite.top_via()?.span;
    line(&[name, b" ", invite.uri(), b" SIP/2.0"]);
    line(&[b"Via: ", &sent[via.start as usize..via.end as usize]]);
    for route in invite.all(Name::Route) {
        line(&[b"Route: ", invite.value(route)]);
    }
    line(&[b"Max-Forwards: 70"]);
    line(&[b"From: ", invite.get(Name::From)?]);
    line(&[b"To: ", to.unwrap_or(invite.get(Name::To)?)]);
    line(&[b"Call-ID: ", invite.call_id()]);
    line(&[b"CSeq: ", invite.cseq()?.number.to_string().as_bytes(), b" ", name]);
    line(&[b"Content-Length: 0"]);
    line(&[]);
    Some(out.into())
}
