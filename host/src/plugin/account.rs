//! What a customer's calls take of the node: metered for its bill, and bounded, so that one customer's plugin cannot
//! starve another's. Shared by all workers without a lock; outlives reloads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use crate::config::model::CustomerLimits;

/// In nanoseconds: how much fuel can be saved up.
const BURST: u64 = 1_000_000_000;

/// One customer's account.
#[derive(Debug)]
pub struct Account {
    base: Instant,
    /// 0 where there is no limit, in all three.
    fuel_per_second: AtomicU64,
    max_memory: AtomicU64,
    max_busy: AtomicU32,
    /// When its fuel will be saved up again, in nanoseconds since the base.
    full_at: AtomicU64,
    busy: AtomicU32,
    memory: AtomicU64,
    memory_peak: AtomicU64,
    calls: AtomicU64,
    stages: AtomicU64,
    fuel: AtomicU64,
    micros: AtomicU64,
    refused: AtomicU64,
}

/// An [`Account`] at one moment. The counts only grow, and begin with the process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// Calls that came to a pipeline.
    pub calls: u64,
    /// Stages run for them.
    pub stages: u64,
    /// Wasm instructions of those, and of the starts of instances that they needed.
    pub fuel: u64,
    /// Their wall clock, waits included.
    pub micros: u64,
    /// Stages not run, or stopped, because the customer had used up its share.
    pub refused: u64,
    /// Bytes that the instances of its own components hold.
    pub memory: u64,
    /// The most that they have held.
    pub memory_peak: u64,
}

/// What a customer has used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exhausted {
    /// `fuel-per-second`
    Fuel,
    /// `instances`: stages that run
    Instances,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            base: Instant::now(),
            fuel_per_second: AtomicU64::new(0),
            max_memory: AtomicU64::new(0),
            max_busy: AtomicU32::new(0),
            full_at: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            memory: AtomicU64::new(0),
            memory_peak: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            stages: AtomicU64::new(0),
            fuel: AtomicU64::new(0),
            micros: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

impl Account {
    /// From now on.
    pub fn limit(&self, limits: &CustomerLimits) {
        self.fuel_per_second.store(limits.fuel_per_second.unwrap_or(0), Relaxed);
        self.max_memory.store(limits.memory.map_or(0, super::super::config::units::Size::bytes), Relaxed);
        self.max_busy.store(limits.instances.unwrap_or(0), Relaxed);
    }

    /// A place for one more stage; given back when dropped.
    ///
    /// # Errors
    ///
    /// What is used up.
    pub fn enter(&self, now: Instant) -> Result<Busy<'_>, Exhausted> {
        let rate = self.fuel_per_second.load(Relaxed);
        if rate > 0 && self.full_at.load(Relaxed) > self.nanos(now).saturating_add(BURST) {
            self.refused.fetch_add(1, Relaxed);
            return Err(Exhausted::Fuel);
        }
        let max = self.max_busy.load(Relaxed);
        if max == 0 {
            return Ok(Busy(None));
        }
        if self.busy.fetch_add(1, Relaxed) >= max {
            self.busy.fetch_sub(1, Relaxed);
            self.refused.fetch_add(1, Relaxed);
            return Err(Exhausted::Instances);
        }
        Ok(Busy(Some(&self.busy)))
    }

    /// A stage has used so much. It is known only afterwards: a stage may overdraw the share by one call's fuel and that
    /// of an instance's start, which later ones pay back.
    pub fn spend(&self, fuel: u64, now: Instant) {
        let rate = self.fuel_per_second.load(Relaxed);
        if rate == 0 {
            return;
        }
        let (now, cost) = (self.nanos(now), u128::from(fuel) * 1_000_000_000 / u128::from(rate));
        let cost = u64::try_from(cost).unwrap_or(u64::MAX / 4);
        let paid = |full_at: u64| Some(full_at.max(now).saturating_add(cost));
        let _ = self.full_at.fetch_update(Relaxed, Relaxed, paid);
    }

    /// A call's stages have ended: for the bill.
    pub fn count(&self, stages: u64, fuel: u64, micros: u64) {
        self.calls.fetch_add(1, Relaxed);
        self.stages.fetch_add(stages, Relaxed);
        self.fuel.fetch_add(fuel, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    /// Room for so many more bytes, or the limit.
    pub(super) fn grow(&self, by: u64) -> Result<(), u64> {
        let limit = self.max_memory.load(Relaxed);
        let held = self.memory.fetch_add(by, Relaxed).saturating_add(by);
        if limit > 0 && held > limit {
            self.shrink(by);
            self.refused.fetch_add(1, Relaxed);
            return Err(limit);
        }
        self.memory_peak.fetch_max(held, Relaxed);
        Ok(())
    }

    pub(super) fn shrink(&self, by: u64) {
        self.memory.fetch_sub(by, Relaxed);
    }

    /// Whether idle instances should give way, because most of its memory is taken.
    pub(super) fn is_crowded(&self) -> bool {
        let limit = self.max_memory.load(Relaxed);
        limit > 0 && self.memory.load(Relaxed) > limit / 4 * 3
    }

    /// The counts now.
    pub fn usage(&self) -> Usage {
        Usage {
            calls: self.calls.load(Relaxed),
            stages: self.stages.load(Relaxed),
            fuel: self.fuel.load(Relaxed),
            micros: self.micros.load(Relaxed),
            refused: self.refused.load(Relaxed),
            memory: self.memory.load(Relaxed),
            memory_peak: self.memory_peak.load(Relaxed),
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX / 4)
    }
}

/// A stage of a customer that runs.
#[derive(Debug)]
pub struct Busy<'a>(Option<&'a AtomicU32>);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(busy) = self.0 {
            busy.fetch_sub(1, Relaxed);
        }
    }
}

impl std::fmt::Display for Exhausted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fuel => "the customer's fuel-per-second is used up",
            Self::Instances => "the customer's instances are all busy",
        })
    }
}

/// The accounts of a node, by customer: of configured names only.
#[derive(Debug, Default)]
pub struct Accounts(Mutex<BTreeMap<Arc<str>, Arc<Account>>>);

impl Accounts {
    /// The account of a customer, made on first use.
    pub fn of(&self, customer: &str) -> Arc<Account> {
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(accounts.entry(customer.into()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::units::Size;

    #[test]
    fn fuel_beyond_the_share_is_paid_back_before_the_next_stage() {
        let account = Account::default();
        account.limit(&CustomerLimits { fuel_per_second: Some(1_000), ..CustomerLimits::default() });
        let start = Instant::now();
        let runs = |at: Instant| {
            let runs = account.enter(at).is_ok();
            if runs {
                account.spend(500, at);
            }
            runs
        };
        assert_eq!((0..10).filter(|_| runs(start)).count(), 3, "a second's worth, and the one that overdraws it");
        assert!(!runs(start + Duration::from_millis(400)));
        assert!(runs(start + Duration::from_millis(501)));
        assert_eq!(account.usage().refused, 8);
    }

    #[test]
    fn a_place_comes_back_when_its_stage_ends() {
        let account = Account::default();
        account.limit(&CustomerLimits { instances: Some(1), ..CustomerLimits::default() });
        let first = account.enter(Instant::now());
        assert_eq!(account.enter(Instant::now()).unwrap_err(), Exhausted::Instances);
        drop(first);
        assert!(account.enter(Instant::now()).is_ok());
    }

    #[test]
    fn memory_is_shared_by_all_instances_and_the_peak_is_kept() {
        let account = Account::default();
        account.limit(&CustomerLimits { memory: Some(Size::from_mib(1)), ..CustomerLimits::default() });
        assert!(account.grow(1 << 19).is_ok() && account.grow(1 << 19).is_ok());
        assert_eq!(account.grow(1), Err(1 << 20));
        account.shrink(1 << 19);
        let usage = account.usage();
        assert_eq!((usage.memory, usage.memory_peak), (1 << 19, 1 << 20));
    }
}
