//! What a stage answers, as JSON: so two answers can be compared, and a difference shown.

use serde::{Deserialize, Serialize};

use super::values::Decimal;
use crate::plugin::contract;

/// An outcome, or the text of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answered {
    /// `{"error": "no accounts table"}`
    Error {
        /// The failure's text, or a part of it.
        error: String,
    },
    /// As the contract's `outcome`.
    Outcome(Outcome),
}

/// The contract's `outcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Outcome {
    /// What happens to the call.
    pub verdict: Verdict,
    /// Changes to the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    /// For later stages and the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<(String, String)>,
}

/// The contract's `verdict`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The next stage.
    Proceed,
    /// A final response.
    Reject {
        /// 300 to 699.
        code: u16,
        /// Empty for the standard phrase.
        #[serde(default)]
        reason: String,
        /// Added to the response.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<(String, String)>,
    },
    /// A digest challenge in this realm.
    Challenge(String),
    /// 302 with these contacts.
    Redirect(Vec<String>),
    /// These gateways in order.
    Route(Vec<Route>),
}

/// The contract's `route`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Route {
    /// By its name.
    pub gateway: String,
    /// The number dialled, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callee: Option<String>,
    /// The number shown, where it differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// What a minute costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<u32>,
    /// In milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring_timeout: Option<u32>,
    /// Set on the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// Rung together with the route before it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub parallel: bool,
}

/// The contract's `rate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rate {
    /// What the carrier charges.
    pub cost: Decimal,
    /// What the customer pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Decimal>,
    /// ISO 4217.
    pub currency: String,
}

/// The contract's `edit`: `{"set-header": ["X-Note", "a"]}`, `{"caller-name": "Alice"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// In From and P-Asserted-Identity.
    CallerName(String),
    /// In From and P-Asserted-Identity.
    CallerNumber(String),
    /// In the Request-URI.
    CalleeNumber(String),
    /// In the user part of the Request-URI.
    UserParameter(String, String),
    /// In place of all of this name.
    SetHeader(String, String),
    /// After those of this name.
    AddHeader(String, String),
    /// All of this name.
    RemoveHeader(String),
}

impl Answered {
    /// Whether this expectation is met by what a stage did: an outcome must be equal, a failure's text must hold the
    /// expected one.
    pub fn is_met_by(&self, answered: &Self) -> bool {
        match (self, answered) {
            (Self::Error { error: part }, Self::Error { error }) => error.contains(part.as_str()),
            (Self::Outcome(expected), Self::Outcome(outcome)) => expected == outcome,
            _ => false,
        }
    }
}

impl From<&contract::Outcome> for Outcome {
    fn from(outcome: &contract::Outcome) -> Self {
        Self {
            verdict: verdict(&outcome.verdict),
            edits: outcome.edits.iter().map(edit).collect(),
            attributes: outcome.attributes.iter().map(|held| (held.name.clone(), held.value.clone())).collect(),
        }
    }
}

fn verdict(verdict: &contract::Verdict) -> Verdict {
    match verdict {
        contract::Verdict::Proceed => Verdict::Proceed,
        contract::Verdict::Reject(rejection) => Verdict::Reject {
            code: rejection.code,
            reason: rejection.reason.clone(),
            headers: rejection.headers.iter().map(pair).collect(),
        },
        contract::Verdict::Challenge(realm) => Verdict::Challenge(realm.clone()),
        contract::Verdict::Redirect(contacts) => Verdict::Redirect(contacts.clone()),
        contract::Verdict::Route(routes) => Verdict::Route(routes.iter().map(route).collect()),
    }
}

fn route(route: &contract::Route) -> Route {
    Route {
        gateway: route.gateway.clone(),
        callee: route.callee.clone(),
        caller: route.caller.clone(),
        rate: route.rate.as_ref().map(|rate| Rate {
            cost: rate.cost.into(),
            price: rate.price.map(Into::into),
            currency: rate.currency.clone(),
        }),
        attempt_timeout: route.attempt_timeout,
        ring_timeout: route.ring_timeout,
        headers: route.headers.iter().map(pair).collect(),
        parallel: route.parallel,
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

fn edit(edit: &contract::Edit) -> Edit {
    use contract::Edit as Of;
    let both = |header: &contract::Header| (header.name.clone(), header.value.clone());
    match edit {
        Of::CallerName(name) => Edit::CallerName(name.clone()),
        Of::CallerNumber(number) => Edit::CallerNumber(number.clone()),
        Of::CalleeNumber(number) => Edit::CalleeNumber(number.clone()),
        Of::RemoveHeader(name) => Edit::RemoveHeader(name.clone()),
        Of::UserParameter(header) => {
            let (name, value) = both(header);
            Edit::UserParameter(name, value)
        }
        Of::SetHeader(header) => {
            let (name, value) = both(header);
            Edit::SetHeader(name, value)
        }
        Of::AddHeader(header) => {
            let (name, value) = both(header);
            Edit::AddHeader(name, value)
        }
    }
}

fn pair(header: &contract::Header) -> (String, String) {
    (header.name.clone(), header.value.clone())
}
