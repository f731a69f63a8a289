//! Stages as WebAssembly components: loaded once, bounded in everything, and thrown away where they fail.
//!
//! [`Engine`] compiles and holds the pool of memories; [`Stage::load`] makes a component into something that calls can
//! run, and refuses what could never serve one; a [`Runner`] is one stage on one worker, with its warm instances. What a
//! guest can reach is [`Lent`] to it, and nothing else. This module reads no SIP: header fields come through [`Headers`].

pub mod account;
mod bindings;
mod breaker;
mod cache;
mod cancel;
mod component;
mod counters;
mod engine;
mod error;
mod failure;
mod imports;
mod instance;
mod limits;
mod memory;
pub mod rater;
pub mod recorded;
mod runner;
pub mod shadow;
mod stage;
mod state;
mod stats;
pub mod trace;
pub mod trial;
mod version;
pub mod versions;
mod within;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use bindings::trunkline::routing::types as contract;
pub use breaker::BreakerState;
pub use cancel::Cancel;
pub use component::{Component, ComponentFinder, Components};
pub use counters::{Counters, PluginCounters};
pub use engine::{Engine, EngineOptions};
pub use error::LoadError;
pub use failure::Failure;
pub use limits::{Limits, Permit, SharingStats, share as share_limits};
pub(crate) use runner::Runners;
pub use runner::{Run, Runner, Visit};
pub use stage::{Stage, StageSettings};
pub use state::{Headers, Lent};
pub use stats::{Stats, StatsSnapshot};
pub use trace::Trace;
pub use version::CONTRACT_VERSION;
