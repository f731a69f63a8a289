//! The stage `rate`.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The configuration.
#[derive(Debug, Deserialize)]
pub struct Rate {}

impl Plugin for Rate {
    fn handle(&self, _: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        Ok(Outcome::proceed())
    }
}

export!(Rate);
