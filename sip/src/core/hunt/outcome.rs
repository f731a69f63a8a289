//! What the responses to attempts mean, and the end of a hunt that found nobody.

use std::sync::Arc;
use std::time::Duration;

use super::super::Action;
use super::super::call::{Call, MAX_FORKS, Phase};
use super::super::cx::Cx;
use super::super::dialog::Leg;
use super::super::server::Server;
use super::super::transaction::Transaction;
use super::best::{Challenge, Failure};
use super::{late, next, redirect, told};
use crate::decision::{Destination, NextHop, Redirects};
use crate::edit::withheld;
use crate::end::{AttemptOutcome, End};
use crate::flow::Flow;
use crate::gate::Sign;
use crate::message::{Message, Name};

/// The longest rest that a gateway can ask for.
const LONGEST_REST: Duration = Duration::from_hours(1);

/// A response to an attempt.
pub(in crate::core) fn on_response<F>(
    call: &mut Call<F>,
    cx: &mut Cx<'_, F>,
    branch: usize,
    flow: Flow,
    response: &Message,
) {
    let code = response.code();
    // Who is not believed is not trusted either.
    let private = if call.believed { None } else { withheld(response) };
    let response = private.as_ref().unwrap_or(response);
    match code {
        100 => {}
        101..200 => on_provisional(call, cx, branch, flow, response),
        200..300 => on_answer(call, cx, branch, flow, response),
        _ => on_failure(call, cx, branch, response),
    }
}

fn on_provisional<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, flow: Flow, response: &Message) {
    let Some(setup) = call.setup() else { return };
    let from = &setup.branches[branch];
    let (attempt, shift) = (from.attempt, from.shift);
    if from.abandoned || setup.is_final() {
        return;
    }
    setup.relay(cx, response, shift);
    call.note_shown(response);
    let news = response.to_tag().is_some_and(|tag| call.early.iter().all(|leg| leg.party.tag() != tag));
    if news && call.early.len() < MAX_FORKS {
        let leg = Leg::callee(response, flow, cx.settings, call.cookie);
        leg.seek(cx);
        // Most calls have one.
        call.early.reserve_exact(1);
        call.early.push(Leg { attempt, shift, invite_shift: shift, ..leg });
    }
    if (180..190).contains(&response.code()) {
        if call.ringing.is_none() {
            call.ringing = Some(cx.now);
            told::heard(call, cx);
        }
        if let Some(attempt) = call.attempts.get_mut(attempt) {
            attempt.ringing.get_or_insert(cx.now);
        }
    }
}

fn on_answer<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, flow: Flow, response: &Message) {
    let Some(setup) = call.setup() else { return };
    let first = !setup.is_final();
    let won = setup.server.as_ref().is_some_and(Server::is_accepted);
    let from = &mut setup.branches[branch];
    let ours = !from.abandoned;
    let (shift, hop, login, credentials) = (from.shift, from.hop.clone(), from.login.clone(), from.credentials.clone());
    let leg = |call: &Call<F>, cx: &Cx<'_, F>| {
        let leg = Leg::callee(response, flow, cx.settings, call.cookie);
        Leg { shift, invite_shift: shift, credentials, ..leg }
    };
    if first {
        from.abandoned = false;
        let (attempt, pass) = (from.attempt, from.pass.take());
        setup.relay(cx, response, shift);
        for (index, other) in setup.branches.iter_mut().enumerate() {
            if index != branch {
                other.abandoned = true;
                other.client.cancel(cx);
            }
        }
        told::won(call, cx, attempt, response.code());
        if call.ringing.is_none() {
            told::heard(call, cx);
        }
        call.pass = pass;
        call.login = login;
        call.tcp_above = hop.as_ref().and_then(|hop| hop.tcp_above);
        call.confides = hop.as_ref().is_none_or(|hop| hop.trusted);
        call.note_shown(response);
        let callee = leg(call, cx);
        callee.seek(cx);
        call.callee = Some(callee);
        call.early = Vec::new();
        call.answered = Some(cx.now);
        call.phase = Phase::Answered;
        call.hunt = None;
        call.attempts.shrink_to_fit();
        call.session.answered(cx.now, response);
        showed(hop.as_deref(), cx, Sign::Alive);
        cx.actions.push_back(Action::Answered(call.id));
        return;
    }
    let again = call.knows_callee(response.to_tag());
    // Another one of a fork behind this branch (RFC 3261 section 16.7 item 5); its call would have no record, were
    // the first one's over.
    let fork = !again && call.phase == Phase::Answered && call.forks.len() < MAX_FORKS;
    if won && ours && (again || fork) {
        if let Some(setup) = call.setup() {
            setup.relay(cx, response, shift);
        }
        if fork {
            let fork = leg(call, cx);
            fork.seek(cx);
            call.forks.push(fork);
            cx.actions.push_back(Action::Answered(call.id));
        }
    } else {
        late::release(call, cx, branch, flow, response);
    }
}

fn on_failure<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, response: &Message) {
    let code = response.code();
    let Some(setup) = call.setup() else { return };
    let from = &mut setup.branches[branch];
    let (attempt, abandoned, shift, hop) = (from.attempt, from.abandoned, from.shift, from.hop.clone());
    let asked = Destination::from(from.client.flow);
    from.pass = None;
    let cancelled = call.hunt.as_ref().is_some_and(|hunt| hunt.cancelled);
    let outcome =
        if code == 487 && (cancelled || abandoned) { AttemptOutcome::Cancelled } else { AttemptOutcome::Response };
    told::over(call, cx, attempt, code, outcome);
    let index = call.attempts.get(attempt).map_or(0, |attempt| attempt.target);
    call.early.retain(|leg| leg.attempt != attempt);
    learn(hop.as_deref(), cx, response);
    let Some(hunt) = &mut call.hunt else { return };
    if abandoned {
        return;
    }
    let failure = Failure::Response { message: Arc::new(response.clone()), shift };
    if hunt.cancelled {
        if !any_pending(call.setup()) {
            finish(call, cx, &failure, &[]);
        }
        return;
    }
    let Some(hop) = hop else { return };
    if code < 400
        && hop.redirects != Redirects::Pass
        && let Some(target) = hunt.targets.get(index)
    {
        let is_gateway = Arc::ptr_eq(&hop, &target.hop);
        // What went by TCP for its size alone was asked at the same place.
        let own = hunt.addresses_of(target).find(|own| is_gateway && own.address == asked.address);
        let at = own.unwrap_or(asked);
        let giver = redirect::Giver { target: index, at, is_gateway, redirects: hop.redirects };
        let steps = redirect::steps(response, &giver, cx.settings);
        if !steps.is_empty() {
            // What is followed is no answer any more (RFC 3261 section 16.7 item 4).
            steps.into_iter().rev().for_each(|step| hunt.ahead.push_front(step));
            go_on(call, cx);
            return;
        }
    }
    if matches!(code, 401 | 407) && hop.login.is_some() {
        // It does not take our login, and the caller's it knows even less.
        hunt.best.add(Failure::Local(500), false);
    } else if hop.continues.contains(code) {
        hunt.best.add(failure, false);
    } else {
        hunt.best.add(failure, true);
        hunt.decided = true;
        if code >= 600 {
            cancel_others(call, cx);
        }
    }
    go_on(call, cx);
}

/// RFC 3261 section 16.7 item 5: who rings beside a 6xx is asked to stop.
fn cancel_others<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    let Some(setup) = call.setup() else { return };
    for branch in &mut setup.branches {
        branch.client.cancel(cx);
    }
}

/// One attempt of those under way has failed: where others still ring, they are waited for.
fn go_on<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    if !any_pending(call.setup()) {
        next(call, cx);
    }
}

fn any_pending(setup: Option<&mut Transaction>) -> bool {
    setup.is_some_and(|setup| setup.branches.iter().any(|branch| !branch.abandoned && branch.client.is_pending()))
}

/// What a failure says about its gateway.
fn learn<F>(hop: Option<&NextHop>, cx: &Cx<'_, F>, response: &Message) {
    let code = response.code();
    showed(hop, cx, if matches!(code, 408 | 500 | 502..=504) { Sign::Failing } else { Sign::Alive });
    let rest = || {
        let value = response.get(Name::RetryAfter).filter(|_| code == 503)?;
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
        std::str::from_utf8(&value[..digits]).ok()?.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
    };
    if let Some(gate) = hop.and_then(|hop| hop.gate.as_ref())
        && let Some(rest) = rest()
    {
        gate.set_aside(cx.now, rest.min(LONGEST_REST));
    }
}

fn showed<F>(hop: Option<&NextHop>, cx: &Cx<'_, F>, sign: Sign) {
    if let Some(gate) = hop.and_then(|hop| hop.gate.as_ref()) {
        gate.showed(cx.now, sign);
    }
}

/// No response in time: leave this branch behind.
pub(in crate::core) fn on_timeout<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize) {
    abandon(call, cx, branch, 408, AttemptOutcome::Timeout);
}

/// The next hop of a branch cannot be reached (RFC 3261 section 16.9).
pub(in crate::core) fn on_unreachable<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize) {
    if let Some(setup) = call.setup()
        && setup.branches[branch].client.is_unheard()
    {
        abandon(call, cx, branch, 503, AttemptOutcome::Unreachable);
    }
}

fn abandon<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, branch: usize, code: u16, outcome: AttemptOutcome) {
    let Some(setup) = call.setup() else { return };
    let branch = &mut setup.branches[branch];
    let (attempt, unheard) = (branch.attempt, branch.client.is_unheard());
    let known = std::mem::replace(&mut branch.abandoned, true);
    let hop = branch.hop.clone();
    branch.client.cancel(cx);
    if outcome == AttemptOutcome::Unreachable {
        branch.client.give_up();
        branch.pass = None;
    }
    told::over(call, cx, attempt, code, outcome);
    let address = call.attempts.get(attempt).and_then(|attempt| attempt.destination);
    call.early.retain(|leg| leg.attempt != attempt);
    let Some(hunt) = &mut call.hunt else { return };
    if hunt.cancelled {
        if !any_pending(call.setup()) {
            finish(call, cx, &Failure::Local(487), &[]);
        }
    } else if !known {
        // A callee who does not answer is no fault of the gateway that rings.
        let leads_on = unheard || hop.as_ref().is_none_or(|hop| hop.continues.contains(code));
        hunt.best.add(Failure::Local(code), !leads_on);
        hunt.decided |= !leads_on;
        if unheard {
            showed(hop.as_deref(), cx, Sign::Failing);
            if let (Some(gate), Some(address)) = (hop.as_deref().and_then(|hop| hop.gate.as_ref()), address) {
                gate.silent(address);
            }
        }
        go_on(call, cx);
    }
}

/// No attempt is left.
pub(super) fn give_up<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>) {
    let best = call.hunt.as_mut().and_then(|hunt| hunt.best.take());
    let (failure, challenges) = best.unwrap_or((Failure::Local(480), Vec::new()));
    finish(call, cx, &failure, &challenges);
}

/// Tell the caller that the call has failed.
fn finish<F>(call: &mut Call<F>, cx: &mut Cx<'_, F>, failure: &Failure, challenges: &[Challenge]) {
    let cancelled = call.hunt.as_ref().is_some_and(|hunt| hunt.cancelled);
    let code = match failure {
        // A 503 would tell the caller that all of this node is out of service (RFC 3261 section 16.7 item 6).
        _ if failure.code() == 503 => {
            call.answer_setup(cx, 500, "", &[]);
            500
        }
        Failure::Response { message, shift } => {
            if let Some(setup) = call.setup() {
                setup.relay_with(cx, message, *shift, challenges);
            }
            message.code()
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
