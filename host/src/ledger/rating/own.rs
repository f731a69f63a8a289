//! Customers that are rated by a component of their own, in place of the decks.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};

use super::{Charge, Charges, RateBook, carrying};
use crate::cdr::record::CallRecord;
use crate::config::model;
use crate::ledger::money::Money;
use crate::lookup::row;
use crate::plugin::rater::{self, Attribute, EndedCall, Party, Quoted, Rater, RaterSettings};
use crate::plugin::{Component, ComponentFinder, Components, Engine, EngineOptions};

/// Nothing.
const NOTHING: row::Decimal = row::Decimal { digits: 0, scale: 0 };

/// All that calls are rated by. Immutable: a reload makes another.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// The decks.
    pub book: RateBook,
    engine: Option<Engine>,
    /// By customer.
    own: HashMap<String, Arc<Own>>,
}

#[derive(Debug)]
struct Own {
    name: String,
    component: Component,
    settings: RaterSettings,
}

impl Rules {
    /// Reads the decks and compiles the components; `folder` is the configuration file's. May take seconds.
    ///
    /// # Errors
    ///
    /// A deck or a component that cannot be read: its key and what is wrong.
    pub fn load(config: &model::Ledger, folder: &Path) -> anyhow::Result<Self> {
        let mut rules = Self { book: RateBook::load(config, folder)?, ..Self::default() };
        if config.raters.is_empty() {
            return Ok(rules);
        }
        let engine = Engine::new(EngineOptions::default()).context("the plugin engine did not start")?;
        let components = Components::new(engine.clone(), ComponentFinder::from_environment(), None);
        for (name, rater) in &config.raters {
            let key = || format!("ledger.raters.{name}");
            let component = components.load(&rater.component, folder).with_context(key)?;
            let settings = RaterSettings {
                fuel: rater.fuel,
                deadline: rater.deadline.get(),
                memory: rater.memory.bytes(),
                config: serde_json::to_string(&rater.config).with_context(key)?,
            };
            let own = Arc::new(Own { name: name.clone(), component, settings });
            rules.own.extend(rater.customers.iter().map(|customer| (customer.clone(), Arc::clone(&own))));
        }
        rules.engine = Some(engine);
        Ok(rules)
    }
}

/// Rates calls one after the other, by rules that do not change: each consumer has its own.
pub struct Clerk {
    rules: Arc<Rules>,
    /// By name; the reason where one does not start.
    raters: HashMap<String, Result<Rater, String>>,
}

impl Clerk {
    /// Starts the components. Within a tokio runtime.
    pub async fn new(rules: Arc<Rules>) -> Self {
        let mut raters = HashMap::new();
        if let Some(engine) = &rules.engine {
            for own in rules.own.values() {
                if !raters.contains_key(&own.name) {
                    let rater = Rater::load(engine, &own.name, &own.component, own.settings.clone()).await;
                    raters.insert(own.name.clone(), rater.map_err(|error| format!("{error:#}")));
                }
            }
        }
        Self { rules, raters }
    }

    /// # Errors
    ///
    /// A component that does not start: its key and why.
    pub fn check(&self) -> anyhow::Result<()> {
        let wrong = self.raters.iter().find_map(|(name, rater)| Some((name, rater.as_ref().err()?)));
        wrong.map_or(Ok(()), |(name, why)| Err(anyhow!("ledger.raters.{name}: {why}")))
    }

    /// Whether it rates by these very rules.
    pub fn is_of(&self, rules: &Arc<Rules>) -> bool {
        Arc::ptr_eq(&self.rules, rules)
    }

    /// Rates a call. What a component does not charge the carrier's side for, the decks do.
    pub async fn rate(&mut self, record: &CallRecord) -> Charges {
        let by_decks = self.rules.book.rate(record);
        let Some(own) = self.rules.own.get(&record.customer) else { return by_decks };
        let charged = match self.raters.get_mut(&own.name) {
            Some(Ok(rater)) => {
                rater.rate(&ended_call(record)).await.map_err(|failure| failure.detail.unwrap_or_default())
            }
            Some(Err(why)) => Err(why.clone()),
            None => Err("was not started".to_owned()),
        };
        let charges = charged.and_then(|charges| self.charges(&charges, record, by_decks));
        charges.unwrap_or_else(|why| Charges {
            unrated: Some(format!("rater `{}`: {why}", own.name)),
            ..Charges::default()
        })
    }

    fn charges(&self, all: &[rater::Charge], record: &CallRecord, by_decks: Charges) -> Result<Charges, String> {
        let of = |party| all.iter().filter(move |charge| charge.party == party);
        let price = match self.side(of(Party::Customer))? {
            Some(price) => Some(price),
            // No charge is a price of nothing: the component has spoken.
            None if record.times.answered.is_some() => Some(self.nothing()),
            None => None,
        };
        if let Some(cost) = self.side(of(Party::Carrier))? {
            return Ok(Charges { price, cost: Some(cost), unrated: None });
        }
        let unrated = by_decks.cost.is_none().then_some(by_decks.unrated).flatten();
        Ok(Charges { price, cost: by_decks.cost, unrated })
    }

    /// All of one side's charges together, rounded once.
    fn side<'a>(&self, charges: impl Iterator<Item = &'a rater::Charge>) -> Result<Option<Charge>, String> {
        let book = &self.rules.book;
        let mut sum: Option<Charge> = None;
        for charge in charges {
            let exact = row::Decimal { digits: charge.amount.digits, scale: charge.amount.scale };
            // A minute at this rate: the amount, rounded as every other.
            let amount = Money::of_call(exact, 60, NOTHING, book.places, book.rounding)
                .ok_or_else(|| format!("the charge `{}` is too much to reckon with", charge.kind))?;
            let seconds = charge.billed.div_ceil(1_000);
            match &mut sum {
                None => {
                    let (currency, origin) = (charge.currency.as_str().into(), "rater".to_owned());
                    sum = Some(Charge { seconds, rate: None, amount, currency, origin });
                }
                Some(sum) if *sum.currency != *charge.currency => {
                    return Err("charges in several currencies".to_owned());
                }
                Some(sum) => {
                    sum.amount += amount;
                    sum.seconds = sum.seconds.max(seconds);
                }
            }
        }
        Ok(sum)
    }

    fn nothing(&self) -> Charge {
        let currency = Arc::clone(&self.rules.book.currency);
        Charge { seconds: 0, rate: None, amount: Money::ZERO, currency, origin: "rater".to_owned() }
    }
}

/// A record as a component is told of it.
fn ended_call(record: &CallRecord) -> EndedCall {
    let attempt = carrying(record);
    let decimal = |text: Option<&String>| {
        let decimal: row::Decimal = text?.parse().ok()?;
        Some(rater::Decimal { digits: decimal.digits, scale: decimal.scale })
    };
    let cost = decimal(attempt.and_then(|attempt| attempt.cost.as_ref()));
    let price = decimal(attempt.and_then(|attempt| attempt.price.as_ref()));
    let currency = attempt.and_then(|attempt| attempt.currency.clone()).unwrap_or_default();
    let attribute = |(name, value): &(String, String)| Attribute { name: name.clone(), value: value.clone() };
    EndedCall {
        node: record.key.node.to_string(),
        epoch: record.key.epoch,
        sequence: record.key.sequence,
        call_id: record.call_id.clone(),
        customer: record.customer.clone(),
        gateway: attempt.map_or_else(String::new, |attempt| attempt.gateway.to_string()),
        caller_received: record.caller.received.clone(),
        caller_sent: record.caller.sent.clone(),
        callee_received: record.callee.received.clone(),
        callee_sent: record.callee.sent.clone(),
        received: record.times.received,
        answered: record.times.answered,
        ended: record.times.ended,
        duration: record.duration_micros(),
        code: record.code,
        quoted: Quoted { cost, price, currency },
        attributes: record.attributes.iter().map(attribute).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::testing::call;
    use crate::plugin::rater::tests::{charging, rater};

    fn clerk() -> Clerk {
        let book = RateBook { currency: "USD".into(), places: 4, ..RateBook::default() };
        Clerk { rules: Arc::new(Rules { book, ..Rules::default() }), raters: HashMap::new() }
    }

    fn charge(party: Party, digits: i64, currency: &str) -> rater::Charge {
        let amount = rater::Decimal { digits, scale: 5 };
        rater::Charge { party, kind: "usage".to_owned(), amount, currency: currency.to_owned(), billed: 30_500 }
    }

    fn charges(all: &[rater::Charge]) -> Result<Charges, String> {
        let record = call(1);
        let clerk = clerk();
        clerk.charges(all, &record, clerk.rules.book.rate(&record))
    }

    #[test]
    fn a_components_charges_are_added_up_by_side_and_the_decks_fill_in_the_carriers() {
        let of = charges(&[charge(Party::Customer, 1_234, "USD"), charge(Party::Customer, 1_000, "USD")]).unwrap();
        let price = of.price.unwrap();
        assert_eq!((price.amount.to_string().as_str(), price.seconds, &*price.origin), ("0.0223", 31, "rater"));
        assert_eq!((of.cost.unwrap().origin.as_str(), of.unrated), ("record", None));
        let of = charges(&[charge(Party::Carrier, 500, "EUR")]).unwrap();
        assert_eq!(of.price.unwrap().amount, Money::ZERO, "the component charges the customer nothing");
        assert_eq!(&*of.cost.unwrap().currency, "EUR");
    }

    #[test]
    fn charges_of_one_side_in_two_currencies_are_refused() {
        let two = [charge(Party::Customer, 1, "USD"), charge(Party::Customer, 1, "EUR")];
        assert_eq!(charges(&two).unwrap_err(), "charges in several currencies");
    }

    #[tokio::test]
    async fn a_customer_is_rated_by_its_component_and_not_rated_where_that_fails_and_the_others_by_the_decks() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("flat.wasm"), rater("i32.const 1024", &charging(1, *b"EUR"))).unwrap();
        std::fs::write(folder.path().join("broken.wasm"), rater("unreachable", &[])).unwrap();
        let config = "amqp = { url = \"amqp://broker\", queue = \"a\" }\nsql = { url = \"postgres://db/l\" }\n\
                      [raters.flat]\ncomponent = \"flat.wasm\"\ncustomers = [\"acme\"]\n\
                      [raters.broken]\ncomponent = \"broken.wasm\"\ncustomers = [\"globex\"]\n";
        let rules = Rules::load(&toml::from_str(config).unwrap(), folder.path()).unwrap();
        let mut clerk = Clerk::new(Arc::new(rules)).await;
        clerk.check().unwrap();
        let mut of = async |customer: &str| clerk.rate(&CallRecord { customer: customer.to_owned(), ..*call(1) }).await;

        let own = of("acme").await;
        let price = own.price.unwrap();
        assert_eq!((price.amount.to_string().as_str(), &*price.currency, price.seconds), ("12.5", "EUR", 60));
        assert_eq!((price.origin.as_str(), own.cost.unwrap().origin.as_str()), ("rater", "record"));
        let failed = of("globex").await;
        assert_eq!((failed.price, failed.cost), (None, None), "not for nothing");
        assert!(failed.unrated.as_ref().is_some_and(|why| why.starts_with("rater `broken`: ")), "{:?}", failed.unrated);
        assert_eq!(of("initech").await.price.unwrap().origin, "record");
    }

    #[test]
    fn a_component_is_told_what_the_record_has() {
        let told = ended_call(&call(1));
        assert_eq!((told.gateway.as_str(), told.duration, told.code), ("carrier-b", 30_000_000, 200));
        let price = told.quoted.price.unwrap();
        assert_eq!((price.digits, price.scale, told.quoted.currency.as_str()), (59, 4, "USD"));
    }
}
