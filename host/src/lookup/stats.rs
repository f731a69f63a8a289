//! What a table has answered, in numbers.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::error::{LookupError, Trouble};
use crate::admin::metrics::Histogram;

/// Sets of counters for answers from memory. A thread counts in one of them, so that workers do not write to the same
/// cache line with every call; the metrics page adds them up.
const SETS: usize = 16;

/// Loads, in microseconds.
const LOAD_BOUNDS: &[u64] =
    &[100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];

thread_local! {
    static OWN_SET: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Relaxed) % SETS
    };
}

/// A table's counters since the start.
#[derive(Debug)]
pub(super) struct Counters {
    answers: [Answers; SETS],
    loads: AtomicU64,
    shared_hits: AtomicU64,
    errors: [AtomicU64; Trouble::ALL.len()],
    load_time: Histogram,
}

/// Answers from memory. Alone on its cache lines: 128 bytes, since processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Answers {
    hits: AtomicU64,
    negative: AtomicU64,
    stale: AtomicU64,
    misses: AtomicU64,
}

/// A snapshot of one table.
#[derive(Debug, Clone, Default)]
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
    /// Misses that the second tier answered.
    pub shared_hits: u64,
    /// Loads that failed, and look-ups that were refused, by what was wrong.
    pub errors: Vec<(Trouble, u64)>,
    /// How long requests to the source took.
    pub load_time: Option<Histogram>,
    /// Rows and cached "there is none" held now.
    pub entries: u64,
    /// Bytes that they take; of a cached table, roughly.
    pub bytes: u64,
    /// Since the last time the source gave something.
    pub age: Option<Duration>,
}

impl Stats {
    /// How often something was wrong in this way.
    pub fn errors_of(&self, trouble: Trouble) -> u64 {
        self.errors.iter().find(|(kind, _)| *kind == trouble).map_or(0, |(_, count)| *count)
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            answers: Default::default(),
            loads: AtomicU64::new(0),
            shared_hits: AtomicU64::new(0),
            errors: Default::default(),
            load_time: Histogram::new(LOAD_BOUNDS),
        }
    }
}

impl Counters {
    fn own(&self) -> &Answers {
        &self.answers[OWN_SET.with(|set| *set)]
    }

    /// An answer from memory.
    pub(super) fn answered(&self, found: bool) {
        let own = self.own();
        let counter = if found { &own.hits } else { &own.negative };
        counter.fetch_add(1, Relaxed);
    }

    /// That answer was past its ttl.
    pub(super) fn was_stale(&self) {
        self.own().stale.fetch_add(1, Relaxed);
    }

    /// Memory had no answer.
    pub(super) fn missed(&self) {
        self.own().misses.fetch_add(1, Relaxed);
    }

    /// The source was asked; it took so long, whatever came of it.
    pub(super) fn loaded(&self, micros: u64) {
        self.loads.fetch_add(1, Relaxed);
        self.load_time.observe(micros);
    }

    /// The second tier had it.
    pub(super) fn was_shared(&self) {
        self.shared_hits.fetch_add(1, Relaxed);
    }

    pub(super) fn failed(&self, error: &LookupError) {
        let trouble = error.trouble();
        if let Some(at) = Trouble::ALL.iter().position(|kind| *kind == trouble) {
            self.errors[at].fetch_add(1, Relaxed);
        }
    }

    pub(super) fn snapshot(&self, entries: u64, bytes: u64, age: Option<Duration>) -> Stats {
        let sum = |of: fn(&Answers) -> &AtomicU64| self.answers.iter().map(|set| of(set).load(Relaxed)).sum();
        let mut errors = Trouble::ALL.map(|trouble| (trouble, 0));
        for (told, counted) in errors.iter_mut().zip(&self.errors) {
            told.1 = counted.load(Relaxed);
        }
        Stats {
            hits: sum(|set| &set.hits),
            negative: sum(|set| &set.negative),
            stale: sum(|set| &set.stale),
            misses: sum(|set| &set.misses),
            loads: self.loads.load(Relaxed),
            shared_hits: self.shared_hits.load(Relaxed),
            errors: errors.into(),
            load_time: Some(self.load_time.clone()),
            entries,
            bytes,
            age,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_counted_is_added_up() {
        let counters = Counters::default();
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1_000).for_each(|_| counters.answered(true)));
            }
        });
        assert_eq!(counters.snapshot(0, 0, None).hits, 40_000);
    }
}
