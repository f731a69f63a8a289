//! `limits`: rates and permits. Those of a stage that fails are given back with its state.

use crate::plugin::bindings::trunkline::routing::limits::Host;
use crate::plugin::recorded::Asked;
use crate::plugin::state::State;
use crate::plugin::trace::story::{Answer, Question};

/// Permits that one call can hold of one stage: what a guest may pile up.
const MAX_PERMITS: usize = 32;

impl Host for State {
    fn take_rate(&mut self, key: String, per_second: u32) -> bool {
        // Who is told again takes nothing: what was granted once is not granted twice.
        if let Some((recording, _)) = self.told() {
            return recording.rate(&key).unwrap_or_else(|| {
                recording.withhold(Asked::Rate { key, granted: true });
                true
            });
        }
        let Some(call) = &self.call else { return false };
        let open = self.ask(|| Question::TakeRate { key: key.clone(), per_second });
        let taken = self.lent.limits.take_rate(&key, per_second, call.started);
        self.write_down(|recording| recording.heard_rate(&key, taken));
        if let Some(open) = open {
            open.hear(Answer::Granted(taken));
        }
        taken
    }

    fn take_permit(&mut self, key: String, max: u32) -> bool {
        if let Some((recording, _)) = self.told() {
            return recording.permit(&key).unwrap_or_else(|| {
                recording.withhold(Asked::Permit { key, granted: true });
                true
            });
        }
        let open = self.ask(|| Question::TakePermit { key: key.clone(), max });
        let taken = self.permit(&key, max);
        self.write_down(|recording| recording.heard_permit(&key, taken));
        if let Some(open) = open {
            open.hear(Answer::Granted(taken));
        }
        taken
    }
}

impl State {
    fn permit(&mut self, key: &str, max: u32) -> bool {
        let Some(call) = &mut self.call else { return false };
        if call.permits.len() >= MAX_PERMITS {
            return false;
        }
        let permit = self.lent.limits.take_permit(key, max, call.started);
        let taken = permit.is_some();
        call.permits.extend(permit);
        taken
    }
}
