//! What comes in: which call a message belongs to, and what is refused before it belongs to one.

use std::sync::Arc;

use smallvec::SmallVec;

use super::call::Call;
use super::cx::read_branch;
use super::probe::Probes;
use super::server::Server;
use super::size::TOO_LARGE;
use super::transaction::{self, Role, Transaction, key};
use super::within::{Incoming, cookie};
use super::{Action, Core, Slot};
use crate::decision::{CallRef, RouteRequest};
use crate::flow::Flow;
use crate::header::Rport;
use crate::message::{Fault, Message, Method};
use crate::reply::reply;
use crate::time::Time;

/// The most requests of one call at the same time.
const MAX_TRANSACTIONS: usize = 64;
/// Calls with one Call-ID at once: so often may a call pass here before it has ended.
const MAX_SPIRALS: usize = 16;

impl<F> Core<F> {
    pub(super) fn on_request(&mut self, now: Time, flow: Flow, message: Message, fault: Option<Fault>) {
        let Some(key) = key(&message) else {
            self.counters.malformed += 1;
            return;
        };
        let request = Incoming { reply_flow: reply_flow(&message, flow), message, flow, key };
        if let Some(fault) = fault {
            let count = if fault == TOO_LARGE { &mut self.counters.too_large } else { &mut self.counters.malformed };
            *count += 1;
            self.refuse(&request, fault.code, fault.reason, &[]);
            return;
        }
        match request.message.method() {
            Method::Ack => self.on_ack(now, &request),
            Method::Cancel => self.on_cancel(now, &request),
            _ => self.on_other(now, request),
        }
    }

    /// Find a transaction by its key; the method tells an INVITE from another request with the same branch.
    fn find_transaction(&self, request: &Incoming, method: Method) -> Option<CallRef> {
        self.find(request.message.call_id(), |call| call.transaction(&request.key, method).is_some())
    }

    fn on_ack(&mut self, now: Time, request: &Incoming) {
        let ack = &request.message;
        if let Some(id) = self.find_transaction(request, Method::Invite) {
            let absorbed = self.with(now, id, |call, cx| {
                // The ACK of a 2xx is none of this transaction, though some clients give it the same branch.
                let server = call.server(&request.key, Method::Invite).filter(|server| !server.is_accepted());
                server.map(|server| server.on_ack(cx)).is_some()
            });
            if absorbed == Some(true) {
                return;
            }
        }
        let Some((id, side)) = self.find_dialog(ack) else {
            self.counters.strays += 1;
            return;
        };
        if matches!(ack.max_forwards(), Some(Ok(0))) {
            return;
        }
        self.with(now, id, |call, cx| {
            if call.takes(ack, side) {
                call.on_ack_within(cx, ack, side);
            } else {
                cx.counters.strays += 1;
            }
        });
    }

    fn on_cancel(&mut self, now: Time, request: &Incoming) {
        let Some(id) = self.find_transaction(request, Method::Invite) else {
            self.refuse(request, 481, "", &[]);
            return;
        };
        self.with(now, id, |call, cx| {
            // With the To tag of the other responses of the call (RFC 3261 section 9.2).
            let ok = reply(&request.message, 200, "", Some(&call.tag()), &[]);
            cx.send(request.reply_flow, ok.into());
            if let Some(index) = call.transaction(&request.key, Method::Invite) {
                call.on_cancel(cx, index);
            }
        });
    }

    fn on_other(&mut self, now: Time, request: Incoming) {
        let method = request.message.method();
        if let Some(id) = self.find_transaction(&request, method) {
            self.counters.absorbed += 1;
            self.with(now, id, |call, cx| {
                if let Some(server) = call.server(&request.key, method) {
                    server.on_retransmission(cx);
                }
            });
        } else if request.message.to_tag().is_some() {
            self.on_within(now, request);
        } else if self.answered_here(&request) {
            // Done.
        } else if self.held >= self.settings.max_calls && !self.draining {
            self.counters.full += 1;
            self.refuse_for_now(&request);
        } else if self.draining || self.refusing || self.overload.is_some() || self.is_crowded(&request) {
            self.counters.overloaded += 1;
            if self.draining || self.refusing {
                self.counters.unwilling += 1;
            } else if self.overload.is_none() {
                self.counters.crowded += 1;
            }
            self.refuse_for_now(&request);
        } else if !self.turned_away(&request) {
            self.on_invite(now, request);
        }
    }

    /// The call that a request within a dialog belongs to, and the side that sent it.
    fn find_dialog(&self, request: &Message) -> Option<(CallRef, transaction::Side)> {
        let cookie = cookie(request, &self.settings);
        let of_dialog = |call: &Call<F>| call.side_of(request).is_some();
        let named = |call: &Call<F>| cookie == Some(call.cookie) && of_dialog(call);
        let id = self.find(request.call_id(), named).or_else(|| self.find(request.call_id(), of_dialog))?;
        let call = self.calls.get(id.slot as usize)?.call.as_deref()?;
        Some((id, call.side_of(request)?))
    }

    fn on_within(&mut self, now: Time, request: Incoming) {
        if self.refused(&request) {
            return;
        }
        match self.find_dialog(&request.message) {
            Some((id, _)) if self.call_mut(id).is_some_and(|call| call.transactions.len() >= MAX_TRANSACTIONS) => {
                self.counters.overloaded += 1;
                self.counters.crowded += 1;
                self.refuse(&request, 500, "", &[("Retry-After", "5")]);
            }
            Some((id, side)) if self.call_mut(id).is_some_and(|call| call.takes(&request.message, side)) => {
                self.with(now, id, |call, cx| call.on_request_within(cx, request, side));
            }
            _ => {
                self.counters.strays += 1;
                self.refuse(&request, 481, "", &[]);
            }
        }
    }

    /// Whether this Call-ID has calls enough: all of them are searched for every message of one.
    fn is_crowded(&self, request: &Incoming) -> bool {
        let hash = self.hash_of(request.message.call_id());
        self.index.iter_hash(hash).nth(MAX_SPIRALS).is_some()
    }

    /// A new call.
    fn on_invite(&mut self, now: Time, request: Incoming) {
        let Incoming { message, flow, reply_flow, key } = request;
        let message = Arc::new(message);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.calls.push(Slot { generation: 0, call: None });
            (self.calls.len() - 1) as u32
        });
        let hash = self.hash_of(message.call_id());
        let id = CallRef { slot, generation: self.calls[slot as usize].generation };
        let mut call = Box::new(Call::new(now, id, hash, self.rng.u64(..), &message, flow));
        call.transactions.push(Box::new(Transaction {
            key,
            method: Method::Invite,
            role: Role::Setup,
            server: Some(Server::new(true, reply_flow)),
            request: Some(message.clone()),
            refresh: None,
            caller: None,
            branches: SmallVec::new(),
        }));
        self.admit(id, hash, call);
        self.with(now, id, |call, cx| {
            call.answer_setup(cx, 100, "", &[]);
            cx.actions.push_back(Action::Route(RouteRequest { call: id, message, flow }));
        });
    }

    pub(super) fn on_response(&mut self, now: Time, flow: Flow, response: &Message) {
        let via = response.top_via().filter(|via| self.settings.is_self(via.host, via.port));
        let branch = via.and_then(|via| via.branch);
        let found = branch.and_then(|branch| Some((branch, read_branch(branch)?.1)));
        let handled = found.and_then(|(branch, id)| {
            if Probes::are_named(id) {
                return self.on_probe_response(now, branch, response).then_some(());
            }
            self.with(now, id, |call, cx| {
                let (transaction, branch) = call.find_branch(branch)?;
                if *call.call_id != *response.call_id() {
                    return None;
                }
                call.on_response(cx, transaction, branch, flow, response);
                Some(())
            })?
        });
        if handled.is_none() {
            self.counters.strays += 1;
        }
    }
}

/// Where the responses to a request go: RFC 3261 section 18.2.2, RFC 3581 section 4. By the connection that the request
/// came by; where that is gone, by another one to the port of sent-by.
fn reply_flow(request: &Message, flow: Flow) -> Flow {
    let mut reply = flow;
    if let Some(via) = request.top_via()
        && (flow.transport.is_reliable() || matches!(via.rport, Rport::Absent))
    {
        reply.remote.set_port(via.port.unwrap_or(flow.transport.default_port()));
    }
    reply
}
