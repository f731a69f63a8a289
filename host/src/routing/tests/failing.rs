//! What an operator reads of stages that fail.

use std::time::{Duration, Instant};

use super::*;
use crate::log::testing::Heard;

/// What stands behind a word of a line.
fn after<'a>(line: &'a str, word: &str) -> &'a str {
    line.split_once(word).and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default()
}

#[tokio::test]
async fn a_stage_that_fails_a_thousand_calls_has_a_few_lines_and_each_failure_is_counted_in_one() {
    let bed = Bed::new();
    let router =
        router(&bed, [passing(), Guest::failing("no row for 13105550199"), Guest::answering(&reject(404))]).await;
    let heard = Heard::on_this_thread("trunkline::routing=warn");
    let begin = Instant::now();
    for _ in 0..1_000 {
        router.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    }
    router.log_failures(begin + Duration::from_mins(1));
    let lines = heard.lines();
    let first = "WARN stage failed plugin=\"b\" digest=\"";
    assert!(lines[0].starts_with(first), "{lines:?}");
    let rest = "reason=\"error\" detail=\"no row for 1310…\" customer=\"acme\" call_id=\"call-1@192.0.2.1\" untold=0";
    assert!(lines[0].ends_with(rest), "{lines:?}");
    // Two for its own failures, and two for those that its breaker spared it; more where this takes longer than a pause.
    assert!((2..20).contains(&lines.len()), "{lines:?}");
    let said = lines.iter().filter(|line| line.contains("call_id=")).count() as u64;
    let untold = lines.iter().map(|line| after(line, "untold=").parse::<u64>().unwrap()).sum::<u64>();
    assert_eq!(said + untold, 1_000, "{lines:?}");
}

#[tokio::test]
async fn what_was_said_before_a_reload_is_not_said_again_by_the_next_router() {
    let bed = Bed::new();
    let before = router(&bed, [passing(), Guest::failing("gone"), Guest::answering(&reject(404))]).await;
    let heard = Heard::on_this_thread("trunkline::routing=warn");
    before.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    let after = before.after(Arc::clone(before.snapshot()));
    after.route(call_from("192.0.2.1:5060"), Cancel::default()).await;
    assert_eq!(heard.lines().len(), 1);
}
