//! What a comparison found, as numbers and in words.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::cdr::chain::Link;
use crate::cdr::record::{CallRecord, RecordKey, UnixMicros};

/// So many of each kind are kept one by one; all are counted.
const MOST_KEPT: usize = 1_000;
/// So many are told in words.
const MOST_TOLD: usize = 20;
const HOUR: UnixMicros = 3_600_000_000;

/// All that two stores have and lack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records in A and in B.
    pub sides: [Side; 2],
    /// By the hour in which calls were received.
    pub hours: BTreeMap<UnixMicros, Hour>,
    /// Runs of numbers that a store lacks; the first thousand.
    pub holes: Vec<Hole>,
    /// Records that are in both and not the same; the first thousand.
    pub differences: Vec<Difference>,
    /// Records filled into A and into B.
    pub filled: [u64; 2],
    /// Records that the chain proves to be as they were written.
    pub proven: u64,
    /// Numbers that the chain proves were given and never written: these calls were lost before the journal.
    pub never_written: u64,
    /// Runs of numbers that were written and are nowhere.
    pub lost: Vec<Lost>,
    /// Records that were altered in every store that has them.
    pub altered: Vec<RecordKey>,
    /// Calls in these stores, each once.
    pub records: u64,
    #[serde(skip)]
    open: Option<Hole>,
}

/// One store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Side {
    /// Records in it.
    pub records: u64,
    /// Records that it lacks.
    pub missing: u64,
    /// Answered calls among those.
    pub missing_answered: u64,
    /// Their talk, in microseconds.
    pub missing_talk: u64,
}

/// One hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Hour {
    /// Records in A and in B.
    pub records: [u64; 2],
    /// Records that A and B lack.
    pub missing: [u64; 2],
    /// Records that are in both and not the same.
    pub different: u64,
}

/// Numbers in a row that a store lacks and another has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hole {
    /// `A`, `B`, or `A and B` where only the journal has them.
    pub lacking: &'static str,
    /// Whose.
    pub node: Arc<str>,
    /// Of which journal.
    pub epoch: u64,
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// When the first of the calls was received.
    pub from: UnixMicros,
    /// When the last of them was.
    pub to: UnixMicros,
}

/// Numbers in a row that were written and are in none of the stores.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lost {
    /// Whose.
    pub node: Arc<str>,
    /// Of which journal.
    pub epoch: u64,
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// One record that A and B have and that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which.
    pub key: RecordKey,
    /// The Call-ID.
    pub call_id: String,
    /// What differs, with A's value and B's.
    pub what: Vec<String>,
    /// Which of the two the chain proves: `A`, `B` or neither.
    pub proven: Option<&'static str>,
}

impl Report {
    /// Whether nothing is left to be done: the stores hold the same, and all that was written.
    pub fn is_equal(&self) -> bool {
        self.sides.iter().all(|side| side.missing == 0)
            && self.hours.values().all(|hour| hour.different == 0)
            && self.lost.is_empty()
            && self.altered.is_empty()
    }

    /// Notes which stores have a record.
    pub(super) fn saw(&mut self, record: &CallRecord, in_a: bool, in_b: bool) {
        self.records += 1;
        let hour = self.hours.entry(record.times.received / HOUR * HOUR).or_default();
        for (index, is_there) in [in_a, in_b].into_iter().enumerate() {
            let side = &mut self.sides[index];
            if is_there {
                side.records += 1;
                hour.records[index] += 1;
            } else {
                side.missing += 1;
                side.missing_answered += u64::from(record.times.answered.is_some());
                side.missing_talk += record.duration_micros();
                hour.missing[index] += 1;
            }
        }
        let lacking = match (in_a, in_b) {
            (true, true) => return,
            (true, false) => "B",
            (false, true) => "A",
            (false, false) => "A and B",
        };
        self.extend_hole(record, lacking);
    }

    fn extend_hole(&mut self, record: &CallRecord, lacking: &'static str) {
        let RecordKey { node, epoch, sequence } = &record.key;
        if let Some(hole) = &mut self.open
            && (hole.lacking, &hole.node, hole.epoch, hole.last + 1) == (lacking, node, *epoch, *sequence)
        {
            hole.last = *sequence;
            hole.to = record.times.received;
            return;
        }
        self.close_hole();
        self.open = Some(Hole {
            lacking,
            node: Arc::clone(node),
            epoch: *epoch,
            first: *sequence,
            last: *sequence,
            from: record.times.received,
            to: record.times.received,
        });
    }

    /// At the end of an epoch.
    pub(super) fn close_hole(&mut self) {
        if let Some(hole) = self.open.take()
            && self.holes.len() < MOST_KEPT
        {
            self.holes.push(hole);
        }
    }

    pub(super) fn differs(&mut self, a: &CallRecord, b: &CallRecord, of_a: Link, of_b: Link) {
        self.hours.entry(a.times.received / HOUR * HOUR).or_default().different += 1;
        if self.differences.len() < MOST_KEPT {
            let proven = match (is_proof(of_a), is_proof(of_b)) {
                (true, false) => Some("A"),
                (false, true) => Some("B"),
                _ => None,
            };
            let what = difference(a, b);
            self.differences.push(Difference { key: a.key.clone(), call_id: a.call_id.clone(), what, proven });
        }
    }

    pub(super) fn proved(&mut self, record: &CallRecord, link: Link) {
        let key = &record.key;
        match link {
            Link::Whole => self.proven += 1,
            Link::NeverWritten(numbers) => {
                self.proven += 1;
                self.never_written += numbers;
            }
            Link::Unproven(numbers) if numbers > 0 => self.lost.push(Lost {
                node: Arc::clone(&key.node),
                epoch: key.epoch,
                first: key.sequence - numbers,
                last: key.sequence - 1,
            }),
            Link::Unproven(_) | Link::First => {}
            Link::Altered => self.altered.push(key.clone()),
        }
    }
}

fn is_proof(link: Link) -> bool {
    matches!(link, Link::Whole | Link::NeverWritten(_))
}

/// The fields that differ, with both values.
fn difference(a: &CallRecord, b: &CallRecord) -> Vec<String> {
    let fields = |record: &CallRecord| match serde_json::to_value(record) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (a, b) = (fields(a), fields(b));
    let different = a.iter().filter(|(name, value)| b.get(*name) != Some(value));
    let none = serde_json::Value::Null;
    different.map(|(name, value)| format!("{name}: A has {value}, B has {}", b.get(name).unwrap_or(&none))).collect()
}

impl fmt::Display for Report {
    /// For whoever keeps the books.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_hours(f)?;
        self.write_missing(f)?;
        self.write_differences(f)?;
        self.write_chain(f)
    }
}

impl Report {
    /// Hours in which all is right are summed up in the last line alone.
    fn write_hours(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<18} {:>12} {:>12} {:>13} {:>13} {:>10}",
            "hour (UTC)", "in A", "in B", "missing in A", "missing in B", "different"
        )?;
        let mut line = |label: &str, hour: &Hour| {
            let ([a, b], [no_a, no_b], different) = (hour.records, hour.missing, hour.different);
            writeln!(f, "{label:<18} {a:>12} {b:>12} {no_a:>13} {no_b:>13} {different:>10}")
        };
        let mut all = Hour::default();
        for (start, hour) in &self.hours {
            if hour.missing != [0, 0] || hour.different > 0 {
                line(&moment(*start)[..16].replace('T', " "), hour)?;
            }
            for index in [0, 1] {
                all.records[index] += hour.records[index];
                all.missing[index] += hour.missing[index];
            }
            all.different += hour.different;
        }
        line("all hours", &all)
    }

    fn write_missing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, side) in ["A", "B"].iter().zip(&self.sides) {
            if side.missing > 0 {
                writeln!(
                    f,
                    "\n{name} lacks {}, {} of them answered: {} minutes of talk.",
                    records(side.missing),
                    side.missing_answered,
                    thousandths(side.missing_talk / 60_000)
                )?;
            }
        }
        for hole in self.holes.iter().take(MOST_TOLD) {
            let Hole { lacking, node, epoch, first, last, from, to } = hole;
            let numbers = if first == last { first.to_string() } else { format!("{first} to {last}") };
            writeln!(
                f,
                "  missing in {lacking}: {node}/{epoch}/{numbers} ({}, received {} to {})",
                records(last - first + 1),
                moment(*from),
                moment(*to)
            )?;
        }
        and_more(f, self.holes.len())
    }

    fn write_differences(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.differences.is_empty() {
            writeln!(f, "\nThese records are in both stores and not the same:")?;
        }
        for difference in self.differences.iter().take(MOST_TOLD) {
            let RecordKey { node, epoch, sequence } = &difference.key;
            let proven = match difference.proven {
                Some("A") => "the chain proves A's; B's was altered",
                Some(_) => "the chain proves B's; A's was altered",
                None => "the chain proves neither",
            };
            writeln!(f, "  {node}/{epoch}/{sequence} {}: {proven}", difference.call_id)?;
            for what in &difference.what {
                writeln!(f, "    {what}")?;
            }
        }
        and_more(f, self.differences.len())
    }

    fn write_chain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nchain: {} of {} are proven to be as they were written.", records(self.proven), self.records)?;
        if self.never_written > 0 {
            let numbers = self.never_written;
            writeln!(f, "{} lost before the journal: given a number, never written.", records(numbers))?;
        }
        for Lost { node, epoch, first, last } in self.lost.iter().take(MOST_TOLD) {
            writeln!(f, "  lost in all stores: {node}/{epoch}/{first} to {last} ({})", records(last - first + 1))?;
        }
        and_more(f, self.lost.len())?;
        for RecordKey { node, epoch, sequence } in self.altered.iter().take(MOST_TOLD) {
            writeln!(f, "  altered, or the one before it: {node}/{epoch}/{sequence}")?;
        }
        and_more(f, self.altered.len())
    }
}

fn and_more(f: &mut fmt::Formatter<'_>, all: usize) -> fmt::Result {
    if all > MOST_TOLD { writeln!(f, "  … and {} more: `--json` has them", all - MOST_TOLD) } else { Ok(()) }
}

fn records(number: u64) -> String {
    let mut text = String::new();
    let _ = write!(text, "{number} record{}", if number == 1 { "" } else { "s" });
    text
}

/// `1.250` of 1250.
fn thousandths(number: u64) -> String {
    format!("{}.{:03}", number / 1_000, number % 1_000)
}

fn moment(micros: UnixMicros) -> String {
    let timestamp = i64::try_from(micros / 1_000_000).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    timestamp.map_or_else(|| "?".repeat(20), |timestamp| timestamp.to_string())
}
