//! What a bill and our records have in common and what not.

use std::fmt;

use serde::Serialize;

use super::{Line, Ours, Tolerance};
use crate::ledger::money::Money;
use crate::lookup::row::Decimal;

/// So many of each kind are told one by one.
const MOST_TOLD: usize = 20;

/// The sums of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Calls.
    pub calls: u64,
    /// Talk, in microseconds.
    pub talk: u64,
    /// What they cost, as far as it is known.
    #[serde(serialize_with = "money")]
    pub amount: Money,
}

impl Sums {
    fn add(&mut self, talk: u64, amount: Option<Money>) {
        self.calls += 1;
        self.talk += talk;
        self.amount += amount.unwrap_or_default();
    }
}

fn money<S: serde::Serializer>(amount: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// The outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// Calls on both sides that agree.
    pub agree: u64,
    /// On both sides with another duration: line and record, what differs.
    pub durations: Vec<String>,
    /// On both sides with another rate or amount.
    pub rates: Vec<String>,
    /// Ours that the bill lacks.
    pub only_ours: Vec<String>,
    /// Lines of the bill that we have no record of.
    pub only_billed: Vec<String>,
    /// All of ours.
    pub ours: Sums,
    /// All of the bill.
    pub bill: Sums,
    /// Ours that the bill lacks.
    pub ours_alone: Sums,
    /// The bill's that we lack.
    pub bill_alone: Sums,
}

impl Comparison {
    /// Whether there is nothing to ask the carrier about.
    pub fn is_equal(&self) -> bool {
        [&self.durations, &self.rates, &self.only_ours, &self.only_billed].iter().all(|list| list.is_empty())
    }

    pub(super) fn both(&mut self, call: &Ours, line: &Line, tolerance: Tolerance) {
        self.ours.add(call.duration, call.amount);
        self.bill.add(line.duration, line.amount);
        let mut agrees = true;
        let place = format!("line {} and {}", line.number, call.key);
        if call.duration.abs_diff(line.duration) > tolerance.duration {
            agrees = false;
            self.durations.push(format!(
                "{place}: billed {} s, ours {} s",
                seconds(line.duration),
                seconds(call.duration)
            ));
        }
        let rates = line.rate.zip(call.rate).filter(|(billed, ours)| value(*billed) != value(*ours));
        let amounts = line.amount.zip(call.amount).filter(|(billed, ours)| billed.distance(*ours) > tolerance.amount);
        if let Some((billed, ours)) = rates {
            agrees = false;
            self.rates.push(format!("{place}: billed at {billed} a minute, ours {ours}"));
        } else if let Some((billed, ours)) = amounts {
            agrees = false;
            self.rates.push(format!("{place}: billed {billed}, ours {ours}"));
        }
        self.agree += u64::from(agrees);
    }

    pub(super) fn only_ours(&mut self, call: &Ours) {
        self.ours.add(call.duration, call.amount);
        self.ours_alone.add(call.duration, call.amount);
        let amount = call.amount.map_or_else(String::new, |amount| format!(", {amount}"));
        self.only_ours.push(format!("{}: {} s{amount}", call.key, seconds(call.duration)));
    }

    pub(super) fn only_billed(&mut self, line: &Line) {
        self.bill.add(line.duration, line.amount);
        self.bill_alone.add(line.duration, line.amount);
        let amount = line.amount.map_or_else(String::new, |amount| format!(", {amount}"));
        self.only_billed.push(format!("line {}: {} s to {}{amount}", line.number, seconds(line.duration), line.callee));
    }
}

/// 0.010 and 0.01 are one rate.
fn value(rate: Decimal) -> (i64, u8) {
    let (mut digits, mut scale) = (rate.digits, rate.scale);
    while scale > 0 && digits % 10 == 0 {
        (digits, scale) = (digits / 10, scale - 1);
    }
    (digits, scale)
}

fn seconds(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000_000, micros / 1_000 % 1_000)
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>10} {:>14} {:>16}", "", "calls", "minutes", "amount")?;
        for (label, sums) in [
            ("our records", &self.ours),
            ("the bill", &self.bill),
            ("on our side alone", &self.ours_alone),
            ("on the bill alone", &self.bill_alone),
        ] {
            let milli_minutes = sums.talk / 60_000;
            let minutes = format!("{}.{:03}", milli_minutes / 1_000, milli_minutes % 1_000);
            writeln!(f, "{label:<24} {:>10} {minutes:>14} {:>16}", sums.calls, sums.amount)?;
        }
        writeln!(f, "billed beyond our records: {}", self.bill.amount - self.ours.amount)?;
        writeln!(f, "\n{} calls agree", self.agree)?;
        for (what, list) in [
            ("on both sides with another duration", &self.durations),
            ("on both sides with another rate or amount", &self.rates),
            ("in our records and not on the bill", &self.only_ours),
            ("on the bill and not in our records", &self.only_billed),
        ] {
            writeln!(f, "{} {what}", list.len())?;
            for line in list.iter().take(MOST_TOLD) {
                writeln!(f, "  {line}")?;
            }
            if list.len() > MOST_TOLD {
                writeln!(f, "  … and {} more: `--json` has them", list.len() - MOST_TOLD)?;
            }
        }
        Ok(())
    }
}
