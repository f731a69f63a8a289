//! What is told of a call while it lasts, and at its end.

use std::sync::Arc;

use super::clock::Clock;
use crate::cdr::record::CallRecord;
use crate::events::{CallBegun, CallOver};
use crate::routing::RoutingFacts;
use crate::sip::core::OpenCall;

pub(super) fn begun(call: &OpenCall, facts: &RoutingFacts, clock: &Clock) -> CallBegun {
    let tried = call.attempts.last().and_then(|attempt| facts.targets.get(attempt.target));
    CallBegun {
        call_id: String::from_utf8_lossy(&call.call_id).into_owned(),
        customer: facts.customer.to_string(),
        caller: facts.caller.received.clone(),
        callee: facts.callee.received.clone(),
        gateway: tried.map_or_else(|| Arc::from(""), |target| Arc::clone(&target.gateway)),
        received: clock.on_wall(call.received),
        answered: call.answered.map(|time| clock.on_wall(time)),
    }
}

pub(super) fn over(record: &CallRecord) -> CallOver {
    CallOver {
        call: CallBegun {
            call_id: record.call_id.clone(),
            customer: record.customer.clone(),
            caller: record.caller.received.clone(),
            callee: record.callee.received.clone(),
            gateway: record.attempts.last().map_or_else(|| Arc::from(""), |attempt| Arc::clone(&attempt.gateway)),
            received: record.times.received,
            answered: record.times.answered,
        },
        ended: record.times.ended,
        code: record.code,
        end: record.end,
        duration: record.duration_micros(),
    }
}
