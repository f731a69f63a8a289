//! What a guest hands over that cannot be read is refused, and costs the host a bounded amount.

use super::*;

#[tokio::test]
async fn a_pointer_outside_its_memory_is_refused() {
    let bed = Bed::new();
    let runner = bed.runner(&Guest::new("i32.const 0x7ffffff0"), settings()).await;
    let failure = run(&runner).await.result.unwrap_err();
    assert_eq!(failure.reason, StageOutcome::Invalid, "{failure:?}");
}

#[tokio::test]
async fn text_that_is_not_utf8_is_refused() {
    let bed = Bed::new();
    // err(text) at 512, its two bytes at 600.
    let guest =
        Guest::new("i32.const 512").holding(512, &[1, 0, 0, 0, 0x58, 2, 0, 0, 2, 0, 0, 0]).holding(600, &[0xc3, 0x28]);
    let runner = bed.runner(&guest, settings()).await;
    let failure = run(&runner).await.result.unwrap_err();
    assert_eq!(failure.reason, StageOutcome::Invalid, "{failure:?}");
}

#[tokio::test]
async fn a_verdict_that_does_not_exist_is_refused() {
    let bed = Bed::new();
    let guest = Guest::new("i32.const 512").holding(512, &[0, 0, 0, 0, 9]);
    let runner = bed.runner(&guest, settings()).await;
    let failure = run(&runner).await.result.unwrap_err();
    assert_eq!(failure.reason, StageOutcome::Invalid, "{failure:?}");
}

#[tokio::test]
async fn one_long_text_that_a_million_items_share_does_not_become_a_million_texts() {
    let bed = Bed::new();
    // ok(proceed), no edits, and 65,536 attributes at 65,536 whose name and value are all the same 64 KiB: 8 GiB.
    let guest = Guest::new(
        "(local $at i32)
         (drop (memory.grow (i32.const 20)))
         (local.set $at (i32.const 65536))
         (loop $next
            (i32.store offset=0 (local.get $at) (i32.const 0))
            (i32.store offset=4 (local.get $at) (i32.const 65536))
            (i32.store offset=8 (local.get $at) (i32.const 0))
            (i32.store offset=12 (local.get $at) (i32.const 65536))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br_if $next (i32.lt_u (local.get $at) (i32.const 1114112))))
         i32.const 512",
    )
    .holding(512 + 36, &[0, 0, 1, 0, 0, 0, 1, 0]);
    let runner = bed.runner(&guest, settings()).await;
    let failure = run(&runner).await.result.unwrap_err();
    assert_eq!(failure.reason, StageOutcome::Invalid, "{failure:?}");
}

#[tokio::test]
async fn a_log_without_end_is_cut_and_counted() {
    const LOG: &str = r#"(import "trunkline:routing/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let bed = Bed::new();
    let guest = Guest::answering(&proceed()).importing(LOG).holding(512, b"hello").after(
        "(local $n i32)
         (loop $next
            (call $log (i32.const 0) (i32.const 512) (i32.const 5))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $n) (i32.const 100))))",
    );
    let runner = bed.runner(&guest, settings()).await;
    run(&runner).await.result.unwrap();
    assert_eq!(runner.stage().counters.dropped(), 84);
}

#[tokio::test]
async fn a_counter_of_the_plugin_is_counted_and_an_ill_named_one_is_dropped() {
    const METRIC: &str = r#"(import "trunkline:routing/telemetry@0.1.0" "metric" (func $add (param i32 i32 i64)))"#;
    let bed = Bed::new();
    let guest = Guest::answering(&proceed()).importing(METRIC).holding(512, b"dips").holding(520, b"A b").after(
        "(call $add (i32.const 512) (i32.const 4) (i64.const 2))
         (call $add (i32.const 520) (i32.const 3) (i64.const 1))",
    );
    let runner = bed.runner(&guest, settings()).await;
    run(&runner).await.result.unwrap();
    run(&runner).await.result.unwrap();
    assert_eq!(runner.stage().counters.values(), [("dips".into(), 4)]);
    assert_eq!(runner.stage().counters.dropped(), 2);
}
