//! How a store fares, for the status page, the metrics and retention.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::cdr::cursor::{self, Cursor};
use crate::cdr::journal::Synced;
use crate::cdr::record::{CallRecord, UnixMicros};
use crate::events::{self, Event};

/// A store that keeps failing is named in the log this often.
const ALARM: Duration = Duration::from_secs(30);

/// How far a store is behind, and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Lag {
    /// `store NAME` or `fanout`.
    pub store: String,
    /// `sql`, `files` or `amqp`.
    pub kind: &'static str,
    /// Records that the journal has and the store has not confirmed.
    pub behind: u64,
    /// How long ago the call ended of the oldest record that the store has not confirmed, by the machine's clock. Zero where
    /// it has all.
    pub age: Duration,
    /// Records confirmed since the start.
    pub confirmed: u64,
    /// Refused attempts since the start.
    pub failures: u64,
    /// Records that the store will never have: lost before the journal, or damaged in it.
    pub missing: u64,
    /// Records that the broker gave back since the start, because no queue was bound.
    pub unroutable: u64,
    /// What the store last said, while it refuses.
    pub error: Option<String>,
}

fn now() -> UnixMicros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

#[derive(Debug)]
pub(in crate::cdr) struct Status {
    name: String,
    kind: &'static str,
    epoch: AtomicU64,
    sequence: AtomicU64,
    saved_segment: AtomicU64,
    /// When the oldest record became known that the store has not confirmed; 0 for none.
    oldest: AtomicU64,
    confirmed: AtomicU64,
    failures: AtomicU64,
    missing: AtomicU64,
    unroutable: AtomicU64,
    trouble: Mutex<Trouble>,
}

#[derive(Debug, Default)]
struct Trouble {
    error: Option<String>,
    alarmed: Option<Instant>,
}

impl Status {
    pub(super) fn new(name: &str, kind: &'static str, cursor: &Cursor) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            epoch: AtomicU64::new(cursor.epoch),
            sequence: AtomicU64::new(cursor.sequence),
            saved_segment: AtomicU64::new(cursor.position.segment),
            oldest: AtomicU64::default(),
            confirmed: AtomicU64::default(),
            failures: AtomicU64::default(),
            missing: AtomicU64::default(),
            unroutable: AtomicU64::default(),
            trouble: Mutex::default(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The stem of the cursor's file.
    pub(in crate::cdr) fn cursor_name(&self) -> String {
        cursor::file_name(&self.name)
    }

    /// The segment of the cursor that would be found after a crash now.
    pub(in crate::cdr) fn saved_segment(&self) -> u64 {
        self.saved_segment.load(Ordering::Acquire)
    }

    pub(in crate::cdr) fn lag(&self, synced: Synced) -> Lag {
        let here =
            if self.epoch.load(Ordering::Relaxed) == synced.epoch { self.sequence.load(Ordering::Relaxed) } else { 0 };
        let behind = synced.sequence.saturating_sub(here);
        let oldest = match self.oldest.load(Ordering::Relaxed) {
            oldest if oldest > 0 && behind > 0 => oldest,
            _ => UnixMicros::MAX,
        };
        Lag {
            store: self.name.clone(),
            kind: self.kind,
            behind,
            age: Duration::from_micros(now().saturating_sub(oldest)),
            confirmed: self.confirmed.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            missing: self.missing.load(Ordering::Relaxed),
            unroutable: self.unroutable.load(Ordering::Relaxed),
            error: self.trouble().error.clone(),
        }
    }

    pub(super) fn advanced(&self, cursor: &Cursor, records: u64) {
        self.epoch.store(cursor.epoch, Ordering::Relaxed);
        self.sequence.store(cursor.sequence, Ordering::Relaxed);
        self.confirmed.fetch_add(records, Ordering::Relaxed);
    }

    /// There is something for the store, and it is about to be read. How old that is nobody knows before: where reading
    /// hangs or fails, it grows older from now on.
    pub(super) fn waits(&self) {
        let _known = self.oldest.compare_exchange(0, now(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The store gets this record next, and has none behind it; `None`: it has all.
    pub(super) fn holds(&self, oldest: Option<&CallRecord>) {
        self.oldest.store(oldest.map_or(0, |record| record.times.ended), Ordering::Relaxed);
    }

    pub(super) fn saved(&self, segment: u64) {
        self.saved_segment.store(segment, Ordering::Release);
    }

    pub(super) fn missing(&self, records: u64) {
        self.missing.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn unroutable(&self, records: u64) {
        self.unroutable.store(records, Ordering::Relaxed);
    }

    /// Notes a refusal. True when it should be logged: the first of a row, and one every [`ALARM`].
    pub(super) fn failed(&self, error: String) -> bool {
        self.failures.fetch_add(1, Ordering::Relaxed);
        let mut trouble = self.trouble();
        trouble.error = Some(error);
        let alarm = trouble.alarmed.is_none_or(|last| last.elapsed() >= ALARM);
        if trouble.alarmed.is_none() {
            let error = trouble.error.clone().unwrap_or_default();
            events::publish(Event::StoreFailing { store: self.name.clone(), error });
        }
        if alarm {
            trouble.alarmed = Some(Instant::now());
        }
        alarm
    }

    pub(super) fn delivered(&self) {
        let mut trouble = self.trouble();
        if trouble.error.take().is_some() {
            trouble.alarmed = None;
            events::publish(Event::StoreWell { store: self.name.clone() });
            tracing::info!(store = %self.name, "this store takes records again");
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
