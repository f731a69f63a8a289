//! A stage, loaded: a component with its configuration and its limits, proven able to start.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::account::Account;
use super::bindings::StagePre;
use super::breaker::{Breaker, BreakerState};
use super::component::Component;
use super::counters::Counters;
use super::engine::Engine;
use super::error::LoadError;
use super::failure::Failure;
use super::instance::Instance;
use super::state::{Lent, State};
use super::stats::Stats;
use super::version;
use crate::cdr::record::StageOutcome;
use crate::config::model::{self, Isolation};

/// How long a guest may take to start at load time. Off the call path: there the stage's own deadline holds.
const START_DEADLINE: Duration = Duration::from_secs(10);

/// The limits of a stage, and what its guest is told.
#[derive(Debug, Clone)]
pub struct StageSettings {
    /// Instructions per call.
    pub fuel: u64,
    /// Wall clock per call, host waits included.
    pub deadline: Duration,
    /// Bytes of linear memory and tables per instance.
    pub memory: u64,
    /// Whether instances live on between calls.
    pub isolation: Isolation,
    /// Calls at once, per worker.
    pub max_concurrent: usize,
    /// When to fly past it.
    pub breaker: model::Breaker,
    /// JSON for `configure`.
    pub config: String,
}

impl StageSettings {
    /// From `[plugins.NAME]`.
    pub fn of(plugin: &model::Plugin) -> Result<Self, LoadError> {
        let config = serde_json::to_string(&plugin.config)
            .map_err(|error| LoadError::Settings(format!("its config cannot be written as JSON: {error}")))?;
        Ok(Self {
            fuel: plugin.fuel,
            deadline: plugin.deadline.get(),
            memory: plugin.memory.bytes(),
            isolation: plugin.isolation,
            max_concurrent: plugin.max_concurrent,
            breaker: plugin.breaker.clone(),
            config,
        })
    }
}

/// A loaded stage, shared by all workers. It has the component's code, no instance.
pub struct Stage {
    /// The plugin's name in the configuration.
    pub name: Arc<str>,
    /// The first 16 hexadecimal digits of the component's SHA-256, as in call records.
    pub digest: Arc<str>,
    /// Its limits.
    pub settings: StageSettings,
    /// What became of its calls.
    pub stats: Stats,
    /// What it counts of its own; what its start at load counted is none of it.
    pub counters: Arc<Counters>,
    /// The component's whole digest.
    pub version: Arc<str>,
    /// Whose memory its instances take; `None` for the operator's own.
    pub(super) owner: Option<Arc<Account>>,
    pub(super) engine: Engine,
    pub(super) pre: StagePre<State>,
    pub(super) lent: Lent,
    pub(super) breaker: Breaker,
}

impl Stage {
    /// Checks the component against the contract and starts it once with its configuration. Within a tokio runtime.
    pub async fn load(
        engine: &Engine,
        name: &str,
        component: &Component,
        settings: StageSettings,
        lent: Lent,
        owner: Option<Arc<Account>>,
    ) -> Result<Self, LoadError> {
        if settings.memory > engine.max_memory() {
            let (asked, most) = (settings.memory, engine.max_memory());
            return Err(LoadError::Settings(format!("memory is {asked} bytes; a plugin can have at most {most}")));
        }
        let pre = link(engine, component)?;
        let stage = Self {
            name: name.into(),
            digest: component.short_digest(),
            version: Arc::clone(&component.digest),
            owner,
            breaker: Breaker::new(&settings.breaker, Instant::now()),
            settings,
            stats: Stats::default(),
            counters: Arc::default(),
            engine: engine.clone(),
            pre,
            lent,
        };
        stage.try_start().await?;
        Ok(stage)
    }

    /// How its breaker stands.
    pub fn breaker_state(&self) -> BreakerState {
        self.breaker.state(Instant::now())
    }

    /// Nobody's call: its fuel is in no account.
    async fn try_start(&self) -> Result<(), LoadError> {
        let started = tokio::time::timeout(START_DEADLINE, Instance::start(self, &mut 0)).await;
        let late = || format!("not started after {} s", START_DEADLINE.as_secs());
        let started = started.unwrap_or_else(|_| Err(Failure::new(StageOutcome::Deadline, late())));
        started.map(drop).map_err(LoadError::of_start)
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

fn link(engine: &Engine, component: &Component) -> Result<StagePre<State>, LoadError> {
    let foreign: Vec<String> = component
        .code
        .component_type()
        .imports(engine.wasm())
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.starts_with(version::PACKAGE))
        .collect();
    if !foreign.is_empty() {
        return Err(LoadError::Imports { imports: foreign });
    }
    version::check(engine, &component.code)?;
    let contract = |error: wasmtime::Error| LoadError::Contract { world: "stage", why: format!("{error:#}") };
    let linked = engine.linker().instantiate_pre(&component.code).map_err(contract)?;
    StagePre::new(linked).map_err(contract)
}
