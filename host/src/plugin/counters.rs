//! What a plugin counts of its own: the `metric` import.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::versions::SeatName;

/// Distinct names per plugin: what the metrics page can bear from a guest that makes names up.
const MAX_NAMES: usize = 32;

/// Bytes of a name.
const MAX_NAME: usize = 48;

/// The counters of one plugin in its place, shared by its versions and their instances on all workers.
#[derive(Debug, Default)]
pub struct Counters {
    by_name: Mutex<BTreeMap<Box<str>, Arc<AtomicU64>>>,
    dropped: AtomicU64,
}

impl Counters {
    /// The counter of this name, made on first use; `None` for a name that may not be, or one too many.
    /// Takes a lock: instances keep what they got.
    pub(super) fn counter(&self, name: &str) -> Option<Arc<AtomicU64>> {
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return None;
        }
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = by_name.get(name) {
            return Some(Arc::clone(counter));
        }
        if by_name.len() >= MAX_NAMES {
            return None;
        }
        Some(Arc::clone(by_name.entry(name.into()).or_default()))
    }

    pub(super) fn count_dropped(&self, many: u64) {
        self.dropped.fetch_add(many, Relaxed);
    }

    /// Every counter with its value, by name.
    pub fn values(&self) -> Vec<(Box<str>, u64)> {
        let by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        by_name.iter().map(|(name, value)| (name.clone(), value.load(Relaxed))).collect()
    }

    /// Log lines and counter updates of the plugin that were dropped for being too many or ill-named.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// The counters of a node's plugins: they outlive versions and reloads, so that they only grow.
#[derive(Debug, Default)]
pub struct PluginCounters(Mutex<BTreeMap<SeatName, Arc<Counters>>>);

impl PluginCounters {
    /// Those of a configured place, made on first use.
    pub fn of(&self, seat: &SeatName) -> Arc<Counters> {
        let mut by_seat = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(by_seat.entry(seat.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_cannot_make_up_names_without_end() {
        let counters = Counters::default();
        let names = (0..100).map(|n| format!("hits_{}", "a".repeat(n % 40 + 1)));
        let given = names.filter(|name| counters.counter(name).is_some()).count();
        assert!(given > 0);
        assert_eq!(counters.values().len(), MAX_NAMES);
    }

    #[test]
    fn a_name_that_would_break_the_metrics_page_is_refused() {
        for name in ["", "Upper", "with space", "new\nline", "quote\"", &"a".repeat(49)] {
            assert!(Counters::default().counter(name).is_none(), "{name:?}");
        }
    }
}
