//! The call record: what the core saw, and what the pipeline found out.

use std::sync::Arc;

use super::clock::Clock;
use crate::cdr::chain::ChainHash;
use crate::cdr::record::{Attempt, AttemptOutcome, CallRecord, RecordKey, Times};
use crate::routing::{Rate, RoutingFacts, TargetFacts};
use crate::sip::core::{AttemptReport, CallReport};

/// The record without its key, which is the journal's to give. The call's permits go back here.
pub(super) fn record(report: CallReport<RoutingFacts>, clock: &Clock) -> CallRecord {
    let facts = report.facts.unpacked();
    let (mut caller, mut callee, mut targets) = (facts.caller, facts.callee, facts.targets);
    let last = report.attempts.last().and_then(|attempt| targets.get_mut(attempt.target));
    (caller.sent, callee.sent) =
        last.map(|target| (std::mem::take(&mut target.caller), target.callee.clone())).unwrap_or_default();
    let attempts = report.attempts.iter().enumerate().map(|(index, made)| {
        // What a target cost goes to the last attempt that was made of it, and copies of it to those before.
        let again = report.attempts[index + 1..].iter().any(|later| later.target == made.target);
        let target = targets.get_mut(made.target);
        let rate = target.and_then(|target| if again { target.rate.clone() } else { target.rate.take() });
        attempt(made, targets.get(made.target), rate, clock)
    });
    let attempts = attempts.collect();
    let wall = |time| clock.on_wall(time);
    CallRecord {
        key: RecordKey::default(),
        hash: ChainHash::NONE,
        call_id: text(report.call_id.into()),
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
        attempts,
        stages: facts.stages,
        attributes: facts.attributes,
    }
}

/// With U+FFFD for what is not UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn attempt(made: &AttemptReport, target: Option<&TargetFacts>, rate: Option<Rate>, clock: &Clock) -> Attempt {
    let (ended, code, outcome) = made.ended.unwrap_or((made.started, 487, AttemptOutcome::Cancelled));
    let (cost, price, currency) = match rate {
        Some(Rate { cost, price, currency }) => (Some(cost), price, Some(currency)),
        None => (None, None, None),
    };
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
        cost,
        price,
        currency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::record::{End, Sides};
    use crate::sip::flow::{Flow, Transport};

    fn target(gateway: &str, cost: &str) -> TargetFacts {
        let rate = Rate { cost: cost.to_owned(), price: None, currency: "USD".to_owned() };
        let [caller, callee] = ["caller", "callee"].map(|side| format!("{side} at {gateway}"));
        TargetFacts { gateway: gateway.into(), callee, caller, rate: Some(rate) }
    }

    #[test]
    fn every_attempt_has_what_its_target_costs_however_often_that_was_tried() {
        let clock = Clock::start();
        let now = clock.now();
        let attempt = |target| AttemptReport {
            target,
            destination: None,
            redirected: None,
            started: now,
            ringing: None,
            ended: None,
            released: None,
        };
        let report = CallReport {
            cookie: 1,
            call_id: (*b"a\xff").into(),
            flow: Flow::to(0, Transport::Udp, ([192, 0, 2, 1], 5060).into()),
            facts: RoutingFacts {
                customer: "acme".into(),
                stages: Vec::new(),
                attributes: Vec::new(),
                targets: vec![target("a", "0.01"), target("b", "0.02")],
                caller: Sides::default(),
                callee: Sides::default(),
                permits: Vec::new(),
                visits: None,
                packed: crate::routing::Packed::default(),
            },
            code: 503,
            end: End::Failed,
            received: now,
            routed: now,
            ringing: None,
            answered: None,
            ended: now,
            attempts: [0, 1, 0, 7].map(attempt).into_iter().collect(),
        };
        let record = record(report, &clock);
        let told: Vec<_> = record.attempts.iter().map(|made| (&*made.gateway, made.cost.as_deref())).collect();
        assert_eq!(told, [("a", Some("0.01")), ("b", Some("0.02")), ("a", Some("0.01")), ("", None)]);
        assert_eq!(record.attempts[2].callee, "callee at a");
        assert_eq!(record.call_id, "a\u{fffd}");
    }
}
