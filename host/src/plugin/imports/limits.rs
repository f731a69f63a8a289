//! `limits`: rates and permits. Those of a stage that fails are given back with its state.

use crate::plugin::bindings::trunkline::routing::limits::Host;
use crate::plugin::state::State;

/// Permits that one call can hold of one stage: what a guest may pile up.
const MAX_PERMITS: usize = 32;

impl Host for State {
    fn take_rate(&mut self, key: String, per_second: u32) -> bool {
        let Some(call) = &self.call else { return false };
        self.lent.limits.take_rate(&key, per_second, call.started)
    }

    fn take_permit(&mut self, key: String, max: u32) -> bool {
        let Some(call) = &mut self.call else { return false };
        if call.permits.len() >= MAX_PERMITS {
            return false;
        }
        let permit = self.lent.limits.take_permit(&key, max, call.started);
        let taken = permit.is_some();
        call.permits.extend(permit);
        taken
    }
}
