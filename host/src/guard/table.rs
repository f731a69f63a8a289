//! What each source has sent: a fixed number of places in small sets, each of atomics alone. When a set is full, the
//! source that was quiet for longest loses its place, so that forged addresses push out each other and not the one that
//! floods.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ipnet::IpNet;

use crate::sip::message::Head;
use crate::sip::time::Time;

/// Places: 2 MiB.
const SETS: usize = 8192;
const WAYS: usize = 8;
/// A response costs its sender this part of what a request does: an answer may come from where no gateway is known to
/// be, after a redirection.
const RESPONSES_PER_REQUEST: u64 = 16;
/// Whoever has an address of IPv6 has the rest of its network too (RFC 6177).
const V6_PREFIX: u8 = 64;

/// The source that an address stands for: it alone, or its network of 64 bits.
pub(super) fn network(source: IpAddr) -> IpNet {
    let source = source.to_canonical();
    let length = if source.is_ipv4() { 32 } else { V6_PREFIX };
    IpNet::new(source, length).map_or_else(|_| source.into(), |network| network.trunc())
}

/// So much, and so much saved up. By the generic cell rate algorithm one number holds its state: when it is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket {
    /// Of one, in microseconds.
    pub(super) cost: u64,
    /// What may be owed, in microseconds.
    pub(super) most: u64,
}

impl Bucket {
    /// So many in `span`, and `burst` at once.
    pub(super) fn new(count: u32, span: Duration, burst: u32) -> Self {
        let cost = (span.as_micros() as u64 / u64::from(count.max(1))).max(1);
        Self { cost, most: cost * u64::from(burst.max(1)) }
    }

    /// For a message of this kind.
    pub(super) fn of(self, head: &Head<'_>) -> Self {
        if !head.is_response() {
            return self;
        }
        // The whole stays the same: as much saved up, used in smaller pieces.
        Self { cost: (self.cost / RESPONSES_PER_REQUEST).max(1), ..self }
    }
}

#[derive(Debug)]
pub(super) struct Table {
    /// Keyed anew by every process, so that nobody can choose addresses of one set.
    hasher: RandomState,
    sets: Box<[[Place; WAYS]]>,
}

/// One source. Times are microseconds of the node's clock.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// The hash of its network; 0 for nobody's.
    key: AtomicU64,
    messages: AtomicU64,
    faults: AtomicU64,
    banned: AtomicU64,
}

impl Table {
    pub(super) fn new() -> Self {
        let sets = (0..SETS).map(|_| std::array::from_fn(|_| Place::default()));
        Self { hasher: RandomState::new(), sets: sets.collect() }
    }

    /// The place of a source, taken from another where it had none. Two workers that give it one in the same moment may
    /// give it two, of which the first counts from then on.
    pub(super) fn find(&self, source: IpAddr) -> &Place {
        let key = self.hasher.hash_one(network(source)).max(1);
        let set = &self.sets[key as usize % SETS];
        if let Some(place) = set.iter().find(|place| place.key.load(Relaxed) == key) {
            return place;
        }
        let quiet = set.iter().min_by_key(|place| place.last()).unwrap_or(&set[0]);
        quiet.forget();
        quiet.key.store(key, Relaxed);
        quiet
    }

    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.sets.iter().flatten().filter(|place| place.key.load(Relaxed) != 0).count()
    }
}

impl Place {
    fn last(&self) -> u64 {
        [&self.messages, &self.faults, &self.banned].map(|time| time.load(Relaxed)).into_iter().max().unwrap_or(0)
    }

    pub(super) fn take_message(&self, now: Time, bucket: Bucket) -> bool {
        take(&self.messages, now, bucket)
    }

    pub(super) fn take_fault(&self, now: Time, bucket: Bucket) -> bool {
        take(&self.faults, now, bucket)
    }

    pub(super) fn is_banned(&self, now: Time) -> bool {
        self.banned.load(Relaxed) > now.micros()
    }

    pub(super) fn ban(&self, until: Time) {
        self.banned.store(until.micros(), Relaxed);
    }

    pub(super) fn forget(&self) {
        for time in [&self.messages, &self.faults, &self.banned] {
            time.store(0, Relaxed);
        }
    }
}

/// What somebody may send whose place nobody can take.
#[derive(Debug)]
pub(super) struct Allowance {
    bucket: Bucket,
    due: AtomicU64,
}

impl Allowance {
    /// So many in a second, and as many of two seconds at once.
    pub(super) fn of(rate: u32) -> Self {
        Self { bucket: Bucket::new(rate, Duration::from_secs(1), rate.saturating_mul(2)), due: AtomicU64::new(0) }
    }

    pub(super) fn take(&self, now: Time, head: &Head<'_>) -> bool {
        take(&self.due, now, self.bucket.of(head))
    }
}

fn take(due: &AtomicU64, now: Time, bucket: Bucket) -> bool {
    let now = now.micros();
    let next = |due: u64| Some(due.max(now) + bucket.cost).filter(|next| *next <= now + bucket.most);
    due.fetch_update(Relaxed, Relaxed, next).is_ok()
}
