//! A stage that only proceeds: what the way into a guest and back costs, without any work in it.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The stage; it has no configuration.
#[derive(Deserialize)]
pub struct Proceeds {}

impl Plugin for Proceeds {
    fn handle(&self, _: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        Ok(Outcome::proceed())
    }
}

export!(Proceeds);
