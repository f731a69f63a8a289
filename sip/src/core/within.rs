//! Requests within a call: found their way by Route, else by what the dialog knows (RFC 3261 sections 16.4 to 16.6).

use std::sync::Arc;

use bytes::Bytes;
use smallvec::{SmallVec, smallvec};

use super::call::{Call, Phase};
use super::client::{Client, Patience};
use super::cx::{BranchName, Cx};
use super::dialog::{Leg, cookie_of, is_loose, names_us, reach, uri_is_us};
use super::forward::{self, Onward};
use super::loops::loop_hash;
use super::server::Server;
use super::settings::Settings;
use super::size::{Outgoing, TOO_LARGE};
use super::transaction::{Branch, Key, Role, Side, Transaction};
use crate::flow::Flow;
use crate::header::NameAddr;
use crate::message::{Message, Method, Name};

/// Where a request within a call goes, and what of its routing changes.
struct Path {
    flow: Flow,
    /// Route values to take out at the top and at the bottom.
    taken: (usize, usize),
    request_uri: Option<Bytes>,
    add_routes: SmallVec<[Bytes; 1]>,
}

/// The cookie of our own Record-Route that comes back as Route, or as the Request-URI from a strict router.
pub(super) fn cookie(request: &Message, settings: &Settings) -> Option<u64> {
    let top = request.routes().next().filter(|route| names_us(route, settings)).map(|route| route.uri);
    let uri = top.or_else(|| Some(request.uri()).filter(|uri| uri_is_us(uri, settings)))?;
    cookie_of(uri)
}

/// The callee's tag in a request of `side`, or in its response.
pub(super) fn callee_tag(message: &Message, side: Side) -> Option<&[u8]> {
    match side {
        Side::Caller => message.to_tag(),
        Side::Callee => message.from_tag(),
    }
}

/// The caller's From or To as the sender of this request wrote it.
fn caller_as_sent(message: &Message, side: Side) -> Option<(Name, Box<[u8]>)> {
    let name = if side == Side::Caller { Name::From } else { Name::To };
    Some((name, message.get(name)?.into()))
}

impl<F> Call<F> {
    /// Who sent a request of this call, by its tags. The callee may have any: behind a fork stand several, and those in
    /// an early dialog are not known here.
    pub(super) fn side_of(&self, request: &Message) -> Option<Side> {
        match (request.from_tag()?, request.to_tag()?) {
            (from, _) if *from == *self.caller.party.tag() => Some(Side::Caller),
            (_, to) if *to == *self.caller.party.tag() => Some(Side::Callee),
            _ => None,
        }
    }

    /// Whether a request is of a dialog of this call: it names a callee who has been heard of, for an INVITE one who has
    /// answered. With any other To tag it would be a new request at the carrier, past every stage.
    pub(super) fn takes(&self, request: &Message, side: Side) -> bool {
        let tag = callee_tag(request, side);
        self.knows_callee(tag) || (request.method() != Method::Invite && self.leg(Side::Callee, tag).is_some())
    }

    /// The From or To of the caller as the other side of `side` knows it, where the stages gave it another name.
    fn caller_as_known(&self, side: Side) -> Option<(Name, &[u8])> {
        let shown = self.shown.as_deref()?;
        Some(match side {
            Side::Caller => (Name::From, shown),
            Side::Callee => (Name::To, self.caller.party.field()),
        })
    }

    /// The leg of a side; of several callees the one with this tag.
    pub(super) fn leg_mut(&mut self, side: Side, callee: Option<&[u8]>) -> Option<&mut Leg> {
        match side {
            Side::Caller => Some(&mut self.caller),
            Side::Callee => {
                let legs = self.callee.iter_mut().chain(&mut self.forks).chain(&mut self.early);
                legs.into_iter().find(|leg| Some(leg.party.tag()) == callee)
            }
        }
    }

    fn leg(&self, side: Side, callee: Option<&[u8]>) -> Option<&Leg> {
        match side {
            Side::Caller => Some(&self.caller),
            Side::Callee => {
                self.callee.iter().chain(&self.forks).chain(&self.early).find(|leg| Some(leg.party.tag()) == callee)
            }
        }
    }

    /// Pass a request of `side` on to the other.
    pub(super) fn on_request_within(&mut self, cx: &mut Cx<'_, F>, request: Incoming, side: Side) {
        let Incoming { message, flow, reply_flow, key } = request;
        let message = Arc::new(message);
        let invite = message.method() == Method::Invite;
        let refresh = invite || message.method() == Method::Update;
        let callee = callee_tag(&message, side);
        if let Some(leg) = self.leg_mut(side, callee) {
            leg.flow = flow;
            leg.cseq = leg.cseq.max(message.cseq().map_or(0, |cseq| cseq.number));
        }
        let is_callee = self.callee.as_ref().is_some_and(|leg| Some(leg.party.tag()) == callee);
        if message.method() == Method::Bye && self.phase == Phase::Answered && is_callee {
            self.hung_up.get_or_insert((cx.now, side));
        }
        let mut transaction = Box::new(Transaction {
            key,
            method: message.method(),
            role: Role::Within(side),
            server: Some(Server::new(invite, reply_flow)),
            request: Some(message.clone()),
            refresh: message.contact().filter(|_| refresh).map(|contact| contact.uri.into()),
            caller: self.shown.as_ref().and_then(|_| caller_as_sent(&message, side)),
            branches: SmallVec::new(),
        });
        let tag = self.tag();
        if invite {
            transaction.answer(cx, 100, "", &tag, &[]);
        }
        if let Some((to, branch, bytes, shift)) = self.onward(cx, &message, side) {
            let tcp_above = self.tcp_above.filter(|_| side == Side::Caller);
            let Some(outgoing) = Outgoing::of(cx, to, bytes, tcp_above) else {
                transaction.answer(cx, TOO_LARGE.code, TOO_LARGE.reason, &tag, &[]);
                if message.method() == Method::Bye {
                    // It has hung up on nobody.
                    self.hung_up = None;
                }
                self.transactions.push(transaction);
                return;
            };
            let first = cx.settings.timeout();
            // Timer C (RFC 3261 section 16.6 item 11).
            let last = if invite { TIMER_C } else { first };
            let patience = Patience { first, last, renewed: invite };
            let client = Client::start(cx, branch, outgoing, invite, patience);
            let login = self.login.clone().filter(|_| side == Side::Caller);
            transaction.branches.push(Branch { shift, login, ..Branch::new(client, patience) });
            if invite && let Some(leg) = self.leg_mut(side.other(), callee) {
                leg.invite_shift = shift;
            }
        } else {
            transaction.answer(cx, 503, "", &tag, &[]);
            self.on_bye_over(cx, &message, side);
        }
        self.transactions.push(transaction);
    }

    /// Pass an ACK on: it has no transaction (RFC 3261 section 13.2.2.4).
    pub(super) fn on_ack_within(&mut self, cx: &mut Cx<'_, F>, ack: &Message, side: Side) {
        let Some((to, _, bytes, _)) = self.onward(cx, ack, side) else { return };
        // It has no transaction that would send it by datagram after all: whatever its size, it goes as the dialog does.
        if let Some(outgoing) = Outgoing::of(cx, to, bytes, None) {
            cx.send(outgoing.flow, outgoing.bytes);
        }
    }

    /// Where to, by which branch, the bytes, and what their CSeq number is ahead by.
    fn onward(&self, cx: &mut Cx<'_, F>, message: &Message, side: Side) -> Option<(Flow, BranchName, Bytes, u32)> {
        if let Some(leg) = self.leg(side.other(), callee_tag(message, side)) {
            leg.seek(cx);
        }
        let path = self.path(cx, message, side)?;
        let via = cx.settings.listener(path.flow)?;
        let branch = cx.branch(self.id, loop_hash(message));
        let callee = self.leg(Side::Callee, callee_tag(message, side)).filter(|_| side == Side::Caller);
        let (shift, more) = match (message.method(), callee) {
            (Method::Ack, Some(callee)) => (callee.invite_shift, callee.credentials.as_deref().unwrap_or_default()),
            (_, callee) => (callee.map_or(0, |callee| callee.shift), &[][..]),
        };
        let bare = self.bare(message, side);
        let bytes = forward::request(
            bare.as_ref().unwrap_or(message),
            &Onward {
                caller: self.caller_as_known(side),
                request_uri: path.request_uri.as_deref(),
                top_routes: path.taken.0,
                bottom_routes: path.taken.1,
                add_routes: &path.add_routes,
                shift,
                more,
                ..Onward::by(via, &branch)
            },
        );
        Some((path.flow, branch, bytes, shift))
    }

    fn path(&self, cx: &Cx<'_, F>, message: &Message, side: Side) -> Option<Path> {
        let settings = cx.settings;
        let leg = self.leg(side.other(), callee_tag(message, side));
        let known = self.known_flow(side.other(), leg);
        let routes: SmallVec<[NameAddr<'_>; 2]> = message.routes().collect();
        let slice = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        let own = self.own_routes(settings, &routes);
        let to = |uri: &[u8], taken| {
            let flow = reach(uri, known, cx)?;
            // The sender names its peer, and no other place: what the dialog has learned decides.
            let hop = leg.and_then(|leg| leg.next_hop(cx));
            let flow = if flow == known || Some(flow) == hop { flow } else { hop.unwrap_or(known) };
            Some(Path { flow, taken, request_uri: None, add_routes: SmallVec::new() })
        };
        // A strict router before us has put our Record-Route into the Request-URI (section 16.4).
        if cookie_of(message.uri()).is_some()
            && uri_is_us(message.uri(), settings)
            && let Some((target, rest)) = routes.split_last()
        {
            let next = rest.get(own).map_or(target.uri, |route| route.uri);
            return Some(Path { request_uri: Some(slice(target.uri)), ..to(next, (own, 1))? });
        }
        match routes.get(own) {
            Some(next) if is_loose(next.uri) => to(next.uri, (own, 0)),
            // A strict router behind us (section 16.6 item 6).
            Some(next) => Some(Path {
                request_uri: Some(slice(next.uri)),
                add_routes: smallvec![slice(message.uri())],
                ..to(next.uri, (own + 1, 0))?
            }),
            // The sender knows no better than to send it to us: the dialog does.
            None if uri_is_us(message.uri(), settings) => {
                let leg = leg.or(self.callee.as_ref())?;
                Some(Path {
                    flow: leg.next_hop(cx)?,
                    taken: (own, 0),
                    request_uri: Some(leg.party.contact()).filter(|contact| !contact.is_empty()).map(slice),
                    add_routes: leg.routes.iter().map(|route| slice(route)).collect(),
                })
            }
            None => to(message.uri(), (own, 0)),
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
    fn known_flow(&self, side: Side, leg: Option<&Leg>) -> Flow {
        match (side, leg.or(self.callee.as_ref())) {
            (Side::Caller, _) => self.caller.flow,
            (Side::Callee, Some(callee)) => callee.flow,
            (Side::Callee, None) => self.attempt_flow().unwrap_or(self.flow),
        }
    }

    fn attempt_flow(&self) -> Option<Flow> {
        let setup = self.transactions.iter().find(|transaction| transaction.role == Role::Setup)?;
        setup.branches.last().map(|branch| branch.client.flow)
    }
}

/// A request, read so far as every request is.
pub(super) struct Incoming {
    pub(super) message: Message,
    pub(super) flow: Flow,
    /// Where its responses go.
    pub(super) reply_flow: Flow,
    pub(super) key: Key,
}

/// RFC 3261 section 16.6 item 11: more than three minutes.
const TIMER_C: std::time::Duration = std::time::Duration::from_secs(185);
