//! What the pipeline found out about a call, for its record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cdr::record::{Sides, StageRecord};
use crate::plugin::Permit;
use crate::sip::decision::Decision;

/// A call with its decision.
#[derive(Debug)]
pub struct Routed {
    /// For the core.
    pub decision: Decision,
    /// For the record.
    pub facts: RoutingFacts,
}

/// The pipeline's part of a call record. Held as long as the call lasts: dropping it gives the permits back.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoutingFacts {
    /// The customer's name in the configuration; empty where the source belongs to none.
    pub customer: Arc<str>,
    /// Every stage of the pipeline that ran or was skipped, in order.
    pub stages: Vec<StageRecord>,
    /// What the stages and the customer's configuration left, in the order of first setting.
    pub attributes: Vec<(String, String)>,
    /// Beside the decision's targets, in the same order; empty where it hunts none.
    pub targets: Vec<TargetFacts>,
    /// The calling user part: as received, and as the stages left it.
    pub caller: Sides,
    /// The called user part: as received, and as the stages left it.
    pub callee: Sides,
    /// What the call holds of `limits` until it ends. Empty where the call is refused, and where an earlier process
    /// began it.
    #[serde(skip)]
    pub permits: Vec<Permit>,
}

/// What the core need not know of a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFacts {
    /// The gateway's name in the configuration.
    pub gateway: Arc<str>,
    /// The user part dialled through it.
    pub callee: String,
    /// The calling user part shown to it.
    pub caller: String,
    /// What a minute costs, where the stage knows it.
    pub rate: Option<Rate>,
}

/// What a minute of the call costs, decimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// What the gateway's carrier charges us.
    pub cost: String,
    /// What the customer pays us.
    pub price: Option<String>,
    /// ISO 4217.
    pub currency: String,
}
