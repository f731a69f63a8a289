//! How a call and its attempts end, in the words of the call record.
//!
//! The journal knows the variants by their order: new ones go to the end.

use serde::{Deserialize, Serialize};

/// Why a call is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Answered; the caller sent BYE.
    CallerHungUp,
    /// Answered; the callee sent BYE.
    CalleeHungUp,
    /// Answered; `call.max-duration` was reached.
    MaxDuration,
    /// Answered; the node stopped, or the dialog was found dead, before a BYE came.
    Interrupted,
    /// A stage, or the host before the pipeline, refused it.
    Refused,
    /// Asked for credentials (401, 407): the caller comes again with them, as a new INVITE with a record of its own.
    Challenged,
    /// The routes were exhausted or one answered with a final failure.
    Failed,
    /// The caller sent CANCEL, or went away before the answer.
    Cancelled,
    /// No final response in time.
    TimedOut,
    /// Answered; the session was not refreshed in time (RFC 4028).
    SessionExpired,
}

impl End {
    /// As in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller-hung-up",
            Self::CalleeHungUp => "callee-hung-up",
            Self::MaxDuration => "max-duration",
            Self::Interrupted => "interrupted",
            Self::Refused => "refused",
            Self::Challenged => "challenged",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed-out",
            Self::SessionExpired => "session-expired",
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptOutcome {
    /// A final response came.
    Response,
    /// None came in time.
    Timeout,
    /// The message could not be delivered (ICMP, no address, connection refused).
    Unreachable,
    /// Abandoned: the caller cancelled, or another attempt won.
    Cancelled,
    /// Not made: the gateway has all the calls that it may have.
    Full,
    /// Not made: the gateway is not well, asked for rest, or is switched off.
    Down,
}

impl AttemptOutcome {
    /// Every one that there is.
    pub const ALL: [Self; 6] =
        [Self::Response, Self::Timeout, Self::Unreachable, Self::Cancelled, Self::Full, Self::Down];

    /// As in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Response => "response",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Cancelled => "cancelled",
            Self::Full => "full",
            Self::Down => "down",
        }
    }
}
