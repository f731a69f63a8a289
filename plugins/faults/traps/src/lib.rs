//! A stage that panics: its text must reach the log, and nothing but the stage be harmed.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The stage; it has no configuration.
#[derive(Deserialize)]
pub struct Traps {}

impl Plugin for Traps {
    fn handle(&self, call: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        panic!("this stage traps, as it was made to, on the call to {}", call.callee)
    }
}

export!(Traps);
