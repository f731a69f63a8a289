//! One call: its setup, its dialog, and the transactions within it.

use std::sync::Arc;

use smallvec::SmallVec;

use super::Action;
use super::challenge;
use super::client::{Client, Patience, Received};
use super::cx::Cx;
use super::dialog::{self, Leg};
use super::failover;
use super::hunt::{self, Hunt};
use super::loops::loop_hash;
use super::report::{AttemptReport, CallReport};
use super::server::Server;
use super::session::Session;
use super::size::Outgoing;
use super::transaction::{Branch, Role, Side, Transaction};
use super::within::callee_tag;
use crate::decision::{CallRef, Decision};
use crate::digest::{Login, without_credentials};
use crate::edit::{withheld, without_claims};
use crate::end::{AttemptOutcome, End};
use crate::flow::{Flow, Loss};
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
    pub(super) transactions: Vec<Transaction>,
    pub(super) received: Time,
    pub(super) routed: Option<Time>,
    pub(super) ringing: Option<Time>,
    pub(super) answered: Option<Time>,
    pub(super) attempts: Vec<AttemptReport>,
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

fn hung_up(side: Side) -> End {
    match side {
        Side::Caller => End::CallerHungUp,
        Side::Callee => End::CalleeHungUp,
    }
}

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
            transactions: Vec::with_capacity(1),
            received: now,
            routed: None,
            ringing: None,
            answered: None,
            attempts: Vec::new(),
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
    pub(super) fn tag(&self) -> String {
        format!("t{:016x}", self.cookie)
    }

    pub(super) fn setup(&mut self) -> Option<&mut Transaction> {
        self.transactions.iter_mut().find(|transaction| transaction.role == Role::Setup)
    }

    /// Answer the INVITE by ourselves.
    pub(super) fn answer_setup(&mut self, cx: &mut Cx<'_, F>, code: u16, reason: &str, headers: &[(&str, &str)]) {
        let tag = self.tag();
        if let Some(setup) = self.setup() {
            setup.answer(cx, code, reason, &tag, headers);
        }
    }

    /// The routing side has decided.
    pub(super) fn on_decision(&mut self, cx: &mut Cx<'_, F>, decision: Decision, facts: F) {
        if self.routed.is_some() {
            return;
        }
        self.facts = Some(facts);
        self.routed = Some(cx.now);
        if self.phase != Phase::Routing {
            return;
        }
        match decision {
            Decision::Hunt { message, targets, believed, realm } => {
                self.phase = Phase::Hunting;
                (self.believed, self.realm) = (believed, realm);
                self.hunt = Some(Box::new(Hunt::new(message, targets)));
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
            self.shown = response.get(Name::From).filter(|from| *from != &*self.caller.party).map(Into::into);
        }
    }

    /// Responses carry the From that the caller sent, whatever the stages made of it.
    fn restore_from(&mut self) {
        let party = self.caller.party.clone();
        let edited = self.hunt.as_ref().is_some_and(|hunt| hunt.changes_from(&party));
        if edited && let Some(setup) = self.setup() {
            setup.caller = Some((Name::From, party));
        }
    }

    /// A response on `branch` of `transaction`.
    pub(super) fn on_response(
        &mut self,
        cx: &mut Cx<'_, F>,
        transaction: usize,
        branch: usize,
        flow: Flow,
        response: &Message,
    ) {
        let current = &mut self.transactions[transaction];
        let client = &mut current.branches[branch].client;
        if response.method() == Method::Cancel && current.method != Method::Cancel {
            client.on_cancel_response(response.code());
            return;
        }
        // RFC 3261 section 17.1.3: the branch alone does not make it an answer to this request.
        if response.method() != current.method {
            cx.counters.malformed += 1;
            return;
        }
        // RFC 3261 section 16.7 item 3: one that names nobody behind us goes nowhere.
        if current.role != Role::Own && response.items(Name::Via).nth(1).is_none() {
            cx.counters.malformed += 1;
            return;
        }
        // Taken before the transaction is done with it.
        let challenged = matches!(response.code(), 401 | 407) && current.branches[branch].login.is_some();
        let client = &mut current.branches[branch].client;
        let sent = challenged.then(|| client.request().clone());
        if client.on_response(cx, response) == Received::Repeated {
            return;
        }
        let role = current.role;
        if let Some(sent) = sent
            && challenge::answered(self, cx, (transaction, branch), &sent, response)
        {
            return;
        }
        match role {
            Role::Setup => hunt::on_response(self, cx, branch, flow, response),
            Role::Within(side) => self.on_response_within(cx, (transaction, branch), side, response),
            Role::Own => {}
        }
    }

    fn on_response_within(
        &mut self,
        cx: &mut Cx<'_, F>,
        (transaction, branch): (usize, usize),
        side: Side,
        response: &Message,
    ) {
        let code = response.code();
        if code == 100 {
            return;
        }
        let bare = self.bare(response, side.other());
        let current = &mut self.transactions[transaction];
        let method = current.method;
        // RFC 4320 section 4.2: whoever sent it has given it up by itself.
        if code == 408 && method != Method::Invite {
            current.keep_silent();
        } else {
            let shift = current.branches[branch].shift;
            current.relay(cx, bare.as_ref().unwrap_or(response), shift);
        }
        if matches!(method, Method::Invite | Method::Update) && (200..300).contains(&code) {
            self.session.answered(cx.now, response);
            let asked = self.transactions[transaction].refresh.take();
            let tag = callee_tag(response, side);
            if let (Some(contact), Some(leg)) = (asked, self.leg_mut(side, tag)) {
                leg.contact = contact;
                leg.seek(cx);
            }
            if let (Some(contact), Some(leg)) = (response.contact(), self.leg_mut(side.other(), tag)) {
                leg.contact = contact.uri.into();
                leg.seek(cx);
            }
        }
        match (method, code) {
            // A challenged BYE comes again with credentials; any other answer means that the dialog is gone
            // (RFC 3261 section 15.1.1, RFC 5057).
            (Method::Bye, 401 | 407) => self.hung_up = None,
            (Method::Bye, 200..) => self.on_bye_over(cx, response, side),
            _ => {}
        }
    }

    /// What `side` sends, as the other may have it: without credentials for this node, and without what it claims to be where
    /// it is not believed, or where that is private and the other is not trusted (RFC 3325 section 5). `None`: as it is.
    pub(super) fn bare(&self, message: &Message, side: Side) -> Option<Message> {
        let realm = self.realm.as_deref().filter(|_| side == Side::Caller);
        let own = realm.and_then(|realm| without_credentials(message, realm));
        let message = own.as_ref().unwrap_or(message);
        let unclaimed = match side {
            Side::Caller if !self.believed => without_claims(message),
            Side::Caller if !self.confides => withheld(message),
            Side::Callee if !self.believed => withheld(message),
            _ => None,
        };
        unclaimed.or(own)
    }

    /// The BYE of a side has come to its end: `message` is it, or its final response.
    pub(super) fn on_bye_over(&mut self, cx: &mut Cx<'_, F>, message: &Message, side: Side) {
        let tag = callee_tag(message, side);
        if message.method() != Method::Bye || self.phase != Phase::Answered {
            return;
        }
        if let Some(leg) = self.leg_mut(Side::Callee, tag) {
            leg.over = true;
        }
        let Some(callee) = self.callee.as_mut().filter(|leg| leg.over) else { return };
        // The caller may hang up on all but one of those who answered.
        if let Some(fork) = self.forks.iter_mut().find(|leg| !leg.over) {
            std::mem::swap(callee, fork);
            self.hung_up = None;
        } else {
            self.end(cx, 200, hung_up(side));
        }
    }

    /// Whether this one has answered before.
    pub(super) fn knows_callee(&self, tag: Option<&[u8]>) -> bool {
        self.callee.iter().chain(&self.forks).any(|leg| Some(&*leg.tag) == tag)
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

    /// The call is over: nothing changes its record any more.
    pub(super) fn end(&mut self, cx: &mut Cx<'_, F>, code: u16, end: End) {
        self.end_at(cx.now, code, end);
    }

    pub(super) fn end_at(&mut self, ended: Time, code: u16, end: End) {
        if self.ended.is_some() {
            return;
        }
        for attempt in &mut self.attempts {
            attempt.end(ended, 487, AttemptOutcome::Cancelled);
        }
        self.phase = Phase::Over;
        // Who has sent BYE has ended the call, whatever came before the answer to it.
        self.ended = Some(self.hung_up.map_or((ended, code, end), |(at, side)| (at, 200, hung_up(side))));
        self.hunt = None;
        self.early = Vec::new();
        self.pass = None;
    }

    /// Until when the record waits: an answer that comes after the end, on an attempt that was given up, belongs in it.
    fn held_until(&self, cx: &Cx<'_, F>) -> Option<Time> {
        let (ended, ..) = self.ended.filter(|_| self.facts.is_some())?;
        let mut setups = self.transactions.iter().filter(|transaction| transaction.role == Role::Setup);
        let open = setups.any(|setup| setup.branches.iter().any(|branch| branch.client.is_pending()));
        Some(ended + cx.settings.late_answers).filter(|_| open)
    }

    /// The record goes out once: when the call is over, the routing side has said what it knows, and no answer is to be
    /// expected that would belong in it.
    pub(super) fn settle(&mut self, cx: &mut Cx<'_, F>) {
        if self.ended.is_some() && self.held_until(cx).is_none_or(|until| until <= cx.now) {
            self.report(cx);
        }
    }

    fn report(&mut self, cx: &mut Cx<'_, F>) {
        let Some((ended, code, end)) = self.ended else { return };
        let Some(facts) = self.facts.take() else { return };
        cx.actions.push_back(Action::Record(Box::new(CallReport {
            cookie: self.cookie,
            call_id: self.call_id.clone(),
            flow: self.flow,
            facts,
            code,
            end,
            received: self.received,
            // The decision for a call that was cancelled meanwhile comes after its end.
            routed: self.routed.map_or(ended, |routed| routed.min(ended)),
            ringing: self.ringing,
            answered: self.answered,
            ended,
            attempts: std::mem::take(&mut self.attempts),
        })));
    }

    /// Send BYE to both sides, each in the name of the other.
    fn hang_up(&mut self, cx: &mut Cx<'_, F>) {
        let caller = self.caller.clone();
        let party = self.shown.as_ref().unwrap_or(&caller.party).clone();
        let shown = Leg { party, ..caller.clone() };
        let callees: Vec<Leg> = self.callee.iter().chain(&self.forks).filter(|leg| !leg.over).cloned().collect();
        for callee in &callees {
            self.bye(cx, callee, &caller);
            self.bye(cx, &shown, callee);
        }
    }

    /// The node stops: close the record of a call that is being set up, and ask whoever rings to stop. An answered call
    /// goes on without us.
    pub(super) fn interrupt(&mut self, cx: &mut Cx<'_, F>) {
        if self.phase == Phase::Answered && self.hung_up.is_none() {
            return;
        }
        if let Some(setup) = self.setup().filter(|setup| !setup.is_final()) {
            for branch in &mut setup.branches {
                branch.client.cancel(cx);
            }
        }
        self.answer_setup(cx, 503, "", &[]);
        let code = if self.answered.is_some() { 200 } else { 503 };
        self.end(cx, code, End::Interrupted);
        self.report(cx);
    }

    /// Send BYE to `to` in the name of `from`.
    pub(super) fn bye(&mut self, cx: &mut Cx<'_, F>, from: &Leg, to: &Leg) {
        let Some(flow) = to.next_hop(cx) else { return };
        let Some(via) = cx.settings.listener(flow) else { return };
        let branch = cx.branch(self.id, 0);
        let cseq = from.cseq.saturating_add(to.shift).saturating_add(1);
        let request = dialog::request(Method::Bye, cseq, from, to, &self.call_id, via, &branch);
        let patience = Patience { first: cx.settings.timeout(), last: cx.settings.timeout(), renewed: false };
        let client = Client::start(cx, branch, Outgoing::small(flow, request), false, patience);
        let login = self.login.clone().filter(|_| to.tag != self.caller.tag);
        self.transactions.push(Transaction {
            key: Box::default(),
            method: Method::Bye,
            role: Role::Own,
            server: None,
            request: None,
            refresh: None,
            caller: None,
            branches: vec![Branch { login, ..Branch::new(client, patience) }],
        });
    }

    /// Fire every timer that is due.
    pub(super) fn on_timer(&mut self, cx: &mut Cx<'_, F>) {
        let mut timed_out = SmallVec::<[usize; 4]>::new();
        for index in 0..self.transactions.len() {
            let transaction = &mut self.transactions[index];
            transaction.on_timer(cx, &mut timed_out);
            for branch in timed_out.drain(..) {
                self.on_timeout(cx, index, branch);
            }
        }
        if self.hunt.as_ref().and_then(|hunt| hunt.awaits).is_some_and(|until| until <= cx.now) {
            hunt::next(self, cx);
        }
        if self.limit(cx).is_some_and(|limit| limit <= cx.now) {
            self.hang_up(cx);
            self.end(cx, 200, End::MaxDuration);
        } else if self.expiry().is_some_and(|expiry| expiry <= cx.now) {
            if cx.settings.hang_up_expired {
                self.hang_up(cx);
            }
            self.end(cx, 200, End::SessionExpired);
        }
    }

    /// No response in time.
    fn on_timeout(&mut self, cx: &mut Cx<'_, F>, transaction: usize, branch: usize) {
        let tag = self.tag();
        let current = &mut self.transactions[transaction];
        match current.role {
            Role::Setup => hunt::on_timeout(self, cx, branch),
            Role::Own => current.branches[branch].client.give_up(),
            Role::Within(side) => {
                let client = &mut current.branches[branch].client;
                let code = if client.is_cancelled() { 487 } else { 408 };
                let request = current.request.clone();
                if current.method == Method::Invite {
                    client.cancel(cx);
                    current.answer(cx, code, "", &tag, &[]);
                } else {
                    client.give_up();
                    // RFC 4320 section 4.2: a 408 would come when nobody waits for it any more.
                    current.keep_silent();
                }
                if let Some(request) = request {
                    self.on_bye_over(cx, &request, side);
                }
            }
        }
    }

    /// When the call has lasted long enough.
    fn limit(&self, cx: &Cx<'_, F>) -> Option<Time> {
        self.answered.filter(|_| self.phase == Phase::Answered).map(|answered| answered + cx.settings.max_duration)
    }

    /// When its session ends unless it is refreshed before (RFC 4028 section 10).
    fn expiry(&self) -> Option<Time> {
        self.session.expiry().filter(|_| self.phase == Phase::Answered)
    }

    pub(super) fn next_timer(&self, cx: &Cx<'_, F>) -> Option<Time> {
        let awaits = self.hunt.as_ref().and_then(|hunt| hunt.awaits);
        let own = [self.limit(cx), self.expiry(), self.held_until(cx), awaits];
        self.transactions.iter().filter_map(Transaction::next_timer).chain(own.into_iter().flatten()).min()
    }

    /// Forget what has come to its end.
    pub(super) fn sweep(&mut self) {
        self.transactions.retain(|transaction| !transaction.is_over());
        if self.transactions.is_empty() {
            // A call in progress is long: it keeps no room for the next request.
            self.transactions = Vec::new();
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

    /// The next hop of a branch cannot be reached.
    pub(super) fn on_unreachable(&mut self, cx: &mut Cx<'_, F>, transaction: usize, branch: usize, why: Loss) {
        let tag = self.tag();
        let current = &mut self.transactions[transaction];
        if why == Loss::NoConnection && current.branches[branch].client.falls_back(cx) {
            return;
        }
        let role = current.role;
        if role != Role::Setup && failover::goes_on(self, cx, (transaction, branch)) {
            return;
        }
        let current = &mut self.transactions[transaction];
        match role {
            Role::Setup => hunt::on_unreachable(self, cx, branch),
            Role::Own => current.branches[branch].client.give_up(),
            Role::Within(side) if current.branches[branch].client.is_unheard() => {
                current.branches[branch].client.give_up();
                let request = current.request.clone();
                current.answer(cx, 503, "", &tag, &[]);
                if let Some(request) = request {
                    self.on_bye_over(cx, &request, side);
                }
            }
            Role::Within(_) => {}
        }
    }
}
