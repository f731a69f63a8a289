//! The calls of the demo, and what each must come to.

use std::time::Duration;

use super::caller::{Dial, Heard};
use crate::cdr::record::{AttemptOutcome, CallRecord, End, StageOutcome};

/// One call of the demo.
pub(super) struct Play {
    /// What is shown with it.
    pub(super) title: &'static str,
    /// The call.
    pub(super) dial: Dial,
    /// Whether the LRN service hangs meanwhile.
    pub(super) lrn_hangs: bool,
    /// What must hold of it.
    pub(super) expect: fn(&Heard, &CallRecord) -> Vec<Check>,
}

/// One expectation, held against what was seen.
pub(super) struct Check {
    /// What must be so.
    pub(super) says: &'static str,
    /// Whether it is.
    pub(super) holds: bool,
    /// What was seen instead.
    pub(super) seen: String,
}

const ALL_STAGES: [&str; 5] = ["auth", "blocklist", "lrn", "cnam", "rate"];

/// In the order in which they are placed.
pub(super) fn all() -> Vec<Play> {
    vec![
        Play {
            title: "A plain call: five stages, then the carrier",
            dial: dial([127, 0, 0, 1], "12125550100", "13105550101"),
            lrn_hangs: false,
            expect: plain,
        },
        Play {
            title: "A blocked caller",
            dial: dial([127, 0, 0, 1], "12125550666", "13105550102"),
            lrn_hangs: false,
            expect: blocked,
        },
        Play {
            title: "The LRN service hangs: the call flies on without it",
            dial: dial([127, 0, 0, 1], "12125550100", "13105550103"),
            lrn_hangs: true,
            expect: lrn_hangs,
        },
        Play {
            title: "A plugin that crashes sits in this customer's pipeline",
            dial: dial([127, 0, 0, 2], "12125550100", "13105550104"),
            lrn_hangs: false,
            expect: crashing,
        },
        Play {
            title: "The first carrier is dead: the next one gets the call",
            dial: dial([127, 0, 0, 1], "12125550100", "14155550105"),
            lrn_hangs: false,
            expect: failover,
        },
    ]
}

fn dial(source: [u8; 4], caller: &str, callee: &str) -> Dial {
    Dial { source: source.into(), caller: caller.to_owned(), callee: callee.to_owned() }
}

fn plain(heard: &Heard, record: &CallRecord) -> Vec<Check> {
    let mut checks = answered(heard, record);
    checks.push(check(
        "the five stages ran in order, each with a verdict",
        stages(record) == ALL_STAGES && record.stages.iter().all(|stage| stage.outcome.is_verdict()),
        || way(record),
    ));
    checks.push(check("every stage used fuel", record.stages.iter().all(|stage| stage.fuel > 0), || way(record)));
    checks.push(check(
        "the LRN of the called number is in the record",
        attribute(record, "lrn").is_some_and(|lrn| lrn.ends_with("3105550000")),
        || format!("{:?}", record.attributes),
    ));
    checks.push(check("it took one attempt", gateways(record) == ["carrier-main"], || attempts(record)));
    checks
}

fn blocked(heard: &Heard, record: &CallRecord) -> Vec<Check> {
    vec![
        check("the caller heard 603", heard.code() == 603, || heard.code().to_string()),
        check("the blocklist refused it", outcome(record, "blocklist") == Some(StageOutcome::Reject), || way(record)),
        check("no dip was paid for it", !stages(record).contains(&"lrn"), || way(record)),
        check("no carrier saw it", record.attempts.is_empty(), || attempts(record)),
        check("the record says refused, 603", (record.end, record.code) == (End::Refused, 603), || ended(record)),
    ]
}

fn lrn_hangs(heard: &Heard, record: &CallRecord) -> Vec<Check> {
    let mut checks = answered(heard, record);
    checks.push(check(
        "the lrn stage was skipped, its reason recorded",
        matches!(outcome(record, "lrn"), Some(StageOutcome::Deadline | StageOutcome::Error)),
        || way(record),
    ));
    let routing = record.times.routed.map_or(u64::MAX, |routed| routed - record.times.received);
    checks.push(check("it cost the call no more than the deadline of 30 ms and little else", routing < 80_000, || {
        format!("{routing} µs")
    }));
    checks
}

fn crashing(heard: &Heard, record: &CallRecord) -> Vec<Check> {
    let mut checks = answered(heard, record);
    checks.push(check(
        "the crash is in the record as a trap",
        outcome(record, "crashing") == Some(StageOutcome::Trap),
        || way(record),
    ));
    checks.push(check(
        "the other five stages did their work",
        ALL_STAGES.iter().all(|stage| outcome(record, stage).is_some_and(StageOutcome::is_verdict)),
        || way(record),
    ));
    checks
}

fn failover(heard: &Heard, record: &CallRecord) -> Vec<Check> {
    let mut checks = answered(heard, record);
    checks.push(check(
        "the cheaper carrier was tried first, then the next",
        gateways(record) == ["carrier-cheap", "carrier-main"],
        || attempts(record),
    ));
    checks.push(check(
        "the first attempt is recorded as given up",
        record
            .attempts
            .first()
            .is_some_and(|attempt| matches!(attempt.outcome, AttemptOutcome::Timeout | AttemptOutcome::Unreachable)),
        || attempts(record),
    ));
    checks
}

/// What holds for every call that reaches its callee.
fn answered(heard: &Heard, record: &CallRecord) -> Vec<Check> {
    let first = heard.responses.first();
    vec![
        check(
            "100 Trying came first, before the caller would have asked again",
            first.is_some_and(|(code, after)| *code == 100 && *after < Duration::from_millis(500)),
            || first.map_or_else(|| "no response".to_owned(), |(code, after)| format!("{code} after {after:?}")),
        ),
        check("nothing was sent twice", heard.retransmissions == 0, || heard.retransmissions.to_string()),
        check("the callee answered", heard.code() == 200, || heard.code().to_string()),
        check("BYE was answered", heard.hung_up, || "no 200 to BYE".to_owned()),
        check(
            "the record says answered, ended by the caller",
            record.code == 200 && record.end == End::CallerHungUp && record.times.answered.is_some(),
            || ended(record),
        ),
    ]
}

fn check(says: &'static str, holds: bool, seen: impl FnOnce() -> String) -> Check {
    Check { says, holds, seen: if holds { String::new() } else { seen() } }
}

fn stages(record: &CallRecord) -> Vec<&str> {
    record.stages.iter().map(|stage| &*stage.stage).collect()
}

fn outcome(record: &CallRecord, stage: &str) -> Option<StageOutcome> {
    record.stages.iter().find(|entry| &*entry.stage == stage).map(|entry| entry.outcome)
}

fn attribute<'a>(record: &'a CallRecord, name: &str) -> Option<&'a str> {
    record.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn gateways(record: &CallRecord) -> Vec<&str> {
    record.attempts.iter().map(|attempt| &*attempt.gateway).collect()
}

fn way(record: &CallRecord) -> String {
    let stages = record.stages.iter().map(|stage| format!("{} {:?}", stage.stage, stage.outcome));
    stages.collect::<Vec<_>>().join(", ")
}

fn attempts(record: &CallRecord) -> String {
    let attempts =
        record.attempts.iter().map(|attempt| format!("{} {:?} {}", attempt.gateway, attempt.outcome, attempt.code));
    attempts.collect::<Vec<_>>().join(", ")
}

fn ended(record: &CallRecord) -> String {
    format!("{:?}, {}", record.end, record.code)
}
