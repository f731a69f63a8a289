//! Stages that wait for the outside.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::*;
use crate::lookup::LookupError;
use crate::plugin::testing::{call, visit};
use crate::plugin::trace::story::{Answer, Asked, Lookup, Question, StageStory};
use crate::plugin::{Trace, Visit};

/// `lookup("dip", "1")` into 640; the texts lie at 512.
const LOOKUP: &str = r#"(import "trunkline:routing/lookups@0.1.0" "lookup"
    (func $lookup (param i32 i32 i32 i32 i32)))"#;
const ASK: &str = "(call $lookup (i32.const 512) (i32.const 3) (i32.const 520) (i32.const 1) (i32.const 640))";

/// A table whose server takes connections and never answers.
fn hanging() -> (TcpListener, Bed) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let bed = Bed::with_tables(&format!(
        "[services.api]\nurl = 'http://{address}'\ndeadline = '60s'\n\
         [tables.dip]\nsource = {{ http = {{ service = 'api', path = '/{{key}}' }} }}\n"
    ));
    (listener, bed)
}

/// Looks up and then answers with 600, or with 480 where the lookup ran into its deadline (`err(deadline)`).
fn asking() -> Guest {
    Guest::answering(&reject(600))
        .importing(LOOKUP)
        .holding(512, b"dip")
        .holding(520, b"1")
        .after(&format!(
            "{ASK}
         (if (i32.eq (i32.load16_u (i32.const 640)) (i32.const 1))
            (then (if (i32.eq (i32.load8_u (i32.const 644)) (i32.const 1))
                (then (return (i32.const 700))))))"
        ))
        // ok(reject(480)) at 700.
        .holding(700, &[0, 0, 0, 0, 1, 0, 0, 0, 0xe0, 1])
}

fn code(outcome: &crate::plugin::contract::Outcome) -> u16 {
    match &outcome.verdict {
        crate::plugin::contract::Verdict::Reject(rejection) => rejection.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lookup_that_hangs_lets_the_guest_decide_before_its_deadline() {
    let (_server, bed) = hanging();
    let limits = StageSettings { deadline: Duration::from_millis(60), ..settings() };
    let runner = bed.runner(&asking(), limits).await;
    let began = Instant::now();
    let outcome = run(&runner).await.result.unwrap();
    assert_eq!(code(&outcome), 480, "the guest heard `deadline`");
    assert!(began.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn a_full_stage_turns_the_next_call_away_at_once() {
    let (_server, bed) = hanging();
    let runner = bed.runner(&asking(), StageSettings { max_concurrent: 1, ..settings() }).await;
    let mut first = Box::pin(run(&runner));
    assert!(first.as_mut().now_or_never().is_none(), "the first waits");
    let second = run(&runner).now_or_never().expect("no wait");
    assert_eq!(second.result.unwrap_err().reason, StageOutcome::Saturated);
    drop(first);
    assert!(Box::pin(run(&runner)).as_mut().now_or_never().is_none(), "its place is free again");
}

#[tokio::test]
async fn a_cancelled_call_stops_its_stage_at_once_and_not_to_the_plugins_shame() {
    let (_server, bed) = hanging();
    let mut limits = settings();
    limits.breaker.failures = 1;
    let runner = bed.runner(&asking(), limits).await;
    let cancel = Cancel::default();
    let mut call = Box::pin(run_at(&runner, Instant::now(), &cancel));
    assert!(call.as_mut().now_or_never().is_none());
    cancel.cancel();
    assert_eq!(call.await.result.unwrap_err().reason, StageOutcome::Cancelled);
    assert_eq!(bed.components.engine().instances(), 0, "the instance in mid-call is gone");
    assert!(Box::pin(run(&runner)).as_mut().now_or_never().is_none(), "the breaker is closed");
}

#[tokio::test]
async fn a_stage_that_is_answered_from_memory_is_ready_at_its_first_poll() {
    let bed = Bed::new();
    // No such table: an answer all the same, and none that the host had to wait for.
    let runner = bed.runner(&asking(), settings()).await;
    let run = run(&runner).now_or_never().expect("ready at once");
    assert_eq!(code(&run.result.unwrap()), 600);
}

#[tokio::test]
async fn a_guest_that_sleeps_in_a_lookup_without_a_reserve_is_cut_at_the_deadline() {
    let (_server, bed) = hanging();
    // After its wait it loops: the reserve is used up, the deadline cuts.
    let guest = asking().after(&format!("{ASK} (loop $again (br $again))"));
    let limits = StageSettings { deadline: Duration::from_millis(40), fuel: u64::MAX / 200, ..settings() };
    let runner = bed.runner(&guest, limits).await;
    let began = Instant::now();
    assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Deadline);
    assert!(began.elapsed() >= Duration::from_millis(40));
}

/// With a breaker that one failure opens.
fn strict() -> StageSettings {
    let mut limits = StageSettings { deadline: Duration::from_millis(40), fuel: u64::MAX / 200, ..settings() };
    limits.breaker.failures = 1;
    limits
}

/// Fails with a text after this.
fn giving_up(after: &str) -> Guest {
    Guest::failing("no dip").importing(LOOKUP).holding(512, b"dip").holding(520, b"1").after(after)
}

#[tokio::test]
async fn a_stage_that_gives_up_on_a_table_in_outage_keeps_its_breaker_closed() {
    let (_server, bed) = hanging();
    let runner = bed.runner(&giving_up(ASK), strict()).await;
    for _ in 0..3 {
        assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Error);
    }
}

#[tokio::test]
async fn a_stage_that_runs_out_of_time_after_an_outage_keeps_its_breaker_closed() {
    let (_server, bed) = hanging();
    let guest = asking().after(&format!("{ASK} (loop $again (br $again))"));
    let runner = bed.runner(&guest, strict()).await;
    for _ in 0..3 {
        assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Deadline);
    }
}

#[tokio::test]
async fn a_trap_opens_the_breaker_in_an_outage_too() {
    let (_server, bed) = hanging();
    let runner = bed.runner(&asking().after(&format!("{ASK} (unreachable)")), strict()).await;
    assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Trap);
    assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Breaker);
}

#[tokio::test]
async fn a_stage_that_gives_up_on_a_table_that_does_not_exist_opens_its_breaker() {
    let bed = Bed::new();
    let runner = bed.runner(&giving_up(ASK), strict()).await;
    assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Error);
    assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Breaker);
}

#[tokio::test]
async fn an_outage_in_one_call_excuses_no_failure_of_the_next() {
    let (_server, bed) = hanging();
    let once = format!("(if (i32.eqz (global.get $asked)) (then (global.set $asked (i32.const 1)) {ASK}))");
    let guest = giving_up(&once).with("(global $asked (mut i32) (i32.const 0))");
    let runner = bed.runner(&guest, strict()).await;
    for expected in [StageOutcome::Error, StageOutcome::Error, StageOutcome::Breaker] {
        assert_eq!(run(&runner).await.result.unwrap_err().reason, expected);
    }
}

/// What the trace of a call tells of its one question.
fn dip(trace: &Trace) -> Asked {
    match &*trace.stories() {
        [StageStory { asked, .. }] => match &**asked {
            [asked] => asked.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_trace_tells_the_lookup_that_a_stage_waited_for_in_vain() {
    let (_server, bed) = hanging();
    let limits = StageSettings { deadline: Duration::from_millis(60), ..settings() };
    let runner = bed.runner(&asking(), limits).await;
    let (trace, cancel) = (Arc::new(Trace::default()), Cancel::default());
    trace.enter(&call());
    let visit = Visit { trace: Some(Arc::clone(&trace)), ..visit(&runner, Instant::now(), &cancel) };
    runner.run(&call(), visit, |outcome| Ok((outcome, StageOutcome::Proceed))).await.result.unwrap();

    let asked = dip(&trace);
    let lookup = Lookup { table: "dip".into(), key: "1".into(), origin: Some("source"), shared: false, age_ms: None };
    assert_eq!(asked.question, Question::Lookup(lookup));
    assert_eq!(asked.answer, Some(Answer::of_error(&LookupError::Deadline)));
    assert!(asked.micros.unwrap() >= 50_000, "{asked:?}");
}

#[tokio::test]
async fn a_trace_leaves_the_question_open_on_which_a_stage_was_cut() {
    let (_server, bed) = hanging();
    let runner = bed.runner(&asking(), settings()).await;
    let (trace, cancel) = (Arc::new(Trace::default()), Cancel::default());
    trace.enter(&call());
    let visit = Visit { trace: Some(Arc::clone(&trace)), ..visit(&runner, Instant::now(), &cancel) };
    let it = call();
    let mut running = Box::pin(runner.run(&it, visit, |outcome| Ok((outcome, StageOutcome::Proceed))));
    assert!(running.as_mut().now_or_never().is_none());
    cancel.cancel();
    assert!(running.await.result.is_err());
    let asked = dip(&trace);
    assert_eq!((asked.answer, asked.micros), (None, None));
}

#[tokio::test]
async fn a_trace_of_a_guest_that_asks_without_end_is_bounded() {
    let bed = Bed::new();
    let guest = asking().with("(global $n (mut i32) (i32.const 0))").after(&format!(
        "(loop $again {ASK} (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (global.get $n) (i32.const 999))))"
    ));
    let runner = bed.runner(&guest, settings()).await;
    let (trace, cancel) = (Arc::new(Trace::default()), Cancel::default());
    trace.enter(&call());
    let visit = Visit { trace: Some(Arc::clone(&trace)), ..visit(&runner, Instant::now(), &cancel) };
    runner.run(&call(), visit, |outcome| Ok((outcome, StageOutcome::Proceed))).await.result.unwrap();
    let stories = trace.stories();
    assert_eq!((stories[0].asked.len(), stories[0].untold), (256, 1_000 - 256));
    assert_eq!(stories[0].asked[0].answer, Some(Answer::of_error(&LookupError::UnknownTable)));
}
