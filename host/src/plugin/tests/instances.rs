//! Instances: reused where they are sound, thrown away where they are not, bounded in number.

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::config::model::{CustomerLimits, Isolation};
use crate::config::units::Size;
use crate::plugin::account::Account;
use crate::plugin::{Runner, Stage};

/// Runs `$n` up to a million: some six million instructions.
const COUNT: &str = "(loop $next
    (local.set $n (i32.add (local.get $n) (i32.const 1)))
    (br_if $next (i32.lt_u (local.get $n) (i32.const 1000000))))";

#[tokio::test]
async fn a_warm_instance_serves_call_after_call() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::answering(&proceed()), settings()).await;
    for _ in 0..1_000 {
        run(&runner).await.result.unwrap();
    }
    assert_eq!(runner.stage().stats.snapshot().instances, 1);
}

#[tokio::test]
async fn a_fresh_one_serves_each_call_where_the_operator_wants_it() {
    let bed = Bed::new();
    let limits = StageSettings { isolation: Isolation::Fresh, ..settings() };
    let runner = bed.runner(&Guest::answering(&proceed()), limits).await;
    for _ in 0..10 {
        run(&runner).await.result.unwrap();
    }
    assert_eq!(runner.stage().stats.snapshot().instances, 10);
    assert_eq!(bed.components.engine().instances(), 0, "none is left behind");
}

#[tokio::test]
async fn an_instance_that_trapped_serves_no_other_call() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::new("unreachable"), settings()).await;
    for _ in 0..3 {
        run(&runner).await.result.unwrap_err();
    }
    assert_eq!(runner.stage().stats.snapshot().instances, 3);
    assert_eq!(bed.components.engine().instances(), 0);
}

#[tokio::test]
async fn an_instance_that_returned_an_error_is_sound() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::failing("no"), settings()).await;
    for _ in 0..3 {
        run(&runner).await.result.unwrap_err();
    }
    assert_eq!(runner.stage().stats.snapshot().instances, 1);
}

#[tokio::test]
async fn a_guests_memory_of_the_last_call_does_not_pile_up() {
    let bed = Bed::new();
    // The guest counts its calls in a global: a warm one goes on counting, which shows that it is the same instance.
    let guest = Guest::answering(&proceed()).with("(global $calls (mut i32) (i32.const 0))").after(
        "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
         (if (i32.gt_u (global.get $calls) (i32.const 5)) (then unreachable))",
    );
    let runner = bed.runner(&guest, settings()).await;
    for _ in 0..5 {
        run(&runner).await.result.unwrap();
    }
    assert_eq!(run(&runner).await.result.unwrap_err().reason, StageOutcome::Trap, "the sixth call of one instance");
    run(&runner).await.result.expect("a new instance counts from the start");
}

#[tokio::test]
async fn warming_up_spares_the_first_call_the_start() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::answering(&proceed()), settings()).await;
    runner.warm_up().await.unwrap();
    assert_eq!(bed.components.engine().instances(), 1);
    run(&runner).await.result.unwrap();
    assert_eq!(runner.stage().stats.snapshot().instances, 1);
}

#[tokio::test]
async fn permits_of_a_stage_that_ended_well_go_on_with_the_call_and_those_of_a_failed_one_come_back() {
    const TAKE: &str = r#"(import "trunkline:routing/limits@0.1.0" "take-permit"
        (func $take (param i32 i32 i32) (result i32)))"#;
    // The key `k` lies at 512; three are allowed.
    const CALL: &str = "(drop (call $take (i32.const 512) (i32.const 1) (i32.const 3)))";
    let bed = Bed::new();
    let well = Guest::answering(&proceed()).importing(TAKE).holding(512, b"k").after(CALL);
    let runner = bed.runner(&well, settings()).await;
    let held = run(&runner).await;
    assert_eq!(held.permits.len(), 1);
    assert_eq!(bed.lent.limits.in_use("k"), 1);

    let badly = Guest::failing("no").importing(TAKE).holding(512, b"k").after(CALL);
    let runner = bed.runner(&badly, settings()).await;
    let failed = run(&runner).await;
    assert!(failed.permits.is_empty());
    assert_eq!(bed.lent.limits.in_use("k"), 1, "the failed stage's came back, the other call's is out");
    drop(held);
    assert_eq!(bed.lent.limits.in_use("k"), 0);
}

#[tokio::test]
async fn the_start_of_an_instance_is_in_the_fuel_of_the_call_that_needed_it() {
    let bed = Bed::new();
    let guest = Guest::answering(&proceed()).configured_by(&format!("(local $n i32) {COUNT} i32.const 16"));
    let runner = bed.runner(&guest, settings()).await;
    let (first, second) = (run(&runner).await, run(&runner).await);
    assert!(first.start_fuel > 2_000_000, "{}", first.start_fuel);
    assert_eq!((first.fuel - first.start_fuel, 0), (second.fuel, second.start_fuel));
    assert_eq!(runner.stage().stats.snapshot().fuel, first.fuel + second.fuel);
}

#[tokio::test]
async fn a_start_that_is_cut_tells_its_fuel() {
    let bed = Bed::new();
    let guest = Guest::answering(&proceed()).configured_by(&format!("(local $n i32) {COUNT} i32.const 16"));
    let runner = bed.runner(&guest, settings()).await;
    let cancel = Cancel::default();
    // As soon as it gives the thread back for the first time.
    let (cut, ()) = tokio::join!(run_at(&runner, Instant::now(), &cancel), async { cancel.cancel() });
    assert_eq!(cut.result.unwrap_err().reason, StageOutcome::Cancelled);
    assert!(cut.start_fuel > 50_000 && cut.fuel == cut.start_fuel, "{}", cut.start_fuel);
}

#[tokio::test]
async fn a_start_that_fails_tells_its_fuel() {
    let bed = Bed::new();
    let grow = format!("(local $n i32) {COUNT} (drop (memory.grow (i32.const 40))) i32.const 16");
    let component = bed.component(&Guest::answering(&proceed()).configured_by(&grow).build()).unwrap();
    let account = Arc::<Account>::default();
    let (engine, owner) = (bed.components.engine(), Some(Arc::clone(&account)));
    let stage = Stage::load(engine, "guest", &component, settings(), bed.lent.clone(), owner).await.unwrap();
    // What it grows to has no room any more.
    account.limit(&CustomerLimits { memory: Some(Size::from_mib(1)), ..CustomerLimits::default() });
    let failed = run(&Runner::new(Arc::new(stage))).await;
    assert_eq!(failed.result.unwrap_err().reason, StageOutcome::Share);
    assert!(failed.start_fuel > 2_000_000 && failed.fuel == failed.start_fuel, "{}", failed.start_fuel);
}
