//! How many series a page may have: the scraper pays for each of them in memory, whatever the configuration holds.
//!
//! The first names that come have series of their own; those beyond share one, [`OTHER`], and are counted in
//! `trunkline_series_folded_total`. Nothing goes uncounted.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;

/// In the place of a name beyond the limit.
pub(super) const OTHER: &str = "_other";

/// Customers with series of their own: some 40 lines each.
pub(super) const CUSTOMERS: usize = 1_000;

/// Gateways with series of their own.
pub(super) const GATEWAYS: usize = 500;

/// Counters that plugins make up, of all plugins: each has 32 at most.
pub(super) const COUNTERS: usize = 10_000;

/// Series of `trunkline_calls_total`: what customers, gateways and codes multiply to.
pub(super) const CALLS: usize = 20_000;

/// Which names have series of their own.
#[derive(Debug)]
pub(super) struct Names {
    limit: usize,
    seen: Mutex<HashSet<String>>,
    folded: Counter,
}

impl Names {
    /// The first `limit`; those beyond are counted in `folded`.
    pub(super) fn new(limit: usize, folded: Counter) -> Self {
        Self { limit, seen: Mutex::default(), folded }
    }

    /// Whether this name has series of its own. Takes a lock: ask once and keep the handle.
    pub(super) fn admits(&self, name: &str) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(name) {
            return true;
        }
        if seen.len() < self.limit {
            return seen.insert(name.to_owned());
        }
        self.folded.inc();
        false
    }

    /// The name, or [`OTHER`].
    pub(super) fn label<'n>(&self, name: &'n str) -> &'n str {
        if self.admits(name) { name } else { OTHER }
    }
}

/// The first `limit` rows as they are, and the sum of those behind under the label `other`.
pub(super) fn fold<L, const N: usize>(
    rows: impl Iterator<Item = (L, [u64; N])>,
    limit: usize,
    other: L,
) -> Vec<(L, [u64; N])>
where
    L: Copy,
{
    let mut kept: Vec<(L, [u64; N])> = Vec::new();
    for (place, (name, values)) in rows.enumerate() {
        match kept.get_mut(limit) {
            None => kept.push((if place < limit { name } else { other }, values)),
            Some((_, sums)) => {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum = sum.saturating_add(value));
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_share_one_and_those_before_keep_theirs() {
        let folded = Counter::default();
        let names = Names::new(2, folded.clone());
        assert_eq!(["a", "b", "c", "a", "d"].map(|name| names.label(name)), ["a", "b", OTHER, "a", OTHER]);
        assert_eq!(folded.get(), 2);
    }

    #[test]
    fn rows_beyond_the_limit_are_summed_up() {
        let rows = [("a", [1, 2]), ("b", [3, 4]), ("c", [5, 6]), ("d", [7, 8])];
        assert_eq!(fold(rows.into_iter(), 2, OTHER), [("a", [1, 2]), ("b", [3, 4]), (OTHER, [12, 14])]);
        assert_eq!(fold(rows.into_iter(), 4, OTHER), rows);
    }
}
