//! `[overload]`.

use std::time::Duration;

use super::super::model::Config;
use super::super::problem::Report;

/// A worker lets messages gather for milliseconds (`node.gather`): what is shorter is no sign of anything.
const LEAST_BEHIND: Duration = Duration::from_millis(50);

pub(super) fn validate(config: &Config, report: &mut Report<'_>) {
    let overload = &config.overload;
    for (key, percent) in [("overload.busy", overload.busy), ("overload.queue", overload.queue)] {
        if !(1..=100).contains(&percent) {
            report.error(key, format!("`{percent}` is out of range: 1 to 100 per cent"));
        }
    }
    if overload.behind.get() < LEAST_BEHIND {
        report.error("overload.behind", "is shorter than a worker lets messages gather: at least `50ms`");
    }
    if overload.retry_after.get() < Duration::from_secs(1) {
        report.error("overload.retry-after", "Retry-After has whole seconds: at least `1s`");
    }
}
