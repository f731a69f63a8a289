//! Where traces of calls go.

use serde::Deserialize;

use super::{Named, Share};
use crate::config::units::TimeSpan;

/// `[tracing]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Tracing {
    /// An OpenTelemetry collector that takes OTLP over HTTP: `http://host:4318`. `/v1/traces` is appended.
    pub url: String,
    /// Of all calls, how many are traced: `"1%"`. Default 1 %. Such a call's lookups are written down with their times,
    /// some microseconds of work.
    #[serde(default = "default_share")]
    pub share: Share,
    /// Calls are traced, too, that failed for want of a route or by a timeout, or in which a stage failed or was skipped.
    /// Without spans of their lookups, where they are not of the share. Default true.
    #[serde(default = "default_failed")]
    pub failed: bool,
    /// Traces that may wait, at most 100,000; more are dropped and counted. Default 2,000.
    #[serde(default = "default_queue")]
    pub queue: usize,
    /// For a request and its answer. Default 5 s.
    #[serde(default = "default_deadline")]
    pub deadline: TimeSpan,
    /// Header fields of each request, such as `authorization`.
    #[serde(default)]
    pub headers: Named<String>,
}

fn default_share() -> Share {
    Share::from_percent(1)
}

fn default_failed() -> bool {
    true
}

fn default_queue() -> usize {
    2_000
}

fn default_deadline() -> TimeSpan {
    TimeSpan::from_millis(5_000)
}
