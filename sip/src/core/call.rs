//! One call: what is known of it, its setup, and its transactions.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::Action;
use super::ascii::Ascii;
use super::cx::Cx;
use super::dialog::Leg;
use super::hunt::{self, Hunt};
use super::loops::loop_hash;
use super::report::Attempts;
use super::server::Server;
use super::session::Session;
use super::transaction::{Role, Side, Transaction};
use crate::decision::{CallRef, Decision};
use crate::digest::Login;
use crate::end::End;
use crate::flow::Flow;
use crate::gate::Pass;
use crate::message::{Message, Method, Name};
use crate::time::Time;

#[derive(Debug)]
#[allow(clippy::struct_field_names, reason = "Call-ID is the name of a header field")]
pub(super) struct Call<F> {
    pub(super) id: CallRef,
    /// Of the Call-ID: how the core's index finds the call.
    pub(super) hash: u64,
    pub(super) call_id: Box<[u8]>,
    /// Names the call in our Record-Route, and our own tags.
    pub(super) cookie: u64,
    /// Of the INVITE as received: tells a loop from a spiral.
    pub(super) loop_hash: u32,
    pub(super) flow: Flow,
    pub(super) caller: Leg,
    /// The From that the callee knows, where the stages made it another than the caller's.
    pub(super) shown: Option<Box<[u8]>>,
    /// Whether what the caller says about who it is counts (RFC 3325).
    pub(super) believed: bool,
    /// The caller's credentials for this realm are this node's alone.
    pub(super) realm: Option<Arc<str>>,
    /// Those who have rung: dialogs that are not confirmed (RFC 3261 section 12.1). Gone with the answer.
    pub(super) early: Vec<Leg>,
    /// Known once it has answered.
    pub(super) callee: Option<Leg>,
    /// Other callees that answered behind the same branch.
    pub(super) forks: Vec<Leg>,
    pub(super) phase: Phase,
    pub(super) hunt: Option<Box<Hunt>>,
    pub(super) transactions: SmallVec<[Box<Transaction>; 2]>,
    pub(super) received: Time,
    pub(super) routed: Option<Time>,
    pub(super) ringing: Option<Time>,
    pub(super) answered: Option<Time>,
    pub(super) attempts: Attempts,
    pub(super) facts: Option<F>,
    /// When its refreshes must have come.
    pub(super) session: Session,
    /// Its place at the gateway that answered.
    pub(super) pass: Option<Pass>,
    /// Answers the challenges of the gateway that answered.
    pub(super) login: Option<Arc<Login>>,
    /// Of what size requests to it go by a connection.
    pub(super) tcp_above: Option<usize>,
    /// Whether it is trusted with what is private.
    pub(super) confides: bool,
    /// When which side's BYE came.
    pub(super) hung_up: Option<(Time, Side)>,
    /// Set when the call is over.
    pub(super) ended: Option<(Time, u16, End)>,
    /// When the timer wheel will wake this call.
    pub(super) wake: Option<Time>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The pipeline is at work.
    Routing,
    /// Attempts are being made.
    Hunting,
    /// A 2xx went to the caller.
    Answered,
    /// What is left are transactions that still absorb retransmissions.
    Over,
}

/// How many callees of one call may answer; more would be a fault, or an attack.
pub(super) const MAX_FORKS: usize = 8;

impl<F> Call<F> {
    pub(super) fn new(now: Time, id: CallRef, hash: u64, cookie: u64, invite: &Message, flow: Flow) -> Self {
        Self {
            id,
            hash,
            call_id: invite.call_id().into(),
            cookie,
            loop_hash: loop_hash(invite),
            flow,
            caller: Leg::caller(invite, flow),
            shown: None,
            believed: false,
            realm: None,
            early: Vec::new(),
            callee: None,
            forks: Vec::new(),
            phase: Phase::Routing,
            hunt: None,
            transactions: SmallVec::new(),
            received: now,
            routed: None,
            ringing: None,
            answered: None,
            attempts: Attempts::new(),
            facts: None,
            session: Session::default(),
            pass: None,
            login: None,
            tcp_above: None,
            confides: true,
            hung_up: None,
            ended: None,
            wake: None,
        }
    }

    /// Our own To tag.
    pub(super) fn tag(&self) -> Ascii<17> {
        Ascii::of(&[("t", self.cookie, 16)])
    }

    pub(super) fn setup(&mut self) -> Option<&mut Transaction> {
        self.transactions.iter_mut().find(|transaction| transaction.role == Role::Setup).map(Box::as_mut)
    }

    /// Answer the INVITE by ourselves.
    pub(super) fn answer_setup(&mut self, cx: &mut Cx<'_, F>, code: u16, reason: &str, headers: &[(&str, &str)]) {
        let tag = self.tag();
        if let Some(setup) = self.setup() {
            setup.answer(cx, code, reason, &tag, headers);
        }
    }

    /// The routing side has decided: how long that took, the first time.
    pub(super) fn on_decision(&mut self, cx: &mut Cx<'_, F>, decision: Decision, facts: F) -> Option<Duration> {
        if self.routed.is_some() {
            return None;
        }
        self.facts = Some(facts);
        self.routed = Some(cx.now);
        if self.phase == Phase::Routing {
            self.follow(cx, decision);
        }
        Some(self.decided_at(cx.now).since(self.received))
    }

    /// When the decision was there. For a call that was cancelled meanwhile it comes after the end.
    pub(super) fn decided_at(&self, latest: Time) -> Time {
        let routed = self.routed.unwrap_or(latest);
        self.ended.map_or(routed, |(ended, ..)| routed.min(ended))
    }

    fn follow(&mut self, cx: &mut Cx<'_, F>, decision: Decision) {
        match decision {
            Decision::Hunt { message, targets, customer, believed, realm } => {
                self.phase = Phase::Hunting;
                (self.believed, self.realm) = (believed, realm);
                self.hunt = Some(Box::new(Hunt::new(message, targets, customer)));
                self.restore_from();
                self.caller.seek(cx);
                hunt::next(self, cx);
                cx.actions.push_back(Action::Started(self.id));
            }
            Decision::Dismiss(dismissal) => {
                let code = dismissal.code;
                self.answer_setup(cx, code, "", &dismissal.fields());
                if let Some(server) = self.setup().and_then(|setup| setup.server.as_mut()) {
                    server.forget();
                }
                self.end(cx, code, End::Refused);
            }
            Decision::Respond { code, reason, headers } => {
                let code = if (300..700).contains(&code) { code } else { 500 };
                let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                self.answer_setup(cx, code, &reason, &headers);
                self.end(cx, code, if matches!(code, 401 | 407) { End::Challenged } else { End::Refused });
            }
        }
    }

    /// Learn from a response to the setup by which From the callee knows the caller.
    pub(super) fn note_shown(&mut self, response: &Message) {
        if self.setup().is_some_and(|setup| setup.caller.is_some()) {
            self.shown = response.get(Name::From).filter(|from| *from != self.caller.party.field()).map(Into::into);
        }
    }

    /// Responses carry the From that the caller sent, whatever the stages made of it.
    fn restore_from(&mut self) {
        if self.hunt.as_ref().is_some_and(|hunt| hunt.changes_from(self.caller.party.field())) {
            let party = self.caller.party.field().into();
            if let Some(setup) = self.setup() {
                setup.caller = Some((Name::From, party));
            }
        }
    }

    /// Whether this one has answered before.
    pub(super) fn knows_callee(&self, tag: Option<&[u8]>) -> bool {
        self.callee.iter().chain(&self.forks).any(|leg| Some(leg.party.tag()) == tag)
    }

    /// The caller no longer wants the transaction that `transaction` is (RFC 3261 section 16.10).
    pub(super) fn on_cancel(&mut self, cx: &mut Cx<'_, F>, transaction: usize) {
        let tag = self.tag();
        let current = &mut self.transactions[transaction];
        if current.is_final() {
            return;
        }
        for branch in &mut current.branches {
            branch.client.cancel(cx);
        }
        if let Some(hunt) = &mut self.hunt {
            hunt.cancelled = true;
        }
        if self.phase == Phase::Routing {
            cx.actions.push_back(Action::StopRouting(self.id));
        }
        // Nobody is there who could answer 487: the caller need not wait for one. Within a call the answer is awaited:
        // a 2xx that comes all the same must get through.
        let unheard = current.branches.iter().all(|b| b.abandoned || b.client.is_unheard() || !b.client.is_pending());
        if unheard && current.role == Role::Setup {
            current.answer(cx, 487, "", &tag, &[]);
            self.end(cx, 487, End::Cancelled);
        }
    }

    /// Forget what has come to its end.
    pub(super) fn sweep(&mut self) {
        self.transactions.retain(|transaction| !transaction.is_over());
        if self.transactions.is_empty() {
            // A call in progress is long: it keeps no room for the next request.
            self.transactions = SmallVec::new();
        }
    }

    /// Nothing is left to do.
    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Over && self.transactions.is_empty() && self.routed.is_some()
    }

    /// The transaction that a request belongs to.
    pub(super) fn transaction(&self, key: &[u8], method: Method) -> Option<usize> {
        self.transactions.iter().position(|transaction| *transaction.key == *key && transaction.method == method)
    }

    /// The server transaction that a request belongs to.
    pub(super) fn server(&mut self, key: &[u8], method: Method) -> Option<&mut Server> {
        let index = self.transaction(key, method)?;
        self.transactions[index].server.as_mut()
    }

    /// The transaction and the branch that a response belongs to.
    pub(super) fn find_branch(&self, name: &[u8]) -> Option<(usize, usize)> {
        self.transactions.iter().enumerate().find_map(|(index, transaction)| {
            let branch = transaction.branches.iter().position(|branch| branch.client.branch.as_bytes() == name)?;
            Some((index, branch))
        })
    }
}
