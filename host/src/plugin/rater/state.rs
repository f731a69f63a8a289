//! What stands behind a rater: no tables, no services; a log and the time of the call.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::bindings::trunkline::routing::{clock, rating, telemetry, types};
use crate::log;
use crate::plugin::counters::Counters;
use crate::plugin::failure::truncate;
use crate::plugin::memory::MemoryGuard;

/// As for a stage (`wit/telemetry.wit`).
const MAX_LINE: usize = 1_024;
const MAX_LINES: u32 = 16;

pub(super) struct State {
    pub(super) name: Arc<str>,
    pub(super) counters: Arc<Counters>,
    pub(super) memory: MemoryGuard,
    pub(super) call_id: String,
    /// What `clock.now` says: microseconds since 1970.
    pub(super) now: u64,
    pub(super) log_lines: u32,
}

impl clock::Host for State {
    fn now(&mut self) -> u64 {
        self.now
    }
}

impl telemetry::Host for State {
    fn log(&mut self, level: telemetry::Level, mut message: String) {
        self.log_lines += 1;
        if self.log_lines > MAX_LINES {
            self.counters.count_dropped(1);
            return;
        }
        truncate(&mut message, MAX_LINE);
        let (plugin, call_id) = (&*self.name, &*self.call_id);
        let message = if level == telemetry::Level::Debug { message.into() } else { log::masked(&message) };
        match level {
            telemetry::Level::Debug => tracing::debug!(target: "trunkline::plugin", plugin, call_id, "{message}"),
            telemetry::Level::Info => tracing::info!(target: "trunkline::plugin", plugin, call_id, "{message}"),
            telemetry::Level::Warn => tracing::warn!(target: "trunkline::plugin", plugin, call_id, "{message}"),
            telemetry::Level::Error => tracing::error!(target: "trunkline::plugin", plugin, call_id, "{message}"),
        }
    }

    fn metric(&mut self, name: String, add: u64) {
        match self.counters.counter(&name) {
            Some(counter) => drop(counter.fetch_add(add, Relaxed)),
            None => self.counters.count_dropped(1),
        }
    }
}

// Types only.
impl types::Host for State {}
impl rating::Host for State {}
