//! The call record: all that happened to one call, written by the host alone.
//!
//! Times are microseconds since 1970-01-01 00:00 UTC. Money is text in decimal notation, never a float.
//!
//! Stores and consumers get a record as one flat JSON object. The journal keeps it in a compact form, and the chain
//! hashes that form: see [`super::codec`]. A field that is added here is added there too; the compiler says so. Variants
//! of the enumerations below are known there by their order: new ones go to the end.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chain::ChainHash;
pub use crate::sip::end::{AttemptOutcome, End};

/// Microseconds since 1970-01-01 00:00 UTC.
pub type UnixMicros = u64;

/// One call, from its INVITE to its end. One record per INVITE that opened a server transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Where and as which one it was written. Stamped by the journal; with `node` the key in every store.
    #[serde(flatten)]
    pub key: RecordKey,
    /// Over this record and all that the node has recorded before it: see [`super::chain`]. Stamped by the journal.
    pub hash: ChainHash,
    /// The Call-ID header field.
    pub call_id: String,
    /// The customer's name in the configuration; empty where the source belongs to none.
    pub customer: String,
    /// The address that sent the INVITE.
    pub source: SocketAddr,
    /// `udp`, `tcp` or `tls`.
    pub transport: Arc<str>,
    /// The user part of P-Asserted-Identity or else From.
    pub caller: Sides,
    /// The user part of the Request-URI.
    pub callee: Sides,
    /// When what happened.
    pub times: Times,
    /// The final status code sent to the caller: 200 to 699.
    pub code: u16,
    /// How the call ended.
    pub end: End,
    /// Every attempt of the hunt, in order.
    pub attempts: Vec<Attempt>,
    /// Every stage of the pipeline that ran or was skipped, in order.
    pub stages: Vec<StageRecord>,
    /// What the stages and the customer's configuration left, in the order of first setting.
    pub attributes: Vec<(String, String)>,
}

impl CallRecord {
    /// Seconds from answer to end, in microseconds; 0 for a call that was not answered.
    pub fn duration_micros(&self) -> u64 {
        self.times.answered.map_or(0, |answered| self.times.ended.saturating_sub(answered))
    }
}

/// The identity of a record: no two records share one, and a gap in `sequence` within (node, epoch) is a lost record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct RecordKey {
    /// `node.name` of the configuration.
    pub node: Arc<str>,
    /// When this journal was begun, in seconds since 1970: a new one starts when a journal is lost or removed.
    pub epoch: u64,
    /// 1, 2, 3 … without holes.
    pub sequence: u64,
}

/// A number as it came and as it left.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Sides {
    /// As in the INVITE that came.
    pub received: String,
    /// As in the last INVITE that left; empty where none did.
    pub sent: String,
}

/// The moments of a call, each in the order of this list, those that never came `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Times {
    /// The INVITE came.
    pub received: UnixMicros,
    /// The pipeline had decided.
    pub routed: Option<UnixMicros>,
    /// The first 18x came back.
    pub ringing: Option<UnixMicros>,
    /// The 2xx came back.
    pub answered: Option<UnixMicros>,
    /// BYE, CANCEL, the final failure response or the time limit.
    pub ended: UnixMicros,
}

/// One INVITE that was sent to a gateway, or could not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The gateway's name in the configuration.
    pub gateway: Arc<str>,
    /// Where the request went; `None` where no address was known.
    pub destination: Option<SocketAddr>,
    /// The number dialled through this gateway.
    pub callee: String,
    /// When it was sent.
    pub started: UnixMicros,
    /// When its first 18x came.
    pub ringing: Option<UnixMicros>,
    /// When its final response came, or the host gave it up.
    pub ended: UnixMicros,
    /// The final status code; 408 where none came, 503 where the gateway was unreachable or not asked, 513 where the request
    /// was too large for its transport, 487 where it was cancelled.
    pub code: u16,
    /// `response`, `timeout`, `unreachable`, `cancelled`, `full`, `down`.
    pub outcome: AttemptOutcome,
    /// When it was answered after it had been given up: the host acknowledged the answer and hung up, and the carrier may
    /// charge for it.
    #[serde(default)]
    pub released: Option<UnixMicros>,
    /// What a minute costs us through this gateway, decimal.
    pub cost: Option<String>,
    /// What the customer pays per minute, decimal.
    pub price: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
}

/// What one stage did to the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    /// The stage's name in the pipeline.
    pub stage: Arc<str>,
    /// First 16 hexadecimal digits of the component's SHA-256.
    pub digest: Arc<str>,
    /// What came of it.
    pub outcome: StageOutcome,
    /// Wall clock, waits included.
    pub micros: u64,
    /// Wasm instructions, roughly; with those of the start of an instance, where the call needed a new one.
    pub fuel: u64,
    /// For people: the trap, the error text, the refused edit; beside a `route` the gateways that do not exist; of tables'
    /// answers that were past their ttl or came by the second tier, how old they were.
    pub detail: Option<String>,
}

/// The outcome of a stage: a verdict, or the reason why it was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StageOutcome {
    /// Went on.
    Proceed,
    /// Refused the call.
    Reject,
    /// Asked for credentials.
    Challenge,
    /// Answered 302.
    Redirect,
    /// Returned the routes.
    Route,
    /// Failed: used up its fuel.
    Fuel,
    /// Failed: its deadline passed.
    Deadline,
    /// Not run, or cut: the call's set-up budget was used up.
    Budget,
    /// Failed: reached its memory limit.
    Memory,
    /// Failed: trapped (unreachable, out-of-bounds, stack overflow).
    Trap,
    /// Failed: returned an error.
    Error,
    /// Failed: returned something the host refuses to apply.
    Invalid,
    /// Not run: all its instances were busy.
    Saturated,
    /// Not run: it failed too often lately.
    Breaker,
    /// Not run: the caller cancelled while the pipeline ran.
    Cancelled,
    /// Not run, or stopped: the customer had used up its share of the node.
    Share,
    /// Not run: its component is still being compiled.
    Loading,
}

impl StageOutcome {
    /// Whether the stage gave a verdict.
    pub fn is_verdict(self) -> bool {
        matches!(self, Self::Proceed | Self::Reject | Self::Challenge | Self::Redirect | Self::Route)
    }

    /// Whether the call went past the stage, or was refused for want of it, through no doing of the caller's.
    pub fn is_failure(self) -> bool {
        !self.is_verdict() && self != Self::Cancelled
    }

    /// As in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Proceed => "proceed",
            Self::Reject => "reject",
            Self::Challenge => "challenge",
            Self::Redirect => "redirect",
            Self::Route => "route",
            Self::Fuel => "fuel",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
            Self::Memory => "memory",
            Self::Trap => "trap",
            Self::Error => "error",
            Self::Invalid => "invalid",
            Self::Saturated => "saturated",
            Self::Breaker => "breaker",
            Self::Cancelled => "cancelled",
            Self::Share => "share",
            Self::Loading => "loading",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AttemptOutcome, StageOutcome};

    #[test]
    fn an_outcomes_word_is_the_one_that_stands_in_json() {
        use StageOutcome::{
            Breaker, Budget, Cancelled, Challenge, Deadline, Error, Fuel, Invalid, Loading, Memory, Proceed, Redirect,
            Reject, Route, Saturated, Share, Trap,
        };
        let verdicts = [Proceed, Reject, Challenge, Redirect, Route];
        let failures =
            [Fuel, Deadline, Budget, Memory, Trap, Error, Invalid, Saturated, Breaker, Cancelled, Share, Loading];
        for outcome in verdicts.into_iter().chain(failures) {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
        }
        for outcome in AttemptOutcome::ALL {
            assert_eq!(serde_json::to_value(outcome).unwrap(), outcome.word());
        }
    }
}
