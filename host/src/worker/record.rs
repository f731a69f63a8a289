//! The call record: what the core saw, and what the pipeline found out.

use std::sync::Arc;

use super::clock::Clock;
use crate::cdr::chain::ChainHash;
use crate::cdr::record::{Attempt, AttemptOutcome, CallRecord, RecordKey, Times};
use crate::routing::{RoutingFacts, TargetFacts};
use crate::sip::core::{AttemptReport, CallReport};

/// The record without its key, which is the journal's to give. The call's permits go back here.
pub(super) fn record(report: CallReport<RoutingFacts>, clock: &Clock) -> CallRecord {
    let facts = report.facts.unpacked();
    let targets = &facts.targets;
    let last = report.attempts.last().and_then(|attempt| targets.get(attempt.target));
    let (mut caller, mut callee) = (facts.caller, facts.callee);
    caller.sent = last.map(|target| target.caller.clone()).unwrap_or_default();
    callee.sent = last.map(|target| target.callee.clone()).unwrap_or_default();
    let wall = |time| clock.on_wall(time);
    CallRecord {
        key: RecordKey::default(),
        hash: ChainHash::NONE,
        call_id: String::from_utf8_lossy(&report.call_id).into_owned(),
        customer: facts.customer.to_string(),
        source: report.flow.remote,
        transport: report.flow.transport.param().into(),
        caller,
        callee,
        times: Times {
            received: wall(report.received),
            routed: Some(wall(report.routed)),
            ringing: report.ringing.map(wall),
            answered: report.answered.map(wall),
            ended: wall(report.ended),
        },
        code: report.code,
        end: report.end,
        attempts: report.attempts.iter().map(|made| attempt(made, targets.get(made.target), clock)).collect(),
        stages: facts.stages,
        attributes: facts.attributes,
    }
}

fn attempt(made: &AttemptReport, target: Option<&TargetFacts>, clock: &Clock) -> Attempt {
    let (ended, code, outcome) = made.ended.unwrap_or((made.started, 487, AttemptOutcome::Cancelled));
    let rate = target.and_then(|target| target.rate.as_ref());
    Attempt {
        gateway: target.map_or_else(|| Arc::from(""), |target| Arc::clone(&target.gateway)),
        destination: made.destination,
        // What a redirection has led to is known by the attempt alone.
        callee: made.redirected.as_deref().or(target.map(|target| &*target.callee)).unwrap_or_default().to_owned(),
        started: clock.on_wall(made.started),
        ringing: made.ringing.map(|time| clock.on_wall(time)),
        ended: clock.on_wall(ended),
        code,
        outcome,
        released: made.released.map(|time| clock.on_wall(time)),
        cost: rate.map(|rate| rate.cost.clone()),
        price: rate.and_then(|rate| rate.price.clone()),
        currency: rate.map(|rate| rate.currency.clone()),
    }
}
