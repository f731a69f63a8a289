//! What a stage says, as the operator reads it.

use super::*;
use crate::log::testing::Heard;

#[tokio::test]
async fn a_number_in_a_line_is_cut_except_at_debug() {
    const LOG: &str = r#"(import "trunkline:routing/telemetry@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let bed = Bed::new();
    let guest = Guest::answering(&proceed()).importing(LOG).holding(512, b"no row for 13105550199").after(
        "(call $log (i32.const 0) (i32.const 512) (i32.const 22))
         (call $log (i32.const 1) (i32.const 512) (i32.const 22))
         (call $log (i32.const 3) (i32.const 512) (i32.const 22))",
    );
    let runner = bed.runner(&guest, settings()).await;
    let heard = Heard::on_this_thread("trunkline::plugin=debug");
    run(&runner).await.result.unwrap();
    let lines = heard.lines();
    let starts =
        ["DEBUG no row for 13105550199 plugin=", "INFO no row for 1310… plugin=", "ERROR no row for 1310… plugin="];
    assert_eq!(lines.len(), starts.len(), "{lines:?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}
