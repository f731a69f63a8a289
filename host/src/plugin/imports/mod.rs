//! What a guest can ask of the host: one file per interface of `wit/`.

mod clock;
mod limits;
pub(super) mod lookups;
mod message;
mod services;
mod telemetry;

use super::bindings::trunkline::routing::types;
use super::state::State;

impl types::Host for State {}
