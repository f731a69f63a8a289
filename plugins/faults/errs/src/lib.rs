//! A stage that fails in order: it answers every call with an error.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The stage; it has no configuration.
#[derive(Deserialize)]
pub struct Errs {}

impl Plugin for Errs {
    fn handle(&self, _: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        Err("this stage fails, as it was made to".into())
    }
}

export!(Errs);
