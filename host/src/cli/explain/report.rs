//! What a dry run has to tell, to people and as JSON.

use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use super::beside::Beside;
use super::stage::Stage;
use crate::cli::render;
use crate::plugin::trace::story::StageStory;
use crate::routing::Routed;
use crate::sip::decision::Decision;

/// One call as the stages left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Empty where the source belongs to none.
    pub customer: String,
    /// Where the call came from.
    pub source: SocketAddr,
    /// Every stage that ran or was skipped, in order: its record, and what it found, asked and gave.
    pub stages: Vec<Stage>,
    /// What the stages and the customer's configuration left.
    pub attributes: Vec<(String, String)>,
    /// What would become of the call.
    pub result: Outcome,
}

/// What would become of the call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It would be answered at once.
    Respond {
        /// The final code.
        code: u16,
        /// The reason phrase; empty for the standard one.
        reason: String,
    },
    /// These would be tried, in order.
    Hunt(Vec<Route>),
}

/// One gateway that would be tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Route {
    /// Its name.
    pub gateway: String,
    /// Where the INVITE would go; `None` where the address is not known.
    pub destination: Option<SocketAddr>,
    /// Whether it would ring at the same time as the one before it.
    pub parallel: bool,
    /// The number that would be dialled.
    pub callee: String,
    /// What a minute costs us, decimal.
    pub cost: Option<String>,
    /// What the customer pays per minute, decimal.
    pub price: Option<String>,
    /// ISO 4217.
    pub currency: Option<String>,
}

impl Explained {
    /// A decision as people read it. Of stages that were not entered there is no story: those of a cancelled call.
    pub(super) fn of(source: SocketAddr, routed: Routed, stories: Vec<StageStory>, beside: Vec<Beside>) -> Self {
        let facts = routed.facts;
        let result = match routed.decision {
            Decision::Dismiss(dismissal) => Outcome::Respond { code: dismissal.code, reason: String::new() },
            Decision::Respond { code, reason, .. } => Outcome::Respond { code, reason },
            Decision::Hunt { targets, .. } => {
                let routes = targets.iter().zip(&facts.targets).map(|(target, known)| Route {
                    gateway: known.gateway.to_string(),
                    destination: target.destination.map(|destination| destination.address),
                    parallel: target.parallel,
                    callee: known.callee.clone(),
                    cost: known.rate.as_ref().map(|rate| rate.cost.clone()),
                    price: known.rate.as_ref().and_then(|rate| rate.price.clone()),
                    currency: known.rate.as_ref().map(|rate| rate.currency.clone()),
                });
                Outcome::Hunt(routes.collect())
            }
        };
        let customer = facts.customer.to_string();
        let (mut stories, mut beside) = (stories.into_iter(), beside.into_iter());
        let stages = facts.stages.into_iter().map(|record| {
            let (story, beside) = (stories.next(), beside.next().unwrap_or_default());
            Stage { record, story, beside }
        });
        let stages = stages.collect();
        Self { customer, source, stages, attributes: facts.attributes, result }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let customer = if self.customer.is_empty() { "none: the source belongs to nobody" } else { &self.customer };
        writeln!(f, "source      {}", self.source)?;
        writeln!(f, "customer    {customer}")?;
        let mut before = None;
        for (index, stage) in self.stages.iter().enumerate() {
            stage.write(f, index + 1, before)?;
            before = stage.story.as_ref().map(|story| &story.input).or(before);
        }
        write!(f, "\nattributes\n{}", render::attributes(&self.attributes))?;
        match &self.result {
            Outcome::Respond { code, reason } => writeln!(f, "\nanswer\n  {code} {}", render::printable(reason)),
            Outcome::Hunt(routes) => {
                writeln!(f, "\nroutes, in the order in which they would be tried")?;
                routes.iter().enumerate().try_for_each(|(index, route)| writeln!(f, "  {}. {route}", index + 1))
            }
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} {:<16} ", self.gateway, render::printable(&self.callee))?;
        match self.destination {
            Some(destination) => write!(f, "{destination}")?,
            None => write!(f, "no address known: counts as unreachable")?,
        }
        if self.parallel {
            write!(f, "  together with the one before")?;
        }
        let currency = self.currency.as_deref().unwrap_or("");
        if let Some(cost) = &self.cost {
            write!(f, "  cost {cost} {currency}/min")?;
        }
        if let Some(price) = &self.price {
            write!(f, "  price {price} {currency}/min")?;
        }
        Ok(())
    }
}
