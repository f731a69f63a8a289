//! What a cached table does when nobody calls: it refreshes the keys that are in use before they expire, so that a
//! quiet night does not make the first calls of the morning slow.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::CachedTable;
use crate::lookup::clock::nanos;

/// Between two walks through the cache.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

impl CachedTable {
    /// Begins the background work, once; it ends with the table. `state` is where something is kept for the next run.
    pub(in crate::lookup) fn begin(self: &Arc<Self>, state: &Path) {
        if self.begun.swap(true, Ordering::AcqRel) {
            return;
        }
        if !self.config.refresh_ahead.get().is_zero() {
            self.back_office.spawn(keep_fresh(Arc::downgrade(self)));
        }
        if let Some(shared) = self.shared.clone() {
            let table = Arc::downgrade(self);
            self.back_office.spawn(shared.listen(move |purge| {
                table.upgrade().is_some_and(|table| {
                    table.heard(purge);
                    true
                })
            }));
        }
        self.warm_up(state);
    }

    /// The keys that were used lately and expire before the next walk has come by.
    pub(super) fn due(&self) -> Vec<Box<str>> {
        let now = self.clock.now();
        let soon = now.saturating_add(nanos(self.pause()));
        let used_since = now.saturating_sub(nanos(self.config.refresh_used.get()));
        let due = self.store.iter().filter(|(_, entry)| entry.refresh_from <= soon && entry.used.since(used_since));
        due.map(|(key, _)| key).collect()
    }

    /// A key comes by at least twice between the beginning of its refresh and its end.
    fn pause(&self) -> Duration {
        (self.config.refresh_ahead.get() / 4).clamp(SHORTEST, LONGEST)
    }

    /// Has a key loaded in the background, as a call's refresh would.
    fn renew(self: &Arc<Self>, key: &str) {
        if let Some(entry) = self.store.peek(key) {
            self.refresh(key, &entry, self.clock.now());
        }
    }
}

async fn keep_fresh(table: Weak<CachedTable>) {
    loop {
        let Some(pause) = table.upgrade().map(|table| table.pause()) else { return };
        tokio::time::sleep(pause).await;
        let Some(table) = table.upgrade() else { return };
        let due = table.due();
        let mut beat = tokio::time::interval(table.config.beat());
        for key in due {
            beat.tick().await;
            table.renew(&key);
        }
    }
}
