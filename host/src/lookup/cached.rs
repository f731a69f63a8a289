//! A table in front of a slow source: answers from memory while an answer is fresh, answers with the old one while it
//! is stale and asks for a new one behind the call's back, and loads each key once for all who wait.

use std::sync::Arc;
use std::time::Duration;

use hashbrown::DefaultHashBuilder;
use moka::sync::Cache;
use tokio::runtime::Handle;

use super::clock::{Clock, nanos};
use super::error::LookupError;
use super::flight::{Flights, Landing};
use super::http::{HttpRows, unavailable};
use super::row::Row;
use super::service::Admission;
use super::services::Services;
use super::stats::{Counters, Stats};
use super::table::{Origin, Probe};
use crate::config::model;

/// A source's answer, and how long it is worth something.
#[derive(Debug, Clone)]
struct Entry {
    /// `None`: the source has no such row.
    row: Option<Arc<Row>>,
    loaded: u64,
    fresh_until: u64,
    stale_until: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct CachedTable {
    config: model::Table,
    source: HttpRows,
    ttl: u64,
    negative_ttl: u64,
    stale: u64,
    /// Bounded by entries. Worn-out ones leave when their place is needed or their key is loaded again: no timers.
    cache: Cache<Box<str>, Entry, DefaultHashBuilder>,
    flights: Arc<Flights>,
    clock: Clock,
    back_office: Handle,
    counters: Counters,
}

impl CachedTable {
    pub(super) fn new(source: HttpRows, config: &model::Table, services: &Services) -> Self {
        Self {
            config: config.clone(),
            source,
            ttl: nanos(config.ttl.get()),
            negative_ttl: nanos(config.negative_ttl.get()),
            stale: nanos(config.stale.get()),
            cache: Cache::builder().max_capacity(config.capacity).build_with_hasher(DefaultHashBuilder::default()),
            flights: Arc::default(),
            clock: services.clock().clone(),
            back_office: services.back_office().clone(),
            counters: Counters::default(),
        }
    }

    /// Whether it is what this configuration asks for, and its service is one of these.
    pub(super) fn still_holds(&self, config: &model::Table, services: &Services) -> bool {
        let own = self.source.service();
        self.config == *config
            && services.get(own.name()).is_some_and(|service| std::ptr::eq(Arc::as_ptr(service), own))
    }

    pub(super) fn probe(self: &Arc<Self>, key: &str) -> Probe {
        if let Some(entry) = self.cache.get(key) {
            let now = self.clock.now();
            if now < entry.fresh_until {
                return self.answer(entry);
            }
            if now < entry.stale_until {
                Counters::add(&self.counters.stale);
                self.refresh(key);
                return self.answer(entry);
            }
        }
        Counters::add(&self.counters.misses);
        self.load(key).unwrap_or_else(|error| {
            self.counters.failed(&error);
            Probe::Ready(Err(error))
        })
    }

    /// Where an answer would come from now.
    pub(super) fn origin(&self, key: &str) -> Origin {
        let Some(entry) = self.cache.get(key) else { return Origin::Loaded };
        let now = self.clock.now();
        let age = Duration::from_nanos(now.saturating_sub(entry.loaded));
        if now < entry.fresh_until {
            Origin::Fresh { age }
        } else if now < entry.stale_until {
            Origin::Stale { age }
        } else {
            Origin::Loaded
        }
    }

    pub(super) fn stats(&self) -> Stats {
        self.counters.snapshot(self.cache.entry_count(), 0)
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    fn answer(&self, entry: Entry) -> Probe {
        self.counters.answered(entry.row.is_some());
        Probe::Ready(Ok(entry.row))
    }

    /// Joins the load of this key, or starts it.
    fn load(self: &Arc<Self>, key: &str) -> Result<Probe, LookupError> {
        let board = self.flights.board();
        if let Some(load) = board.under_way(key) {
            return Ok(Probe::Pending(load.clone()));
        }
        // It may have landed between our look into the cache and the lock.
        if let Some(entry) = self.cache.get(key).filter(|entry| self.clock.now() < entry.fresh_until) {
            return Ok(Probe::Ready(Ok(entry.row)));
        }
        let request = self.source.request(key)?;
        let admission = self.source.service().admit().map_err(unavailable)?;
        let (landing, load) = board.start(key);
        self.spawn(landing, admission, request);
        Ok(Probe::Pending(load))
    }

    /// Has the key loaded anew, unless that is under way or the source is known to be down. Nobody waits for it.
    fn refresh(self: &Arc<Self>, key: &str) {
        if self.source.service().breaker().is_open() {
            return;
        }
        let board = self.flights.board();
        if board.under_way(key).is_some() {
            return;
        }
        if let (Ok(request), Ok(admission)) = (self.source.request(key), self.source.service().admit()) {
            let (landing, _) = board.start(key);
            self.spawn(landing, admission, request);
        }
    }

    fn spawn(self: &Arc<Self>, landing: Landing, admission: Admission, request: reqwest::Request) {
        let table = Arc::clone(self);
        self.back_office.spawn(async move {
            Counters::add(&table.counters.loads);
            let answer = match table.source.load(admission, request).await {
                Ok(row) => Ok(table.keep(landing.key(), row)),
                Err(error) => Err(error),
            };
            if let Err(error) = &answer {
                table.counters.failed(error);
            }
            landing.land(answer);
        });
    }

    fn keep(&self, key: &str, row: Option<Row>) -> Option<Arc<Row>> {
        let row = row.map(Arc::new);
        let now = self.clock.now();
        let ttl = if row.is_some() { self.ttl } else { self.negative_ttl };
        let fresh_until = now.saturating_add(ttl);
        let stale_until = fresh_until.saturating_add(self.stale);
        self.cache.insert(key.into(), Entry { row: row.clone(), loaded: now, fresh_until, stale_until });
        row
    }
}

#[cfg(test)]
impl CachedTable {
    pub(super) fn under_way(&self, key: &str) -> Option<super::flight::Load> {
        self.flights.board().under_way(key).cloned()
    }

    pub(super) fn settle(&self) {
        self.cache.run_pending_tasks();
    }
}
