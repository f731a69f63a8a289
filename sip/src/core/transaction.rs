//! One request on its way through the node: the server transaction it came by, the client transactions it left by.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::client::{Client, Patience};
use super::cx::Cx;
use super::forward;
use super::server::Server;
use crate::decision::NextHop;
use crate::digest::Login;
use crate::gate::Pass;
use crate::message::{Message, Method, Name};
use crate::reply::reply;
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Transaction {
    /// Matches retransmissions, CANCEL and ACK (RFC 3261 section 17.2.3).
    pub(super) key: Key,
    pub(super) method: Method,
    pub(super) role: Role,
    /// None for our own requests.
    pub(super) server: Option<Server>,
    /// As received: to make our own responses from. Dropped with the final one.
    pub(super) request: Option<Arc<Message>>,
    /// The new remote target of whoever sent it, taken over with its 2xx alone (RFC 3261 section 12.2.2, RFC 3311).
    pub(super) refresh: Option<Box<[u8]>>,
    /// The From (To, where the callee asks) to put back into responses, where the stages changed it.
    pub(super) caller: Option<(Name, Box<[u8]>)>,
    pub(super) branches: SmallVec<[Branch; 1]>,
}

/// What a transaction is to its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The INVITE that began it.
    Setup,
    /// A request of this side within the dialog.
    Within(Side),
    /// A BYE of our own.
    Own,
}

/// A side of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

impl Side {
    pub(super) fn other(self) -> Self {
        match self {
            Self::Caller => Self::Callee,
            Self::Callee => Self::Caller,
        }
    }
}

#[derive(Debug)]
pub(super) struct Branch {
    pub(super) client: Client,
    /// That it was begun with: for when it is begun again with credentials.
    pub(super) patience: Patience,
    /// What its CSeq number is ahead of the caller's: an answered challenge takes one more (RFC 3261 section 22.2).
    pub(super) shift: u32,
    /// Answers the challenges of its next hop.
    pub(super) login: Option<Arc<Login>>,
    /// How often it has.
    pub(super) logins: u8,
    /// The header lines with which it has: the ACK of a 2xx carries them too (RFC 3261 section 13.2.2.4).
    pub(super) credentials: Option<Bytes>,
    /// Setup: the gateway.
    pub(super) hop: Option<Arc<NextHop>>,
    /// Setup: its place at the gateway.
    pub(super) pass: Option<Pass>,
    /// Setup: index into the call's attempts.
    pub(super) attempt: usize,
    /// Setup: given up by us; an answer that comes all the same is released.
    pub(super) abandoned: bool,
    /// Setup: the answers that nobody wanted any more, by their To tags, with their ACKs for when they come again.
    pub(super) released: Vec<(Box<[u8]>, Bytes)>,
}

impl Branch {
    pub(super) fn new(client: Client, patience: Patience) -> Self {
        Self {
            client,
            patience,
            shift: 0,
            login: None,
            logins: 0,
            credentials: None,
            hop: None,
            pass: None,
            attempt: 0,
            abandoned: false,
            released: Vec::new(),
        }
    }
}

impl Transaction {
    /// Answer by ourselves.
    pub(super) fn answer<F>(
        &mut self,
        cx: &mut Cx<'_, F>,
        code: u16,
        reason: &str,
        tag: &str,
        headers: &[(&str, &str)],
    ) {
        if let (Some(server), Some(request)) = (&mut self.server, &self.request) {
            let tag = (code > 100).then_some(tag);
            server.respond(cx, code, reply(request, code, reason, tag, headers).into());
        }
        self.settle();
    }

    /// Pass a response of the next hop back, whose CSeq number is `shift` ahead.
    pub(super) fn relay<F>(&mut self, cx: &mut Cx<'_, F>, response: &Message, shift: u32) {
        self.relay_with(cx, response, shift, &[]);
    }

    /// The same, with further header fields.
    pub(super) fn relay_with<F>(
        &mut self,
        cx: &mut Cx<'_, F>,
        response: &Message,
        shift: u32,
        more: &[(Name, Box<[u8]>)],
    ) {
        if let Some(server) = &mut self.server {
            let caller = self.caller.as_ref().map(|(name, value)| (*name, &**value));
            let bytes = forward::response(response, caller, server.transport(), shift, more);
            server.respond(cx, response.code(), bytes);
        }
        self.settle();
    }

    /// Nothing is answered.
    pub(super) fn keep_silent(&mut self) {
        if let Some(server) = &mut self.server {
            server.forget();
        }
        self.settle();
    }

    pub(super) fn is_final(&self) -> bool {
        self.server.as_ref().is_none_or(Server::is_final)
    }

    /// What only serves until the final response goes with it.
    fn settle(&mut self) {
        if self.is_final() {
            self.request = None;
        }
    }

    /// Fire what is due; the branches whose wait for a response is over come back in `timed_out`.
    pub(super) fn on_timer<F>(&mut self, cx: &mut Cx<'_, F>, timed_out: &mut SmallVec<[usize; 4]>) {
        if let Some(server) = &mut self.server {
            server.on_timer(cx);
        }
        for (index, branch) in self.branches.iter_mut().enumerate() {
            if branch.client.on_timer(cx) {
                timed_out.push(index);
            }
            if branch.client.is_terminated() {
                branch.pass = None;
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.server.as_ref().is_none_or(Server::is_terminated)
            && self.branches.iter().all(|branch| branch.client.is_terminated())
    }

    pub(super) fn next_timer(&self) -> Option<Time> {
        let server = self.server.as_ref().and_then(Server::next_timer);
        self.branches.iter().filter_map(|branch| branch.client.next_timer()).chain(server).min()
    }
}

/// As [`key`] makes it. Held in place where the client writes branches and hosts as long as clients do.
pub(super) type Key = SmallVec<[u8; 64]>;

/// What a request is matched by (RFC 3261 section 17.2.3): branch and sent-by of the topmost Via, or, from a client of
/// RFC 2543, that whole Via and the CSeq number.
pub(super) fn key(request: &Message) -> Option<Key> {
    let via = request.top_via()?;
    // A request without CSeq is refused, and that takes a key.
    let number = request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes();
    let port = via.port.unwrap_or(0).to_be_bytes();
    let parts: &[&[u8]] = match via.branch {
        Some(branch) if branch.len() > 7 && branch.starts_with(b"z9hG4bK") => &[branch, b"|", via.host, &port],
        _ => &[via.span.of(request.raw()), &number],
    };
    let mut key = Key::new();
    for part in parts {
        key.extend_from_slice(part);
    }
    Some(key)
}
