//! A stage that takes memory without end: the host's memory limit must end it.

use serde::Deserialize;
use trunkline_plugin::{Call, Error, Host, Outcome, Plugin, export};

/// The stage; it has no configuration.
#[derive(Deserialize)]
pub struct Allocates {}

impl Plugin for Allocates {
    fn handle(&self, _: &Call, _: &dyn Host) -> Result<Outcome, Error> {
        let mut hoard: Vec<Vec<u8>> = Vec::new();
        loop {
            // Written to and looked at, so that no compiler leaves it out.
            hoard.push(std::hint::black_box(vec![0xA5; 1 << 20]));
        }
    }
}

export!(Allocates);
