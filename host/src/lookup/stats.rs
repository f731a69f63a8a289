//! What a table has answered, in numbers.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::error::LookupError;

/// A table's counters since the start.
///
/// One set for all workers: a relaxed add is some 5 ns alone and more where many workers read one table at once. Then
/// they want a set a worker, added up on the metrics page.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) hits: AtomicU64,
    pub(super) negative: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) misses: AtomicU64,
    pub(super) loads: AtomicU64,
    deadline: AtomicU64,
    unavailable: AtomicU64,
    bad_key: AtomicU64,
}

/// A snapshot of one table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Answers with a row from memory.
    pub hits: u64,
    /// Answers "there is none" from memory.
    pub negative: u64,
    /// Of `hits` and `negative`: those past their ttl.
    pub stale: u64,
    /// Look-ups that memory could not answer.
    pub misses: u64,
    /// Requests to the source.
    pub loads: u64,
    /// Loads cut by the service's deadline.
    pub deadline: u64,
    /// Loads that failed, and misses that the breaker or `max-concurrent` refused.
    pub unavailable: u64,
    /// Look-ups of what cannot be a key.
    pub bad_key: u64,
    /// Rows and cached "there is none" held now; of a cached table, roughly.
    pub entries: u64,
    /// Bytes that a file's rows take; 0 for a cached table.
    pub bytes: u64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    /// An answer from memory.
    pub(super) fn answered(&self, found: bool) {
        Self::add(if found { &self.hits } else { &self.negative });
    }

    pub(super) fn failed(&self, error: &LookupError) {
        Self::add(match error {
            LookupError::Deadline => &self.deadline,
            LookupError::BadKey => &self.bad_key,
            LookupError::Unavailable(_) | LookupError::UnknownTable => &self.unavailable,
        });
    }

    pub(super) fn snapshot(&self, entries: u64, bytes: u64) -> Stats {
        Stats {
            hits: self.hits.load(Relaxed),
            negative: self.negative.load(Relaxed),
            stale: self.stale.load(Relaxed),
            misses: self.misses.load(Relaxed),
            loads: self.loads.load(Relaxed),
            deadline: self.deadline.load(Relaxed),
            unavailable: self.unavailable.load(Relaxed),
            bad_key: self.bad_key.load(Relaxed),
            entries,
            bytes,
        }
    }
}
