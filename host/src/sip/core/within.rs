//! Requests within a call: found their way by Route, else by what the dialog knows (RFC 3261 sections 16.4 to 16.6).

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::call::{Call, Phase};
use super::client::{Client, Patience};
use super::cx::Cx;
use super::dialog::{names_us, reach, uri_is_us};
use super::forward::{self, Onward};
use super::loops::loop_hash;
use super::server::Server;
use super::settings::Settings;
use super::transaction::{Branch, Role, Side, Transaction};
use crate::sip::flow::Flow;
use crate::sip::header::NameAddr;
use crate::sip::message::{Message, Method};

/// Where a request within a call goes, and what of its routing changes.
struct Path {
    flow: Flow,
    routes: Range<usize>,
    request_uri: Option<Bytes>,
    append_route: Option<Bytes>,
}

/// The cookie of our own Record-Route that comes back as Route, or as the Request-URI from a strict router.
pub(super) fn cookie(request: &Message, settings: &Settings) -> Option<u64> {
    let top = request.routes().next().filter(|route| names_us(route, settings)).map(|route| route.uri);
    let uri = top.or_else(|| Some(request.uri()).filter(|uri| uri_is_us(uri, settings)))?;
    cookie_of(uri)
}

fn cookie_of(uri: &[u8]) -> Option<u64> {
    let uri = crate::sip::uri::Uri::parse(uri).ok()?;
    let value = std::str::from_utf8(uri.param(forward::COOKIE)??).ok()?;
    u64::from_str_radix(value, 16).ok()
}

/// Whether a Route value names a loose router (RFC 3261 section 19.1.1).
fn has_lr(uri: &[u8]) -> bool {
    crate::sip::uri::Uri::parse(uri).is_ok_and(|uri| uri.param("lr").is_some())
}

impl<F> Call<F> {
    /// Who sent a request of this dialog, by its tags.
    pub(super) fn side_of(&self, request: &Message) -> Option<Side> {
        let tags = (request.from_tag()?, request.to_tag()?);
        let callee = |tag: &[u8]| self.callee.as_ref().is_none_or(|leg| *leg.tag == *tag);
        match tags {
            (from, to) if *from == *self.caller.tag && callee(to) => Some(Side::Caller),
            (from, to) if *to == *self.caller.tag && callee(from) => Some(Side::Callee),
            _ => None,
        }
    }

    /// Pass a request of `side` on to the other.
    pub(super) fn on_request_within(&mut self, cx: &mut Cx<'_, F>, request: Incoming, side: Side) {
        let Incoming { message, flow, reply_flow, key } = request;
        let invite = message.method() == Method::Invite;
        let refresh = invite || message.method() == Method::Update;
        if let Some(leg) = self.leg_mut(side) {
            leg.flow = flow;
            leg.cseq = leg.cseq.max(message.cseq().map_or(0, |cseq| cseq.number));
            if refresh {
                leg.refresh(&message);
            }
        }
        if message.method() == Method::Bye && self.phase == Phase::Answered {
            self.hung_up.get_or_insert(cx.now);
        }
        let mut transaction = Transaction {
            key,
            method: message.method(),
            role: Role::Within(side),
            server: Some(Server::new(invite, reply_flow)),
            request: Some(message.clone()),
            from: None,
            branches: Vec::new(),
        };
        let tag = self.tag();
        if invite {
            transaction.answer(cx, 100, "", &tag, &[]);
        }
        match self.onward(cx, &message, side) {
            Some((to, branch, bytes)) => {
                let first = cx.settings.timeout();
                // Timer C (RFC 3261 section 16.6 item 11).
                let last = if invite { TIMER_C } else { first };
                let client = Client::start(cx, branch, to, invite, bytes, Patience { first, last });
                transaction.branches.push(Branch::new(client));
            }
            None => transaction.answer(cx, 503, "", &tag, &[]),
        }
        self.transactions.push(transaction);
    }

    /// Pass an ACK on: it has no transaction (RFC 3261 section 13.2.2.4).
    pub(super) fn on_ack_within(&mut self, cx: &mut Cx<'_, F>, ack: &Message, side: Side) {
        if let Some((to, _, bytes)) = self.onward(cx, ack, side) {
            cx.send(to, bytes);
        }
    }

    fn onward(&self, cx: &mut Cx<'_, F>, message: &Message, side: Side) -> Option<(Flow, Box<str>, Bytes)> {
        let path = self.path(cx.settings, message, side)?;
        let via = cx.settings.listener(path.flow)?;
        let branch = cx.branch(self.id, loop_hash(message));
        let bytes = forward::request(
            message,
            &Onward {
                request_host: None,
                request_uri: path.request_uri.as_deref(),
                routes: path.routes,
                append_route: path.append_route.as_deref(),
                via,
                branch: &branch,
                record: None,
            },
        );
        Some((path.flow, branch, bytes))
    }

    fn path(&self, settings: &Settings, message: &Message, side: Side) -> Option<Path> {
        let known = self.known_flow(side.other());
        let routes: Vec<NameAddr<'_>> = message.routes().collect();
        let slice = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        // A strict router before us has put our Record-Route into the Request-URI (section 16.4).
        if cookie_of(message.uri()).is_some()
            && uri_is_us(message.uri(), settings)
            && let Some((target, rest)) = routes.split_last()
        {
            let next = rest.first().map_or(target.uri, |route| route.uri);
            return Some(Path {
                flow: reach(next, known, settings)?,
                routes: rest.len()..routes.len(),
                request_uri: Some(slice(target.uri)),
                append_route: None,
            });
        }
        let own = self.own_routes(settings, &routes);
        match routes.get(own) {
            Some(next) if has_lr(next.uri) => Some(Path {
                flow: reach(next.uri, known, settings)?,
                routes: 0..own,
                request_uri: None,
                append_route: None,
            }),
            // A strict router behind us (section 16.6 item 6).
            Some(next) => Some(Path {
                flow: reach(next.uri, known, settings)?,
                routes: 0..own + 1,
                request_uri: Some(slice(next.uri)),
                append_route: Some(slice(message.uri())),
            }),
            // The sender knows no better than to send it to us: the dialog does.
            None if uri_is_us(message.uri(), settings) => {
                let leg = match side.other() {
                    Side::Caller => &self.caller,
                    Side::Callee => self.callee.as_ref()?,
                };
                let request_uri = (!leg.contact.is_empty()).then(|| slice(&leg.contact));
                Some(Path { flow: leg.next_hop(settings)?, routes: 0..own, request_uri, append_route: None })
            }
            None => Some(Path {
                flow: reach(message.uri(), known, settings)?,
                routes: 0..own,
                request_uri: None,
                append_route: None,
            }),
        }
    }

    /// The values at the top that this call wrote: two where it crossed listeners, but not those of another passage of
    /// the same call through this node.
    fn own_routes(&self, settings: &Settings, routes: &[NameAddr<'_>]) -> usize {
        let ours = |route: &&NameAddr<'_>| {
            names_us(route, settings) && cookie_of(route.uri).is_none_or(|cookie| cookie == self.cookie)
        };
        routes.iter().take_while(ours).count()
    }

    /// Where messages of a side come from, before and after the answer.
    fn known_flow(&self, side: Side) -> Flow {
        match (side, &self.callee) {
            (Side::Callee, Some(callee)) => callee.flow,
            (Side::Callee, None) => self.attempt_flow().unwrap_or(self.flow),
            (Side::Caller, _) => self.caller.flow,
        }
    }

    fn attempt_flow(&self) -> Option<Flow> {
        let setup = self.transactions.iter().find(|transaction| transaction.role == Role::Setup)?;
        setup.branches.last().map(|branch| branch.client.flow)
    }
}

/// A request, read so far as every request is.
pub(super) struct Incoming {
    pub(super) message: Arc<Message>,
    pub(super) flow: Flow,
    /// Where its responses go.
    pub(super) reply_flow: Flow,
    pub(super) key: Box<[u8]>,
}

/// RFC 3261 section 16.6 item 11: more than three minutes.
const TIMER_C: std::time::Duration = std::time::Duration::from_secs(185);
