//! How a call ends: who has hung up, our own BYE, and the record.

use smallvec::smallvec;

use super::Action;
use super::call::{Call, Phase};
use super::client::{Client, Patience};
use super::cx::Cx;
use super::dialog::{self, Leg};
use super::hunt;
use super::report::CallReport;
use super::size::Outgoing;
use super::transaction::{Branch, Key, Role, Side, Transaction};
use super::within::callee_tag;
use crate::end::{AttemptOutcome, End};
use crate::message::{Message, Method};
use crate::time::Time;

impl<F> Call<F> {
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

    /// The call is over: nothing changes its record any more.
    pub(super) fn end(&mut self, cx: &mut Cx<'_, F>, code: u16, end: End) {
        hunt::all_over(self, cx);
        self.end_at(cx.now, code, end);
    }

    pub(super) fn end_at(&mut self, ended: Time, code: u16, end: End) {
        if self.ended.is_some() {
            return;
        }
        for attempt in &mut self.attempts {
            attempt.ended.get_or_insert((ended, 487, AttemptOutcome::Cancelled));
        }
        self.phase = Phase::Over;
        // Who has sent BYE has ended the call, whatever came before the answer to it.
        self.ended = Some(self.hung_up.map_or((ended, code, end), |(at, side)| (at, 200, hung_up(side))));
        self.hunt = None;
        self.early = Vec::new();
        self.pass = None;
    }

    /// Until when the record waits: an answer that comes after the end, on an attempt that was given up, belongs in it.
    pub(super) fn held_until(&self, cx: &Cx<'_, F>) -> Option<Time> {
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
            routed: self.decided_at(ended),
            ringing: self.ringing,
            answered: self.answered,
            ended,
            attempts: std::mem::take(&mut self.attempts),
        })));
    }

    /// Send BYE to both sides, each in the name of the other.
    pub(super) fn hang_up(&mut self, cx: &mut Cx<'_, F>) {
        let caller = self.caller.clone();
        let party = self.shown.as_ref().map_or_else(|| caller.party.clone(), |shown| caller.party.shown_as(shown));
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
        let login = self.login.clone().filter(|_| to.party.tag() != self.caller.party.tag());
        self.transactions.push(Box::new(Transaction {
            key: Key::new(),
            method: Method::Bye,
            role: Role::Own,
            server: None,
            request: None,
            refresh: None,
            caller: None,
            branches: smallvec![Branch { login, ..Branch::new(client, patience) }],
        }));
    }
}

fn hung_up(side: Side) -> End {
    match side {
        Side::Caller => End::CallerHungUp,
        Side::Callee => End::CalleeHungUp,
    }
}
