//! Rating components (world `rater`): ended call in, charges out, for the ledger. Never on the call path.
//!
//! A [`Rater`] is one instance; whoever rates in parallel makes several. It holds no lock and no table: the same call
//! gives the same charges.

mod bindings;
mod state;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::{HasSelf, Linker};

pub use self::bindings::trunkline::routing::rating::{Charge, EndedCall, Party, Quoted};
pub use self::bindings::trunkline::routing::types::{Attribute, Decimal};
use self::state::State;
use super::component::Component;
use super::counters::Counters;
use super::engine::Engine;
use super::error::LoadError;
use super::failure::Failure;
use super::instance::{MAX_HANDED_OVER, START_FUEL_FACTOR, YIELD_INTERVAL};
use super::memory::MemoryGuard;
use super::version;
use crate::cdr::record::StageOutcome;

/// Charges of one call.
const MAX_CHARGES: usize = 32;
/// Bytes of a charge's kind.
const MAX_KIND: usize = 64;
/// Decimal places of an amount.
const MAX_SCALE: u8 = 18;

/// The limits of a rater, and what its guest is told.
#[derive(Debug, Clone)]
pub struct RaterSettings {
    /// Instructions per call.
    pub fuel: u64,
    /// Wall clock per call.
    pub deadline: Duration,
    /// Bytes of linear memory and tables.
    pub memory: u64,
    /// JSON for `configure`.
    pub config: String,
}

impl Default for RaterSettings {
    /// 10,000,000 instructions, 1 s, 64 MiB, an empty configuration.
    fn default() -> Self {
        Self { fuel: 10_000_000, deadline: Duration::from_secs(1), memory: 64 << 20, config: "{}".to_owned() }
    }
}

/// One instance of a rating component.
pub struct Rater {
    name: Arc<str>,
    digest: Arc<str>,
    settings: RaterSettings,
    counters: Arc<Counters>,
    engine: Engine,
    pre: bindings::RaterPre<State>,
    /// `None` after a trap: made again for the next call.
    instance: Option<Instance>,
}

struct Instance {
    store: Store<State>,
    exports: bindings::Rater,
}

impl Rater {
    /// Checks the component against the contract and starts it with its configuration. Within a tokio runtime.
    ///
    /// # Errors
    ///
    /// It is no rater of this contract, or refuses its configuration, or fails before its first call.
    pub async fn load(
        engine: &Engine,
        name: &str,
        component: &Component,
        settings: RaterSettings,
    ) -> Result<Self, LoadError> {
        version::check(engine, &component.code)?;
        let contract = |error: wasmtime::Error| LoadError::Contract { world: "rater", why: format!("{error:#}") };
        let mut linker = Linker::new(engine.wasm());
        bindings::Rater::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state).map_err(contract)?;
        let linked = linker.instantiate_pre(&component.code).map_err(contract)?;
        let mut rater = Self {
            name: name.into(),
            digest: component.short_digest(),
            settings,
            counters: Arc::default(),
            engine: engine.clone(),
            pre: bindings::RaterPre::new(linked).map_err(contract)?,
            instance: None,
        };
        rater.instance = Some(rater.start().await.map_err(LoadError::of_start)?);
        Ok(rater)
    }

    /// The first 16 hexadecimal digits of the component's SHA-256.
    pub fn digest(&self) -> &Arc<str> {
        &self.digest
    }

    /// What it counts of its own.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// The charges of one call, checked: at most 32, each with a kind, a currency and at most 18 decimal places.
    ///
    /// # Errors
    ///
    /// It failed, was cut, or gave charges that cannot be: none of them counts.
    pub async fn rate(&mut self, call: &EndedCall) -> Result<Vec<Charge>, Failure> {
        let deadline = self.settings.deadline;
        let Ok(charges) = tokio::time::timeout(deadline, self.run(call)).await else {
            // Cut in the middle: `run` had taken the instance, which is gone.
            let detail = format!("not ended after {} ms", deadline.as_millis());
            return Err(Failure::new(StageOutcome::Deadline, detail));
        };
        charges.and_then(checked)
    }

    async fn run(&mut self, call: &EndedCall) -> Result<Vec<Charge>, Failure> {
        let mut instance = match self.instance.take() {
            Some(instance) => instance,
            None => self.start().await?,
        };
        let of = |error: wasmtime::Error| Failure::of(&error);
        let state = instance.store.data_mut();
        call.call_id.clone_into(&mut state.call_id);
        (state.now, state.log_lines) = (call.ended, 0);
        instance.store.set_fuel(self.settings.fuel).map_err(of)?;
        let answer = instance.exports.call_rate(&mut instance.store, call).await.map_err(of)?;
        self.instance = Some(instance);
        answer.map_err(|text| Failure::new(StageOutcome::Error, text))
    }

    async fn start(&self) -> Result<Instance, Failure> {
        let state = State {
            name: Arc::clone(&self.name),
            counters: Arc::clone(&self.counters),
            memory: MemoryGuard::new(usize::try_from(self.settings.memory).unwrap_or(usize::MAX), None),
            call_id: String::new(),
            now: 0,
            log_lines: 0,
        };
        let of = |error: wasmtime::Error| Failure::of(&error);
        let mut store = Store::new(self.engine.wasm(), state);
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(MAX_HANDED_OVER);
        store.set_fuel(self.settings.fuel.saturating_mul(START_FUEL_FACTOR)).map_err(of)?;
        store.fuel_async_yield_interval(Some(YIELD_INTERVAL)).map_err(of)?;
        let exports = self.pre.instantiate_async(&mut store).await.map_err(of)?;
        match exports.call_configure(&mut store, &self.settings.config).await.map_err(of)? {
            Ok(()) => Ok(Instance { store, exports }),
            Err(refusal) => Err(Failure::new(StageOutcome::Error, refusal)),
        }
    }
}

impl std::fmt::Debug for Rater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rater").field("name", &self.name).field("digest", &self.digest).finish_non_exhaustive()
    }
}

fn checked(charges: Vec<Charge>) -> Result<Vec<Charge>, Failure> {
    let refuse = |why: String| Err(Failure::new(StageOutcome::Invalid, why));
    if charges.len() > MAX_CHARGES {
        return refuse(format!("{} charges; at most {MAX_CHARGES}", charges.len()));
    }
    for charge in &charges {
        let kind = &charge.kind;
        if kind.is_empty() || kind.len() > MAX_KIND || kind.contains(char::is_control) {
            return refuse(format!("a charge's kind has 1 to {MAX_KIND} bytes and no control characters"));
        }
        if charge.currency.len() != 3 || !charge.currency.bytes().all(|letter| letter.is_ascii_uppercase()) {
            return refuse(format!("the charge `{kind}`: a currency that is no ISO 4217 code"));
        }
        if charge.amount.scale > MAX_SCALE {
            return refuse(format!("the charge `{kind}`: more than {MAX_SCALE} decimal places"));
        }
    }
    Ok(charges)
}
