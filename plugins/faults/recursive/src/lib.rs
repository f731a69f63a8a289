//! A stage that calls itself until the stack ends: the host must take it as a trap.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The stage; it has no configuration.
#[derive(Deserialize)]
pub struct Recursive {}

impl Plugin for Recursive {
    fn handle(&self, call: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        Ok(Outcome::proceed().attribute("depth", descend(call.callee.len() as u64).to_string()))
    }
}

export!(Recursive);

/// Goes down without end; the addition after the call keeps it from being turned into a loop.
#[expect(unconditional_recursion, reason = "what this stage is for")]
fn descend(depth: u64) -> u64 {
    std::hint::black_box(descend(std::hint::black_box(depth + 1))) + 1
}
