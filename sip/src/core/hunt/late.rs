//! Answers that come when the caller has been told otherwise, or has another: acknowledged and hung up, so that the
//! callee does not stay in a call with nobody.

use super::super::call::{Call, MAX_FORKS};
use super::super::cx::Cx;
use super::super::dialog::{self, Leg};
use crate::flow::Flow;
use crate::message::{Message, Method, Name};

pub(super) fn release<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, flow: Flow, response: &Message) {
    let mut callee = Leg::callee(response, flow, cx.settings, call.cookie);
    let id = call.id;
    let party = call.caller.party.shown_as(response.get(Name::From).unwrap_or_default());
    let caller = Leg { party, ..call.caller.clone() };
    let call_id = call.call_id.clone();
    let Some(target) = callee.next_hop(cx) else { return };
    let Some(via) = cx.settings.listener(target) else { return };
    let Some(setup) = call.setup() else { return };
    let branch = &mut setup.branches[branch];
    let attempt = branch.attempt;
    callee.shift = branch.shift;
    if let Some((_, ack)) = branch.released.iter().find(|(tag, _)| **tag == *callee.party.tag()) {
        cx.send(target, ack.clone());
        return;
    }
    if branch.released.len() >= MAX_FORKS {
        return;
    }
    let Some(cseq) = response.cseq() else { return };
    let name = cx.branch(id, 0);
    let ack = dialog::request(Method::Ack, cseq.number, &caller, &callee, &call_id, via, &name);
    branch.released.push((callee.party.tag().into(), ack.clone()));
    cx.send(target, ack);
    cx.counters.released += 1;
    if let Some(attempt) = call.attempts.get_mut(attempt) {
        attempt.released.get_or_insert(cx.now);
    }
    call.bye(cx, &caller, &callee);
}
