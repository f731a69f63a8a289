//! A table in front of a slow source: answers from memory while an answer is fresh, answers with the old one while it
//! is stale and asks for a new one behind the call's back, and loads each key once for all who wait.

mod background;
mod store;
mod warm;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

pub(super) use self::store::Entry;
pub use self::store::Via;
use self::store::{Store, Used};
use self::warm::Progress;
use super::clock::{Clock, nanos};
use super::error::{LookupError, Problem, ServiceError};
use super::flight::{Flights, Landing};
use super::gate::Admission;
use super::origin::Origin;
use super::row::Row;
use super::service::Service;
use super::services::Services;
use super::shared::{Purge, Shared};
use super::source::{Given, Source};
use super::stats::{Counters, Stats};
use super::table::Probe;
use crate::config::model;
use crate::config::units::TimeSpan;

/// Between two attempts to refresh one key whose source fails.
const RETRY: u64 = 100_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct CachedTable {
    name: Arc<str>,
    config: model::Table,
    /// Where relative paths count from.
    folder: PathBuf,
    source: Source,
    shared: Option<Shared>,
    store: Store,
    flights: Arc<Flights>,
    /// Moves on with every purge: what was asked for before it is not kept.
    purges: AtomicU64,
    /// When the source last gave something; 0: never.
    last_load: AtomicU64,
    clock: Clock,
    back_office: Handle,
    counters: Counters,
    /// Whether its background work has begun.
    begun: AtomicBool,
    warming: Progress,
}

impl CachedTable {
    /// `name` is the table's; a relative path counts from `folder`.
    pub(super) fn new(
        name: &str,
        source: Source,
        config: &model::Table,
        folder: &Path,
        services: &Services,
    ) -> Result<Self, Vec<Problem>> {
        let shared = config.shared.as_ref().map(|shared| Shared::new(name, shared, services)).transpose()?;
        Ok(Self {
            name: name.into(),
            config: config.clone(),
            folder: folder.to_owned(),
            source,
            shared,
            store: Store::new(config.capacity),
            flights: Arc::default(),
            purges: AtomicU64::new(0),
            last_load: AtomicU64::new(0),
            clock: services.clock().clone(),
            back_office: services.back_office().clone(),
            counters: Counters::default(),
            begun: AtomicBool::new(false),
            warming: Progress::default(),
        })
    }

    /// Whether it is what this configuration asks for, and its service is one of these.
    pub(super) fn still_holds(&self, config: &model::Table, services: &Services) -> bool {
        let is_there = |own: &Arc<Service>| services.get(own.name()).is_some_and(|service| Arc::ptr_eq(service, own));
        let shared = self.shared.as_ref().is_none_or(|shared| is_there(shared.service()));
        self.config == *config && shared && is_there(self.source.service())
    }

    /// The answer, and where memory has it from.
    pub(super) fn probe(self: &Arc<Self>, key: &str) -> (Probe, Option<Origin>) {
        let held = self.store.get(key);
        if let Some(entry) = &held {
            let now = self.clock.now();
            entry.used.now(now);
            if now < entry.fresh_until {
                if now >= entry.refresh_from {
                    self.refresh(key, entry, now);
                }
                return (self.answer(entry), Some(Origin::Fresh { age: entry.age(now), via: entry.via }));
            }
            if now < entry.stale_until {
                self.refresh(key, entry, now);
                return self.answer_stale(entry, now);
            }
        }
        self.counters.missed();
        let error = match self.load(key) {
            Ok(probe) => return (probe, None),
            Err(error) => error,
        };
        self.counters.failed(&error);
        let now = self.clock.now();
        match held.filter(|entry| now < entry.error_until) {
            Some(entry) => self.answer_stale(&entry, now),
            None => (Probe::Ready(Err(error)), None),
        }
    }

    /// Where an answer would come from now.
    pub(super) fn origin(&self, key: &str) -> Origin {
        self.store.peek(key).map_or(Origin::Loaded, |entry| self.origin_of(&entry))
    }

    /// What is held under a key, whether it may still be served or not. Counts as no look-up.
    pub(super) fn peek(&self, key: &str) -> Option<(Option<Row>, Origin)> {
        let entry = self.store.peek(key)?;
        Some((entry.row.clone(), self.origin_of(&entry)))
    }

    fn origin_of(&self, entry: &Entry) -> Origin {
        let now = self.clock.now();
        let age = entry.age(now);
        if now < entry.fresh_until {
            Origin::Fresh { age, via: entry.via }
        } else if now < entry.stale_until {
            Origin::Stale { age, via: entry.via }
        } else {
            Origin::Loaded
        }
    }

    /// Forgets a key; whether it was there.
    pub(super) fn purge_key(&self, key: &str) -> bool {
        self.purges.fetch_add(1, Ordering::AcqRel);
        self.store.remove(key)
    }

    /// Forgets all keys that begin so; how many there were.
    pub(super) fn purge_prefix(&self, prefix: &str) -> usize {
        self.purges.fetch_add(1, Ordering::AcqRel);
        if prefix.is_empty() {
            return self.store.clear();
        }
        self.store.iter().filter(|(key, _)| key.starts_with(prefix) && self.store.remove(key)).count()
    }

    pub(super) fn stats(&self) -> Stats {
        let last = self.last_load.load(Ordering::Relaxed);
        let age = (last > 0).then(|| Duration::from_nanos(self.clock.now().saturating_sub(last)));
        self.counters.snapshot(self.store.len() as u64, self.store.bytes(), age)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn answer(&self, entry: &Entry) -> Probe {
        self.counters.answered(entry.row.is_some());
        Probe::Ready(Ok(entry.row.clone()))
    }

    fn answer_stale(&self, entry: &Entry, now: u64) -> (Probe, Option<Origin>) {
        self.counters.was_stale();
        (self.answer(entry), Some(Origin::Stale { age: entry.age(now), via: entry.via }))
    }

    /// Joins the load of this key, or starts it.
    fn load(self: &Arc<Self>, key: &str) -> Result<Probe, LookupError> {
        let board = self.flights.board();
        if let Some(load) = board.under_way(key) {
            return Ok(Probe::Pending(load.clone()));
        }
        // It may have landed between our look into the cache and the lock.
        if let Some(entry) = self.store.peek(key).filter(|entry| self.clock.now() < entry.fresh_until) {
            return Ok(Probe::Ready(Ok(entry.row.clone())));
        }
        self.source.check(key)?;
        // With a second tier even a source that is known to be down may have been answered for.
        let admission = if self.shared.is_some() { None } else { Some(self.source.service().gate().admit()?) };
        let (landing, load) = board.start(key);
        self.spawn(landing, admission, Young::Fresh);
        Ok(Probe::Pending(load))
    }

    /// Has the key loaded anew, unless that is under way or the source is known to be down. Nobody waits for it.
    fn refresh(self: &Arc<Self>, key: &str, entry: &Entry, now: u64) {
        if !entry.used.may_ask(now, RETRY) || self.source.service().gate().breaker().is_open() {
            return;
        }
        let board = self.flights.board();
        if board.under_way(key).is_some() {
            return;
        }
        if let (Ok(()), Ok(admission)) = (self.source.check(key), self.source.service().gate().admit()) {
            let (landing, _) = board.start(key);
            self.spawn(landing, Some(admission), Young::NotDue);
        }
    }

    fn spawn(self: &Arc<Self>, landing: Landing, admission: Option<Admission>, young: Young) {
        let table = Arc::clone(self);
        let purges = self.purges.load(Ordering::Acquire);
        self.back_office.spawn(async move {
            let answer = match table.fetch(landing.key(), admission, young, purges).await {
                Ok(fetched) => Ok(table.keep(landing.key(), fetched, purges)),
                Err(error) => {
                    table.counters.failed(&error);
                    table.instead(landing.key(), error)
                }
            };
            landing.land(answer);
        });
    }

    /// From the second tier where it has something young enough, else from the source; where that fails, from the tier
    /// after all. All of it within the deadline, of which the tier may take half.
    async fn fetch(
        self: &Arc<Self>,
        key: &str,
        admission: Option<Admission>,
        young: Young,
        purges: u64,
    ) -> Result<Fetched, LookupError> {
        let began = Instant::now();
        let Some(shared) = &self.shared else { return self.ask(key, admission, began).await };
        let found = shared.get(key, self.deadline() / 2).await.map(|found| {
            let loaded = self.clock.now().saturating_sub(nanos(found.age));
            Fetched { given: Given::from(found.row), loaded, via: Via::Shared }
        });
        let times = found.as_ref().map(|found| self.times(found));
        let now = self.clock.now();
        if let (Some(found), Some(times)) = (&found, &times)
            && now < if young == Young::Fresh { times.fresh_until } else { times.refresh_from.min(times.fresh_until) }
        {
            self.counters.was_shared();
            return Ok(found.clone());
        }
        match (self.ask(key, admission, began).await, found, times) {
            (Ok(fetched), ..) => {
                if self.purges.load(Ordering::Acquire) == purges {
                    self.leave(key, &fetched);
                }
                Ok(fetched)
            }
            (Err(error), Some(found), Some(times)) if now < times.error_until => {
                self.counters.failed(&error);
                self.counters.was_shared();
                Ok(found)
            }
            (Err(error), ..) => Err(error),
        }
    }

    /// For one load, from its beginning to its end.
    fn deadline(&self) -> Duration {
        self.config.deadline.map_or_else(|| self.source.service().gate().deadline(), TimeSpan::get)
    }

    /// Asks the source, for a load that began then.
    async fn ask(&self, key: &str, admission: Option<Admission>, began: Instant) -> Result<Fetched, LookupError> {
        let admission = match admission {
            Some(admission) => admission,
            None => self.source.service().gate().admit()?,
        };
        let asked = Instant::now();
        let given = self.source.load(admission, began, self.deadline(), key).await;
        self.counters.loaded(asked.elapsed().as_micros() as u64);
        given.map(|given| {
            let now = self.clock.now();
            self.last_load.store(now, Ordering::Relaxed);
            Fetched { given, loaded: now, via: Via::Source }
        })
    }

    /// For the other nodes; nobody waits for it.
    fn leave(self: &Arc<Self>, key: &str, fetched: &Fetched) {
        let (table, key, row) = (Arc::clone(self), key.to_owned(), fetched.given.row.clone());
        let keep = Duration::from_nanos(self.times(fetched).error_until.saturating_sub(fetched.loaded));
        self.back_office.spawn(async move {
            if let Some(shared) = &table.shared {
                shared.put(&key, row.as_ref(), keep).await;
            }
        });
    }

    /// What is served where a load failed: the old answer, for as long as that is allowed.
    fn instead(&self, key: &str, error: LookupError) -> Result<Option<Row>, LookupError> {
        let old = self.store.peek(key).filter(|entry| self.clock.now() < entry.error_until);
        old.map_or(Err(error), |entry| {
            self.counters.was_stale();
            self.counters.answered(entry.row.is_some());
            Ok(entry.row.clone())
        })
    }

    /// Takes an answer into the cache, unless something was purged since it was asked for: it may be the very thing.
    fn keep(&self, key: &str, fetched: Fetched, purges: u64) -> Option<Row> {
        let Times { refresh_from, fresh_until, stale_until, error_until } = self.times(&fetched);
        let Fetched { given, loaded, via } = fetched;
        let row = given.row;
        if self.purges.load(Ordering::Acquire) != purges {
            return row;
        }
        let used = Used::carried_on(self.store.peek(key).as_ref().map(|before| &before.used));
        let entry = Entry { row: row.clone(), via, loaded, refresh_from, fresh_until, stale_until, error_until, used };
        self.store.insert(key, entry);
        row
    }

    /// How long an answer is worth something.
    fn times(&self, fetched: &Fetched) -> Times {
        let ttl = if fetched.given.row.is_some() { self.config.ttl } else { self.config.negative_ttl };
        let ttl = nanos(fetched.given.ttl.map_or(ttl.get(), |own| own.min(ttl.get())));
        let fresh_until = fetched.loaded.saturating_add(ttl);
        let ahead = nanos(self.config.refresh_ahead.get()).min(ttl / 2);
        let stale_until = fresh_until.saturating_add(nanos(self.config.stale.get()));
        Times {
            refresh_from: if ahead > 0 { fresh_until.saturating_sub(ahead) } else { u64::MAX },
            fresh_until,
            stale_until,
            error_until: stale_until.max(fresh_until.saturating_add(nanos(self.config.stale_if_error.get()))),
        }
    }

    /// Forgets it in the second tier too, and has all nodes forget it. `None` where there is no second tier.
    pub(super) async fn purge_shared(&self, purge: &Purge) -> Option<Result<(), ServiceError>> {
        Some(self.shared.as_ref()?.purge(purge).await)
    }

    fn heard(&self, purge: &Purge) {
        match purge {
            Purge::Key(key) if key.is_empty() => {}
            Purge::Key(key) => drop(self.purge_key(key)),
            Purge::Prefix(prefix) => drop(self.purge_prefix(prefix)),
        }
    }
}

/// How young an answer of the second tier must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Young {
    /// Within its ttl: a call waits for it.
    Fresh,
    /// Not yet due to be refreshed: else it is the source's turn.
    NotDue,
}

/// Until when an answer is worth what.
struct Times {
    refresh_from: u64,
    fresh_until: u64,
    stale_until: u64,
    error_until: u64,
}

/// A source's answer, and where it was taken from.
#[derive(Clone)]
struct Fetched {
    given: Given,
    /// By the clock.
    loaded: u64,
    via: Via,
}

#[cfg(test)]
impl CachedTable {
    pub(super) fn under_way(&self, key: &str) -> Option<super::flight::Load> {
        self.flights.board().under_way(key).cloned()
    }

    pub(super) fn sweep(self: &Arc<Self>) -> usize {
        self.due().len()
    }
}
