//! `clock`: the time of the call.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::plugin::bindings::trunkline::routing::clock::Host;
use crate::plugin::state::State;

impl Host for State {
    fn now(&mut self) -> u64 {
        match &self.call {
            Some(call) => call.now,
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64),
        }
    }
}
