//! The answers that a cached table holds, bounded by their number or by their bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::config::model::Capacity;
use crate::lookup::row::{Row, Value};

/// Parts with a lock each: a worker that reads meets a load that writes once in so many times.
const PARTS: usize = 64;
/// Bytes of an entry beside its key and its row: its place in the cache, its times, its counters.
const ENTRY: u64 = 144;
/// Of all that a capacity in bytes could hold, entries are taken to be this large when the cache is laid out.
const USUAL: u64 = 256;
/// One use in this time, in nanoseconds, is counted: a key's line of memory is not written to with every call.
const BEAT: u64 = 1_000_000_000;

/// Where an answer was taken from when it was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// The source itself.
    Source,
    /// The second tier, which another node filled, or this one before.
    Shared,
}

/// A source's answer, and how long it is worth something. Times are the clock's.
#[derive(Debug)]
pub(in crate::lookup) struct Entry {
    /// `None`: the source has no such row.
    pub(in crate::lookup) row: Option<Row>,
    pub(in crate::lookup) via: Via,
    /// When the source gave it.
    pub(in crate::lookup) loaded: u64,
    /// From then on a use has it loaded again in the background.
    pub(super) refresh_from: u64,
    pub(in crate::lookup) fresh_until: u64,
    /// Until then it is served at once while it is loaded again.
    pub(in crate::lookup) stale_until: u64,
    /// Until then it is served where loading it again fails.
    pub(super) error_until: u64,
    pub(super) used: Used,
}

impl Entry {
    /// Since the source gave it.
    pub(in crate::lookup) fn age(&self, now: u64) -> Duration {
        Duration::from_nanos(now.saturating_sub(self.loaded))
    }
}

/// How an entry was used.
#[derive(Debug, Default)]
pub(super) struct Used {
    last: AtomicU64,
    /// Seconds in which it was used.
    beats: AtomicU32,
    /// When its refresh was last asked for.
    asked: AtomicU64,
}

impl Used {
    /// What the entry that this one takes the place of knew.
    pub(super) fn carried_on(before: Option<&Self>) -> Self {
        let Some(before) = before else { return Self::default() };
        Self {
            last: AtomicU64::new(before.last.load(Relaxed)),
            beats: AtomicU32::new(before.beats.load(Relaxed)),
            asked: AtomicU64::new(0),
        }
    }

    /// A call uses it.
    pub(super) fn now(&self, now: u64) {
        // Two workers at once may count one use less: it decides nothing but an order.
        if now.saturating_sub(self.last.load(Relaxed)) >= BEAT {
            self.last.store(now, Relaxed);
            self.beats.store(self.beats.load(Relaxed).saturating_add(1), Relaxed);
        }
    }

    pub(super) fn since(&self, when: u64) -> bool {
        self.last.load(Relaxed) >= when
    }

    pub(super) fn beats(&self) -> u32 {
        self.beats.load(Relaxed)
    }

    /// True for one of those who want it refreshed, and for no other until `pause` is over.
    pub(super) fn may_ask(&self, now: u64, pause: u64) -> bool {
        let asked = self.asked.load(Relaxed);
        now.saturating_sub(asked) >= pause && self.asked.compare_exchange(asked, now, Relaxed, Relaxed).is_ok()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Store {
    held: Cache<Box<str>, Arc<Entry>, Weight, DefaultHashBuilder>,
    weight: Weight,
}

#[derive(Debug, Clone, Copy)]
enum Weight {
    Entries,
    Bytes,
}

impl Weighter<Box<str>, Arc<Entry>> for Weight {
    fn weight(&self, key: &Box<str>, entry: &Arc<Entry>) -> u64 {
        match self {
            Self::Entries => 1,
            Self::Bytes => bytes(key, entry),
        }
    }
}

fn bytes(key: &str, entry: &Entry) -> u64 {
    let field = |value: &Value| match value {
        Value::Text(text) => text.len() as u64,
        Value::Integer(_) | Value::Decimal(_) | Value::Boolean(_) => 0,
    };
    let row = entry
        .row
        .as_ref()
        .map_or(0, |row| row.fields.iter().map(|held| size_of_val(held) as u64 + field(&held.value)).sum());
    ENTRY + key.len() as u64 + row
}

impl Store {
    pub(super) fn new(capacity: Capacity) -> Self {
        let (weight, most, entries) = match capacity {
            Capacity::Entries(most) => (Weight::Entries, most, most),
            Capacity::Bytes(size) => (Weight::Bytes, size.bytes(), size.bytes() / USUAL),
        };
        let options = OptionsBuilder::new()
            .weight_capacity(most.max(1))
            .estimated_items_capacity(usize::try_from(entries).unwrap_or(usize::MAX).max(1))
            .shards(PARTS)
            .build();
        let hasher = DefaultHashBuilder::default();
        let held = match options {
            Ok(options) => Cache::with_options(options, weight, hasher, DefaultLifecycle::default()),
            // Never: both capacities are given.
            Err(_) => Cache::with(1, 1, weight, hasher, DefaultLifecycle::default()),
        };
        Self { held, weight }
    }

    pub(super) fn get(&self, key: &str) -> Option<Arc<Entry>> {
        self.held.get(key)
    }

    /// As [`Store::get`], and it counts as no use.
    pub(super) fn peek(&self, key: &str) -> Option<Arc<Entry>> {
        self.held.peek(key)
    }

    pub(super) fn insert(&self, key: &str, entry: Entry) {
        self.held.insert(key.into(), Arc::new(entry));
    }

    pub(super) fn remove(&self, key: &str) -> bool {
        self.held.remove(key).is_some()
    }

    /// Forgets all; how many there were.
    pub(super) fn clear(&self) -> usize {
        let held = self.held.len();
        self.held.clear();
        held
    }

    /// All of them, one after the other: no part is locked for longer than one step.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Box<str>, Arc<Entry>)> + '_ {
        self.held.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Roughly, where the capacity is in entries.
    pub(super) fn bytes(&self) -> u64 {
        /// Entries that are looked at: a scrape must not walk through millions.
        const SAMPLE: usize = 256;
        if matches!(self.weight, Weight::Bytes) {
            return self.held.weight();
        }
        let (mut looked, mut sum) = (0, 0);
        for (key, entry) in self.held.iter().take(SAMPLE) {
            looked += 1;
            sum += bytes(&key, &entry);
        }
        (sum * self.len() as u64).checked_div(looked).unwrap_or(0)
    }
}
