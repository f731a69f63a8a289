//! What is told of a hunt while it goes on, each once: that the caller hears something, and how each attempt has ended.

use super::super::Action;
use super::super::call::Call;
use super::super::cx::Cx;
use super::super::report::AttemptReport;
use super::best::Failure;
use crate::end::AttemptOutcome;

/// The first 18x, or the 2xx where none came, is on its way to the caller.
pub(super) fn heard<F>(call: &Call<F>, cx: &mut Cx<'_, F>) {
    if let Some(hunt) = &call.hunt {
        let after = cx.now.since(call.received);
        cx.actions.push_back(Action::Heard { customer: hunt.customer.clone(), after });
    }
}

/// An attempt is over. What comes later changes nothing of it, save an answer that wins.
pub(super) fn over<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, attempt: usize, code: u16, outcome: AttemptOutcome) {
    let Some(report) = call.attempts.get_mut(attempt).filter(|report| report.ended.is_none()) else { return };
    report.ended = Some((cx.now, code, outcome));
    if let Some(target) = call.hunt.as_ref().and_then(|hunt| hunt.targets.get(report.target)) {
        cx.actions.push_back(Action::Attempted { gateway: target.hop.name.clone(), outcome });
    }
}

/// All that are not over are cancelled.
pub(in crate::core) fn all_over<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    for attempt in 0..call.attempts.len() {
        over(call, cx, attempt, 487, AttemptOutcome::Cancelled);
    }
}

/// This one has answered.
pub(super) fn won<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, attempt: usize, code: u16) {
    over(call, cx, attempt, code, AttemptOutcome::Response);
    // It may have been given up before: that was told, and the record knows better.
    if let Some(report) = call.attempts.get_mut(attempt) {
        report.ended = Some((cx.now, code, AttemptOutcome::Response));
    }
    all_over(call, cx);
}

/// An attempt whose INVITE did not leave. False: the next one is to be made at once.
pub(super) fn unsent<F>(
    call: &mut Call<F>,
    cx: &mut Cx<'_, F>,
    report: AttemptReport,
    code: u16,
    outcome: AttemptOutcome,
) -> bool {
    call.attempts.push(report);
    over(call, cx, call.attempts.len() - 1, code, outcome);
    if let Some(hunt) = &mut call.hunt {
        hunt.best.add(Failure::Local(code), false);
    }
    false
}
