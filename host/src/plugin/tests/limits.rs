//! Each limit cuts, under its own name.

use std::time::{Duration, Instant};

use super::*;

const FOR_EVER: &str = "(loop $again (br $again)) unreachable";

#[tokio::test]
async fn an_endless_loop_uses_up_its_fuel() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::new(FOR_EVER), settings()).await;
    let run = run(&runner).await;
    assert_eq!(run.result.unwrap_err().reason, StageOutcome::Fuel);
    assert!((1_900_000..=2_000_000).contains(&(run.fuel - run.start_fuel)), "{}", run.fuel);
}

#[tokio::test]
async fn an_endless_loop_with_fuel_for_hours_is_cut_by_the_deadline_while_others_go_on() {
    let bed = Bed::new();
    let limits = StageSettings { fuel: u64::MAX / 200, deadline: Duration::from_millis(40), ..settings() };
    let runner = bed.runner(&Guest::new(FOR_EVER), limits).await;
    let began = Instant::now();
    let others = async {
        let (mut turns, mut longest) = (0_u32, Duration::ZERO);
        let mut last = Instant::now();
        while began.elapsed() < Duration::from_millis(30) {
            tokio::task::yield_now().await;
            longest = longest.max(last.elapsed());
            last = Instant::now();
            turns += 1;
        }
        (turns, longest)
    };
    let (run, (turns, longest)) = tokio::join!(run(&runner), others);
    assert_eq!(run.result.unwrap_err().reason, StageOutcome::Deadline);
    assert!(run.fuel > 2_000_000, "the fuel is known though the call was cut: {}", run.fuel);
    assert!(turns > 30, "the thread was given back {turns} times, the longest wait was {longest:?}");
}

#[tokio::test]
async fn memory_beyond_the_limit_is_told_from_a_trap() {
    let bed = Bed::new();
    let grow = "(loop $again (drop (memory.grow (i32.const 4))) (br $again)) unreachable";
    let runner = bed.runner(&Guest::new(grow), StageSettings { memory: 1 << 20, ..settings() }).await;
    let failure = run(&runner).await.result.unwrap_err();
    assert_eq!(failure.reason, StageOutcome::Memory);
    assert!(failure.detail.unwrap().contains("1048576 are allowed"));
}

#[tokio::test]
async fn a_trap_says_which() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::new("unreachable"), settings()).await;
    let failure = run(&runner).await.result.unwrap_err();
    assert_eq!(failure.reason, StageOutcome::Trap);
    assert!(failure.detail.unwrap().contains("unreachable"));
}

#[tokio::test]
async fn recursion_without_end_is_a_trap_and_leaves_the_thread_whole() {
    let bed = Bed::new();
    let guest = Guest::new("(call $down (i64.const 1)) drop unreachable").with(
        "(func $down (param i64) (result i64)
            (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (local.get 0)))",
    );
    let runner = bed.runner(&guest, StageSettings { fuel: 1_000_000_000, ..settings() }).await;
    for _ in 0..3 {
        let failure = run(&runner).await.result.unwrap_err();
        assert_eq!(failure.reason, StageOutcome::Trap);
        assert!(failure.detail.unwrap().contains("stack"));
    }
}

#[tokio::test]
async fn an_error_keeps_its_text() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::failing("no accounts table"), settings()).await;
    let failure = run(&runner).await.result.unwrap_err();
    assert_eq!((failure.reason, failure.detail.as_deref()), (StageOutcome::Error, Some("no accounts table")));
}

#[tokio::test]
async fn a_breaker_flies_past_a_failing_plugin_and_probes_it_later() {
    let bed = Bed::new();
    let mut limits = settings();
    limits.breaker.failures = 3;
    let runner = bed.runner(&Guest::new("unreachable"), limits).await;
    for _ in 0..3 {
        assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Trap);
    }
    let skipped = run(&runner).await;
    assert_eq!(skipped.result.unwrap_err().reason, StageOutcome::Breaker);
    assert_eq!(skipped.fuel, 0);
    let cancel = Cancel::default();
    let after = |seconds| Instant::now() + Duration::from_secs(seconds);
    let probe = run_at(&runner, after(6), &cancel).await;
    assert_eq!(probe.result.unwrap_err().reason, StageOutcome::Trap, "one call probes");
    let next = run_at(&runner, after(1), &cancel).await;
    assert_eq!(next.result.unwrap_err().reason, StageOutcome::Breaker, "the probe failed");
}

#[tokio::test]
async fn a_refused_outcome_counts_against_the_plugin() {
    let bed = Bed::new();
    let mut limits = settings();
    limits.breaker.failures = 1;
    let runner = bed.runner(&Guest::answering(&proceed()), limits).await;
    let call = crate::plugin::testing::call();
    let cancel = Cancel::default();
    let now = Instant::now();
    let visit = crate::plugin::testing::visit(&runner, now, &cancel);
    let refused = runner.run::<()>(&call, visit, |_| Err("an unknown gateway".to_owned())).await;
    assert_eq!(refused.result.unwrap_err().reason, StageOutcome::Invalid);
    assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Breaker);
}
