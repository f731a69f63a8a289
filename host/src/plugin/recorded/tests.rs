//! Recorded calls, read, written and told again.

use super::*;
use crate::plugin::testing::{Bed, Guest, proceed, reject, settings};

const LINE: &str = r#"{"name":"ported","call":{"caller":"12125550100","callee":"13105550199","digest":{"verified":"alice"}},
 "asked":[{"lookup":{"table":"lrn","key":"1","row":[["lrn","13105550000"],["cost",{"decimal":"-0.00345"}],["n",7]]}},
          {"rate":{"key":"cps","granted":true}}],
 "expect":{"verdict":{"route":[{"gateway":"a","rate":{"cost":"0.0050","currency":"USD"}}]},
           "edits":[{"set-header":["X-Note","a"]},{"caller-name":"Alice"}],"attributes":[["lrn","13105550000"]]}}"#;

fn line() -> String {
    LINE.replace('\n', "")
}

#[test]
fn a_line_is_read_and_written_as_it_was() {
    let calls = parse(&format!("# a comment\n\n{}\n", line())).unwrap();
    let again = serde_json::to_string(&calls[0]).unwrap();
    assert_eq!(parse(&again).unwrap(), calls);
    assert_eq!((calls[0].call.customer.as_str(), calls[0].call.source_port), ("acme", 5060), "what was left out");
    for part in [r#""decimal":"-0.00345""#, r#""cost":"0.0050""#, r#"{"set-header":["X-Note","a"]}"#] {
        assert!(again.contains(part), "{part} in {again}");
    }
}

#[test]
fn a_bad_line_is_told_with_its_number() {
    let (number, why) = parse("\n{\"call\": {\"calle\": \"1\"}, \"expect\": {\"verdict\": \"proceed\"}}").unwrap_err();
    assert_eq!(number, 2);
    assert!(why.contains("calle"), "{why}");
}

#[test]
fn decimals_are_exact_and_nothing_else_is_one() {
    for text in ["0", "12", "-3.50", "0.000000000000000001", "9223372036854775807"] {
        assert_eq!(String::from(Decimal::try_from(text.to_owned()).unwrap()), text);
    }
    for text in ["", ".", "1.2.3", "1e3", "+1", "0x1", "9223372036854775808", "0.0000000000000000001", "1.-2"] {
        assert!(Decimal::try_from(text.to_owned()).is_err(), "{text}");
    }
}

const LOOKUP: &str =
    r#"(import "trunkline:routing/lookups@0.1.0" "lookup" (func $lookup (param i32 i32 i32 i32 i32)))"#;

/// Asks `dip` for `1`; answers 404 where it found no row, 503 where there was no answer, else proceeds.
fn asking() -> Guest {
    Guest::answering(&proceed())
        .importing(LOOKUP)
        .holding(512, b"dip")
        .holding(520, b"1")
        .after(
            "(call $lookup (i32.const 512) (i32.const 3) (i32.const 520) (i32.const 1) (i32.const 640))
             (if (i32.eq (i32.load8_u (i32.const 640)) (i32.const 1)) (then (return (i32.const 700))))
             (if (i32.eqz (i32.load8_u (i32.const 644))) (then (return (i32.const 800))))",
        )
        .holding(700, &[0, 0, 0, 0, 1, 0, 0, 0, 0xf7, 1])
        .holding(800, &[0, 0, 0, 0, 1, 0, 0, 0, 0x94, 1])
}

fn recorded(asked: &str, expect: &str) -> RecordedCall {
    serde_json::from_str(&format!(r#"{{"asked": {asked}, "expect": {expect}}}"#)).unwrap()
}

#[tokio::test]
async fn a_stage_is_told_what_the_recording_has_and_its_answer_is_compared() {
    let bed = Bed::new();
    let stage = bed.load(&asking().build(), settings()).await.unwrap();
    let found = r#"[{"lookup": {"table": "dip", "key": "1", "row": [["lrn", "2"]]}}]"#;
    let none = r#"[{"lookup": {"table": "dip", "key": "1"}}]"#;
    let calls = [
        recorded(found, r#"{"verdict": "proceed"}"#),
        recorded(none, r#"{"verdict": {"reject": {"code": 404}}}"#),
        recorded("[]", r#"{"verdict": {"reject": {"code": 503}}}"#),
        recorded(found, r#"{"verdict": {"reject": {"code": 404}}}"#),
    ];
    let done = rehearse(&stage, &calls).await.unwrap();
    let met: Vec<_> = done.iter().map(|call| (call.met, call.withheld.len())).collect();
    assert_eq!(met, [(true, 0), (true, 0), (true, 1), (false, 0)], "{done:?}");
    let asked = serde_json::to_string(&done[2].withheld).unwrap();
    assert_eq!(asked, r#"[{"lookup":{"table":"dip","key":"1"}}]"#, "ready to be put into the recording");
    assert!(done.iter().all(|call| call.fuel > 0));
}

#[tokio::test]
async fn a_stage_that_is_expected_to_fail_must_fail_in_those_words() {
    let bed = Bed::new();
    let stage = bed.load(&Guest::failing("no accounts table").build(), settings()).await.unwrap();
    let calls = [r#"{"error": "accounts"}"#, r#"{"error": "rates"}"#, r#"{"verdict": "proceed"}"#];
    let calls = calls.map(|expect| recorded("[]", expect));
    let met: Vec<bool> = rehearse(&stage, &calls).await.unwrap().iter().map(|call| call.met).collect();
    assert_eq!(met, [true, false, false]);
    let trapping = bed.load(&Guest::new("unreachable").build(), settings()).await.unwrap();
    let done = rehearse(&trapping, &calls[..1]).await.unwrap();
    assert!(matches!(&done[0].answered, Answered::Error { error } if error.starts_with("trap: ")), "{done:?}");
}

#[tokio::test]
async fn an_outcome_is_recorded_as_the_stage_gave_it() {
    let answered = Answered::Outcome((&reject(603)).into());
    let json = serde_json::to_value(&answered).unwrap();
    assert_eq!(json, serde_json::json!({"verdict": {"reject": {"code": 603, "reason": ""}}}));
}
