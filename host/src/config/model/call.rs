//! Bounds and timers of every call.

use serde::Deserialize;

use super::super::units::{self, TimeSpan};
use crate::sip::codes::Pattern;

/// `[call]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Call {
    /// All stages together; beyond it, those whose failure refuses the call run on without waiting. Default 150 ms.
    pub setup_budget: TimeSpan,
    /// From an attempt's INVITE to its final response. Default 60 s.
    pub ring_timeout: TimeSpan,
    /// From an attempt's INVITE to its first provisional response. Default 4 s.
    pub attempt_timeout: TimeSpan,
    /// An answered call is ended with BYE to both sides after this. Default 4 h.
    pub max_duration: TimeSpan,
    /// Attempts per call. Default 8.
    pub max_attempts: usize,
    /// Calls held at once by the node, those included whose last transactions still absorb retransmissions. Beyond, a
    /// new one gets 503. Default: what a quarter of the memory holds.
    pub max_calls: Option<usize>,
    /// Final codes after which the next route is tried, such as `"404"` or `"5xx"`. Default `["408", "5xx"]`.
    #[serde(deserialize_with = "units::codes")]
    pub continue_on: Vec<Pattern>,
    /// How long the record of a call that is over waits for answers of attempts that were given up. Default 5 s.
    pub late_answers: TimeSpan,
    /// What becomes of a call whose session was not refreshed in time (RFC 4028). Default `record`.
    pub session_expired: SessionExpired,
}

/// What an expired session does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionExpired {
    /// The record is closed; a proxy need do no more (RFC 4028 section 8).
    #[default]
    Record,
    /// BYE to both sides too.
    HangUp,
}

impl Default for Call {
    fn default() -> Self {
        Self {
            setup_budget: TimeSpan::from_millis(150),
            ring_timeout: TimeSpan::from_secs(60),
            attempt_timeout: TimeSpan::from_secs(4),
            max_duration: TimeSpan::from_secs(4 * 3600),
            max_attempts: 8,
            max_calls: None,
            continue_on: vec![Pattern::Code(408), Pattern::Class(5)],
            late_answers: TimeSpan::from_secs(5),
            session_expired: SessionExpired::Record,
        }
    }
}

/// `[timers]`: RFC 3261 section 17 and its table 4.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Timers {
    /// Round-trip estimate. Default 500 ms.
    pub t1: TimeSpan,
    /// Longest retransmission interval. Default 4 s.
    pub t2: TimeSpan,
    /// How long a message stays in the network. Default 5 s.
    pub t4: TimeSpan,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: TimeSpan::from_millis(500), t2: TimeSpan::from_secs(4), t4: TimeSpan::from_secs(5) }
    }
}
