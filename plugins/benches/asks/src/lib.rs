//! A stage that asks one question and proceeds: what the way into a guest, to a row in memory and back costs.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The stage.
#[derive(Deserialize)]
pub struct Asks {
    /// Exact, by the number that is called.
    table: String,
}

impl Plugin for Asks {
    fn handle(&self, call: &Call, host: &dyn Host) -> Result<Outcome, Error> {
        match host.lookup(&self.table, &call.callee) {
            Ok(Some(_)) => Ok(Outcome::proceed()),
            Ok(None) => Ok(Outcome::reject(404, "no row")),
            Err(_) => Ok(Outcome::reject(503, "no answer")),
        }
    }
}

export!(Asks);
