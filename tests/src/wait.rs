//! Waiting for another process: bounded, and with words for what did not come.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks at something that cannot tell us by itself.
const LOOK: Duration = Duration::from_millis(10);

/// Looks until `seen` returns a value.
///
/// # Errors
/// When it has not within `patience`; `what` says what was waited for.
pub fn until<T>(what: &str, patience: Duration, mut seen: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begin = Instant::now();
    loop {
        if let Some(value) = seen()? {
            return Ok(value);
        }
        if begin.elapsed() > patience {
            bail!("{what}: not within {patience:?}");
        }
        std::thread::sleep(LOOK);
    }
}
