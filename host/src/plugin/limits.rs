//! Counters for limits: events per second and permits at once, under keys that plugins name.
//!
//! They are counted on this node. Where nodes share them, each takes into account what the others said last: see
//! [`sharing`]. So a call never waits for a count, and a limit is exceeded by at most what the other nodes grant between
//! two of their words.

mod others;
mod sharing;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;

use self::others::{Others, Told};
pub use self::sharing::share;

/// Shards: two workers meet on one lock only when their keys fall together.
const SHARDS: usize = 64;

/// Keys in one shard: a million on the node. Beyond that a new key is refused, so that a guest that makes up keys
/// cannot take the memory.
const MAX_KEYS: usize = 16_384;

/// Bytes of a key.
const MAX_KEY: usize = 256;

const SECOND: u64 = 1_000_000_000;

/// Keys that are told to the other nodes at a time; what is counted under others is this node's own affair.
const MOST_TOLD: usize = 10_000;

/// All counters of the node.
#[derive(Debug)]
pub struct Limits {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
    base: Instant,
    /// What the other nodes count; none where limits are not shared.
    others: ArcSwap<Others>,
    sharing: Sharing,
}

/// How the sharing goes.
#[derive(Debug, Default)]
struct Sharing {
    exchanges: AtomicU64,
    failures: AtomicU64,
    untold: AtomicU64,
}

/// A snapshot of how limits are shared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SharingStats {
    /// Other nodes that were heard last.
    pub nodes: usize,
    /// Exchanges with them.
    pub exchanges: u64,
    /// Exchanges that failed: the service was away or slow.
    pub failures: u64,
    /// Times that a key was not told because too many were in use.
    pub untold: u64,
}

type Shard = HashMap<Box<str>, Entry>;

#[derive(Debug, Default)]
struct Entry {
    /// When the bucket will be full again, in nanoseconds since the base (the theoretical arrival time of GCRA).
    full_at: u64,
    /// Events granted since the key was last out of use.
    granted: u64,
    /// Of the other nodes' events: which of them the bucket has paid for.
    paid: u64,
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
            others: ArcSwap::default(),
            sharing: Sharing::default(),
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
        let event = SECOND / u64::from(per_second);
        let others = self.others.load();
        let theirs = others.count(key);
        self.with_entry(key, now, |entry| {
            // Of what the others granted while nobody asked here only the last second weighs: the bucket refills.
            let unpaid = theirs.events.saturating_sub(theirs.events_before.max(entry.paid));
            if unpaid > 0 {
                entry.paid = theirs.events;
                // A debt of more than a second for each node would be paid by calls that harm nobody.
                let most = now + SECOND * (1 + others.nodes() as u64);
                entry.full_at = entry.full_at.max(now).saturating_add(unpaid.saturating_mul(event)).min(most);
            }
            let full_at = entry.full_at.max(now) + event;
            let fits = full_at - now <= SECOND;
            if fits {
                entry.full_at = full_at;
                entry.granted += 1;
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
        let theirs = self.others.load().count(key).in_use;
        self.with_entry(key, now, |entry| {
            // Permits are taken under the shard's lock and given back without: the count can only be too high.
            (entry.in_use.load(Relaxed).saturating_add(theirs) < max).then(|| {
                entry.in_use.fetch_add(1, Relaxed);
                Permit(Arc::clone(&entry.in_use))
            })
        })
        .flatten()
    }

    /// How limits are shared with other nodes.
    pub fn sharing(&self) -> SharingStats {
        SharingStats {
            nodes: self.others.load().nodes(),
            exchanges: self.sharing.exchanges.load(Relaxed),
            failures: self.sharing.failures.load(Relaxed),
            untold: self.sharing.untold.load(Relaxed),
        }
    }

    /// From now on this node counts for itself.
    pub fn forget_others(&self) {
        self.others.store(Arc::default());
    }

    /// What is in use here, of the keys that begin with one of `prefixes` (none: of all), for the other nodes.
    fn counted(&self, prefixes: &[String], now: Instant) -> Vec<Told> {
        let now = self.nanos(now);
        let is_shared = |key: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| key.starts_with(prefix));
        let (mut told, mut untold) = (Vec::new(), 0);
        for shard in &self.shards {
            for (key, entry) in lock(shard).iter_mut().filter(|(key, _)| is_shared(key)) {
                let in_use = entry.in_use.load(Relaxed);
                // A second after its bucket is full the others have heard of every event.
                if in_use == 0 && entry.full_at + SECOND <= now {
                    entry.granted = 0;
                } else if told.len() < MOST_TOLD {
                    told.push((key.clone(), in_use, entry.granted));
                } else {
                    untold += 1;
                }
            }
        }
        self.sharing.untold.fetch_add(untold, Relaxed);
        told
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
        lock(&self.shards[place])
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX / 2)
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
