//! When a node has too much to do.

use serde::Deserialize;

use super::super::units::TimeSpan;

/// `[overload]`: when a worker refuses new calls, so that those in progress go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Overload {
    /// Per cent of its time that a worker is at work, for a second. Default 95; 100 is never exceeded.
    pub busy: u32,
    /// For how long a worker has not got to the end of what waits for it. Default 500 ms.
    pub behind: TimeSpan,
    /// Per cent of the room for what other workers and connections hand it. Default 50.
    pub queue: u32,
    /// What Retry-After says at least; at most twice that. Default 5 s.
    pub retry_after: TimeSpan,
}

impl Default for Overload {
    fn default() -> Self {
        Self { busy: 95, behind: TimeSpan::from_millis(500), queue: 50, retry_after: TimeSpan::from_secs(5) }
    }
}
