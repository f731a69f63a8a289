//! `message`: header fields on demand.

use crate::plugin::bindings::trunkline::routing::message::Host;
use crate::plugin::state::State;

impl Host for State {
    fn header(&mut self, name: String) -> Vec<String> {
        self.call.as_ref().map_or_else(Vec::new, |call| call.headers.values(&name))
    }
}
