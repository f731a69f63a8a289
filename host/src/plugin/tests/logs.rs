//! What a stage says, as the operator reads it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::*;

/// A log in memory.
#[derive(Default)]
struct Log(Mutex<Vec<u8>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl io::Write for &Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

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
    let log = Arc::new(Log::default());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("trunkline::plugin=debug")
        .without_time()
        .with_target(false)
        .with_ansi(false)
        .with_writer(Arc::clone(&log))
        .finish();
    let heard = tracing::subscriber::set_default(subscriber);
    run(&runner).await.result.unwrap();
    drop(heard);
    let text = log.text();
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let starts =
        ["DEBUG no row for 13105550199 plugin=", "INFO no row for 1310… plugin=", "ERROR no row for 1310… plugin="];
    assert_eq!(lines.len(), starts.len(), "{text}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{text}");
    }
}
