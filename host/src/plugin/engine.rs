//! The node's one WebAssembly engine: what every guest runs under, and the pool its memory comes from.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use wasmtime::component::{HasSelf, Linker};
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, PoolingAllocatorMetrics};

use super::bindings::trunkline::routing::{clock, limits, message, services, telemetry};
use super::error::LoadError;
use super::imports::lookups;
use super::state::State;

/// The largest `memory` that a plugin can be given. Slots are reserved as addresses, not as memory.
const MAX_MEMORY: u64 = 1 << 30;

/// Bounds of the engine, for the whole life of the process.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Instances alive at once on the node, warm ones included, where each takes no more of the pool than a memory, two
    /// tables and eight core instances: one that takes more leaves room for fewer. Each reserves 4 GiB of addresses;
    /// memory is taken as a guest uses it. Default 2,048.
    pub instances: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self { instances: 2_048 }
    }
}

/// Compiles components and holds the pool. Clones are handles to one engine.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    wasm: wasmtime::Engine,
    linker: Linker<State>,
    /// What the pool has, and how much of it is taken.
    instances: u32,
    taken: PoolingAllocatorMetrics,
}

/// Of each instance's share of the pool.
const CORE_INSTANCES: u32 = 8;
const TABLES: u32 = 2;

impl Engine {
    /// Reserves the pool's addresses.
    pub fn new(options: EngineOptions) -> Result<Self, LoadError> {
        let wasm = wasmtime::Engine::new(&config(options)).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let linker = linker(&wasm).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let no_pool = || LoadError::Engine("it has no pool".to_owned());
        let taken = wasm.pooling_allocator_metrics().ok_or_else(no_pool)?;
        Ok(Self(Arc::new(Inner { wasm, linker, instances: options.instances, taken })))
    }

    /// Bytes that a plugin's `memory` can be at most.
    pub fn max_memory(&self) -> u64 {
        MAX_MEMORY
    }

    pub(super) fn wasm(&self) -> &wasmtime::Engine {
        &self.0.wasm
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.0.linker
    }

    /// Names all settings that compiled code depends on: code of another hash is another engine's.
    pub(super) fn compatibility(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.wasm.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    /// Instances alive now.
    pub fn instances(&self) -> u64 {
        self.0.taken.component_instances()
    }

    /// Whether idle instances should give way, because most of something that the pool has is taken: a component may be
    /// made of a hundred core instances, and a few of it take what would be enough for hundreds of others.
    pub(super) fn is_crowded(&self) -> bool {
        let Inner { instances, taken, .. } = &*self.0;
        let most = |of_each: u32| u64::from(instances.saturating_mul(of_each)) / 4 * 3;
        taken.component_instances() > most(1)
            || taken.core_instances() > most(CORE_INSTANCES)
            || taken.memories() as u64 > most(1)
            || taken.tables() as u64 > most(TABLES)
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (most, alive) = (self.0.instances, self.instances());
        f.debug_struct("Engine").field("most", &most).field("alive", &alive).finish_non_exhaustive()
    }
}

fn config(options: EngineOptions) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.wasm_component_model(true);
    // No guest of ours is concurrent within itself, and its bookkeeping makes every call slower.
    config.concurrency_support(false);
    // Two guests of one engine see the same results on every machine.
    config.cranelift_nan_canonicalization(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    config
}

/// Counts for components of many modules: one made from Python or JavaScript links a dozen core instances.
fn pool(options: EngineOptions) -> PoolingAllocationConfig {
    let instances = options.instances;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .max_component_instance_size(1 << 20)
        .max_core_instances_per_component(128)
        .max_memories_per_component(4)
        .max_tables_per_component(32)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .max_core_instance_size(4 << 20)
        .total_memories(instances)
        .max_memories_per_module(4)
        .max_memory_size(usize::try_from(MAX_MEMORY).unwrap_or(usize::MAX))
        .total_tables(instances.saturating_mul(TABLES))
        .max_tables_per_module(8)
        .table_elements(100_000)
        .total_stacks(instances)
        // A reused page that was kept is cheaper than one given back and faulted in again.
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10)
        // Costs more than it gives for small guests.
        .pagemap_scan(Enabled::No);
    pool
}

fn linker(wasm: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(wasm);
    // All that `worlds.wit` has a stage import.
    clock::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    limits::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    lookups::add_to_linker(&mut linker)?;
    message::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    services::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    telemetry::add_to_linker::<_, HasSelf<State>>(&mut linker, |state| state)?;
    Ok(linker)
}
