//! Two stores, record by record: what one has and the other lacks, what differs, and what the chain proves.
//!
//! Both are read in the order of (node, epoch, sequence), side by side, with the journal as a third where there is one.
//! Of two records that differ, the chain says which is as it was written.

mod fill;
mod report;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

pub use self::fill::Filler;
pub use self::report::{Difference, Hole, Hour, Report, Side};
use super::chain::{Link, Verifier};
use super::query::{Journal, PAGE, Scan, Source};
use super::record::{CallRecord, RecordKey, UnixMicros};

/// Records filled in at a time.
const FILL: usize = 500;

/// What to compare.
#[derive(Debug, Clone)]
pub struct Stores {
    /// The one.
    pub a: Source,
    /// The other.
    pub b: Source,
    /// The journal of the node that wrote the records, where it can be read.
    pub journal: Option<Source>,
    /// Calls received at other times are not compared; the chain is followed through them.
    pub period: Range<UnixMicros>,
}

/// Compares; with fillers for A and B, gives each what it lacks and another has.
///
/// # Errors
///
/// A store cannot be read, or does not take what it lacks.
pub async fn reconcile(stores: &Stores, mut fillers: Option<[Filler; 2]>) -> anyhow::Result<Report> {
    let mut scans = vec![Scan::open(&stores.a).await?, Scan::open(&stores.b).await?];
    if let Some(journal) = &stores.journal {
        scans.push(Scan::open(journal).await?);
    }
    let mut journals = BTreeSet::new();
    for scan in &mut scans {
        journals.extend(scan.journals().await?);
    }
    let mut report = Report::default();
    let mut verifier = Verifier::default();
    let mut node = None;
    for journal in &journals {
        if node.replace(&journal.0) != Some(&journal.0) {
            verifier = Verifier::default();
        }
        let mut merge = Merge::new(&mut scans, journal);
        let mut lacking: [Vec<CallRecord>; 2] = [Vec::new(), Vec::new()];
        while let Some(found) = merge.next().await? {
            let Some(best) = found.best() else { continue };
            if !stores.period.contains(&best.times.received) {
                verifier.check(best);
                continue;
            }
            compare(&found, &mut verifier, &mut report);
            for (side, lacks) in lacking.iter_mut().enumerate() {
                if found.records[side].is_none() && fillers.is_some() {
                    lacks.push(best.clone());
                }
                if lacks.len() >= FILL {
                    fill(&mut fillers, side, lacks, &mut report).await?;
                }
            }
        }
        for (side, lacks) in lacking.iter_mut().enumerate() {
            fill(&mut fillers, side, lacks, &mut report).await?;
        }
        report.close_hole();
    }
    for filler in fillers.into_iter().flatten() {
        filler.finish().await?;
    }
    Ok(report)
}

async fn fill(
    fillers: &mut Option<[Filler; 2]>,
    side: usize,
    lacks: &mut Vec<CallRecord>,
    report: &mut Report,
) -> anyhow::Result<()> {
    if let Some(fillers) = fillers
        && !lacks.is_empty()
    {
        fillers[side].insert(lacks).await?;
        report.filled[side] += lacks.len() as u64;
        lacks.clear();
    }
    Ok(())
}

fn compare(found: &Found, verifier: &mut Verifier, report: &mut Report) {
    let Some(best) = found.best() else { return };
    let [a, b] = [&found.records[0], &found.records[1]];
    report.saw(best, a.is_some(), b.is_some());
    let proof = |record: &CallRecord| verifier.clone().check(record);
    let link = match (a, b) {
        (Some(a), Some(b)) if a != b => {
            let (of_a, of_b) = (proof(a), proof(b));
            report.differs(a, b, of_a, of_b);
            // The chain goes on from the one that it proves.
            verifier.check(if of_a == Link::Altered { b } else { a })
        }
        _ => verifier.check(best),
    };
    report.proved(best, link);
}

/// What the stores have of one number: A, B, and the journal where there is one.
struct Found {
    records: [Option<CallRecord>; 3],
}

impl Found {
    /// The journal's, else A's, else B's.
    fn best(&self) -> Option<&CallRecord> {
        let [a, b, journal] = &self.records;
        journal.as_ref().or(a.as_ref()).or(b.as_ref())
    }
}

/// Goes through one node's epoch in all stores at once.
struct Merge<'a> {
    scans: &'a mut [Scan],
    of: &'a Journal,
    pages: [VecDeque<CallRecord>; 3],
    /// The last number read of each store; `None` at its end.
    read: [Option<u64>; 3],
}

impl<'a> Merge<'a> {
    fn new(scans: &'a mut [Scan], of: &'a Journal) -> Self {
        Self { scans, of, pages: Default::default(), read: [Some(0); 3] }
    }

    async fn next(&mut self) -> anyhow::Result<Option<Found>> {
        for (index, scan) in self.scans.iter_mut().enumerate() {
            if self.pages[index].is_empty()
                && let Some(after) = self.read[index]
            {
                let page = scan.page(self.of, after, PAGE).await?;
                self.read[index] = page.last().map(|record| record.key.sequence);
                self.pages[index].extend(page);
            }
        }
        let key = |page: &VecDeque<CallRecord>| page.front().map(|record| record.key.clone());
        let Some(least): Option<RecordKey> = self.pages.iter().filter_map(key).min() else { return Ok(None) };
        let records = self.pages.each_mut().map(|page| page.pop_front_if(|record| record.key == least));
        Ok(Some(Found { records }))
    }
}
