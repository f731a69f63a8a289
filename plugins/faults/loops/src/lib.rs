//! A stage that never ends: the host's fuel or deadline must end it.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The stage; it has no configuration.
#[derive(Deserialize)]
pub struct Loops {}

impl Plugin for Loops {
    fn handle(&self, call: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        let mut turns = call.callee.len() as u64;
        loop {
            turns = std::hint::black_box(turns.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

export!(Loops);
