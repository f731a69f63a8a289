//! What a call does when something does not come: an answer in time, a refresh, a message at its next hop.

use smallvec::SmallVec;

use super::call::{Call, Phase};
use super::cx::Cx;
use super::failover;
use super::hunt;
use super::transaction::Role;
use crate::end::End;
use crate::flow::Loss;
use crate::message::Method;
use crate::time::Time;

impl<F> Call<F> {
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
        if self.hunt.as_ref().and_then(|hunt| hunt.waits_until).is_some_and(|until| until <= cx.now) {
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
        let waits_until = self.hunt.as_ref().and_then(|hunt| hunt.waits_until);
        let own = [self.limit(cx), self.expiry(), self.held_until(cx), waits_until];
        self.transactions
            .iter()
            .filter_map(|transaction| transaction.next_timer())
            .chain(own.into_iter().flatten())
            .min()
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
