//! What the pipeline found out about a call, for its record.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cdr::record::{Sides, StageRecord};
use crate::plugin::Permit;
use crate::sip::decision::Decision;
use crate::spans::Visit;

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
    /// When its stages began, and what they asked; where the call is one of those that are traced.
    #[serde(skip)]
    pub visits: Option<Box<[Visit]>>,
    /// All of the above but the customer, the permits and the visits, while the call only stands.
    #[serde(skip)]
    pub packed: Packed,
}

/// What [`RoutingFacts::pack`] has made.
#[derive(Debug, Default)]
pub struct Packed(Option<Box<[u8]>>);

impl RoutingFacts {
    /// Makes it small: what only the record will want becomes a few hundred bytes, a third of what it was. For a call that
    /// stands for longer than its transactions live.
    pub fn pack(&mut self) {
        if self.packed.0.is_some() {
            return;
        }
        let Ok(bytes) = postcard::to_stdvec(self) else { return };
        self.packed = Packed(Some(bytes.into()));
        (self.stages, self.attributes, self.targets) = Default::default();
        (self.caller, self.callee) = Default::default();
    }

    /// As it was before it was packed.
    pub fn unpacked(self) -> Self {
        match self.read_packed() {
            Some(whole) => {
                let Self { customer, permits, visits, .. } = self;
                Self { customer, permits, visits, ..whole }
            }
            None => self,
        }
    }

    /// All but its permits and visits; `None` where it is not packed.
    pub fn read_packed(&self) -> Option<Self> {
        // We wrote it ourselves, in this process.
        postcard::from_bytes(self.packed.0.as_deref()?).ok()
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::testing;

    #[test]
    fn what_was_packed_comes_back_whole() {
        let record = testing::call(7);
        let facts = || RoutingFacts {
            customer: "acme".into(),
            stages: record.stages.clone(),
            attributes: record.attributes.clone(),
            targets: vec![TargetFacts {
                gateway: "carrier".into(),
                callee: "12125550123".to_owned(),
                caller: "13035550100".to_owned(),
                rate: Some(Rate { cost: "0.01".to_owned(), price: None, currency: "USD".to_owned() }),
            }],
            caller: record.caller.clone(),
            callee: record.callee.clone(),
            permits: Vec::new(),
            visits: Some(Box::default()),
            packed: Packed::default(),
        };
        let mut packed = facts();
        packed.pack();
        assert!(packed.stages.is_empty() && packed.packed.0.as_ref().is_some_and(|bytes| bytes.len() < 400));
        packed.pack();
        let whole = packed.unpacked();
        let told = |facts: &RoutingFacts| format!("{facts:?}");
        assert_eq!(told(&whole), told(&facts()));
        assert_eq!(told(&whole.unpacked()), told(&facts()), "one that is not packed stays as it is");
    }
}
