use serde_json::Value;

use super::tree::spans;
use super::{Heard, Traced, Visit, went_wrong};
use crate::cdr::record::{End, StageOutcome};
use crate::cdr::testing;

fn json(traced: &Traced) -> Vec<Value> {
    spans(traced).iter().map(|span| serde_json::to_value(span).unwrap()).collect()
}

fn named<'a>(spans: &'a [Value], name: &str) -> &'a Value {
    spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("no span {name} in {spans:#?}"))
}

#[test]
fn a_call_has_a_span_for_each_stage_and_each_attempt_below_its_own() {
    let record = *testing::call(7);
    let spans = json(&Traced { record: record.clone(), visits: Vec::new() });
    assert_eq!(spans.len(), 1 + record.stages.len() + record.attempts.len());
    let root = &spans[0];
    assert_eq!((&root["name"], &root["kind"], root.get("parentSpanId")), (&"call".into(), &2.into(), None));
    for span in &spans[1..] {
        assert_eq!(span["parentSpanId"], root["spanId"]);
        assert_eq!(span["traceId"], root["traceId"]);
    }
    let attempt = named(&spans, "attempt carrier-a");
    assert_eq!((&attempt["kind"], &attempt["status"]["code"]), (&3.into(), &2.into()), "503 is an error");
    assert_eq!(named(&spans, "attempt carrier-b")["status"], serde_json::json!({}));
    assert_eq!(attempt["startTimeUnixNano"], format!("{}000", record.attempts[0].started).as_str());
    // Without times of their own, stages follow each other.
    let blocklist = named(&spans, "stage blocklist");
    assert_eq!(blocklist["startTimeUnixNano"], format!("{}000", record.times.received + 12).as_str());
}

#[test]
fn a_stage_has_its_questions_below_it_at_their_times() {
    let record = *testing::call(7);
    let began = record.times.received + 100;
    let heard = |micros, error| Heard {
        name: "lookup accounts".to_owned(),
        origin: Some("cache"),
        began: began + 3,
        micros,
        error,
    };
    let visits = vec![
        Visit { began, heard: vec![heard(Some(2), None)] },
        Visit { began: began + 20, heard: vec![heard(None, None), heard(Some(1), Some("breaker"))] },
    ];
    let spans = json(&Traced { record, visits });
    let auth = named(&spans, "stage auth");
    assert_eq!(auth["startTimeUnixNano"], format!("{began}000").as_str());
    let below = |stage: &Value| spans.iter().filter(|span| span["parentSpanId"] == stage["spanId"]).collect::<Vec<_>>();
    let of_auth = below(auth);
    assert_eq!(of_auth.len(), 1);
    assert_eq!(of_auth[0]["endTimeUnixNano"], format!("{}000", began + 5).as_str());
    assert_eq!(of_auth[0]["attributes"][0]["value"]["stringValue"], "cache");
    let codes: Vec<&Value> =
        below(named(&spans, "stage blocklist")).iter().map(|span| &span["status"]["code"]).collect();
    assert_eq!(codes, [2, 2], "neither was answered");
}

#[test]
fn nobody_s_number_is_in_a_trace() {
    let mut record = *testing::call(7);
    let numbers = [record.caller.received.clone(), record.callee.received.clone(), "12125559999".to_owned()];
    // As the stage `lrn` says it of an answer that it cannot read.
    let lrn = &mut record.stages[2];
    lrn.outcome = StageOutcome::Error;
    lrn.detail = Some("table lrn: field lrn: \"12125559999\" is no routing number of this plan".to_owned());
    let text = serde_json::to_string(&spans(&Traced { record, visits: Vec::new() })).unwrap();
    assert!(numbers.iter().all(|number| !text.contains(number)), "{text}");
}

#[test]
fn a_failed_call_and_one_with_a_skipped_stage_went_wrong_and_a_refused_one_did_not() {
    let with = |code, end, outcome| {
        let mut record = *testing::call(1);
        (record.code, record.end, record.stages[2].outcome) = (code, end, outcome);
        went_wrong(&record)
    };
    assert!(!with(200, End::CallerHungUp, StageOutcome::Proceed));
    assert!(!with(603, End::Refused, StageOutcome::Reject));
    assert!(!with(486, End::Failed, StageOutcome::Proceed), "busy");
    assert!(with(503, End::Failed, StageOutcome::Proceed));
    assert!(with(408, End::TimedOut, StageOutcome::Proceed));
    assert!(with(200, End::CallerHungUp, StageOutcome::Deadline));
}
