//! The two legs of a call: enough of the dialog to find the next hop of a request within it, and to end it ourselves
//! (RFC 3261 section 12).

use std::net::SocketAddr;

use bytes::Bytes;
use smallvec::SmallVec;

use super::cx::Cx;
use super::forward;
use super::party::Party;
use super::settings::{Listener, Settings};
use crate::decision::Destination;
use crate::flow::{Flow, Transport};
use crate::header::NameAddr;
use crate::message::{Message, Method, Name};
use crate::uri::{Scheme, Uri};

/// One side of a call, seen from here.
#[derive(Debug, Clone)]
pub(super) struct Leg {
    pub(super) party: Party,
    /// The URIs of the proxies between us and it, nearest first.
    pub(super) routes: Box<[Box<[u8]>]>,
    /// Where its messages came from: used when the next hop's address is not in its URI.
    pub(super) flow: Flow,
    /// The highest CSeq number it has used.
    pub(super) cseq: u32,
    /// A callee: its dialog has ended.
    pub(super) over: bool,
    /// A callee that rings: the attempt that led to it.
    pub(super) attempt: usize,
    /// A callee: what the CSeq numbers that it gets are ahead of the caller's, and that of its last INVITE.
    pub(super) shift: u32,
    pub(super) invite_shift: u32,
    /// A callee: the credentials that its INVITE went with.
    pub(super) credentials: Option<Bytes>,
}

impl Leg {
    /// Nobody at an address: of a call that is over already.
    pub(super) fn nobody(remote: SocketAddr) -> Self {
        let flow = Flow::to(u16::MAX, Transport::Udp, remote);
        Self {
            party: Party::default(),
            routes: Box::default(),
            flow,
            cseq: 0,
            over: true,
            attempt: 0,
            shift: 0,
            invite_shift: 0,
            credentials: None,
        }
    }

    /// The caller, from its INVITE as received.
    pub(super) fn caller(invite: &Message, flow: Flow) -> Self {
        Self {
            party: Party::of(invite.get(Name::From), invite.contact().map(|contact| contact.uri), invite.from_tag()),
            routes: invite.record_routes().map(|route| route.uri.into()).collect(),
            flow,
            cseq: invite.cseq().map_or(0, |cseq| cseq.number),
            over: false,
            attempt: 0,
            shift: 0,
            invite_shift: 0,
            credentials: None,
        }
    }

    /// The callee, from its 2xx as received: the proxies behind us are those that stand above us in Record-Route. This
    /// node itself may be one of them, with the cookie of a later passage.
    pub(super) fn callee(answer: &Message, flow: Flow, settings: &Settings, cookie: u64) -> Self {
        let routes: SmallVec<[NameAddr<'_>; 4]> = answer.record_routes().collect();
        let ours = |route: &NameAddr<'_>| names_us(route, settings);
        let own = routes.iter().position(|route| ours(route) && cookie_of(route.uri) == Some(cookie));
        let behind = own.or_else(|| routes.iter().position(ours)).unwrap_or(routes.len());
        Self {
            party: Party::of(answer.get(Name::To), answer.contact().map(|contact| contact.uri), answer.to_tag()),
            routes: routes[..behind].iter().rev().map(|route| route.uri.into()).collect(),
            flow,
            cseq: 0,
            over: false,
            attempt: 0,
            shift: 0,
            invite_shift: 0,
            credentials: None,
        }
    }

    /// Where a request of ours to this side goes.
    pub(super) fn next_hop<F>(&self, cx: &Cx<'_, F>) -> Option<Flow> {
        reach(self.next_uri(), self.flow, cx)
    }

    /// Have the name of its next hop found, where it has one.
    pub(super) fn seek<F>(&self, cx: &mut Cx<'_, F>) {
        cx.seek(self.next_uri());
    }

    pub(super) fn next_uri(&self) -> &[u8] {
        self.routes.first().map_or(self.party.contact(), |route| &**route)
    }
}

/// Whether a Route or Record-Route value is this node.
pub(super) fn names_us(route: &NameAddr<'_>, settings: &Settings) -> bool {
    uri_is_us(route.uri, settings)
}

pub(super) fn uri_is_us(uri: &[u8], settings: &Settings) -> bool {
    Uri::parse(uri).is_ok_and(|uri| is_sip(&uri) && settings.is_self(uri.host(), uri.port))
}

/// The cookie in a Record-Route of ours that came back.
pub(super) fn cookie_of(uri: &[u8]) -> Option<u64> {
    let uri = Uri::parse(uri).ok()?;
    let value = std::str::from_utf8(uri.param(forward::COOKIE)??).ok()?;
    u64::from_str_radix(value, 16).ok()
}

/// Whether a Route value names a loose router (RFC 3261 section 19.1.1).
pub(super) fn is_loose(uri: &[u8]) -> bool {
    Uri::parse(uri).is_ok_and(|uri| uri.param("lr").is_some())
}

/// The flow to a URI whose host is an address, or a name that was found. Else it is `known`, the flow that the side's own
/// messages came by: no request waits for a name.
pub(super) fn reach<F>(uri: &[u8], known: Flow, cx: &Cx<'_, F>) -> Option<Flow> {
    let here = Destination { transport: known.transport, address: known.remote };
    let direct = cx.names.destination(uri, here).and_then(|destination| cx.settings.flow_to(destination, known));
    direct.or_else(|| cx.settings.listener(known).map(|_| known))
}

fn is_sip(uri: &Uri<'_>) -> bool {
    matches!(uri.scheme, Scheme::Sip | Scheme::Sips)
}

/// A request of our own within the call, in the name of `from`.
pub(super) fn request(
    method: Method,
    cseq: u32,
    from: &Leg,
    to: &Leg,
    call_id: &[u8],
    via: &Listener,
    branch: &str,
) -> Bytes {
    let name: &[u8] = if method == Method::Ack { b"ACK" } else { b"BYE" };
    // Who gave no Contact is called by its address.
    let target = if to.party.contact().is_empty() { address_of(to.party.field()) } else { to.party.contact() };
    let routes = to.routes.iter().map(|route| &**route);
    // A strict router wants itself in the Request-URI and the target at the end (RFC 3261 section 12.2.1.1).
    let (request_uri, skipped, last) = match to.routes.first() {
        Some(first) if !is_loose(first) => (&**first, 1, Some(target)),
        _ => (target, 0, None),
    };
    let mut head = String::with_capacity(160);
    head.push_str(" SIP/2.0\r\n");
    forward::push_via(&mut head, via, branch);
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(name);
    out.push(b' ');
    out.extend_from_slice(request_uri);
    out.extend_from_slice(head.as_bytes());
    for route in routes.skip(skipped).chain(last) {
        out.extend_from_slice(b"Route: <");
        out.extend_from_slice(route);
        out.extend_from_slice(b">\r\n");
    }
    for (header, value) in [(&b"From: "[..], from.party.field()), (b"To: ", to.party.field()), (b"Call-ID: ", call_id)]
    {
        out.extend_from_slice(header);
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("CSeq: {cseq} ").as_bytes());
    out.extend_from_slice(name);
    out.extend_from_slice(b"\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
    out.into()
}

/// The URI in a From or To value.
fn address_of(party: &[u8]) -> &[u8] {
    let open = memchr::memchr(b'<', party).map_or(0, |open| open + 1);
    let rest = &party[open..];
    let close = if open > 0 { memchr::memchr(b'>', rest) } else { memchr::memchr(b';', rest) };
    &rest[..close.unwrap_or(rest.len())]
}
