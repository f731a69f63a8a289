//! What a ledger has done since its start.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::store::batch::Written;
use crate::cdr::record::UnixMicros;

/// Counted by all consumers of a process.
#[derive(Debug, Default)]
pub struct Counters {
    records: AtomicU64,
    duplicates: AtomicU64,
    unrated: AtomicU64,
    rejects: AtomicU64,
    batches: AtomicU64,
    database_failures: AtomicU64,
    broker_failures: AtomicU64,
    /// In seconds, of the last transaction.
    age: AtomicU64,
    primary: AtomicBool,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records written.
    pub records: u64,
    /// Records that were there already.
    pub duplicates: u64,
    /// Of those written, answered calls that lack a price or a cost.
    pub unrated: u64,
    /// Messages that are no record, kept apart.
    pub rejects: u64,
    /// Transactions.
    pub batches: u64,
    /// Refused or broken attempts to write.
    pub database_failures: u64,
    /// Refused or broken connections to the broker.
    pub broker_failures: u64,
}

impl Counters {
    pub(super) fn wrote(&self, written: Written, rejects: usize) {
        self.records.fetch_add(written.new, Ordering::Relaxed);
        self.duplicates.fetch_add(written.duplicates, Ordering::Relaxed);
        self.unrated.fetch_add(written.unrated, Ordering::Relaxed);
        self.rejects.fetch_add(rejects as u64, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn database_failed(&self) {
        self.database_failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn broker_failed(&self) {
        self.broker_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// The newest call of a transaction that is committed ended then.
    pub(super) fn wrote_calls_of(&self, ended: UnixMicros) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        self.age.store(now.saturating_sub(ended) / 1_000_000, Ordering::Relaxed);
    }

    pub(super) fn works(&self, primary: bool) {
        self.primary.store(primary, Ordering::Relaxed);
    }

    /// From the end of the newest call in the last transaction to that transaction, in seconds.
    pub fn age(&self) -> u64 {
        self.age.load(Ordering::Relaxed)
    }

    /// Whether this process is the one that writes.
    pub fn is_primary(&self) -> bool {
        self.primary.load(Ordering::Relaxed)
    }

    /// As they stand.
    pub fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            records: read(&self.records),
            duplicates: read(&self.duplicates),
            unrated: read(&self.unrated),
            rejects: read(&self.rejects),
            batches: read(&self.batches),
            database_failures: read(&self.database_failures),
            broker_failures: read(&self.broker_failures),
        }
    }
}
