//! One instance of a stage: a store with a configured guest in it.

use std::pin::pin;

use wasmtime::Store;

use super::bindings;
use super::contract::{Call, Outcome};
use super::failure::Failure;
use super::limits::Permit;
use super::memory::MemoryGuard;
use super::stage::Stage;
use super::state::{OnCall, State};
use crate::cdr::record::StageOutcome;

/// Fuel between two looks at the clock: 15 to 30 µs. Longer, and a looping guest holds its worker's other calls;
/// shorter, and every call of a large guest pays for turns that nobody needs.
pub(super) const YIELD_INTERVAL: u64 = 100_000;

/// A guest gets so many times a call's fuel for its start and its `configure`.
pub(super) const START_FUEL_FACTOR: u64 = 100;

/// Bytes that the host takes from a guest in one hand-over (an outcome, an import's arguments), strings and lists
/// together. One string that a million list items share would otherwise cost the host a million strings.
pub(super) const MAX_HANDED_OVER: usize = 1 << 20;

pub(super) struct Instance {
    store: Store<State>,
    exports: bindings::Stage,
    /// What the last call was given.
    fuel: u64,
}

/// Watches the fuel of a start, so that it is known also where the start fails or is dropped in its midst.
struct Meter<'a> {
    store: &'a mut Store<State>,
    given: u64,
    used: &'a mut u64,
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        *self.used += used(self.store, self.given);
    }
}

/// What of the fuel that it was given a store has used.
fn used(store: &Store<State>, given: u64) -> u64 {
    store.get_fuel().map_or(0, |left| given.saturating_sub(left))
}

impl Instance {
    /// Makes the guest and hands it its configuration. Adds the fuel of that to `fuel`, however it ends. Fails with the
    /// reason that a call would be given.
    pub(super) async fn start(stage: &Stage, fuel: &mut u64) -> Result<Self, Failure> {
        let state = State {
            plugin: stage.name.clone(),
            lent: stage.lent.clone(),
            counters: stage.counters.clone(),
            own_counters: Vec::new(),
            memory: MemoryGuard::new(usize::try_from(stage.settings.memory).unwrap_or(usize::MAX), stage.owner.clone()),
            call: None,
        };
        let mut store = Store::new(stage.engine.wasm(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(MAX_HANDED_OVER);
        let of = |error: wasmtime::Error| Failure::of(&error);
        let given = stage.settings.fuel.saturating_mul(START_FUEL_FACTOR);
        store.set_fuel(given).map_err(of)?;
        store.fuel_async_yield_interval(Some(YIELD_INTERVAL)).map_err(of)?;
        let meter = Meter { store: &mut store, given, used: fuel };
        let exports = stage.pre.instantiate_async(&mut *meter.store).await.map_err(of)?;
        let configured = exports.call_configure(&mut *meter.store, &stage.settings.config).await.map_err(of)?;
        drop(meter);
        match configured {
            Ok(()) => Ok(Self { store, exports, fuel: 0 }),
            Err(refusal) => Err(Failure::new(StageOutcome::Error, refusal)),
        }
    }

    /// Runs one call. After a failure with a reason other than `Error` the instance must not run another.
    pub(super) async fn handle(&mut self, fuel: u64, call: &Call, on: OnCall) -> Result<Outcome, Failure> {
        self.fuel = fuel;
        self.store.data_mut().call = Some(on);
        self.store.set_fuel(fuel).map_err(|error| Failure::of(&error))?;
        let answered = pin!(self.exports.call_handle(&mut self.store, call)).await;
        match answered {
            Ok(Ok(outcome)) => Ok(outcome),
            Ok(Err(text)) => Err(Failure::new(StageOutcome::Error, text)),
            Err(error) => Err(Failure::of(&error)),
        }
    }

    /// What the last call used, also where it was cut; without the instance's start.
    pub(super) fn fuel_used(&self) -> u64 {
        used(&self.store, self.fuel)
    }

    /// Whether the last call asked a table or a service that gave no answer.
    pub(super) fn met_outage(&self) -> bool {
        self.store.data().call.as_ref().is_some_and(|call| call.outage)
    }

    /// What the record should say of the last call's look-ups; empty: nothing.
    pub(super) fn remarks(&mut self) -> String {
        self.store.data_mut().call.as_mut().map_or_else(String::new, |call| std::mem::take(&mut call.remarks))
    }

    /// Ends the call: what it took comes back to the caller, what it knew is forgotten.
    pub(super) fn leave(&mut self) -> Vec<Permit> {
        self.store.data_mut().call.take().map_or_else(Vec::new, |call| call.permits)
    }
}
