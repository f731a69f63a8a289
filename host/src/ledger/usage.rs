//! Sums over calls: by quarter hour, hour and day, and by customer, gateway, jurisdiction and code.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::histogram::Histogram;
use super::money::Money;
use super::rating::{self, Charges};
use crate::cdr::record::{CallRecord, UnixMicros};

/// The lengths of the periods, in minutes.
pub const SPANS: [u16; 3] = [15, 60, 1_440];

/// What is summed up apart. Ordered, so that two writers lock the rows in one order and never each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Minutes: one of [`SPANS`].
    pub span: u16,
    /// When the period begins (UTC), in seconds since 1970. A call counts where it was received.
    pub start: i64,
    /// The customer's name.
    pub customer: String,
    /// Of the attempt that was answered, else of the last; empty where none was made.
    pub gateway: Arc<str>,
    /// `inter`, `intra`, `indeterminate` or empty.
    pub jurisdiction: String,
    /// The final code.
    pub code: u16,
    /// Of the price, ISO 4217; empty where there is none.
    pub currency: Arc<str>,
    /// Of the cost.
    pub cost_currency: Arc<str>,
}

/// The sums of one key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums {
    /// All calls.
    pub calls: u64,
    /// Those that were answered.
    pub answered: u64,
    /// From answer to end, in microseconds.
    pub talk: u64,
    /// Seconds that customers are charged for.
    pub billed: u64,
    /// What they pay.
    pub price: Money,
    /// What carriers ask.
    pub cost: Money,
    /// Answered calls that lack a price or a cost.
    pub unrated: u64,
    /// From INVITE to the first 18x or answer.
    pub delays: Histogram,
}

/// The sums of one batch.
#[derive(Debug, Clone, Default)]
pub struct Usage(BTreeMap<Key, Sums>);

impl Usage {
    /// Counts a call in each span.
    pub fn add(&mut self, record: &CallRecord, charges: &Charges) {
        let gateway = rating::carrying(record).map_or_else(|| Arc::from(""), |attempt| Arc::clone(&attempt.gateway));
        let currency =
            |side: &Option<rating::Charge>| side.as_ref().map_or_else(|| "".into(), |c| Arc::clone(&c.currency));
        for span in SPANS {
            let key = Key {
                span,
                start: start_of(record.times.received, span),
                customer: record.customer.clone(),
                gateway: Arc::clone(&gateway),
                jurisdiction: rating::jurisdiction(record).to_owned(),
                code: record.code,
                currency: currency(&charges.price),
                cost_currency: currency(&charges.cost),
            };
            self.0.entry(key).or_default().add(record, charges);
        }
    }

    /// In the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Sums)> {
        self.0.iter()
    }

    /// Whether no call was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Sums {
    fn add(&mut self, record: &CallRecord, charges: &Charges) {
        self.calls += 1;
        self.answered += u64::from(record.times.answered.is_some());
        self.talk += record.duration_micros();
        self.billed += charges.price.as_ref().map_or(0, |price| price.seconds);
        self.price += charges.price.as_ref().map_or(Money::ZERO, |price| price.amount);
        self.cost += charges.cost.as_ref().map_or(Money::ZERO, |cost| cost.amount);
        self.unrated += u64::from(charges.unrated.is_some());
        if let Some(delay) = post_dial_delay(record) {
            self.delays.observe(delay);
        }
    }
}

/// Microseconds from the INVITE to the first sign of the far end; none where it gave none.
pub fn post_dial_delay(record: &CallRecord) -> Option<u64> {
    let heard = record.times.ringing.or(record.times.answered)?;
    Some(heard.saturating_sub(record.times.received))
}

/// The beginning of the period of `span` minutes around a moment, in seconds since 1970.
fn start_of(moment: UnixMicros, span: u16) -> i64 {
    let length = i64::from(span) * 60;
    let seconds = i64::try_from(moment / 1_000_000).unwrap_or(i64::MAX);
    seconds - seconds % length
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cdr::testing::call;
    use crate::ledger::rating::RateBook;

    #[test]
    fn a_call_counts_once_in_its_quarter_hour_its_hour_and_its_day() {
        let book = RateBook { currency: "USD".into(), places: 6, ..RateBook::default() };
        let mut usage = Usage::default();
        let mut failed = *call(2);
        failed.times.answered = None;
        failed.code = 503;
        for record in [*call(1), *call(1), failed] {
            usage.add(&record, &book.rate(&record));
        }
        let sums: Vec<_> = usage.iter().collect();
        assert_eq!(sums.len(), 6, "two codes in three spans");
        for (key, sums) in sums {
            assert_eq!(key.start % (i64::from(key.span) * 60), 0);
            if key.code == 200 {
                assert_eq!((sums.calls, sums.answered, sums.billed, sums.talk), (2, 2, 60, 60_000_000));
                assert_eq!((sums.price.to_string().as_str(), sums.cost.to_string().as_str()), ("0.0059", "0.0031"));
                assert_eq!((&*key.currency, &*key.gateway), ("USD", "carrier-b"), "the gateway that was answered");
            } else {
                assert_eq!((sums.calls, sums.answered, sums.price, &*key.currency), (1, 0, Money::ZERO, ""));
            }
        }
    }
}
