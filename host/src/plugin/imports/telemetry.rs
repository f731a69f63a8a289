//! `telemetry`: what a plugin tells the operator, bounded.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::log;
use crate::plugin::bindings::trunkline::routing::telemetry::{Host, Level};
use crate::plugin::failure::truncate;
use crate::plugin::state::State;

/// Bytes of a line.
const MAX_LINE: usize = 1_024;

/// Lines of one call.
const MAX_LINES: u32 = 16;

impl Host for State {
    fn log(&mut self, level: Level, mut message: String) {
        let (customer, call_id) = match &mut self.call {
            Some(call) => {
                call.log_lines += 1;
                if call.log_lines > MAX_LINES {
                    self.counters.count_dropped(1);
                    return;
                }
                (&*call.customer, &*call.call_id)
            }
            None => ("", ""),
        };
        truncate(&mut message, MAX_LINE);
        let plugin = &*self.plugin;
        // Whoever turns debug on wants to see everything.
        let message = if level == Level::Debug { message.into() } else { log::masked(&message) };
        match level {
            Level::Debug => tracing::debug!(target: "trunkline::plugin", plugin, customer, call_id, "{message}"),
            Level::Info => tracing::info!(target: "trunkline::plugin", plugin, customer, call_id, "{message}"),
            Level::Warn => tracing::warn!(target: "trunkline::plugin", plugin, customer, call_id, "{message}"),
            Level::Error => tracing::error!(target: "trunkline::plugin", plugin, customer, call_id, "{message}"),
        }
    }

    fn metric(&mut self, name: String, add: u64) {
        // Who is told again counts nothing: the call was counted once.
        if self.told().is_some() {
            return;
        }
        if let Some((_, counter)) = self.own_counters.iter().find(|(known, _)| **known == *name) {
            counter.fetch_add(add, Relaxed);
            return;
        }
        match self.counters.counter(&name) {
            Some(counter) => {
                counter.fetch_add(add, Relaxed);
                self.own_counters.push((name.into(), Arc::clone(&counter)));
            }
            None => self.counters.count_dropped(1),
        }
    }
}
