//! A carrier's bill beside our records: what matches, what stands on one side alone, what differs.
//!
//! A line of the bill and a record are the same call when the Call-ID says so, or else when the called number is the
//! same and the times are near. Each record matches one line at most, the nearest first.

mod read;
mod report;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use self::read::{Columns, Line, read};
pub use self::report::Comparison;
use super::query::{Scan, Source};
use super::record::{CallRecord, UnixMicros};
use crate::ledger::money::Money;
use crate::ledger::rating::{RateBook, carrying};
use crate::lookup::row::Decimal;

/// A called number is compared by its last digits, so that prefixes and country codes do not matter.
const DIGITS: usize = 9;

/// What counts as the same.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Between the times of one call, in microseconds.
    pub time: UnixMicros,
    /// Between its durations, in microseconds.
    pub duration: u64,
    /// Between its amounts.
    pub amount: Money,
}

/// A call that should be on the bill: answered, through the carrier's gateway.
#[derive(Debug, Clone)]
pub struct Ours {
    /// The key of its record, `node/epoch/sequence`.
    pub key: String,
    call_id: String,
    callee: String,
    answered: UnixMicros,
    received: UnixMicros,
    /// From answer to end, in microseconds.
    pub duration: u64,
    /// Per minute.
    pub rate: Option<Decimal>,
    /// What we reckon that it costs.
    pub amount: Option<Money>,
}

/// The answered calls through `gateway` in this time, with what they cost by `book`.
///
/// # Errors
///
/// The store cannot be read.
pub async fn ours(
    store: &Source,
    gateway: &str,
    period: std::ops::Range<UnixMicros>,
    book: &RateBook,
) -> anyhow::Result<Vec<Ours>> {
    let mut scan = Scan::open(store).await?;
    let mut ours = Vec::new();
    scan.pages(|page| {
        ours.extend(page.iter().filter_map(|record| of(record, gateway, &period, book)));
        Ok(())
    })
    .await?;
    Ok(ours)
}

fn of(record: &CallRecord, gateway: &str, period: &std::ops::Range<UnixMicros>, book: &RateBook) -> Option<Ours> {
    let answered = record.times.answered.filter(|answered| period.contains(answered))?;
    let attempt = carrying(record).filter(|attempt| &*attempt.gateway == gateway)?;
    let cost = book.rate(record).cost;
    let key = &record.key;
    Some(Ours {
        key: format!("{}/{}/{}", key.node, key.epoch, key.sequence),
        call_id: record.call_id.clone(),
        callee: tail(&attempt.callee),
        answered,
        received: record.times.received,
        duration: record.duration_micros(),
        rate: cost.as_ref().and_then(|cost| cost.rate),
        amount: cost.map(|cost| cost.amount),
    })
}

/// The last digits of a number.
fn tail(number: &str) -> String {
    let digits: Vec<char> = number.chars().filter(char::is_ascii_digit).collect();
    digits[digits.len().saturating_sub(DIGITS)..].iter().collect()
}

/// Compares.
pub fn compare(ours: &[Ours], bill: &[Line], tolerance: Tolerance) -> Comparison {
    let mut by_id: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut by_callee: HashMap<&str, Vec<usize>> = HashMap::new();
    for (index, call) in ours.iter().enumerate() {
        by_id.entry(&call.call_id).or_default().push(index);
        by_callee.entry(&call.callee).or_default().push(index);
    }
    // The nearest pairs first, so that two calls to one number do not take each other's line.
    let mut pairs = Vec::new();
    for (line_index, line) in bill.iter().enumerate() {
        let candidates = match &line.call_id {
            Some(id) => by_id.get(id.as_str()),
            None => by_callee.get(tail(&line.callee).as_str()),
        };
        for index in candidates.into_iter().flatten() {
            let call = &ours[*index];
            // Carriers write down the beginning or the answer.
            let apart = call.answered.abs_diff(line.time).min(call.received.abs_diff(line.time));
            if line.call_id.is_some() || apart <= tolerance.time {
                pairs.push((apart, line_index, *index));
            }
        }
    }
    pairs.sort_unstable();
    let mut line_of: Vec<Option<usize>> = vec![None; ours.len()];
    let mut taken = vec![false; bill.len()];
    for (_, line, call) in pairs {
        if !taken[line] && line_of[call].is_none() {
            taken[line] = true;
            line_of[call] = Some(line);
        }
    }
    let mut comparison = Comparison::default();
    for (call, line) in ours.iter().zip(line_of) {
        match line {
            Some(line) => comparison.both(call, &bill[line], tolerance),
            None => comparison.only_ours(call),
        }
    }
    for (line, _) in bill.iter().zip(taken).filter(|(_, taken)| !taken) {
        comparison.only_billed(line);
    }
    comparison
}
