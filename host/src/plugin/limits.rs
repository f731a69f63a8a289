//! Counters for limits on this node: events per second and permits at once, under keys that plugins name.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Shards: two workers meet on one lock only when their keys fall together.
const SHARDS: usize = 64;

/// Keys in one shard: a million on the node. Beyond that a new key is refused, so that a guest that makes up keys
/// cannot take the memory.
const MAX_KEYS: usize = 16_384;

/// Bytes of a key.
const MAX_KEY: usize = 256;

const SECOND: u64 = 1_000_000_000;

/// All counters of the node.
#[derive(Debug)]
pub struct Limits {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    base: Instant,
}

type Shard = HashMap<Box<str>, Entry>;

#[derive(Debug, Default)]
struct Entry {
    /// When the bucket will be full again, in nanoseconds since the base (the theoretical arrival time of GCRA).
    full_at: u64,
    in_use: Arc<AtomicU32>,
}

/// One permit of a key, given back when dropped: at the call's end, however it ends.
#[derive(Debug)]
pub struct Permit(Arc<AtomicU32>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            base: Instant::now(),
        }
    }
}

impl Limits {
    /// Takes one of `per_second` events of `key`. The bucket refills continuously and holds one second's worth.
    pub fn take_rate(&self, key: &str, per_second: u32, now: Instant) -> bool {
        if per_second == 0 {
            return false;
        }
        let now = self.nanos(now);
        self.with_entry(key, now, |entry| {
            let full_at = entry.full_at.max(now) + SECOND / u64::from(per_second);
            let fits = full_at - now <= SECOND;
            if fits {
                entry.full_at = full_at;
            }
            fits
        })
        .unwrap_or(false)
    }

    /// Takes one of `max` permits of `key`.
    pub fn take_permit(&self, key: &str, max: u32, now: Instant) -> Option<Permit> {
        if max == 0 {
            return None;
        }
        let now = self.nanos(now);
        self.with_entry(key, now, |entry| {
            // Permits are taken under the shard's lock and given back without: the count can only be too high.
            (entry.in_use.load(Relaxed) < max).then(|| {
                entry.in_use.fetch_add(1, Relaxed);
                Permit(Arc::clone(&entry.in_use))
            })
        })
        .flatten()
    }

    /// Permits of `key` that are out.
    pub fn in_use(&self, key: &str) -> u32 {
        self.shard(key).get(key).map_or(0, |entry| entry.in_use.load(Relaxed))
    }

    fn with_entry<T>(&self, key: &str, now: u64, change: impl FnOnce(&mut Entry) -> T) -> Option<T> {
        if key.len() > MAX_KEY {
            return None;
        }
        let mut shard = self.shard(key);
        if let Some(entry) = shard.get_mut(key) {
            return Some(change(entry));
        }
        if shard.len() >= MAX_KEYS {
            shard.retain(|_, entry| entry.full_at > now || entry.in_use.load(Relaxed) > 0);
        }
        if shard.len() >= MAX_KEYS {
            return None;
        }
        Some(change(shard.entry(key.into()).or_default()))
    }

    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let place = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[place].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_gives_one_seconds_worth_and_refills_continuously() {
        let limits = Limits::default();
        let start = Instant::now();
        let taken = (0..20).filter(|_| limits.take_rate("cps:acme", 10, start)).count();
        assert_eq!(taken, 10);
        let later = start + Duration::from_millis(305);
        let taken = (0..20).filter(|_| limits.take_rate("cps:acme", 10, later)).count();
        assert_eq!(taken, 3);
        assert!(limits.take_rate("cps:other", 10, start), "another key has its own bucket");
    }

    #[test]
    fn a_permit_comes_back_when_it_is_dropped() {
        let limits = Limits::default();
        let now = Instant::now();
        let first = limits.take_permit("calls:acme", 2, now);
        let second = limits.take_permit("calls:acme", 2, now);
        assert!(first.is_some() && second.is_some());
        assert!(limits.take_permit("calls:acme", 2, now).is_none());
        drop(first);
        assert_eq!(limits.in_use("calls:acme"), 1);
        assert!(limits.take_permit("calls:acme", 2, now).is_some());
    }

    #[test]
    fn made_up_keys_take_no_more_than_their_share_of_memory() {
        let limits = Limits::default();
        let now = Instant::now();
        let held: Vec<_> =
            (0..SHARDS * MAX_KEYS + 1_000).filter_map(|n| limits.take_permit(&n.to_string(), 1, now)).collect();
        assert!(held.len() <= SHARDS * MAX_KEYS);
        drop(held);
        assert!(limits.take_permit("afterwards", 1, now).is_some(), "keys out of use make room");
    }

    #[test]
    fn a_limit_of_none_gives_none() {
        let limits = Limits::default();
        assert!(!limits.take_rate("key", 0, Instant::now()));
        assert!(limits.take_permit("key", 0, Instant::now()).is_none());
        assert!(!limits.take_rate(&"k".repeat(257), 1, Instant::now()), "a key longer than 256 bytes");
    }
}
