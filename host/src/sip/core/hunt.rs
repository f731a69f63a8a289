//! The hunt: one attempt after the other until one answers (RFC 3261 sections 16.6 to 16.8).
//!
//! The next target is tried after 408, any 5xx, no response in time and an unreachable next hop; every other final
//! response ends the hunt.

use std::sync::Arc;

use super::Action;
use super::call::{Call, MAX_FORKS, Phase};
use super::client::{Client, Patience};
use super::cx::Cx;
use super::dialog::{self, Leg};
use super::forward::{self, Onward};
use super::report::AttemptReport;
use super::settings::Listener;
use super::transaction::{Branch, Transaction};
use crate::cdr::record::{AttemptOutcome, End};
use crate::sip::decision::Target;
use crate::sip::edit::edited;
use crate::sip::flow::Flow;
use crate::sip::message::{Message, Method, Name};

#[derive(Debug)]
pub(super) struct Hunt {
    /// The INVITE as the stages left it.
    message: Arc<Message>,
    targets: Vec<Target>,
    /// The next target to try.
    next: usize,
    /// The caller has cancelled: no further attempt.
    pub(super) cancelled: bool,
    /// The best failure so far (RFC 3261 section 16.7 item 6).
    best: Option<Failure>,
}

#[derive(Debug)]
enum Failure {
    /// A response of a next hop.
    Response(Arc<Message>),
    /// Our own finding: 408 or 503.
    Local(u16),
}

impl Failure {
    fn code(&self) -> u16 {
        match self {
            Self::Response(response) => response.code(),
            Self::Local(code) => *code,
        }
    }
}

impl Hunt {
    pub(super) fn new(message: Arc<Message>, targets: Vec<Target>) -> Self {
        Self { message, targets, next: 0, cancelled: false, best: None }
    }

    /// Whether the stages made another From of `party`.
    pub(super) fn changes_from(&self, party: &[u8]) -> bool {
        self.message.get(Name::From) != Some(party) || self.targets.iter().any(|target| !target.edits.is_empty())
    }

    /// Prefer the lowest class, and within it a response to our own finding, and what says more than 503.
    fn failed(&mut self, failure: Failure) {
        let rank = |failure: &Failure| {
            let code = failure.code();
            (code / 100, code == 503, matches!(failure, Failure::Local(_)))
        };
        if self.best.as_ref().is_none_or(|best| rank(&failure) <= rank(best)) {
            self.best = Some(failure);
        }
    }
}

/// Try the next target, or end the call with the best failure when none is left.
pub(super) fn next<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    loop {
        let Some(hunt) = &mut call.hunt else { return };
        let limit = cx.settings.max_attempts.min(hunt.targets.len());
        if hunt.cancelled || hunt.next >= limit {
            break;
        }
        let index = hunt.next;
        hunt.next += 1;
        if attempt(call, cx, index) {
            return;
        }
        if let Some(hunt) = &mut call.hunt {
            hunt.failed(Failure::Local(503));
        }
    }
    give_up(call, cx);
}

/// Send the INVITE to a target. False when it cannot be sent.
fn attempt<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, index: usize) -> bool {
    let Some(hunt) = &call.hunt else { return false };
    let target = &hunt.targets[index];
    let mut report = AttemptReport {
        target: index,
        destination: target.destination.map(|destination| destination.address),
        started: cx.now,
        ringing: None,
        ended: None,
    };
    let flow = target.destination.and_then(|destination| cx.settings.flow_to(destination, call.flow));
    let ways = flow.and_then(|flow| Some((flow, cx.settings.listener(flow)?, cx.settings.listener(call.flow)?)));
    // The routing side has tried the edits before; one that fails here makes this attempt unreachable, no more.
    let own = (!target.edits.is_empty()).then(|| edited(&hunt.message, &target.edits).ok().map(Arc::new));
    let message = own.unwrap_or_else(|| Some(hunt.message.clone()));
    let (Some((flow, out, inward)), Some(message)) = (ways, message) else {
        report.end(cx.now, 503, AttemptOutcome::Unreachable);
        call.attempts.push(report);
        return false;
    };
    let branch = cx.branch(call.id, call.loop_hash);
    let listeners: [&Listener; 2] = [out, inward];
    let record = if flow.listener == call.flow.listener { &listeners[..1] } else { &listeners[..] };
    let request = forward::request(
        &message,
        &Onward {
            caller: None,
            request_host: target.request_host.as_deref(),
            request_uri: None,
            top_routes: own_routes(&message, cx.settings),
            bottom_routes: 0,
            add_routes: &[],
            via: out,
            branch: &branch,
            record: Some((record, call.cookie)),
        },
    );
    let patience = Patience { first: target.attempt_timeout, last: target.ring_timeout, renewed: false };
    let client = Client::start(cx, branch, flow, true, request, patience);
    let attempt = call.attempts.len();
    call.attempts.push(report);
    if let Some(setup) = call.setup() {
        setup.branches.push(Branch { attempt, ..Branch::new(client) });
    }
    true
}

/// How many Route values at the top are this node: a preloaded route.
fn own_routes(message: &Message, settings: &super::Settings) -> usize {
    message.routes().take_while(|route| dialog::names_us(route, settings)).count()
}

/// A response to an attempt.
pub(super) fn on_response<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, flow: Flow, response: &Message) {
    let code = response.code();
    match code {
        100 => {}
        101..200 => on_provisional(call, cx, branch, flow, response),
        200..300 => on_answer(call, cx, branch, flow, response),
        _ => on_failure(call, cx, branch, response),
    }
}

fn on_provisional<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, flow: Flow, response: &Message) {
    let Some(setup) = call.setup() else { return };
    let (attempt, abandoned) = (setup.branches[branch].attempt, setup.branches[branch].abandoned);
    if abandoned || setup.is_final() {
        return;
    }
    setup.relay(cx, response);
    call.note_shown(response);
    let news = response.to_tag().is_some_and(|tag| call.early.iter().all(|leg| *leg.tag != *tag));
    if news && call.early.len() < MAX_FORKS {
        call.early.push(Leg::callee(response, flow, cx.settings, call.cookie));
    }
    if (180..190).contains(&response.code()) {
        call.ringing.get_or_insert(cx.now);
        if let Some(attempt) = call.attempts.get_mut(attempt) {
            attempt.ringing.get_or_insert(cx.now);
        }
    }
}

fn on_answer<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, flow: Flow, response: &Message) {
    let Some(setup) = call.setup() else { return };
    let first = !setup.is_final();
    let won = setup.server.as_ref().is_some_and(super::server::Server::is_accepted);
    let ours = !setup.branches[branch].abandoned;
    if first {
        setup.branches[branch].abandoned = false;
        setup.relay(cx, response);
        let attempt = setup.branches[branch].attempt;
        for (index, other) in setup.branches.iter_mut().enumerate() {
            if index != branch {
                other.abandoned = true;
                other.client.cancel(cx);
            }
        }
        for (index, report) in call.attempts.iter_mut().enumerate() {
            if index == attempt {
                report.ended = Some((cx.now, response.code(), AttemptOutcome::Response));
            } else {
                report.end(cx.now, 487, AttemptOutcome::Cancelled);
            }
        }
        call.note_shown(response);
        call.callee = Some(Leg::callee(response, flow, cx.settings, call.cookie));
        call.early = Vec::new();
        call.answered = Some(cx.now);
        call.phase = Phase::Answered;
        call.hunt = None;
        call.attempts.shrink_to_fit();
        cx.actions.push_back(Action::Answered(call.id));
        return;
    }
    let again = call.knows_callee(response.to_tag());
    // Another one of a fork behind this branch (RFC 3261 section 16.7 item 5); its call would have no record, were
    // the first one's over.
    let fork = !again && call.phase == Phase::Answered && call.forks.len() < MAX_FORKS;
    if won && ours && (again || fork) {
        if let Some(setup) = call.setup() {
            setup.relay(cx, response);
        }
        if fork {
            call.forks.push(Leg::callee(response, flow, cx.settings, call.cookie));
            cx.actions.push_back(Action::Answered(call.id));
        }
    } else {
        release(call, cx, branch, flow, response);
    }
}

/// An answer that came when the caller had been told otherwise, or had another: acknowledge it and hang up, so that
/// the callee does not stay in a call with nobody.
fn release<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, flow: Flow, response: &Message) {
    let callee = Leg::callee(response, flow, cx.settings, call.cookie);
    let id = call.id;
    let mut caller = call.caller.clone();
    caller.party = response.get(Name::From).unwrap_or_default().into();
    let call_id = call.call_id.clone();
    let Some(target) = callee.next_hop(cx.settings) else { return };
    let Some(via) = cx.settings.listener(target) else { return };
    let Some(setup) = call.setup() else { return };
    let branch = &mut setup.branches[branch];
    if let Some((_, ack)) = branch.released.iter().find(|(tag, _)| *tag == callee.tag) {
        cx.send(target, ack.clone());
        return;
    }
    if branch.released.len() >= MAX_FORKS {
        return;
    }
    let Some(cseq) = response.cseq() else { return };
    let name = cx.branch(id, 0);
    let ack = dialog::request(Method::Ack, cseq.number, &caller, &callee, &call_id, via, &name);
    branch.released.push((callee.tag.clone(), ack.clone()));
    cx.send(target, ack);
    cx.counters.released += 1;
    call.bye(cx, &caller, &callee);
}

fn on_failure<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, response: &Message) {
    let code = response.code();
    let Some(setup) = call.setup() else { return };
    let (attempt, abandoned) = (setup.branches[branch].attempt, setup.branches[branch].abandoned);
    let cancelled = call.hunt.as_ref().is_some_and(|hunt| hunt.cancelled);
    let outcome = if cancelled && code == 487 { AttemptOutcome::Cancelled } else { AttemptOutcome::Response };
    if let Some(attempt) = call.attempts.get_mut(attempt) {
        attempt.end(cx.now, code, outcome);
    }
    let Some(hunt) = &mut call.hunt else { return };
    if abandoned {
        return;
    }
    let failure = Failure::Response(Arc::new(response.clone()));
    if hunt.cancelled {
        if !any_pending(call.setup()) {
            finish(call, cx, &failure);
        }
    } else if code == 408 || (500..600).contains(&code) {
        hunt.failed(failure);
        next(call, cx);
    } else {
        finish(call, cx, &failure);
    }
}

fn any_pending(setup: Option<&mut Transaction>) -> bool {
    setup.is_some_and(|setup| setup.branches.iter().any(|branch| !branch.abandoned && branch.client.is_pending()))
}

/// No response in time: leave this branch behind.
pub(super) fn on_timeout<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize) {
    abandon(call, cx, branch, 408, AttemptOutcome::Timeout);
}

/// The next hop of a branch cannot be reached (RFC 3261 section 16.9).
pub(super) fn on_unreachable<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize) {
    if let Some(setup) = call.setup()
        && setup.branches[branch].client.is_unheard()
    {
        setup.branches[branch].client.give_up();
        abandon(call, cx, branch, 503, AttemptOutcome::Unreachable);
    }
}

fn abandon<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, code: u16, outcome: AttemptOutcome) {
    let Some(setup) = call.setup() else { return };
    let branch = &mut setup.branches[branch];
    let attempt = branch.attempt;
    let known = std::mem::replace(&mut branch.abandoned, true);
    branch.client.cancel(cx);
    if let Some(attempt) = call.attempts.get_mut(attempt) {
        attempt.end(cx.now, code, outcome);
    }
    let Some(hunt) = &mut call.hunt else { return };
    if hunt.cancelled {
        if !any_pending(call.setup()) {
            finish(call, cx, &Failure::Local(487));
        }
    } else if !known {
        hunt.failed(Failure::Local(code));
        next(call, cx);
    }
}

/// No target is left.
fn give_up<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    let best = call.hunt.as_mut().and_then(|hunt| hunt.best.take());
    finish(call, cx, &best.unwrap_or(Failure::Local(480)));
}

/// Tell the caller that the call has failed.
fn finish<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, failure: &Failure) {
    let cancelled = call.hunt.as_ref().is_some_and(|hunt| hunt.cancelled);
    let code = match failure {
        // A 503 would tell the caller that all of this node is out of service (RFC 3261 section 16.7 item 6).
        _ if failure.code() == 503 => {
            call.answer_setup(cx, 500, "", &[]);
            500
        }
        Failure::Response(response) => {
            if let Some(setup) = call.setup() {
                setup.relay(cx, response);
            }
            response.code()
        }
        Failure::Local(code) => {
            call.answer_setup(cx, *code, "", &[]);
            *code
        }
    };
    let end = match failure {
        _ if cancelled => End::Cancelled,
        Failure::Local(408) => End::TimedOut,
        _ => End::Failed,
    };
    call.end(cx, code, end);
}
