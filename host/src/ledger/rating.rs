//! What a call costs us and what its customer pays, found out after the call.
//!
//! The price comes from the customer's deck and the cost from the gateway's, in the version that held when the call
//! came. Where the configuration names no deck, the rate that the router recorded with the attempt counts: it came from
//! the routing deck at call time. What cannot be rated is written down as that, with the reason, and never as free.

pub mod deck;
pub mod increment;
mod own;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use self::deck::{Deck, Tariff, Version};
use self::increment::Increment;
pub use self::own::{Clerk, Rules};
use super::money::{Money, Rounding};
use crate::cdr::record::{Attempt, CallRecord};
use crate::config::model;
use crate::lookup::row::Decimal;

/// The decks' place for every name that has none of its own.
pub const EVERYBODY: &str = "*";

/// How calls are rated. Immutable: a changed deck is a new book.
#[derive(Debug, Clone, Default)]
pub struct RateBook {
    /// What customers pay; [`EVERYBODY`] for the rest.
    pub prices: HashMap<String, Arc<Deck>>,
    /// What gateways cost; [`EVERYBODY`] for the rest.
    pub costs: HashMap<String, Arc<Deck>>,
    /// Of rates that name none.
    pub increment: Increment,
    /// Of deck rows that name none, ISO 4217.
    pub currency: Arc<str>,
    /// Places after the point of a charge; at most 9.
    pub places: u8,
    /// What becomes of the rest.
    pub rounding: Rounding,
}

/// One side of a call's money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Seconds charged for, by the rate's increments.
    pub seconds: u64,
    /// Per minute; `None` where a component of the customer's own rated the call.
    pub rate: Option<Decimal>,
    /// For the call.
    pub amount: Money,
    /// ISO 4217.
    pub currency: Arc<str>,
    /// Deck and prefix, `record` where the router's own rate counted, `rater` where a component rated the call.
    pub origin: String,
}

/// What a call comes to. Not answered: neither side, and no reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Charges {
    /// What the customer pays.
    pub price: Option<Charge>,
    /// What the gateway's carrier asks.
    pub cost: Option<Charge>,
    /// Why a side of an answered call has no charge.
    pub unrated: Option<String>,
}

impl RateBook {
    /// Reads every deck that the configuration names; `folder` is the configuration file's.
    ///
    /// # Errors
    ///
    /// A deck that cannot be read: its key, its file, the line and what would be right.
    pub fn load(config: &model::Ledger, folder: &Path) -> anyhow::Result<Self> {
        let mut decks = HashMap::new();
        for (name, deck) in &config.decks {
            let version = |version: &model::DeckVersion| Version::load(&folder.join(&version.csv), version.from.0);
            let versions: anyhow::Result<Vec<Version>> = deck.versions.iter().map(version).collect();
            let versions = versions.with_context(|| format!("ledger.decks.{name}"))?;
            decks.insert(name.as_str(), Arc::new(Deck::new(name, versions)));
        }
        let assigned = |to: &model::Named<String>| {
            let deck = |(who, name): (&String, &String)| Some((who.clone(), Arc::clone(decks.get(name.as_str())?)));
            to.iter().filter_map(deck).collect()
        };
        Ok(Self {
            prices: assigned(&config.prices),
            costs: assigned(&config.costs),
            increment: config.increment,
            currency: config.currency.as_str().into(),
            places: config.places,
            rounding: config.rounding,
        })
    }

    /// Rates a call.
    pub fn rate(&self, record: &CallRecord) -> Charges {
        if record.times.answered.is_none() {
            return Charges::default();
        }
        let attempt = carrying(record);
        let gateway = attempt.map_or("", |attempt| &*attempt.gateway);
        let recorded =
            |rate: fn(&Attempt) -> Option<&String>| attempt.and_then(|attempt| Some((attempt, rate(attempt)?)));
        let price = self.side(of(&self.prices, &record.customer), record, recorded(|attempt| attempt.price.as_ref()));
        let cost = self.side(of(&self.costs, gateway), record, recorded(|attempt| attempt.cost.as_ref()));
        let reasons = [("price", price.as_ref().err()), ("cost", cost.as_ref().err())];
        let reasons: Vec<String> =
            reasons.iter().filter_map(|(side, reason)| Some(format!("{side}: {}", (*reason)?))).collect();
        let unrated = (!reasons.is_empty()).then(|| reasons.join("; "));
        Charges { price: price.ok(), cost: cost.ok(), unrated }
    }

    fn side(
        &self,
        deck: Option<&Arc<Deck>>,
        record: &CallRecord,
        recorded: Option<(&Attempt, &String)>,
    ) -> Result<Charge, String> {
        let tariff = match (deck, recorded) {
            (Some(deck), _) => deck.find(record.times.received, rated_number(record), jurisdiction(record))?,
            (None, Some((attempt, rate))) => Tariff {
                origin: "record".to_owned(),
                rate: rate.parse().map_err(|wrong| format!("the recorded rate `{rate}` is {wrong}"))?,
                fee: Decimal { digits: 0, scale: 0 },
                increment: None,
                currency: attempt.currency.as_deref().map(Arc::from),
            },
            (None, None) => return Err("no deck, and no rate in the record".to_owned()),
        };
        let seconds = tariff.increment.unwrap_or(self.increment).billed(record.duration_micros());
        let amount = Money::of_call(tariff.rate, seconds, tariff.fee, self.places, self.rounding)
            .ok_or_else(|| format!("{} a minute for {seconds} s is too much to reckon with", tariff.rate))?;
        let currency = tariff.currency.unwrap_or_else(|| Arc::clone(&self.currency));
        Ok(Charge { seconds, rate: Some(tariff.rate), amount, currency, origin: tariff.origin })
    }
}

fn of<'a>(decks: &'a HashMap<String, Arc<Deck>>, name: &str) -> Option<&'a Arc<Deck>> {
    decks.get(name).or_else(|| decks.get(EVERYBODY))
}

/// The attempt that was answered, else the last: whose gateway the call counts for.
pub fn carrying(record: &CallRecord) -> Option<&Attempt> {
    record.attempts.iter().rev().find(|attempt| (200..300).contains(&attempt.code)).or(record.attempts.last())
}

/// `inter`, `intra`, `indeterminate`, or empty where no stage said so.
pub fn jurisdiction(record: &CallRecord) -> &str {
    attribute(record, "jurisdiction").unwrap_or_default()
}

/// The number that decides the rate: what the stage `rate` looked up, else the routing number, else the number called.
fn rated_number(record: &CallRecord) -> &str {
    let number = attribute(record, "rated-number").or_else(|| attribute(record, "lrn"));
    number.filter(|number| !number.is_empty()).unwrap_or(&record.callee.received).trim_start_matches('+')
}

fn attribute<'a>(record: &'a CallRecord, name: &str) -> Option<&'a str> {
    record.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests;
